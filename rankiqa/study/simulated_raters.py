"""Raters whose noise is known, to try out how pairs are chosen and how scales are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rankiqa.study.vote_file import Answer


@dataclass(frozen=True)
class SimulatedRater:
    """Sees every difference with Gaussian noise, and says what he sees (Thurstone's case V).

    Attributes:
        noise: standard deviation of what he adds to a difference, in the unit of the scores.
        tie: a seen difference below this is none.
        lapse: share of answers that are left or right at random.
        pull: what he adds to the left one, in the unit of the scores.
        bias, scatter: what he adds to every rating, and the standard deviation of its noise.
    """

    noise: float
    tie: float = 0.0
    lapse: float = 0.0
    pull: float = 0.0
    bias: float = 0.0
    scatter: float = 0.5

    def compare(self, left: float, right: float, draw: np.random.Generator) -> Answer:
        """His answer to two photos with these scores."""
        if draw.random() < self.lapse:
            return "left" if draw.random() < 0.5 else "right"
        seen = left - right + self.pull + self.noise * draw.standard_normal()
        if abs(seen) < self.tie:
            return "tie"
        return "left" if seen > 0 else "right"

    def rate(self, quality: float, draw: np.random.Generator) -> int:
        """His rating, 1 to 5, of a photo of this quality on that scale."""
        return int(np.clip(np.round(quality + self.bias + self.scatter * draw.standard_normal()), 1, 5))
