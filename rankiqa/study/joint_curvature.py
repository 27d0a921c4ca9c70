"""The second derivatives of `rankiqa.study.joint`, by the formulas that are written there, as a sparse matrix.

Each vote has a difference or a utility u that is linear in the scores, with the rater's slope β = exp(b). With the
likelihood's first and second derivative in u, the chain rule gives those in the scores, in b and in the pull.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array

from rankiqa.study.bordered import Bordered
from rankiqa.study.observations import Observations, Unknowns
from rankiqa.study.posterior import expectation


@dataclass
class _Entries:
    """Entries of the inner part as they come; the border's and the corner's as dense arrays."""

    border: np.ndarray
    corner: np.ndarray
    rows: list[np.ndarray] = field(default_factory=list)
    columns: list[np.ndarray] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def photos(self, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
        """Of pairs of photos."""
        self.rows.append(rows.ravel())
        self.columns.append(columns.ravel())
        self.values.append(values.ravel())

    def across(self, photo: np.ndarray, other: np.ndarray | int, values: np.ndarray) -> None:
        """Of photos with others."""
        _add(self.border, photo, other, values)

    def others(self, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
        """Of others, both ways round."""
        _add(self.corner, rows, columns, values)
        if rows is not columns:
            _add(self.corner, columns, rows, values)


def _add(to: np.ndarray, rows: np.ndarray, columns: np.ndarray | int, values: np.ndarray) -> None:
    """Add each value at its row and column, which may come more than once."""
    np.add.at(to.reshape(-1), rows * to.shape[1] + columns, values)


def curvature(seen: Observations, now: Unknowns, precision: np.ndarray) -> Bordered:
    """The negative log posterior's second derivatives in its vector; `precision` is the prior's, in its order."""
    n, m = seen.photos, 2 * seen.raters + 3
    found = _Entries(np.zeros((n, m)), np.zeros((m, m)))
    own = np.arange(n)
    found.photos(own, own, precision[:n])
    _comparisons(seen, now, found)
    _orders(seen, now, found)
    _ratings(seen, now, found)
    _centre(found, seen.raters)
    found.corner[np.diag_indices(m)] += precision[n:]
    ends = np.concatenate(found.rows), np.concatenate(found.columns)
    return Bordered(coo_array((np.concatenate(found.values), ends), shape=(n, n)).tocsr(), found.border, found.corner)


def _centre(found: _Entries, raters: int) -> None:
    """From the slopes around their mean to the raw ones: as their gradient, less its mean."""
    slopes = slice(0, raters)
    found.border[:, slopes] -= found.border[:, slopes].mean(1, keepdims=True)
    found.corner[:, slopes] -= found.corner[:, slopes].mean(1, keepdims=True)
    found.corner[slopes] -= found.corner[slopes].mean(0)


def _comparisons(seen: Observations, now: Unknowns, found: _Entries) -> None:
    slope, apart = now.slope[seen.by], now.scores[seen.left] - now.scores[seen.right]
    mean, variance = expectation(slope * apart + now.pull[seen.by], now.ties)
    first, second, tie = (seen.better - mean) / 2, variance / 4, 1 - variance - mean**2
    along, with_ties = slope * apart, -mean * tie / 2  # of the difference in b, and of the curvature in it and in log ν
    each = slope**2 * second
    for a, b, sign in ((0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1)):
        ends = (seen.left, seen.right)
        found.photos(ends[a], ends[b], sign * each)
    slopes, pulls, ties = seen.by, seen.raters + seen.by, 2 * seen.raters
    for photo, sign in ((seen.left, 1), (seen.right, -1)):
        found.across(photo, slopes, sign * slope * (second * along - first))
        found.across(photo, pulls, sign * slope * second)
        found.across(photo, ties, sign * slope * with_ties)
    found.others(slopes, slopes, along * (second * along - first))
    found.others(slopes, pulls, along * second)
    found.others(pulls, pulls, second)
    if now.ties:
        found.others(slopes, np.full_like(slopes, ties), along * with_ties)
        found.others(pulls, np.full_like(pulls, ties), with_ties)
        found.corner[ties, ties] += np.sum(tie * (1 - tie))


def _orders(seen: Observations, now: Unknowns, found: _Entries) -> None:
    """Of each place: the covariance of who takes it, by the shares exp(u) of those left."""
    for photos, by in seen.orders_by_length:
        size, slope = photos.shape[1], now.slope[by][:, None]
        u = slope * now.scores[photos]
        left = np.logaddexp.accumulate(u[:, ::-1], axis=1)[:, ::-1]
        shares = np.exp(np.minimum(u[:, None] - left[:, :, None], 0))  # of each order, at each place, of each photo
        shares *= np.tri(size).T
        second = -np.einsum("oka,okb->oab", shares, shares)
        total = shares.sum(1)
        second[:, np.arange(size), np.arange(size)] += total
        first, along = 1 - total, np.einsum("oab,ob->oa", second, u)
        found.photos(
            np.repeat(photos, size, axis=1), np.tile(photos, (1, size)), second.reshape(len(photos), -1) * slope**2
        )
        found.across(photos, np.broadcast_to(by[:, None], photos.shape), slope * (along - first))
        found.others(by, by, (u * (along - first)).sum(1))


def _ratings(seen: Observations, now: Unknowns, found: _Entries) -> None:
    weight = seen.error**-2.0
    along = now.gain * now.scores[seen.rated]  # of the quality that is expected, in the log gain
    first = weight * (seen.quality - now.offset - along)
    offset, gain = 2 * seen.raters + 1, 2 * seen.raters + 2
    found.photos(seen.rated, seen.rated, now.gain**2 * weight)
    found.across(seen.rated, offset, now.gain * weight)
    found.across(seen.rated, gain, now.gain * (weight * along - first))
    found.corner[offset, offset] += weight.sum()
    found.corner[[offset, gain], [gain, offset]] += weight @ along
    found.corner[gain, gain] += along @ (weight * along - first)
