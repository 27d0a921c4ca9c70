"""The distortion types by name. A new type is a function, its levels in `levels`, and an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rankiqa.distortions import levels
from rankiqa.distortions.blur import gaussian_blur
from rankiqa.distortions.compression import jpeg, jpeg2000
from rankiqa.distortions.noise import gaussian_noise
from rankiqa.errors import InputError

_PAPER = "RankIQA, ICCV 2017, supplement"


@dataclass(frozen=True)
class Distortion:
    """One way to make an image worse.

    Attributes
    ----------
    name
        Short name: folder and `distortion` column of a ranked set.
    function
        `f(image, strength, rng) -> image`, uint8 H×W×3 in and out; never changes its input, and gives the
        same pixels for the same three arguments.
    title
        Name for readers.
    tid2013
        Number of the type in TID2013, 1–24.
    unit
        How a strength reads, with its unit; `{}` stands for the number.
    source
        Where the strengths were published.
    levels
        From table name to strengths, mildest first: level 1 is the first, level 0 the pristine image.
    """

    name: str
    function: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    title: str
    tid2013: int
    unit: str
    source: str
    levels: Mapping[str, tuple[float, ...]]

    def __call__(self, image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
        """Distort uint8 H×W×3 RGB; raises `InputError` for any other array."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InputError(f"{self.name} takes uint8 H×W×3, not {image.dtype} {'×'.join(map(str, image.shape))}")
        return self.function(image, strength, rng)

    def label(self, strength: float) -> str:
        """The strength for readers, such as `σ 2.5 px`."""
        return self.unit.format(f"{strength:.3g}" if strength < 1000 else f"{strength:.0f}")


DISTORTIONS: dict[str, Distortion] = {
    distortion.name: distortion
    for distortion in (
        Distortion("GB", gaussian_blur, "Gaussian blur", 8, "σ {} px", _PAPER, levels.GAUSSIAN_BLUR),
        Distortion("GN", gaussian_noise, "Gaussian noise", 1, "variance {}", _PAPER, levels.GAUSSIAN_NOISE),
        Distortion("JPEG", jpeg, "JPEG", 10, "quality {}", _PAPER, levels.JPEG_QUALITY),
        Distortion("JP2K", jpeg2000, "JPEG 2000", 11, "ratio {}", _PAPER, levels.JPEG2000_RATIO),
    )
}

SETS: dict[str, tuple[str, ...]] = {"live": ("GB", "GN", "JPEG", "JP2K")}


def resolve(text: str) -> tuple[Distortion, ...]:
    """The distortions that `text` names: a set ("live") or names with commas ("GB,JPEG").

    Raises
    ------
    InputError
        A name is unknown (the message lists those that are known) or given twice, or there is none.
    """
    names = SETS.get(text) or [name.strip() for name in text.split(",")]
    for position, name in enumerate(names):
        if name not in DISTORTIONS:
            known = ", ".join([*SETS, *DISTORTIONS])
            raise InputError(f"unknown distortion {name!r}; known: {known}")
        if name in names[:position]:
            raise InputError(f"distortion {name!r} is given twice; name each once")
    return tuple(DISTORTIONS[name] for name in names)
