"""A score that agrees with pairs: a rising multiple of a known score, and a linear map of features beside it.

A rater prefers photo i to photo j with the probability σ(s_i − s_j), as the pair losses have it (`rankiqa.losses`), and

    s = slope · known + features · w,    slope ≥ 0,  slope ~ N(2, 2²),  w ~ N(0, deviation²)

where the known score is that of the model which is tuned. Without votes w is 0: the score that is known already. The
deviation says how far votes may lead away from it. The loss is convex, so there is one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import expit

from rankiqa.datasets.pairs import Pairs

SLOPE = 2.0  # of a score of spread 1 that people about agree with; also how far from it may be
_STEPS = 300
_SMALLEST = 1e-9  # share of the largest eigenvalue below which a direction is rounding
# Directions of the features, the largest ones: the time is then that of the photos, not of their square. The others are
# held back most by the prior anyway.
_MOST = 500


@dataclass(frozen=True)
class Features:
    """Features of N photos, in coordinates in which as many are enough as there are photos; and 500 for more of these.

    Attributes:
        centre: (D,) their mean over the photos.
        size: the root mean square length of what is left: at a deviation of 1 a score differs by about 1.
        rotated: (N, R) coordinates of the photos, with the same products of any two, but for what 500 leave out.
        back: (D, R) from weights there to weights of the centred features by their size.
    """

    centre: np.ndarray
    size: float
    rotated: np.ndarray
    back: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Features:
        """Of (N, D) features."""
        values = np.asarray(values, np.float64)
        centre = values.mean(0)
        away = values - centre
        size = float(np.sqrt((away**2).sum(1).mean())) or 1.0
        away /= size
        # A penalised map lies in the span of the photos: N numbers tell it, however many features there are.
        count, width = away.shape
        tall = count > width  # then a map has no more numbers than features
        products = away.T @ away if tall else away @ away.T
        most = min(_MOST, len(products))
        eigenvalues, vectors = eigh(products, subset_by_index=(len(products) - most, len(products) - 1))
        kept = eigenvalues > max(eigenvalues[-1], 1e-30) * _SMALLEST
        roots, vectors = np.sqrt(eigenvalues[kept]), vectors[:, kept]
        if tall:
            return cls(centre, size, away @ vectors, vectors)
        return cls(centre, size, vectors * roots, away.T @ (vectors / roots))


@dataclass(frozen=True)
class PreferenceFit:
    """What was learned: s = slope · known + rotated · weights.

    Attributes:
        slope: ≥ 0, of the known score.
        weights: (R,) of the rotated features; empty where none were learned.
    """

    slope: float
    weights: np.ndarray

    def scores(self, known: np.ndarray, features: Features | None) -> np.ndarray:
        """(N,) of the photos, higher is better, in the unit of the logit of a preference."""
        found = self.slope * known
        return found if features is None or not len(self.weights) else found + features.rotated @ self.weights


def fit_preferences(
    pairs: Pairs,
    known: np.ndarray,
    features: Features | None = None,
    deviation: float = 0.0,
    start: PreferenceFit | None = None,
) -> PreferenceFit:
    """Learn from pairs.

    Args:
        pairs: over the N photos.
        known: (N,) the score that is known, higher is better, of a spread of about 1.
        features: of the N photos; None: the slope alone is learned.
        deviation: of what the features add to a score, ≥ 0, in logits.
        start: where to begin; the result does not depend on it.
    """
    count = len(known)
    rotated = np.zeros((count, 0)) if features is None or deviation == 0 else features.rotated * deviation
    prior = np.zeros(1 + rotated.shape[1])
    prior[0] = SLOPE  # a few votes that all agree with the known score would let it rise for ever
    precision = np.ones(len(prior))
    precision[0] = SLOPE**-2
    begin = prior.copy()
    if start is not None:
        begin[0] = start.slope
        if len(start.weights) == rotated.shape[1] > 0:
            begin[1:] = start.weights / deviation

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        scores = at[0] * known + rotated @ at[1:]
        difference = scores[pairs.better] - scores[pairs.worse]
        away = (at - prior) * precision
        value = pairs.weight @ np.logaddexp(0, -difference) + 0.5 * (away @ (at - prior))
        pull = -pairs.weight * expit(-difference)
        of_photo = np.bincount(pairs.better, pull, count) - np.bincount(pairs.worse, pull, count)
        return float(value), np.concatenate([[of_photo @ known], rotated.T @ of_photo]) + away

    bounds: Sequence[tuple[float | None, float | None]] = [(0.0, None)] + [(None, None)] * rotated.shape[1]
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS}).x
    return PreferenceFit(float(found[0]), found[1:] * deviation)


def log_losses(scores: np.ndarray, pairs: Pairs) -> np.ndarray:
    """(P,) minus the logarithm of the probability of each row, in nats; log 2 is a guess."""
    return np.logaddexp(0, scores[pairs.worse] - scores[pairs.better])
