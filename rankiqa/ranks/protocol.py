"""What training, validation and reports ask of ranked images, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from rankiqa.images.photos import Photo
from rankiqa.judge import Judge


class Ranks(Protocol):
    """Photos at rising levels of distortion: on disk (`RankedSet`), or distorted when asked for (`OnlineSet`)."""

    @property
    def folder(self) -> Path:
        """Where it comes from, for messages."""

    @property
    def references(self) -> tuple[str, ...]:
        """The names of the photos, sorted."""

    @property
    def distortions(self) -> tuple[str, ...]:
        """The types, in the registry's order."""

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        """From each type to its levels, rising; 0, the pristine image, is the first."""

    @property
    def photos(self) -> dict[str, Photo]:
        """The photo of each reference; `InputError` for one that cannot be read."""

    @property
    def fingerprint(self) -> dict[str, str]:
        """What must be the same for a run to go on with it, by name."""

    def select(self, references: Iterable[str]) -> Ranks:
        """The same with these references only."""

    def image(self, reference: str, distortion: str, level: int) -> np.ndarray:
        """A whole image, uint8 H×W×3, always the same. It may be read-only."""

    def draw_level(self, reference: str, distortion: str, level: int, seed: int = 0) -> float:
        """The level of a crop: `level` itself, or one drawn from `seed` near it, where strengths are continuous."""

    def crop(
        self, reference: str, distortion: str, level: float, size: int, rng: np.random.Generator, seed: int = 0
    ) -> np.ndarray:
        """A size×size part of an image at a place drawn from `rng`; noise that is made anew draws from `seed`.

        `level` is what `draw_level` gave.
        """

    def check_judge(self, judge: Judge) -> None:
        """Raise `InputError`, or `MissingExtra`, for a judge that `judged_crop` cannot ask."""

    def judged_crop(
        self,
        judge: Judge,
        reference: str,
        distortion: str,
        level: float,
        size: int,
        rng: np.random.Generator,
        seed: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `crop`, and the (M,) values of `judge`, higher is better: of the crop, or of the whole image on disk."""
