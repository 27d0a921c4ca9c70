"""How far raters agree with each other, and one with himself: Krippendorff's alpha."""

from __future__ import annotations

import numpy as np


def alpha(unit: np.ndarray, value: np.ndarray, *, distance: bool = False) -> float:
    """Krippendorff's alpha of (m,) judgements: 1 is perfect agreement, 0 what chance gives, below 0 contradiction.

    K. Krippendorff, Computing Krippendorff's alpha-reliability (2011): 1 − observed / expected disagreement, of the
    pairs of judgements of one thing and of all pairs of judgements. Any number of judgements of a thing will do; things
    that one alone judged do not count. (The library krippendorff is under the GPL.)

    Args:
        unit: (m,) what was judged.
        value: (m,) how.
        distance: whether values that differ more disagree more (the interval metric, for ratings), or all that differ
            do so alike (nominal, for comparisons).

    Returns:
        NaN where nothing was judged twice; 1 where all judgements are the same.
    """
    unit, place = np.unique(unit, return_inverse=True)
    values, code = np.unique(value, return_inverse=True)
    counts = np.zeros((len(unit), len(values)))
    np.add.at(counts, (place, code), 1)
    counts = counts[counts.sum(1) > 1]
    if not len(counts):
        return float("nan")
    differ = (values[:, None] - values) ** 2.0 if distance else 1.0 - np.eye(len(values))
    each, total = counts.sum(1), counts.sum(0)
    observed = np.sum(((counts @ differ) * counts).sum(1) / (each - 1))
    expected = total @ differ @ total / (total.sum() - 1)
    return float(1 - observed / expected) if expected else 1.0
