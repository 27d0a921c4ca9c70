"""Votes as arrays, and the unknowns that explain them: what `rankiqa.study.joint` is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Observations:
    """Votes as arrays; photos and raters are numbers.

    Attributes:
        photos, raters: how many of each.
        left, right, better, by: (m,) comparisons: +1 the left one is better, −1 the right one, 0 a tie; and whose.
        orders: photos of each order, best first.
        ordered_by: whose they are.
        rated: (k,) photos with a rated quality.
        quality, error: (k,) that and its standard error.
    """

    photos: int
    raters: int
    left: np.ndarray
    right: np.ndarray
    better: np.ndarray
    by: np.ndarray
    orders: Sequence[Sequence[int]]
    ordered_by: np.ndarray
    rated: np.ndarray
    quality: np.ndarray
    error: np.ndarray

    @cached_property
    def orders_by_length(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Orders of as many photos as arrays, (orders, length), best first, and (orders,) whose they are."""
        length = np.array([len(order) for order in self.orders], dtype=int)
        alike = [np.flatnonzero(length == each) for each in np.unique(length)]
        photos = (np.array([self.orders[int(k)] for k in rows], dtype=int) for rows in alike)
        return tuple((some, self.ordered_by[rows]) for some, rows in zip(photos, alike, strict=True))


@dataclass(frozen=True)
class Unknowns:
    """What the votes are explained by.

    Attributes:
        scores: (photos,).
        slope: (raters,) β; the geometric mean is 1.
        pull: (raters,) γ, above 0: to the left.
        ties: Davidson's ν.
        offset, gain: from a score to the scale of the ratings.
    """

    scores: np.ndarray
    slope: np.ndarray
    pull: np.ndarray
    ties: float
    offset: float
    gain: float
