"""What a distortion is: a function of an image, its strengths, and what is known of it."""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rankiqa.distortions.scale import Scale
from rankiqa.errors import InputError

Function = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

# What happens to a photo on its way, in this order.
STAGES = ("scene", "lens", "sensor", "processing", "scaling", "saving")

RANKIQA = "RankIQA, ICCV 2017, supplement"


@dataclass(frozen=True)
class Distortion:
    """One way to make an image worse.

    Attributes:
        name: Short name: folder and `distortion` column of a ranked set.
        function: `f(image, strength, rng) -> image`, uint8 H×W×3 in and out; never changes its input, and gives the
            same pixels for the same three arguments.
        title: Name for readers.
        unit: How a strength reads, with its unit; `{}` stands for the number.
        levels: From table name to strengths, mildest first: level 1 is the first, level 0 the pristine image.
        limits: The mildest strength, which changes a photo, and the strongest. The second is the smaller one where less
            is stronger, as for JPEG quality.
        tid2013: Number of the type in TID2013, 1–24, where it has one.
        kadid10k: Number of the type in KADID-10k, 1–25, where it has one.
        source: Where type and strengths were published.
        whole: Only whole numbers are strengths.
        apart: Whole strengths nearer to each other than this may make the same image. The given levels are taken as
            they are; those that come to lie between them are not nearer.
        nested: All levels of a photo draw from one seed, so that the places a level hits are among the next level's,
            and the direction of a motion stays.
        context: What a crop needs around it to be distorted as in the whole image: a number of pixels, or a function
            from strength to that; None for the whole image, where the type looks at all of it.
        grid: Side of the blocks that the type works in, in pixels from the top left corner of the image: a crop is
            widened to whole ones.
        psnr: Whether strengths may be set by PSNR, with the levels "psnr".
        extra: Optional extra of the package that the type needs.
        package: What that extra brings, as it is imported; the extra's name where it is not given.
        stage: Of `STAGES`, where on its way a photo meets the type; None for a type of the laboratory.
        recipe: What the manifest tells of an image beside its strength, from that and its seed: the encoder's version.
    """

    name: str
    function: Function
    title: str
    unit: str
    levels: Mapping[str, tuple[float, ...]]
    limits: tuple[float, float]
    tid2013: int | None = None
    kadid10k: int | None = None
    source: str = RANKIQA
    whole: bool = False
    apart: int = 1
    nested: bool = False
    context: int | Callable[[float], int] | None = 0
    grid: int = 1
    psnr: bool = True
    extra: str | None = None
    package: str | None = None
    stage: str | None = None
    recipe: Callable[[float, int], str] | None = None

    def __call__(self, image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
        """Distort uint8 H×W×3 RGB; `InputError` for any other array, or a strength that there is not."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InputError(f"{self.name} takes uint8 H×W×3, not {image.dtype} {'×'.join(map(str, image.shape))}")
        self.check(strength)
        return self.function(image, strength, rng)

    def check(self, strength: float) -> None:
        """Raise `InputError` for a strength outside `limits`, or not whole where it must be."""
        low, high = sorted(self.limits)
        if not (math.isfinite(strength) and low <= strength <= high):
            raise InputError(f"{self.name}: strength {strength:g} is out of range; from {low:g} to {high:g}")
        if self.whole and strength != int(strength):
            raise InputError(f"{self.name}: strength {strength:g} must be a whole number")

    def check_levels(self, strengths: Sequence[float]) -> None:
        """Raise `InputError` unless `strengths` are possible and each is stronger than the one before."""
        if not strengths:
            raise InputError(f"{self.name}: no strength is given", cure="give at least one")
        for strength in strengths:
            self.check(strength)
        sign = 1 if self.limits[1] > self.limits[0] else -1
        for milder, stronger in itertools.pairwise(strengths):
            if not (stronger - milder) * sign > 0:
                raise InputError(
                    f"{self.name}: strength {stronger:g} after {milder:g} is not stronger",
                    cure=f"give the mildest first ({'less' if sign < 0 else 'more'} is stronger)",
                )

    def label(self, strength: float) -> str:
        """The strength for readers, such as `σ 2.5 px`."""
        return self.unit.format(f"{strength:.3g}" if abs(strength) < 1000 else f"{strength:.0f}")

    def scale(self, table: str | None = None) -> Scale:
        """The line from the mildest to the strongest of the strengths of a table of `levels`; of the first, if None."""
        known = next(iter(self.levels)) if table is None else table
        if known not in self.levels:
            raise InputError(f"{self.name} has no levels {known!r}; there are {', '.join(self.levels)}")
        return self.scale_of(self.levels[known])

    def scale_of(self, strengths: Sequence[float]) -> Scale:
        """The line from the mildest to the strongest of `strengths`, mildest first."""
        return Scale(tuple(strengths), self.whole, self.apart)

    def at(self, t: float, table: str | None = None) -> float:
        """The strength at `t`, from 0, level 1 of a table of `levels`, to 1, its last; the levels lie evenly between.

        A larger `t` is never milder. `InputError` for a `t` outside [0, 1], or a table that there is not.

        >>> from rankiqa.distortions import DISTORTIONS
        >>> DISTORTIONS["JP2K"].at(0.25), round(DISTORTIONS["JP2K"].at(0.3), 1)
        (150, 177.0)
        """
        scale = self.scale(table)
        try:
            return scale.at(t)
        except InputError as error:
            raise error.but(reason=f"{self.name}: {error.reason}") from None

    @property
    def available(self) -> bool:
        """Whether the optional package that the type needs is installed."""
        return self.extra is None or importlib.util.find_spec(self.package or self.extra) is not None
