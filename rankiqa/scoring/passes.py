"""Which images are scored together: those of one shape, as many as a device computes at once.

On a processor each goes by itself, as its activations fill the caches. A GPU is idle with one: images are gathered for
a few passes, grouped by shape, and their scores come out in the order in which they went in.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from rankiqa.errors import InputError
from rankiqa.images.crops import DENSE

if TYPE_CHECKING:
    from rankiqa.scoring.patches import PatchScores
    from rankiqa.scoring.view import View

PIXELS = 16_000_000  # of one pass on a GPU: 80 images of 512×384, some 4 GB of activations
WINDOW = 4  # passes' worth of pixels among which images of one shape are looked for
MOST = 256  # images in such a window
AHEAD = 64  # images that are read and wait for a GPU
# Since PyTorch 2.5 it has a name of all devices.
OUT_OF_MEMORY: type[RuntimeError] = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)


class ImageTooSmall(InputError):
    """An image that a network cannot take at its native size."""


@dataclass(frozen=True)
class Shown:
    """What a network is shown of a file: (P, 3, H, W) uint8 RGB; and the height and width of its image, pixels."""

    path: str | os.PathLike[str]
    inputs: torch.Tensor
    size: tuple[int, int]

    @property
    def pixels(self) -> int:
        """Of all inputs."""
        return self.inputs.numel() // 3


def together(device: torch.device, view: View) -> bool:
    """Whether images are scored together there; `view` has a mode. Those of any size at all go one by one."""
    return device.type != "cpu" and view.mode not in (DENSE, "native")


class Passes:
    """Scores of images in passes of one shape.

    Args:
        score: of the inputs of some images of one shape.
        many: whether a pass takes more than one.

    Attributes:
        pixels: the most of a pass; less once the device was out of memory.
        ahead: how many images should wait to be scored.
    """

    def __init__(self, score: Callable[[Sequence[torch.Tensor]], list[PatchScores]], many: bool) -> None:
        self._score, self._many, self._said = score, many, False
        self.pixels, self.ahead = PIXELS if many else 1, AHEAD if many else 0

    def over(self, found: Iterable[Shown | InputError]) -> Iterator[PatchScores | InputError]:
        """The scores of each, in order; what is no image passes through.

        Raises:
            InputError: the device's memory does not hold one image.
        """
        window: list[Shown | InputError] = []
        pixels = 0
        for one in found:
            window.append(one)
            pixels += one.pixels if isinstance(one, Shown) else 0
            if pixels >= WINDOW * self.pixels or len(window) >= (MOST if self._many else 1):
                yield from self._window(window)
                window, pixels = [], 0
        yield from self._window(window)

    def _window(self, window: Sequence[Shown | InputError]) -> list[PatchScores | InputError]:
        groups: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        found: dict[int, PatchScores | InputError] = {}
        for place, one in enumerate(window):
            if isinstance(one, Shown):
                groups[tuple(one.inputs.shape)].append(place)
            else:
                found[place] = one
        for places in groups.values():
            images = [one for place in places if isinstance(one := window[place], Shown)]
            found.update(zip(places, self._group(images), strict=True))
        return [found[place] for place in range(len(window))]

    def _group(self, images: list[Shown]) -> Iterator[PatchScores | InputError]:
        while images:
            count = max(1, self.pixels // images[0].pixels)
            some = images[:count]
            try:
                scores = self._score([one.inputs for one in some])
            except ImageTooSmall as error:
                yield from (error.at(one.path) for one in some)
            except OUT_OF_MEMORY:
                if len(some) == 1:
                    raise InputError(
                        "out of memory on the device with this image alone",
                        path=some[0].path,
                        cure="free some, or score on the CPU",
                        options=("device=cpu",),
                    ) from None
                self._halve(some)
                continue
            else:
                yield from (replace(score, size=one.size) for score, one in zip(scores, some, strict=True))
            images = images[count:]

    def _halve(self, images: Sequence[Shown]) -> None:
        """Take half as many from here on, and say so once."""
        count = len(images) // 2
        self.pixels = images[0].pixels * count
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not self._said:
            self._said = True
            line = "note: the device's memory does not hold %d images at once: %d from here on, or fewer (said once)"
            logging.getLogger("rankiqa").warning(line, len(images), count)
