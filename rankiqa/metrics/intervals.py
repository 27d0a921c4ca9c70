"""How sure an agreement is: bootstrap intervals, the difference of two models, the spread over splits.

The images of one reference photo share their content, and so their errors: they are no independent witnesses.
All resampling here draws whole groups, such as references, and thus also carries over to photos not yet seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rankiqa.errors import InputError
from rankiqa.metrics import correlation
from rankiqa.metrics.logistic import logistic_fit
from rankiqa.metrics.vectors import vectors, why_undefined

STATISTICS = ("srocc", "krocc", "lcc", "lcc_fitted")
LEAST_GROUPS = 3  # of two groups, half of all resamples hold one group alone
MOST_UNDEFINED = 0.1  # share of resamples in which a statistic may be undefined


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, in the unit of the statistic; both NaN where `reason` says why there is none."""

    low: float
    high: float
    reason: str = ""


@dataclass(frozen=True)
class Difference:
    """A statistic of the first model less that of the second; NaN where `reason` says why.

    `low` and `high` bound the interval, `above_zero`, [0, 1], is the share of resamples in which the first
    agrees better than the second; a tie counts for neither. `difference` alone is kept where only the resamples
    fail.
    """

    difference: float
    low: float
    high: float
    above_zero: float
    reason: str = ""


def resamples(group: ArrayLike | None, n: int, repeats: int, seed: int) -> Iterator[np.ndarray]:
    """Draw as many groups as there are, with replacement, `repeats` times: indices of the images of each draw.

    Groups of several sizes make resamples of several lengths. The same arguments give the same indices.

    Args:
        group: (n,) names or numbers; an empty name is a group of its own; None makes every image one.
        n: how many images there are.
        repeats: how many draws.
        seed: of the draws.

    Yields:
        (m,) indices of images, in [0, n).

    Raises:
        InputError: a `group` of another shape.
    """
    codes = group_codes(group, n)
    sizes = np.bincount(codes)
    images = np.argsort(codes, kind="stable")  # group by group
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        drawn = rng.integers(0, len(sizes), len(sizes))
        size = sizes[drawn]
        ends = np.cumsum(size)
        yield images[np.arange(ends[-1]) + np.repeat(starts[drawn] - (ends - size), size)]


def bootstrap(
    prediction: ArrayLike,
    target: ArrayLike,
    group: ArrayLike | None = None,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    statistics: Sequence[str] = STATISTICS,
) -> dict[str, Interval]:
    """Percentile intervals of statistics of agreement: name → `Interval`.

    Args:
        prediction: (n,), higher is better.
        target: (n,), higher is better.
        group: (n,) what is drawn as a whole, see `resamples`.
        repeats: how many resamples.
        seed: of the draws; one seed draws the same resamples for all statistics.
        level: of the interval, in (0, 1): 0.95 cuts off 2.5 % of the resamples on each side.
        statistics: srocc, krocc, lcc as in `metrics`; lcc_fitted as in `logistic`, with 4 parameters, fitted
            anew to every resample, from the fit to all.

    Returns:
        NaN with the reason where the statistic of all images is undefined, where there are fewer than three
        groups, or where more than a tenth of the resamples leave it undefined (such as a constant side).
        Up to a tenth are left out.

    Raises:
        InputError: different lengths, an unknown statistic, no repeats, or a level outside (0, 1).
    """
    x, y = vectors(prediction, target)
    _check(statistics, repeats, level)
    reason = why_undefined(x, y) or _too_few_groups(group, len(x))
    if reason:
        return {name: Interval(float("nan"), float("nan"), reason) for name in statistics}
    wholes = [_whole(name, x, y) for name in statistics]
    draws = resamples(group, len(x), repeats, seed)
    values = np.array([[whole.function(x[k], y[k]) for whole in wholes] for k in draws])
    return {
        name: _interval(column, level, whole.reason)
        for name, column, whole in zip(statistics, values.T, wholes, strict=True)
    }


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    target: ArrayLike,
    group: ArrayLike | None = None,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    statistic: str = "srocc",
) -> Difference:
    """How much better the first model agrees with the target than the second, on the same images.

    Both are computed on the same resamples, so that a hard draw of images is hard for both: the interval
    of the difference is narrower than the two intervals of `bootstrap` suggest.

    Args:
        first: (n,) scores of the first model, higher is better.
        second: (n,) scores of the second.
        target: (n,), higher is better.
        group: (n,) what is drawn as a whole, see `resamples`.
        repeats: how many resamples.
        seed: of the draws.
        level: of the interval, in (0, 1).
        statistic: one of those of `bootstrap`.

    Returns:
        The difference, NaN with a reason where `bootstrap` has none.

    Raises:
        InputError: different lengths, an unknown statistic, no repeats, or a level outside (0, 1).
    """
    (a, y), (b, _) = vectors(first, target), vectors(second, target)
    _check([statistic], repeats, level)
    nan = float("nan")
    reason = why_undefined(a, y) or why_undefined(b, y) or _too_few_groups(group, len(y))
    if reason:
        return Difference(nan, nan, nan, nan, reason)
    one, two = _whole(statistic, a, y), _whole(statistic, b, y)
    draws = resamples(group, len(y), repeats, seed)
    values = np.array([one.function(a[k], y[k]) - two.function(b[k], y[k]) for k in draws])
    interval = _interval(values, level, one.reason or two.reason)
    above = nan if interval.reason else float(np.mean(values[np.isfinite(values)] > 0))
    return Difference(one.value - two.value, interval.low, interval.high, above, interval.reason)


def over_splits(values: Sequence[float]) -> dict[str, float | int]:
    """Mean, median and std of a statistic over splits, n of them used, and nan: how many were NaN and left out.

    The std divides by n − 1; it is NaN of a single value. Splits share images, so std / √n is no standard error
    of the mean.

    >>> over_splits([0.9, 0.8, float("nan")])["n"]
    2
    """
    each = np.asarray(values, dtype=np.float64).reshape(-1)
    used = each[~np.isnan(each)]
    nan = float("nan")
    return {
        "mean": float(used.mean()) if len(used) else nan,
        "median": float(np.median(used)) if len(used) else nan,
        "std": float(used.std(ddof=1)) if len(used) > 1 else nan,
        "n": len(used),
        "nan": len(each) - len(used),
    }


class _Whole(NamedTuple):
    """A statistic of all images: how to compute it of a resample, its value, and why that is NaN, if it is."""

    function: Callable[[np.ndarray, np.ndarray], float]
    value: float
    reason: str


def _whole(name: str, x: np.ndarray, y: np.ndarray) -> _Whole:
    if name != "lcc_fitted":
        function = getattr(correlation, name)
        return _Whole(function, function(x, y), "")
    fit = logistic_fit(x, y)
    return _Whole(lambda a, b: logistic_fit(a, b, start=fit).lcc, fit.lcc, fit.reason)


def _interval(values: np.ndarray, level: float, reason: str = "") -> Interval:
    if reason:
        return Interval(float("nan"), float("nan"), reason)
    known = values[np.isfinite(values)]
    undefined = len(values) - len(known)
    if undefined > MOST_UNDEFINED * len(values):
        return Interval(float("nan"), float("nan"), f"undefined in {undefined} of {len(values)} resamples")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def group_codes(group: ArrayLike | None, n: int) -> np.ndarray:
    """(n,) integers from 0: the number of each image's group. `InputError` for a `group` of another shape."""
    if group is None:
        return np.arange(n)
    names = np.asarray(group)
    if names.shape != (n,):
        raise InputError(f"group must be ({n},), one name for each image, not {names.shape}")
    codes = np.unique(names.astype(str), return_inverse=True)[1].reshape(-1)
    alone = names.astype(str) == ""
    codes[alone] = n + np.arange(alone.sum())
    return np.unique(codes, return_inverse=True)[1].reshape(-1)


def _too_few_groups(group: ArrayLike | None, n: int) -> str:
    groups = int(group_codes(group, n).max()) + 1 if n else 0
    if groups >= LEAST_GROUPS:
        return ""
    return f"{groups} group{'' if groups == 1 else 's'}, at least {LEAST_GROUPS} are needed"


def _check(statistics: Sequence[str], repeats: int, level: float) -> None:
    for name in statistics:
        if name not in STATISTICS:
            raise InputError(f"no statistic {name!r}; known are {', '.join(STATISTICS)}")
    if repeats < 1:
        raise InputError(f"repeats must be 1 or more, not {repeats}")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, such as 0.95, not {level}")
