"""One scale of all votes: comparisons, orders and ratings as observations of the same scores.

With the scores s, higher is better, and of each rater a slope β (small where he is noisy) and a pull γ to the left:

- a comparison follows Davidson's model (`rankiqa.study.posterior`) with the difference β (s_left − s_right) + γ;
- an order, best first, is Plackett and Luce's: each place goes to one of those left, by exp(β s). For two photos that
  is a comparison without ties;
- ratings enter as the quality that the subject model (`rankiqa.study.ratings`) finds in them, with its standard error:
  quality = offset + gain · s + error.

All have Gaussian priors, the gain and the slopes by their logarithm; the mean of log β is 0, so that s has the unit of
the raters' noise: a difference of 1 makes 73 % of answers say the better one. The maximum is found by L-BFGS and
Newton's method, and the curvature in all unknowns gives the covariance of the scores (Laplace's approximation). A scale
holds the slopes at those of `rankiqa.study.rater_slopes`, as they run away when they are fitted with so many scores.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, minimize

from rankiqa.study.bordered import Bordered
from rankiqa.study.joint_curvature import curvature
from rankiqa.study.observations import Observations, Unknowns
from rankiqa.study.posterior import JOD

SPREAD = 2 * JOD  # standard deviation of the scores before any vote
_SLOPE, _PULL = 0.5, 0.5  # standard deviations of log β and γ
_HELD = 1e-4  # that of log β where it is known
_TIES, _TIES_SPREAD = float(np.log(0.5)), 2.0  # mean and standard deviation of log ν
_GAIN, _GAIN_SPREAD = float(np.log(0.5)), 1.0  # of the logarithm of the gain, in points of rating
_OFFSET, _OFFSET_SPREAD = 3.0, 10.0  # of the offset
_FROM_AFAR = {"maxiter": 300}  # of L-BFGS
_STEPS, _CLOSE, _SMALL = 200, 1e-9, 1e-6  # of Newton's method
_FAR = 10.0  # the longest step in any unknown: some are logarithms
_EXACT = 1e-13  # what a number of its size says of a sum


class Joint:
    """The log posterior of all unknowns, as one vector: scores, raw log slopes, pulls, log ν, offset, log gain.

    Args:
        seen: the votes.
        slopes: (raters,) β, where they are known; None: they are fitted with the rest.
        spread: standard deviation of the scores before any vote.
    """

    def __init__(self, seen: Observations, slopes: np.ndarray | None = None, spread: float = SPREAD) -> None:
        self._seen = seen
        n, r = seen.photos, seen.raters
        self._parts = np.cumsum([n, r, r, 1, 1])
        self._tied = bool(np.any(seen.better == 0))
        self._mean = np.r_[np.zeros(n + 2 * r), _TIES, _OFFSET, _GAIN]
        deviation = np.r_[np.full(n, spread), np.full(r, _SLOPE), np.full(r, _PULL)]
        self._precision = np.r_[deviation, _TIES_SPREAD, _OFFSET_SPREAD, _GAIN_SPREAD] ** -2.0
        self._lowest, self._highest = np.full(len(self._mean), -np.inf), np.full(len(self._mean), np.inf)
        if slopes is not None:
            held = slice(n, n + r)
            self._mean[held] = self._lowest[held] = self._highest[held] = np.log(slopes)
            self._precision[held] = _HELD**-2.0

    def unknowns(self, vector: np.ndarray) -> Unknowns:
        """The parts of a vector."""
        scores, slope, pull, ties, offset, gain = np.split(vector, self._parts)
        nu = float(np.exp(ties[0])) if self._tied else 0.0
        return Unknowns(scores, np.exp(slope - slope.mean()), pull, nu, float(offset[0]), float(np.exp(gain[0])))

    def value(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """The negative log posterior, but for a constant, and its gradient."""
        now, rest = self.unknowns(vector), vector - self._mean
        value, slope = 0.5 * float(self._precision @ rest**2), self._precision * rest
        for part in (self._comparisons, self._orders_of, self._ratings):
            more, change = part(now)
            value, slope = value - more, slope - change
        return value, slope

    def of_slopes(self, now: Unknowns) -> tuple[float, np.ndarray]:
        """The log likelihood of comparisons and orders, and its gradient in log β, whose mean may be any here."""
        n, r = self._seen.photos, self._seen.raters
        value, change = self._comparisons(now, centred=False)
        more, with_orders = self._orders_of(now, centred=False)
        return value + more, (change + with_orders)[n : n + r]

    def fit(self, start: np.ndarray | None = None) -> np.ndarray:
        """The vector at the maximum; `start` is a vector near it, if one is known.

        From afar by L-BFGS, whose steps are short where a slope or the gain, which are exponentials, could run away;
        from near by Newton's method, which ends at the top.
        """
        if start is None:
            start = self._mean.copy()
            if len(self._seen.rated):
                start[self._parts[3]] = self._seen.quality.mean()
            bounds = Bounds(self._lowest, self._highest)
            start = minimize(self.value, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_FROM_AFAR).x
        now, (value, slope) = start, self.value(start)
        for _ in range(_STEPS):
            step = -self.curvature(now).solve(slope[:, None])[:, 0]
            gain = -float(slope @ step)  # twice what the step is expected to bring
            size, least = min(1.0, _FAR / max(float(np.abs(step).max()), _FAR)), value + _EXACT * abs(value)
            while not (new := self.value(now + size * step))[0] <= least and size > _SMALL:  # nor is what is no number
                size /= 2
            if size <= _SMALL:  # nothing is higher: this is the top, as exactly as numbers go
                break
            now, (value, slope) = now + size * step, new
            if gain < _CLOSE:
                break
        return now

    def curvature(self, vector: np.ndarray) -> Bordered:
        """The second derivatives of `value`."""
        return curvature(self._seen, self.unknowns(vector), self._precision)

    def on_a_scale(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(photos,) scores and their standard errors: as ratings where there are any, else in JOD around 0."""
        now, n, bent = self.unknowns(vector), self._seen.photos, self.curvature(vector)
        own = bent.variances()
        if len(self._seen.rated):
            ends = self._parts[3:5]  # offset and log gain
            both = np.zeros((len(vector), 2))
            both[ends, [0, 1]] = 1
            of_offset, of_gain = bent.solve(both).T
            score = now.offset + now.gain * now.scores
            steep = now.gain * now.scores  # of the score with the log gain; with the offset it is 1, with s the gain
            variance = now.gain**2 * own[:n] + own[ends[0]] + steep**2 * own[ends[1]]
            variance += 2 * now.gain * (of_offset[:n] + steep * of_gain[:n])
            variance += 2 * steep * of_offset[ends[1]]
            return score, np.sqrt(variance)
        mean = np.zeros((len(vector), 1))
        mean[:n] = 1 / n
        middle = bent.solve(mean)[:n, 0]  # covariance with the mean of all, which is 0 on the scale
        variance = own[:n] - 2 * middle + middle.mean()
        return (now.scores - now.scores.mean()) / JOD, np.sqrt(variance) / JOD

    def _comparisons(self, now: Unknowns, centred: bool = True) -> tuple[float, np.ndarray]:
        seen, change = self._seen, np.zeros(len(self._mean))
        apart = now.scores[seen.left] - now.scores[seen.right]
        chances = log_chances(now.slope[seen.by] * apart + now.pull[seen.by], now.ties)
        tie = np.exp(chances[2])
        pull = (seen.better - np.exp(chances[0]) + np.exp(chances[1])) / 2
        steep = now.slope[seen.by] * pull
        n, r = seen.photos, seen.raters
        change[:n] = np.bincount(seen.left, steep, n) - np.bincount(seen.right, steep, n)
        along = np.bincount(seen.by, steep * apart, r)
        change[n : n + r] = _centred(along) if centred else along
        change[n + r : n + 2 * r] = np.bincount(seen.by, pull, r)
        change[n + 2 * r] = np.sum((seen.better == 0) - tie)
        chosen = np.where(seen.better > 0, chances[0], np.where(seen.better < 0, chances[1], chances[2]))
        return float(chosen.sum()), change

    def _orders_of(self, now: Unknowns, centred: bool = True) -> tuple[float, np.ndarray]:
        """Plackett and Luce: log p = Σ over places of u − log Σ exp(u of those left), with u = β s."""
        total, change = 0.0, np.zeros(len(self._mean))
        n, r = self._seen.photos, self._seen.raters
        for photos, by in self._seen.orders_by_length:
            slope, scores = now.slope[by][:, None], now.scores[photos]
            u = slope * scores
            left = np.logaddexp.accumulate(u[:, ::-1], axis=1)[:, ::-1]
            pull = 1 - np.exp(u + np.logaddexp.accumulate(-left, axis=1))
            change[:n] += np.bincount(photos.ravel(), (slope * pull).ravel(), n)
            along = np.bincount(by, (u * pull).sum(1), r)
            change[n : n + r] += _centred(along) if centred else along
            total += float(np.sum(u - left))
        return total, change

    def _ratings(self, now: Unknowns) -> tuple[float, np.ndarray]:
        seen, change = self._seen, np.zeros(len(self._mean))
        away = (seen.quality - now.offset - now.gain * now.scores[seen.rated]) / seen.error
        pull = away / seen.error
        change[: seen.photos] = np.bincount(seen.rated, now.gain * pull, seen.photos)
        change[self._parts[3]] = pull.sum()
        change[self._parts[4]] = now.gain * (pull @ now.scores[seen.rated])
        return -0.5 * float(away @ away), change


def log_chances(difference: np.ndarray, ties: float) -> np.ndarray:
    """(3, m) logarithms of the probabilities of left, right and tie in Davidson's model."""
    with np.errstate(divide="ignore"):
        weights = np.stack([difference / 2, -difference / 2, np.full(len(difference), np.log(ties))])
    return weights - np.logaddexp(np.logaddexp(weights[0], weights[1]), weights[2])


def _centred(change: np.ndarray) -> np.ndarray:
    """The gradient in raw log slopes of one in the slopes around their mean."""
    return change - change.mean()
