"""How well predicted scores agree with a target: correlations, error, share of ordered pairs.

Pure functions of one-dimensional arrays. Correlations keep their sign: predictions that are upside down give
a negative number. What cannot be computed is NaN, never 0; `agreement` says why.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from rankiqa.errors import InputError

LEAST_VALUES = 3  # two points always correlate perfectly, so a coefficient of two says nothing


def srocc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Spearman's rank-order correlation, [−1, 1]: Pearson's correlation of the ranks, ties averaged.

    >>> round(srocc([1, 2, 3, 4], [1, 4, 9, 8]), 3)
    0.8
    """
    x, y = _vectors(prediction, target)
    return float("nan") if _why_nan(x, y) else _pearson(stats.rankdata(x), stats.rankdata(y))


def lcc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Pearson's linear correlation, [−1, 1], of the values as they are: no logistic fit before it."""
    x, y = _vectors(prediction, target)
    return float("nan") if _why_nan(x, y) else _pearson(x, y)


def krocc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Kendall's rank correlation, [−1, 1], with its correction for ties (tau-b)."""
    x, y = _vectors(prediction, target)
    # the method concerns the p-value alone, which nobody asked for: the asymptotic one costs nothing
    return float("nan") if _why_nan(x, y) else float(stats.kendalltau(x, y, method="asymptotic").statistic)


def rmse(prediction: ArrayLike, target: ArrayLike) -> float:
    """Root of the mean squared difference, [0, ∞), for predictions in the unit of the target."""
    x, y = _vectors(prediction, target)
    return float(np.sqrt(np.mean((x - y) ** 2))) if len(x) and np.isfinite([x, y]).all() else float("nan")


def linear_fit(prediction: ArrayLike, target: ArrayLike) -> np.ndarray:
    """The predictions carried into the unit of the target by the least-squares line; NaN where there is none.

    A ranking score has no scale of its own, so that no difference to the target means anything before this.
    """
    x, y = _vectors(prediction, target)
    if _why_nan(x, y):
        return np.full(len(x), np.nan)
    dx = x - x.mean()
    unit = np.abs(dx).max()  # squares of very large or very small values leave the range of a float
    return y.mean() + dx / unit * (np.dot(dx / unit, y - y.mean()) / np.dot(dx / unit, dx / unit))


def agreement(prediction: ArrayLike, target: ArrayLike) -> dict[str, float | int | str]:
    """All numbers at once: n, srocc, lcc, krocc, rmse, reason.

    `prediction`, `target`: (n,), higher is better in both. The RMSE is that of `linear_fit`: what is left
    after the least-squares line, in the unit of the target. `reason` is empty, or says why the numbers are
    NaN: fewer than three values, values that are not finite, or a side that is constant.
    Different lengths are an `InputError`.

    >>> agreement([0.5, 0.5, 0.5], [1, 2, 3])["reason"]
    'every predicted score is the same'
    """
    x, y = _vectors(prediction, target)
    return {
        "n": len(x),
        "srocc": srocc(x, y),
        "lcc": lcc(x, y),
        "krocc": krocc(x, y),
        "rmse": rmse(linear_fit(x, y), y),
        "reason": _why_nan(x, y),
    }


def ordered_within(scores: ArrayLike, level: ArrayLike, photo: ArrayLike) -> tuple[int, int]:
    """Count the pairs of one photo at two levels whose lower level got the higher score: (ordered, pairs).

    `scores`: (n,), higher is better. `level`: (n,) integers, higher is worse. `photo`: (n,) names or numbers.
    Equal scores are not ordered, neither is a pair with a NaN. O(n log n) for each pair of distinct levels.

    >>> ordered_within([0.9, 0.5, 0.4, 0.6], [0, 1, 0, 1], ["a", "a", "b", "b"])
    (1, 2)
    """
    scores, level, photo = _items(scores, level, photo)
    return _count_ordered(scores, level, np.unique(photo, return_inverse=True)[1].reshape(-1))


def ordered_across(scores: ArrayLike, level: ArrayLike, photo: ArrayLike) -> tuple[int, int]:
    """The same count over the pairs of two *different* photos at two levels."""
    scores, level, photo = _items(scores, level, photo)
    every = _count_ordered(scores, level, np.zeros(len(scores), dtype=np.int64))
    within = ordered_within(scores, level, photo)
    return every[0] - within[0], every[1] - within[1]


def _vectors(prediction: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(prediction, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"prediction and target must be (n,) and of one length, not {x.shape} and {y.shape}")
    return x, y


def _items(scores: ArrayLike, level: ArrayLike, photo: ArrayLike) -> tuple[np.ndarray, ...]:
    arrays = np.asarray(scores, dtype=np.float64), np.asarray(level), np.asarray(photo)
    if arrays[0].ndim != 1 or len({a.shape for a in arrays}) != 1:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise InputError(f"scores, level and photo must be (n,) and of one length, not {shapes}")
    return arrays


def _why_nan(x: np.ndarray, y: np.ndarray) -> str:
    if len(x) < LEAST_VALUES:
        return f"{len(x)} value{'' if len(x) == 1 else 's'}, at least {LEAST_VALUES} are needed"
    for values, name in ((x, "predicted score"), (y, "target value")):
        if not np.isfinite(values).all():
            return f"a {name} is NaN or infinite"
    for values, name in ((x, "predicted score"), (y, "target value")):
        if values.min() == values.max():
            return f"every {name} is the same"
    return ""


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    dx, dy = x - x.mean(), y - y.mean()
    dx, dy = dx / np.abs(dx).max(), dy / np.abs(dy).max()  # keeps the squares inside the range of a float
    r = np.dot(dx, dy) / np.sqrt(np.dot(dx, dx) * np.dot(dy, dy))
    return float(np.clip(r, -1, 1))


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
