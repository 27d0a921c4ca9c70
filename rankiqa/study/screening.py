"""Raters whose ratings scatter to both sides of everybody else's: the screening of ITU-R BT.500."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_OFTEN, _ONE_SIDED = 0.05, 0.3


@dataclass(frozen=True)
class Screening:
    """What BT.500 says of each rater.

    Attributes:
        outside: (raters,) share of his ratings that lie far from the mean of all, (P + Q) / n.
        one_sided: (raters,) |P − Q| / (P + Q): 1 if all of those lie on one side, which is bias and no carelessness;
            NaN where there are none.
        rejected: (raters,) more than 5 % outside, and one-sided by less than .3.
    """

    outside: np.ndarray
    one_sided: np.ndarray
    rejected: np.ndarray


def screen(photo: np.ndarray, rater: np.ndarray, score: np.ndarray) -> Screening:
    """ITU-R BT.500-15, Annex 1, 2.3.1, of (m,) ratings with the numbers of photos and raters, from 0.

    Ratings of a photo whose kurtosis is 2 to 4 count as normal: outside are those two standard deviations from their
    mean; of others those √20. A rater who rated not all photos is judged by those he rated.
    """
    outside = np.zeros(len(score))  # +1 above, −1 below
    for one in np.unique(photo):
        here = np.flatnonzero(photo == one)
        rest = score[here] - score[here].mean()
        variance = np.mean(rest**2)
        if variance == 0:
            continue
        normal = 2 <= np.mean(rest**4) / variance**2 <= 4
        far = np.sqrt((4 if normal else 20) * variance)
        outside[here] = np.where(rest >= far, 1, np.where(rest <= -far, -1, 0))
    raters = int(rater.max()) + 1
    own = np.bincount(rater, minlength=raters)
    above, below = np.bincount(rater, outside > 0, raters), np.bincount(rater, outside < 0, raters)
    with np.errstate(invalid="ignore"):
        share, side = (above + below) / own, np.abs(above - below) / (above + below)
        return Screening(share, side, (share > _OFTEN) & (side < _ONE_SIDED))
