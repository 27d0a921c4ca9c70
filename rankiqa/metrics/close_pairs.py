"""How often the better of two images gets the higher score, where the two differ little, and where they differ much.

A correlation over all images hides what happens between near ones: most pairs are far apart, and easy. Here all pairs
of n images are divided by the difference of their truth. No pair is held in memory: counting takes O(n log² n).

A share of pairs is a ratio of two U-statistics. Its intervals are those of its linear part in the weights of the
groups, which needs no resampling. With a few dozen groups they are a little wide for close pairs, and too narrow for
shares near 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from rankiqa.errors import InputError
from rankiqa.metrics.intervals import group_codes

SHARES = (1 / 40, 1 / 20, 1 / 10, 1 / 5)  # of the score range: the edges of the bins, if none are given
LEAST_GROUPS = 2
NORMAL = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations
# Two means of votes differ by .45 or by .45 and a rounding: within this share of the first edge, both are on the edge.
SLACK = 1e-9


def default_edges(score_range: Sequence[float]) -> tuple[float, ...]:
    """The edges for scores from `score_range[0]` to `score_range[1]`.

    >>> default_edges((1, 10))
    (0.225, 0.45, 0.9, 1.8)
    """
    return tuple(float(f"{(score_range[1] - score_range[0]) * share:.12g}") for share in SHARES)


def check_edges(edges: Sequence[float], name: str = "edges") -> tuple[float, ...]:
    """The edges as floats; `InputError` with `name` unless they are positive, finite and rising, and at least one."""
    values = tuple(float(edge) for edge in edges)
    if not values or not np.isfinite(values).all() or values[0] <= 0 or (np.diff(values) <= 0).any():
        given = " ".join(f"{value:g}" for value in values) or "nothing"
        raise InputError(f"{name} must be positive and rise, such as 0.1 0.2 0.5, not {given}")
    return values


def close_pairs(
    scores: ArrayLike, truth: ArrayLike, group: ArrayLike | None = None, *, edges: Sequence[float]
) -> list[dict]:
    """The share of pairs in the right order, for each bin of the difference of truth.

    Args:
        scores: (n,), higher is better.
        truth: (n,), higher is better.
        group: (n,) what belongs together, such as the images of one photo; see `rankiqa.metrics.intervals.resamples`.
            Pairs within a group count as any other; the intervals are those of drawing whole groups anew.
        edges: of the bins, in the unit of the truth, rising. The first bin begins above 0: a pair of one truth has no
            order. A difference on an edge belongs to the bin below it; the last bin is open.

    Returns:
        A dict a bin: from, to (None: open), pairs, share of them in order (equal scores are not), low and high of the
        95 % interval, reason. NaN where there is none: no pair in the bin, fewer than two groups, groups that do not
        differ (all pairs in order, say), values that are not finite; `reason` says which.

    Raises:
        InputError: arrays of several lengths, edges that do not rise.

    >>> [(b["pairs"], b["share"]) for b in close_pairs([1, 3, 2], [1, 2, 4], edges=[1.5])]
    [(1, 1.0), (2, 0.5)]
    """
    found = _Counts([scores], truth, group, edges)
    return found.rows("share", found.share[0], found.influence[0], lowest=0)


def close_pairs_difference(
    first: ArrayLike, second: ArrayLike, truth: ArrayLike, group: ArrayLike | None = None, *, edges: Sequence[float]
) -> list[dict]:
    """The share of the first model less that of the second on the same images, a bin each.

    The interval is that of a paired comparison: a group that is hard for both widens it less than the two intervals of
    `close_pairs` suggest.

    Args:
        first: (n,) scores of the first model, higher is better.
        second: (n,) scores of the second.
        truth: (n,), higher is better.
        group: (n,) what belongs together, as for `close_pairs`.
        edges: of the bins, in the unit of the truth, rising.

    Returns:
        A dict a bin as of `close_pairs`, with `difference`, [−1, 1], in place of `share`.

    Raises:
        InputError: arrays of several lengths, edges that do not rise.
    """
    found = _Counts([first, second], truth, group, edges)
    share, influence = found.share, found.influence
    return found.rows("difference", share[0] - share[1], influence[0] - influence[1], lowest=-1)


class _Counts:
    """Pairs of each bin, and for each model the share in order and what a group adds to it."""

    def __init__(
        self, models: Sequence[ArrayLike], truth: ArrayLike, group: ArrayLike | None, edges: Sequence[float]
    ) -> None:
        self.edges = check_edges(edges)
        self.bins = len(self.edges) + 1
        target = np.asarray(truth, dtype=np.float64)
        predictions = [np.asarray(scores, dtype=np.float64) for scores in models]
        if target.ndim != 1 or any(scores.shape != target.shape for scores in predictions):
            shapes = ", ".join(str(array.shape) for array in (*predictions, target))
            raise InputError(f"scores and truth must be (n,) and of one length, not {shapes}")
        codes = group_codes(group, len(target))
        groups = int(codes.max()) + 1 if len(codes) else 0
        self.reason = ""
        for values, name in (*((scores, "predicted score") for scores in predictions), (target, "target value")):
            if not np.isfinite(values).all():
                self.reason = f"a {name} is NaN or infinite"
        few = f"{groups} group{'' if groups == 1 else 's'}, at least {LEAST_GROUPS} are needed"
        self.few = few if groups < LEAST_GROUPS else ""
        self.share = np.full((len(predictions), self.bins), np.nan)
        self.influence = np.full((len(predictions), groups, self.bins), np.nan)
        self.pairs = np.zeros(self.bins, dtype=np.int64)
        if self.reason:
            return
        order = np.argsort(target, kind="stable")
        codes, reach = codes[order], _reach(target[order], self.edges)
        every = np.abs(np.diff(reach, axis=1)).sum(0)  # the bins of an image: later images, and earlier ones
        self.pairs = every.sum(1) // 2
        of_group = _by_group(every, codes, groups)
        for m, scores in enumerate(predictions):
            ordered = _ordered(scores[order], reach)
            with np.errstate(invalid="ignore"):
                self.share[m] = ordered.sum(1) / 2 / self.pairs
                # the derivative of the ratio by the weight of a group: both its sums are over pairs of weights
                self.influence[m] = (_by_group(ordered, codes, groups) - self.share[m] * of_group) / self.pairs

    def rows(self, key: str, values: np.ndarray, influence: np.ndarray, lowest: float) -> list[dict]:
        """A row a bin, of (bins,) values and (groups, bins) influence."""
        found, error = [], np.sqrt((influence**2).sum(0))
        for k, value in enumerate(values.tolist()):
            reason = self.reason or ("" if self.pairs[k] else "no pair in this bin") or self.few
            if not reason and error[k] < 1e-12:
                reason = "the groups do not differ"
            low, high = (np.clip(value + sign * NORMAL * error[k], lowest, 1) for sign in (-1, 1))
            low, high = (float("nan") if reason else float(end) for end in (low, high))
            place = {"from": (0.0, *self.edges)[k], "to": (*self.edges, None)[k], "pairs": int(self.pairs[k])}
            found.append({**place, key: value, "low": low, "high": high, "reason": reason})
        return found


def _reach(truth: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """(2, bins + 1, n) positions in the sorted truth, for each step from 0 over the edges to infinity.

    [0]: where the images begin that are better by more than the step; [1]: where those begin that are worse by at most
    the step.
    """
    steps = np.array([0.0, *edges]) + SLACK * edges[0]
    better = [np.searchsorted(truth, truth + step, "right") for step in steps]
    worse = [np.searchsorted(truth, truth - step, "left") for step in steps]
    every = np.zeros(len(truth), dtype=np.int64)
    return np.array([[*better, every + len(truth)], [*worse, every]])


def _ordered(scores: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(bins, n) how many of the partners of each image, better and worse, are scored in the right order."""
    rank = np.unique(scores, return_inverse=True)[1].reshape(-1)
    better = np.diff(_count_above(rank, reach[0], rank), axis=0)
    # upside down, "above" counts the lower scores
    worse = -np.diff(_count_above(-rank + len(rank), reach[1], -rank + len(rank)), axis=0)
    return better + worse


def _count_above(rank: np.ndarray, ends: np.ndarray, than: np.ndarray) -> np.ndarray:
    """For each of the (m, n) `ends`: how many of rank[:end] are above `than`, (n,).

    `rank`: (n,) integers from 0 to n. The places are cut in blocks of 1, 2, 4, … that are sorted each; rank[:end] is a
    block of each size that its binary digits name.
    """
    places, width = np.arange(len(rank)), len(rank) + 1
    found, size = np.zeros(ends.shape, dtype=np.int64), 1
    while size <= len(rank):
        keys = np.sort(places // size * width + rank)
        start = ends // (2 * size) * (2 * size)
        inside = (ends & size) > 0
        below = np.searchsorted(keys, start // size * width + than, "right")
        found += np.where(inside, start + size - below, 0)
        size *= 2
    return found


def _by_group(counts: np.ndarray, codes: np.ndarray, groups: int) -> np.ndarray:
    """(groups, bins) sums of (bins, n)."""
    return np.stack([np.bincount(codes, row, groups) for row in counts], axis=1)
