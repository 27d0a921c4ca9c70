"""How well predicted votes from 1 to 10 agree with those that people gave: the numbers that NIMA reports."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from rankiqa.errors import InputError
from rankiqa.losses import emd
from rankiqa.metrics.correlation import agreement
from rankiqa.votes import mean_of, normalise, std_of

BOUNDARY = 5.0  # a photo is good where its mean is above it
DECIMALS = 9  # of means and standard deviations that are kept
NUMBERS = ("accuracy", "lcc", "srocc", "lcc_std", "srocc_std", "emd")


def vote_numbers(predicted: ArrayLike, votes: ArrayLike) -> dict[str, float | int | str]:
    """Accuracy, correlations of mean and standard deviation, and the earth mover's distance.

    Args:
        predicted: (n, 10) shares of the votes from 1 to 10.
        votes: (n, 10) counts or shares.

    Returns:
        n; `accuracy`, [0, 1], the share of images whose two means are on the same side of 5; `lcc` and `srocc` of the
        means and `lcc_std` and `srocc_std` of the standard deviations, as in `rankiqa.metrics.correlation`; `emd`, [0,
        1], the mean over the images of the distance with r = 1; `reason` and `reason_std` why the correlations are NaN.
        Where a predicted share is not finite, or there is no image, all are.

    Raises:
        InputError: other shapes, and votes that are none, see `rankiqa.votes.normalise`.

    Source: Talebi, Milanfar, "NIMA: Neural Image Assessment", IEEE TIP 2018.
    """
    ours, theirs = np.asarray(predicted, dtype=np.float64), normalise(np.asarray(votes, dtype=np.float64))
    if ours.shape != theirs.shape:
        raise InputError(f"predicted and votes must both be (n, 10), not {ours.shape} and {theirs.shape}")
    # of counts whose means are equal, the means of the shares differ by a rounding
    means, stds = ([of(shares).round(DECIMALS) for shares in (ours, theirs)] for of in (mean_of, std_of))
    of_means, of_stds = agreement(*means), agreement(*stds)
    known = len(theirs) > 0 and bool(np.isfinite(ours).all())
    accuracy = distance = float("nan")
    if known:
        accuracy = float(np.mean((means[0] > BOUNDARY) == (means[1] > BOUNDARY)))
        distance = float(emd(torch.tensor(ours), torch.tensor(theirs), r=1).mean())
    return {
        "n": len(theirs),
        "accuracy": accuracy,
        "lcc": of_means["lcc"],
        "srocc": of_means["srocc"],
        "lcc_std": of_stds["lcc"],
        "srocc_std": of_stds["srocc"],
        "emd": distance,
        "reason": of_means["reason"],
        "reason_std": of_stds["reason"],
    }
