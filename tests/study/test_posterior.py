"""The posterior of comparisons, against choix, SciPy's minimiser, numeric derivatives and Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from rankiqa.study import posterior
from rankiqa.study.posterior import Votes, fit, information, log_likelihood, with_vote

N = 12


def votes_of(draw: np.random.Generator, scores: np.ndarray, number: int, ties: float) -> Votes:
    """Answers of raters who follow the model."""
    left = draw.integers(0, len(scores), number)
    right = (left + draw.integers(1, len(scores), number)) % len(scores)
    d = scores[left] - scores[right]
    shares = np.stack([np.exp(d / 2), np.exp(-d / 2), np.full(number, ties)])
    place = (draw.random(number) * shares.sum(0) > np.cumsum(shares, axis=0)).sum(0)
    return Votes(left, right, np.array([1.0, -1.0, 0.0])[place])


def test_without_ties_and_prior_it_is_choix():
    choix = pytest.importorskip("choix")
    votes = votes_of(np.random.default_rng(0), np.linspace(-1.5, 1.5, N), 300, 0.0)
    won = [(a, b) if w > 0 else (b, a) for a, b, w in zip(votes.left, votes.right, votes.better, strict=True)]
    known = choix.opt_pairwise(N, won)
    found = fit(votes, np.zeros(N), 1e4).mean
    assert found - found.mean() == pytest.approx(known - known.mean(), abs=1e-4)


def test_it_is_the_maximum_of_the_whole_log_posterior():
    """Davidson's probabilities written out, with ties, weights and a prior, left to SciPy without derivatives."""
    draw = np.random.default_rng(1)
    plain = votes_of(draw, np.linspace(-2, 2, N), 80, 0.7)
    votes = Votes(plain.left, plain.right, plain.better, draw.integers(1, 4, 80).astype(float))
    prior, deviation, nu = draw.normal(size=N), 1.3, 0.7

    def against(scores: np.ndarray) -> float:
        a, b = np.exp(scores[votes.left]), np.exp(scores[votes.right])
        tie = nu * np.sqrt(a * b)
        chosen = np.select([votes.better > 0, votes.better < 0], [a, b], tie)
        return -float(votes.weight @ np.log(chosen / (a + b + tie))) + np.sum((scores - prior) ** 2) / 2 / deviation**2

    found = fit(votes, prior, deviation, nu)
    assert log_likelihood(votes, prior, nu) == pytest.approx(-against(prior), rel=1e-12)
    known = minimize(against, prior, method="BFGS", options={"gtol": 1e-7})
    assert found.mean == pytest.approx(known.x, abs=1e-5)
    step, hessian = 1e-4, np.zeros((N, N))
    for j in range(N):
        for k in range(N):
            ends = [found.mean + step * (a * np.eye(N)[j] + b * np.eye(N)[k]) for a in (1, -1) for b in (1, -1)]
            hessian[j, k] = (against(ends[0]) - against(ends[1]) - against(ends[2]) + against(ends[3])) / 4 / step**2
    assert found.covariance == pytest.approx(np.linalg.inv(hessian), rel=1e-3, abs=1e-4)


def test_intervals_hold_what_they_promise():
    draw = np.random.default_rng(2)
    inside = []
    for _ in range(40):
        scores = draw.normal(0, 2, N)
        found = fit(votes_of(draw, scores, 200, 0.0), np.zeros(N), 2.0)
        inside.append(np.abs(scores - found.mean) < 1.96 * np.sqrt(found.covariance.diagonal()))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_vote_by_vote_comes_near_to_all_at_once():
    votes = votes_of(np.random.default_rng(3), np.linspace(-2, 2, N), 60, 0.0)
    step, whole = fit(votes.first(0), np.zeros(N), 2.0), fit(votes, np.zeros(N), 2.0)
    for k in range(1, 61):
        step = with_vote(step, votes.first(k), np.zeros(N), 2.0)
    assert step.mean == pytest.approx(whole.mean, abs=0.02)
    assert step.covariance.diagonal() == pytest.approx(whole.covariance.diagonal(), rel=0.35)  # those at the ends move


@pytest.mark.parametrize("ties", [0.0, 0.8])
def test_information_is_the_mutual_information(ties: float):
    """Monte Carlo: the mean of log p(answer | difference) / p(answer) over draws of both."""
    draw = np.random.default_rng(4)
    for mean, variance in ((0.0, 1.0), (1.0, 0.3), (-2.0, 4.0)):
        d = mean + np.sqrt(variance) * draw.standard_normal(200_000)
        shares = np.stack([np.exp(d / 2), np.exp(-d / 2), np.full(len(d), ties)])
        shares /= shares.sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(shares > 0, shares * np.log(shares / shares.mean(1, keepdims=True)), 0)
        known = terms.sum(0).mean()
        assert information(np.array([mean]), np.array([variance]), ties)[0] == pytest.approx(known, rel=0.02)
        _, spread = posterior.expectation(d, ties)
        known = spread.mean() / 4
        found = posterior.expected_curvature(np.array([mean]), np.array([variance]), ties)[0]
        assert found == pytest.approx(known, rel=0.03)


def test_a_pair_is_in_order_as_often_as_the_posterior_says():
    draw = np.random.default_rng(5)
    known = fit(votes_of(draw, np.linspace(-2, 2, N), 60, 0.0), np.zeros(N), 2.0)
    scores = draw.multivariate_normal(known.mean, known.covariance, 50_000)
    left, right = np.triu_indices(N, 1)
    agreed = np.mean(np.sign(scores[:, left] - scores[:, right]) == np.sign(known.mean[left] - known.mean[right]), 0)
    assert known.in_order(left, right) == pytest.approx(agreed, abs=0.01)
