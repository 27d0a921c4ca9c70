"""How many pairs of ranked images are scored in the right order, within a photo and between photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rankiqa.errors import InputError


def ordered_within(scores: ArrayLike, level: ArrayLike, photo: ArrayLike) -> tuple[int, int]:
    """Count the pairs of one photo at two levels whose lower level got the higher score: (ordered, pairs).

    Equal scores are not ordered, neither is a pair with a NaN. O(n log n) for each pair of distinct levels.

    Args:
        scores: (n,), higher is better.
        level: (n,) integers, higher is worse.
        photo: (n,) names or numbers.

    Raises:
        InputError: arrays of several lengths.

    >>> ordered_within([0.9, 0.5, 0.4, 0.6], [0, 1, 0, 1], ["a", "a", "b", "b"])
    (1, 2)
    """
    scores, level, photo = _items(scores, level, photo)
    return _count_ordered(scores, level, np.unique(photo, return_inverse=True)[1].reshape(-1))


def ordered_across(scores: ArrayLike, level: ArrayLike, photo: ArrayLike) -> tuple[int, int]:
    """As `ordered_within`, (ordered, pairs), over the pairs of two *different* photos at two levels."""
    scores, level, photo = _items(scores, level, photo)
    every = _count_ordered(scores, level, np.zeros(len(scores), dtype=np.int64))
    within = ordered_within(scores, level, photo)
    return every[0] - within[0], every[1] - within[1]


def _items(scores: ArrayLike, level: ArrayLike, photo: ArrayLike) -> tuple[np.ndarray, ...]:
    arrays = np.asarray(scores, dtype=np.float64), np.asarray(level), np.asarray(photo)
    if arrays[0].ndim != 1 or len({a.shape for a in arrays}) != 1:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise InputError(f"scores, level and photo must be (n,) and of one length, not {shapes}")
    return arrays


def _count_ordered(scores: np.ndarray, level: np.ndarray, group: np.ndarray) -> tuple[int, int]:
    """(ordered, pairs) over all pairs of one `group` (integers from 0) whose levels differ."""
    if not len(scores):
        return 0, 0
    # one integer sorts by group, then by score; a NaN gets the key −1, as a partner that never counts
    _, rank = np.unique(scores, return_inverse=True)
    width = len(scores) + 1
    key = group.astype(np.int64) * width + rank.reshape(-1)
    key[np.isnan(scores)] = -1
    groups = int(group.max()) + 1
    levels = np.unique(level)
    keys = [np.sort(key[level == k]) for k in levels]
    sizes = [np.bincount(group[level == k], minlength=groups) for k in levels]
    ordered = pairs = 0
    for worse in range(1, len(levels)):
        known = keys[worse][keys[worse] >= 0]
        group_ends = (known // width + 1) * width
        for better in range(worse):
            above = np.searchsorted(keys[better], group_ends) - np.searchsorted(keys[better], known, "right")
            ordered += int(above.sum())
            pairs += int(np.dot(sizes[better], sizes[worse]))
    return ordered, pairs
