"""What a network is shown of an image, as one thing that travels from the command line to the crop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rankiqa.errors import InputError
from rankiqa.images.crops import DENSE, FULL, LEAST_SIDE, MODES, WHOLE, check_small

if TYPE_CHECKING:
    from torch import nn

PATCHES = 30  # of the paper


@dataclass(frozen=True)
class View:
    """What a network is shown of an image.

    The same image and the same view give the same inputs, in any order, batch and process.

    Attributes:
        patches: how many crops, of the modes "random" and "grid" (there at most; see
            `rankiqa.images.crops.crop_positions`).
        mode: "whole", the whole image at its own size in one pass, reduced if its longer side has more than 1,024 px
        (by
            areas, to 1,024); "random" or "grid" crops; "dense", every window of the features of the whole image (see
            `rankiqa.scoring.dense`), where the network allows it; "resize", the whole image, resized to the square of
            the crop's side whatever its shape (bilinear); "native", the whole image as it is, however large. None: the
            network's own, which is whole for one that ends in statistics of its stages
            (`rankiqa.models.statistics`), random for others that rank, resize for NIMA.
        seed: of the random places, at least 0; the other modes do not use it.
        small: what becomes of an image smaller than the crop, in the mode "whole" than 64 px: "reflect" continues it
            beyond its borders as in a mirror; "resize" enlarges it (bicubic) until it is as large, which softens it and
            so changes what is judged; "error" refuses it. The modes "resize" and "native" take any size.

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
            from rankiqa.models.parts import check_dense

            check_dense(model)
        return replace(self, mode=mode, patches=1 if mode in (DENSE, *WHOLE) else self.patches)

    @property
    def is_whole(self) -> bool:
        """Whether the image is seen once; of a view that has a mode."""
        return self.mode in WHOLE

    def least(self, crop: int) -> int:
        """The side in pixels below which an image is small, by a network of this crop; of a view with a mode."""
        return LEAST_SIDE if self.mode == FULL else 1 if self.is_whole else crop
