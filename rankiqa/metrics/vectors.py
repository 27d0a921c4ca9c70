"""What every number of agreement does first: take two vectors, and say why there is no number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rankiqa.errors import InputError

LEAST_VALUES = 3  # two points always correlate perfectly, so a coefficient of two says nothing


def vectors(prediction: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 arrays (n,), in the given order; `InputError` for other shapes and for different lengths."""
    x, y = np.asarray(prediction, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"prediction and target must be (n,) and of one length, not {x.shape} and {y.shape}")
    return x, y


def why_undefined(x: np.ndarray, y: np.ndarray) -> str:
    """Why no correlation of `vectors` can be computed, in words; empty where one can."""
    if len(x) < LEAST_VALUES:
        return f"{len(x)} value{'' if len(x) == 1 else 's'}, at least {LEAST_VALUES} are needed"
    for values, name in ((x, "predicted score"), (y, "target value")):
        if not np.isfinite(values).all():
            return f"a {name} is NaN or infinite"
    for values, name in ((x, "predicted score"), (y, "target value")):
        if values.min() == values.max():
            return f"every {name} is the same"
    return ""


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation, [−1, 1], of two (n,) arrays that are finite and not constant."""
    dx, dy = x - x.mean(), y - y.mean()
    dx, dy = dx / np.abs(dx).max(), dy / np.abs(dy).max()  # keeps the squares inside the range of a float
    r = np.dot(dx, dy) / np.sqrt(np.dot(dx, dx) * np.dot(dy, dy))
    return float(np.clip(r, -1, 1))
