"""Votes from 1 to 10: their mean and spread, and a distribution where only those are known."""

from __future__ import annotations

import numpy as np

from rankiqa.errors import InputError

VOTES = 10
VOTE_COLUMNS = tuple(f"vote{k}" for k in range(1, VOTES + 1))  # of a data set's table: the counts
SCALE = np.arange(1, VOTES + 1, dtype=np.float64)
# A mean at the very end of the scale has one distribution only; targets keep this far from it.
MARGIN = 0.05


def normalise(counts: np.ndarray, what: str = "votes") -> np.ndarray:
    """(n, 10) shares that sum to 1, of (n, 10) counts or shares.

    Args:
        counts: (n, 10), counts of the votes 1 … 10, or shares of any sum.
        what: what an error calls them.

    Raises:
        InputError: another number of columns, a negative or no finite count, or votes that sum to zero; of several
            rows the row is named, from 1.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[1] != VOTES:
        shape = f"{counts.shape[1]} columns" if counts.ndim == 2 else f"shape {counts.shape}"
        raise InputError(f"{what}: {shape}, but votes from 1 to {VOTES} need {VOTES}")
    total = counts.sum(1)
    for bad, why in (
        (~np.isfinite(total) | (counts < 0).any(1), "a count is negative or not finite"),
        (total == 0, "they sum to zero"),
    ):
        if bad.any():
            row = f", row {np.flatnonzero(bad)[0] + 1}" if len(counts) > 1 else ""
            raise InputError(f"{what}{row}: {why}")
    return counts / total[:, None]


def mean_of(votes: np.ndarray) -> np.ndarray:
    """(n,) means in [1, 10] of (n, 10) shares."""
    return np.asarray(votes, dtype=np.float64) @ SCALE


def std_of(votes: np.ndarray) -> np.ndarray:
    """(n,) standard deviations in [0, 4.5] of (n, 10) shares, over the votes as they are (divided by their number)."""
    votes = np.asarray(votes, dtype=np.float64)
    mean = votes @ SCALE
    return np.sqrt(np.maximum(((SCALE - mean[:, None]) ** 2 * votes).sum(1), 0))


def maximum_entropy(mean: np.ndarray, std: float | np.ndarray | None = None) -> np.ndarray:
    """(n, 10) shares with the given means and standard deviations, and as even as these allow.

    For data sets that publish a mean opinion score and no votes. The distribution of largest entropy is
    p_i ∝ exp(a·i + b·i²); a and b are found by Newton's method. The NIMA paper does so for TID2013 (section II).

    Args:
        mean: (n,) in [1, 10]; moved to [1.05, 9.95], where a distribution can have some spread.
        std: one, or (n,), above 0; moved to what a distribution on 1 … 10 with that mean can have. None: whatever the
            largest entropy gives, 2.87 in the middle of the scale.

    Raises:
        InputError: a mean outside of 1–10, or a standard deviation that is not above 0.
    """
    mean = np.asarray(mean, dtype=np.float64)
    if mean.ndim != 1 or not np.isfinite(mean).all() or ((mean < 1) | (mean > VOTES)).any():
        raise InputError(f"the mean of votes must be 1 to {VOTES}")
    mean = np.clip(mean, 1 + MARGIN, VOTES - MARGIN)
    moments = [mean]
    if std is not None:
        std = np.broadcast_to(np.asarray(std, dtype=np.float64), mean.shape)
        if not (std > 0).all():
            raise InputError("the standard deviation of votes must be above 0")
        part = mean - np.floor(mean)
        least, most = part * (1 - part), (mean - 1) * (VOTES - mean)
        variance = np.clip(std**2, least + 0.005 * (most - least), least + 0.995 * (most - least))
        moments.append(variance)
    return np.array([_solve(*row) for row in zip(*moments, strict=True)])


def _solve(mean: float, variance: float | None = None) -> np.ndarray:
    """The ten shares of one image. The dual is convex: a damped Newton step always leads down."""
    x = (SCALE - mean) / 3  # of the order of one
    features = x[:, None] if variance is None else np.stack([x, x**2 - variance / 9], axis=1)

    def dual(weights: np.ndarray) -> tuple[float, np.ndarray]:
        exponent = features @ weights
        top = exponent.max()
        share = np.exp(exponent - top)
        return top + np.log(share.sum()), share / share.sum()

    weights = np.zeros(features.shape[1])
    value, share = dual(weights)
    for _ in range(200):
        gradient = features.T @ share
        if np.abs(gradient).max() < 1e-10:
            break
        hessian = (features * share[:, None]).T @ features - np.outer(gradient, gradient)
        step = np.linalg.solve(hessian + 1e-12 * np.eye(len(weights)), gradient)
        size = 1.0
        while size > 1e-8:
            new, new_share = dual(weights - size * step)
            if new <= value - 1e-4 * size * (gradient @ step):
                break
            size /= 2
        weights, value, share = weights - size * step, new, new_share
    return share
