"""How often the photo that people prefer has the higher score, how sure that is, and how often it could be.

Pairs that share a photo are no independent witnesses: its score is wrong in all of them at once. The intervals count
that in, by the variance of a mean over pairs of photos (dyads) whose errors go together where they share one.

Source: Aronow, Samii, Assenova, "Cluster-robust variance estimation for dyadic data", Political Analysis 2015.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rankiqa.errors import InputError
from rankiqa.metrics.intervals import group_codes

NORMAL = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True)
class Mean:
    """A weighted mean over pairs and its standard error; both NaN where there is no pair."""

    value: float
    error: float
    pairs: int

    @property
    def interval(self) -> tuple[float, float]:
        """From and to: 95 %, of a normal distribution."""
        return self.value - NORMAL * self.error, self.value + NORMAL * self.error


def mean_over_pairs(
    values: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    weight: ArrayLike | None = None,
    group: ArrayLike | None = None,
) -> Mean:
    """The mean of a value of each pair, with the standard error of pairs that share photos.

    Args:
        values: (P,) of the pairs.
        first: (P,) integers, the numbers of their one photo.
        second: (P,) integers, those of the other.
        weight: (P,) ≥ 0; None: all alike.
        group: (N,) names of what belongs together, of each photo; None: each photo by itself.

    Raises:
        InputError: arrays of several lengths.

    >>> round(mean_over_pairs([1.0, 0.0, 1.0, 1.0], [0, 2, 4, 6], [1, 3, 5, 7]).error, 4)  # √(p(1 − p)/n)
    0.2165
    """
    x, i, j = np.asarray(values, np.float64), np.asarray(first, np.int64), np.asarray(second, np.int64)
    w = np.ones(len(x)) if weight is None else np.asarray(weight, np.float64)
    if x.ndim != 1 or not x.shape == i.shape == j.shape == w.shape:
        raise InputError("values, first, second and weight must all be (P,)")
    if not w.sum() > 0:
        return Mean(math.nan, math.nan, 0)
    value = float(w @ x / w.sum())
    if group is not None:
        codes = group_codes(group, len(np.asarray(group)))
        i, j = codes[i], codes[j]
    error = w * (x - value)
    width = int(max(i.max(), j.max())) + 1
    of_photo = np.bincount(i, error, width) + np.bincount(j, error * (i != j), width)
    _, dyad = np.unique(np.minimum(i, j) * width + np.maximum(i, j), return_inverse=True)
    of_dyad = np.bincount(dyad, error)
    inside = np.bincount(dyad, i == j) > 0  # both of one group: counted once above
    variance = (of_photo**2).sum() - (of_dyad[~inside] ** 2).sum()
    # By chance it can come out below that of pairs that have nothing to do with each other.
    variance = max(variance, (of_dyad**2).sum())
    return Mean(value, float(math.sqrt(variance)) / float(w.sum()), len(x))


def right(scores: ArrayLike, better: ArrayLike, worse: ArrayLike) -> np.ndarray:
    """(P,) 1 where the better photo of a pair has the higher score, 0 where the lower one, ½ for equal scores.

    Args:
        scores: (N,), higher is better.
        better: (P,) integers, the places of the better ones.
        worse: (P,) integers, those of the worse ones.
    """
    s = np.asarray(scores, np.float64)
    return (np.sign(s[np.asarray(better, np.int64)] - s[np.asarray(worse, np.int64)]) + 1) / 2


def ceiling(agreement: float) -> float:
    """The share of votes that the best of all scores could get right, at most, if two votes on a pair agree so often.

    Where a share p of people prefers the one photo, two votes agree with probability p² + (1 − p)², and whoever knows
    p is right max(p, 1 − p) of the time: (1 + √(2·agreement − 1))/2 where p is the same for all pairs. Where it differs
    it is less (Jensen), but never less than the agreement itself.

    Args:
        agreement: [0, 1], the share of pairs of votes on one pair of photos that agree; NaN: unknown.

    >>> round(ceiling(0.8), 3)
    0.887
    """
    return math.nan if math.isnan(agreement) else (1 + math.sqrt(max(0.0, 2 * agreement - 1))) / 2


@dataclass(frozen=True)
class Agreement:
    """How often two votes on the same two photos say the same.

    Attributes:
        share: [0, 1]; NaN where no pair was asked for twice.
        pairs: how many were.
    """

    share: float
    pairs: int

    @classmethod
    def of(cls, shares: ArrayLike) -> Agreement:
        """Of (Q,) shares, one for each two photos that were voted on more than once; each counts once."""
        found = np.asarray(shares, np.float64)
        return cls(float(found.mean()) if len(found) else math.nan, len(found))

    @property
    def interval(self) -> tuple[float, float]:
        """From and to: 95 %, by Wilson's score; a share of a pair that is neither 0 nor 1 makes it a little wide."""
        n, z = max(self.pairs, 1), NORMAL
        middle = (self.share + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(self.share * (1 - self.share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return middle - half, middle + half

    def facts(self) -> dict[str, object]:
        """Everything, for JSON; None for what is not known."""
        if not self.pairs:
            return {"pairs": 0, "share": None, "interval": None, "ceiling": None}
        found = {"pairs": self.pairs, "share": self.share, "interval": list(self.interval)}
        return found | {"ceiling": [ceiling(self.interval[0]), ceiling(self.share), ceiling(self.interval[1])]}

    def text(self) -> str:
        """For people, in a sentence."""
        if not self.pairs:
            return "No two photos were voted on twice: how far voters agree, and what could be reached, is not known."
        (low, high), best = self.interval, [ceiling(share) for share in (self.share, *self.interval)]
        return (
            f"Voters agree in {self.share:.0%} ({low:.0%} to {high:.0%}) of {self.pairs} pairs that were voted on more "
            f"than once: the best score there can be would have at most {best[0]:.0%} ({best[1]:.0%} to {best[2]:.0%}) "
            "right."
        )
