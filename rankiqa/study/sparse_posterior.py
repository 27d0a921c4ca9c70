"""The posterior of `rankiqa.study.posterior` without a matrix of all pairs: for thousands of photos.

The curvature of the log posterior is that of a network of resistors: photos are its nodes, votes on a pair conduct
between two of them, and the prior conducts from each to the ground. A photo's variance is its resistance to the ground.
Messages along the votes find it (Gaussian belief propagation: Weiss and Freeman, Neural Computation 2001): exactly
where votes make no loop, and a little too low where they do; with few votes a photo, loops among thousands are long.
The means are exact. Time and memory grow with photos and votes, not with their squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import cg

from rankiqa.study.posterior import Votes, chance_in_order, difference_curvature, gradient

_STEPS, _CLOSE = 50, 1e-4
_ROUNDS, _SETTLED = 100, 1e-4  # of the messages


@dataclass(frozen=True)
class SparsePosterior:
    """Independent Gaussians over the scores of n photos, higher is better; `Posterior` has the units.

    Attributes:
        mean: (n,) the most likely scores.
        variance: (n,) of each.
        ties: Davidson's ν that was assumed.
    """

    mean: np.ndarray
    variance: np.ndarray
    ties: float = 0.0

    def difference(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of score[left] − score[right], as if no votes joined the two."""
        return self.mean[left] - self.mean[right], self.variance[left] + self.variance[right]

    def in_order(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """As `Posterior.in_order`."""
        return chance_in_order(*self.difference(left, right))


def fit_sparse(
    votes: Votes, prior_mean: np.ndarray, prior_deviation: float, ties: float = 0.0, start: np.ndarray | None = None
) -> SparsePosterior:
    """The posterior of what `rankiqa.study.posterior.fit` takes; `start`, (n,), are scores to begin at.

    Those before the last votes are near the ones after them.
    """
    precision = prior_deviation**-2
    scores = np.array(prior_mean if start is None else start, dtype=np.float64)
    for _ in range(_STEPS):
        pull = gradient(votes, scores, ties) - precision * (scores - prior_mean)
        step, _ = cg(_curvature(votes, scores, precision, ties), pull, atol=0.0)
        # A step of Newton's may go too far where the answers of a pair are nearly certain; within 2 it does not.
        scores = scores + step * min(1.0, 2 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < _CLOSE:
            break
    return SparsePosterior(scores, _variances(votes, scores, precision, ties), ties)


def _joined(votes: Votes, scores: np.ndarray, ties: float) -> coo_array:
    """(n, n) what the votes on each pair add to the precision of its difference, both ways round; no entry twice."""
    each = difference_curvature(votes, scores, ties)
    ends = np.r_[votes.left, votes.right], np.r_[votes.right, votes.left]
    joined = coo_array((np.r_[each, each], ends), shape=(len(scores), len(scores)))
    joined.sum_duplicates()
    return joined


def _curvature(votes: Votes, scores: np.ndarray, precision: float, ties: float) -> coo_array:
    joined = _joined(votes, scores, ties)
    return (diags_array(joined.sum(1) + precision) - joined).tocsr()


def _variances(votes: Votes, scores: np.ndarray, precision: float, ties: float) -> np.ndarray:
    """(n,) each node's resistance to the ground; a message says how well a vote grounds one of its ends."""
    joined, n = _joined(votes, scores, ties), len(scores)
    to, come, each = joined.row, joined.col, joined.data  # a message comes along each vote, both ways
    # The message that goes the other way is the same entry of the transpose.
    back = np.empty(len(to), dtype=int)
    back[np.lexsort((to, come))] = np.lexsort((come, to))
    message = np.zeros(len(to))
    for _ in range(_ROUNDS):
        grounded = precision + np.bincount(to, message, n)
        rest = grounded[come] - message[back]  # of the node that it comes from, but for what this vote brings there
        new = each * rest / (each + rest)  # the vote and the node in series
        settled = np.abs(new - message).max(initial=0) < _SETTLED * precision
        message = new
        if settled:
            break
    return 1 / (precision + np.bincount(to, message, n))
