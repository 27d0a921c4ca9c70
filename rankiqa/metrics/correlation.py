"""How well predicted scores agree with a target: correlations and the error.

Pure functions of one-dimensional arrays. Correlations keep their sign: predictions that are upside down give
a negative number. What cannot be computed is NaN, never 0; `agreement` says why.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from rankiqa.metrics.vectors import pearson, vectors, why_undefined


def srocc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Spearman's rank-order correlation, [−1, 1]: Pearson's correlation of the ranks, ties averaged.

    >>> round(srocc([1, 2, 3, 4], [1, 4, 9, 8]), 3)
    0.8
    """
    x, y = vectors(prediction, target)
    return float("nan") if why_undefined(x, y) else pearson(stats.rankdata(x), stats.rankdata(y))


def lcc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Pearson's linear correlation, [−1, 1], of the values as they are: no logistic fit before it."""
    x, y = vectors(prediction, target)
    return float("nan") if why_undefined(x, y) else pearson(x, y)


def krocc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Kendall's rank correlation, [−1, 1], with its correction for ties (tau-b)."""
    x, y = vectors(prediction, target)
    # the method concerns the p-value alone, which nobody asked for: the asymptotic one costs nothing
    return float("nan") if why_undefined(x, y) else float(stats.kendalltau(x, y, method="asymptotic").statistic)


def rmse(prediction: ArrayLike, target: ArrayLike) -> float:
    """Root of the mean squared difference, [0, ∞), for predictions in the unit of the target."""
    x, y = vectors(prediction, target)
    return float(np.sqrt(np.mean((x - y) ** 2))) if len(x) and np.isfinite([x, y]).all() else float("nan")


def linear_fit(prediction: ArrayLike, target: ArrayLike) -> np.ndarray:
    """The predictions carried into the unit of the target by the least-squares line; NaN where there is none.

    A ranking score has no scale of its own, so that no difference to the target means anything before this.
    """
    x, y = vectors(prediction, target)
    if why_undefined(x, y):
        return np.full(len(x), np.nan)
    dx = x - x.mean()
    unit = np.abs(dx).max()  # squares of very large or very small values leave the range of a float
    return y.mean() + dx / unit * (np.dot(dx / unit, y - y.mean()) / np.dot(dx / unit, dx / unit))


def agreement(prediction: ArrayLike, target: ArrayLike) -> dict[str, float | int | str]:
    """All numbers at once: n, srocc, lcc, krocc, rmse, reason.

    Args:
        prediction: (n,), higher is better.
        target: (n,), higher is better.

    Returns:
        The numbers by name. The RMSE is that of `linear_fit`: what is left after the least-squares line, in the unit
        of the target. `reason` is empty, or says why the numbers are NaN: fewer than three values, values that are not
        finite, or a side that is constant.

    Raises:
        InputError: different lengths.

    >>> agreement([0.5, 0.5, 0.5], [1, 2, 3])["reason"]
    'every predicted score is the same'
    """
    x, y = vectors(prediction, target)
    return {
        "n": len(x),
        "srocc": srocc(x, y),
        "lcc": lcc(x, y),
        "krocc": krocc(x, y),
        "rmse": rmse(linear_fit(x, y), y),
        "reason": why_undefined(x, y),
    }
