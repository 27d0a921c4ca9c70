"""What a network is shown of an image, as one thing that travels from the command line to the crop."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from rankiqa.errors import InputError
from rankiqa.images.crops import DENSE, MODES, WHOLE, check_small
from rankiqa.models.parts import parts_of

PATCHES = 30  # of the paper


@dataclass(frozen=True)
class View:
    """What a network is shown of an image.

    The same image and the same view give the same inputs, in any order, batch and process.

    Attributes:
        patches: how many crops, of the modes "random" and "grid" (there at most; see
            `rankiqa.images.crops.crop_positions`).
        mode: "random" or "grid" crops; "dense", every window of the features of the whole image (see
            `rankiqa.scoring.dense`), where the network allows it; "resize", the whole image, resized to the square of
            the crop's side whatever its shape (bilinear); "native", the whole image as it is. None: the network's own,
            which is random for one that was trained on ranks, resize for NIMA.
        seed: of the random places, at least 0; the other modes do not use it.
        small: what becomes of an image smaller than the crop: "reflect" continues it beyond its borders as in a mirror;
            "resize" enlarges it (bicubic) until it holds one crop, which softens it and so changes what is judged;
            "error" refuses it. The modes of a whole image take any size.

    Raises:
        InputError: fewer than one patch, or a mode or a policy that there is not.
    """

    patches: int = PATCHES
    mode: str | None = None
    seed: int = 0
    small: str = "reflect"

    def __post_init__(self) -> None:
        if self.patches < 1:
            raise InputError(f"patches must be at least 1, not {self.patches}")
        if self.mode is not None and self.mode not in MODES:
            raise InputError(f"mode must be one of {', '.join(MODES)}, not {self.mode!r}")
        check_small(self.small)

    def of(self, model: nn.Module) -> View:
        """The view with the model's own mode where none is given, and one patch where the mode has one input.

        Raises:
            InputError: a mode that the model does not allow.
        """
        mode = self.mode or getattr(model, "view", "random")
        if mode == DENSE:
            parts_of(model)
        return replace(self, mode=mode, patches=1 if mode in (DENSE, *WHOLE) else self.patches)

    @property
    def is_whole(self) -> bool:
        """Whether the image is seen once, and whatever its size; of a view that has a mode."""
        return self.mode in WHOLE
