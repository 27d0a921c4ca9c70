"""From a network's score to the scale on which people scored a set: a rising map, learned or fitted."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from rankiqa.models.statistics import HumanScale

STEEPEST = 8.0  # natural logarithm of the slope, in standard deviations of the scores, where a fit ends
FARTHEST = 50.0  # likewise of the offset


class MonotoneMap(nn.Module):
    """low + (high − low) · sigmoid(exp(a) · score + b): any shape → the same, within (low, high).

    It rises whatever its two numbers `a` and `b` are, which learn; both are 0 at the start.

    Args:
        low: the worst of the scale.
        high: its best.
    """

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.a = nn.Parameter(torch.zeros(()))
        self.b = nn.Parameter(torch.zeros(()))

    def forward(self, scores: Tensor) -> Tensor:
        """Any shape → the same, in float32."""
        return self.low + (self.high - self.low) * torch.sigmoid(self.a.exp() * scores.float() + self.b)

    def scale(self) -> HumanScale:
        """The map as it stands."""
        return HumanScale(self.low, self.high, math.exp(self.a.item()), self.b.item())


def fit_scale(scores: np.ndarray, target: np.ndarray, low: float = 0.0, high: float = 1.0) -> HumanScale | None:
    """The map of this form that comes nearest to `target`, by least squares.

    What a map learns along with a network, it learns of scores that dropout scatters, and of crops; this one is of
    scores as they are given.

    Args:
        scores: (n,) of the network.
        target: (n,) of people, higher is better, from `low` to `high`.
        low: the worst of the scale.
        high: its best.

    Returns:
        The map; None for fewer than three scores, or scores that are all one.
    """
    from scipy.optimize import least_squares
    from scipy.special import expit

    scores, target = np.asarray(scores, np.float64), np.asarray(target, np.float64)
    spread = scores.std()
    if len(scores) < 3 or not spread > 0:
        return None
    unit = (scores - scores.mean()) / spread
    share = (target - low) / (high - low)
    middle = np.clip(share.mean(), 0.01, 0.99)
    found = least_squares(
        lambda p: expit(np.exp(p[0]) * unit + p[1]) - share,
        [0.0, np.log(middle / (1 - middle))],
        bounds=([-STEEPEST, -FARTHEST], [STEEPEST, FARTHEST]),
        xtol=1e-12,
        ftol=1e-12,
    )
    slope = float(np.exp(found.x[0]) / spread)
    return HumanScale(low, high, slope, float(found.x[1] - slope * scores.mean()))
