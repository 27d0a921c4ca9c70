"""What comparisons say about a score: a Gaussian posterior of the Bradley–Terry model with ties and a prior.

With the difference d of two scores, Davidson's model (JASA 1970) gives the weights exp(d/2) to "left is better",
exp(−d/2) to "right is better" and ν to a tie; without ties, ν = 0, that is Bradley and Terry's: the left one wins with
the probability 1 / (1 + exp(−d)). The logarithm is concave in the scores, and so is that of a Gaussian prior: there is
one maximum, Newton's method finds it, and the curvature there gives the covariance (Laplace's approximation).

choix fits the model without ties; it has no covariance, no ties and no prior mean, which the choice of pairs and
the intervals need. The tests compare with it where both apply.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, cho_factor, cho_solve, lapack
from scipy.special import ndtr

JOD = float(np.log(3))  # a difference of scores at which 75 % say the better one: one just objectionable difference
_STEPS, _CLOSE, _SMALL = 100, 1e-9, 1e-6
_CLIMBS, _NEAR = 8, 1e-4


@dataclass(frozen=True)
class Votes:
    """Comparisons as arrays; several that are alike may be one row with a weight.

    Attributes:
        left, right: (m,) numbers of photos.
        better: (m,) +1: the left one is better, −1: the right one is, 0: a tie.
        weight: (m,) how many votes a row stands for, or None: one each.
    """

    left: np.ndarray
    right: np.ndarray
    better: np.ndarray
    weight: np.ndarray | None = None

    def first(self, rows: int) -> Votes:
        """The first so many rows."""
        weight = None if self.weight is None else self.weight[:rows]
        return Votes(self.left[:rows], self.right[:rows], self.better[:rows], weight)


@dataclass(frozen=True)
class Posterior:
    """A Gaussian over the scores of n photos, higher is better.

    Attributes:
        mean: (n,) the most likely scores, in units in which a difference of 1 makes 73 % say the better one.
        covariance: (n, n).
        ties: Davidson's ν that was assumed.
    """

    mean: np.ndarray
    covariance: np.ndarray
    ties: float = 0.0

    @property
    def variance(self) -> np.ndarray:
        """(n,) of each score."""
        return self.covariance.diagonal()

    def difference(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of score[left] − score[right]."""
        own = self.variance
        variance = own[left] + own[right] - 2 * self.covariance[left, right]
        return self.mean[left] - self.mean[right], np.maximum(variance, 1e-12)

    def in_order(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The probability, in [.5, 1], that the photo of the higher mean is the better one of each pair."""
        return chance_in_order(*self.difference(left, right))


def chance_in_order(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(m,) the probability, in [.5, 1], that differences with this mean and variance have the sign of their mean."""
    return ndtr(np.abs(mean) / np.sqrt(variance))


def expectation(difference: np.ndarray, ties: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of an answer (+1 left, −1 right, 0 tie) at differences of the score.

    >>> mean, variance = expectation(np.array([0.0]), 0.0)
    >>> float(mean[0]), float(variance[0])
    (0.0, 1.0)
    """
    small = np.exp(-np.abs(difference))  # weights divided by the larger one
    total = 1 + small + ties * np.sqrt(small)
    mean = np.sign(difference) * (1 - small) / total
    return mean, (1 + small) / total - mean**2


def log_likelihood(votes: Votes, scores: np.ndarray, ties: float) -> float:
    """The logarithm of the probability of all votes."""
    d = scores[votes.left] - scores[votes.right]
    with np.errstate(divide="ignore"):
        tie = np.log(ties)
    chosen = np.where(votes.better == 0, tie, votes.better * d / 2)
    each = chosen - np.logaddexp(np.logaddexp(d / 2, -d / 2), tie)
    return float(np.sum(each if votes.weight is None else votes.weight * each))


def fit(
    votes: Votes,
    prior_mean: np.ndarray,
    prior_deviation: float,
    ties: float = 0.0,
) -> Posterior:
    """The posterior of independent Gaussian priors and the votes.

    Args:
        votes: in which the numbers of photos are below n.
        prior_mean: (n,), higher is better.
        prior_deviation: standard deviation of every score around it.
        ties: ν; votes that are ties need one above 0.
    """
    precision = prior_deviation**-2
    scores = np.array(prior_mean, dtype=np.float64)
    if not len(votes.left):
        return Posterior(scores, np.asfortranarray(np.eye(len(scores)) / precision), ties)

    def value(at: np.ndarray) -> float:
        return log_likelihood(votes, at, ties) - 0.5 * precision * float(np.sum((at - prior_mean) ** 2))

    best = value(scores)
    for _ in range(_STEPS):
        step = cho_solve(
            cho_factor(_curvature(votes, scores, precision, ties), lower=True),
            gradient(votes, scores, ties) - precision * (scores - prior_mean),
        )
        size = 1.0
        while (new := value(scores + size * step)) < best and size > _SMALL:
            size /= 2
        if size <= _SMALL:  # nothing is higher: this is the top, as exactly as numbers go
            break
        scores, best = scores + size * step, new
        if np.abs(step).max() < _CLOSE:
            break
    return Posterior(scores, inverse(_curvature(votes, scores, precision, ties)), ties)


def gradient(votes: Votes, scores: np.ndarray, ties: float) -> np.ndarray:
    """(n,) the derivative of the log-likelihood."""
    answer, _ = expectation(scores[votes.left] - scores[votes.right], ties)
    pull = (votes.better - answer) / 2 * (1.0 if votes.weight is None else votes.weight)
    return np.bincount(votes.left, pull, len(scores)) - np.bincount(votes.right, pull, len(scores))


def difference_curvature(votes: Votes, scores: np.ndarray, ties: float) -> np.ndarray:
    """(m,) what each row adds to the precision of its difference: the negative second derivative in it."""
    _, variance = expectation(scores[votes.left] - scores[votes.right], ties)
    return variance / 4 * (1.0 if votes.weight is None else votes.weight)


def _curvature(votes: Votes, scores: np.ndarray, precision: float, ties: float) -> np.ndarray:
    """(n, n) negative second derivative: a weighted Laplacian of the graph of votes, and the prior's precision."""
    n, each = len(scores), difference_curvature(votes, scores, ties)
    graph = np.bincount(votes.left * n + votes.right, each, n * n).reshape(n, n)
    graph = graph + graph.T
    return np.diag(graph.sum(1) + precision) - graph


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse of a symmetric positive definite matrix; a third of the work that solving for all columns is."""
    factor, failed = lapack.dpotrf(matrix, lower=True)
    if failed:
        raise np.linalg.LinAlgError("not positive definite")
    lower, _ = lapack.dpotri(factor, lower=True)
    lower = np.tril(lower)
    return np.asfortranarray(lower + np.tril(lower, -1).T)


def with_vote(known: Posterior, votes: Votes, prior_mean: np.ndarray, prior_deviation: float) -> Posterior:
    """The posterior after one more vote, the last of `votes`, in O(n²) where `fit` takes O(n³).

    The covariance takes a step of rank one with the curvature that is to be expected now, and the scores climb to the
    top of all votes along it. Writes over `known`.
    """
    left, right = int(votes.left[-1]), int(votes.right[-1])
    across = known.covariance[:, left] - known.covariance[:, right]
    curvature = float(expected_curvature(*known.difference(votes.left[-1:], votes.right[-1:]), known.ties)[0])
    scale = -curvature / (1 + curvature * (across[left] - across[right]))
    covariance = blas.dger(scale, across, across, a=known.covariance, overwrite_a=True)
    mean = known.mean
    for _ in range(_CLIMBS):
        step = covariance @ (gradient(votes, mean, known.ties) - (mean - prior_mean) / prior_deviation**2)
        mean = mean + step
        if np.abs(step).max() < _NEAR:
            break
    return Posterior(mean, covariance, known.ties)


def _quadrature(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and shares that give the mean of a function over a standard normal distribution."""
    at, weight = np.polynomial.hermite_e.hermegauss(nodes)
    return at[:, None], weight / weight.sum()


def expected_curvature(mean: np.ndarray, variance: np.ndarray, ties: float = 0.0) -> np.ndarray:
    """(m,) what an answer is expected to add to the precision of a difference with this mean and variance.

    Over the Gaussian, by quadrature; `information` has the arguments.
    """
    nodes, shares = _quadrature(9)
    _, each = expectation(mean + np.sqrt(variance) * nodes, ties)
    return shares @ each / 4


def information(mean: np.ndarray, variance: np.ndarray, ties: float = 0.0) -> np.ndarray:
    """What an answer is expected to tell about a difference, in nats: the mutual information of both.

    The entropy of the answer that is to come, without the part that is the rater's own noise: expected information
    gain as in Hybrid-MST (Li et al., NeurIPS 2018) and ASAP (Mikhailiuk et al., ICPR 2020), here by Gauss–Hermite
    quadrature.

    Args:
        mean: (m,) of the differences.
        variance: (m,) of them.
        ties: Davidson's ν.

    Returns:
        (m,), from 0 to log 2, or log 3 with ties.
    """
    nodes, shares = _quadrature(21)
    half = (mean + np.sqrt(variance) * nodes) / 2
    small = np.exp(-2 * np.abs(half))
    tie = ties * np.sqrt(small)
    total = 1 + small + tie
    outcomes = np.stack([np.where(half > 0, 1, small), np.where(half > 0, small, 1), tie][: 3 if ties else 2]) / total
    expected = np.tensordot(shares, outcomes, (0, 1))
    return _entropy(expected).sum(0) - shares @ _entropy(outcomes).sum(0)


def _entropy(shares: np.ndarray) -> np.ndarray:
    return -shares * np.log(np.maximum(shares, 1e-300))
