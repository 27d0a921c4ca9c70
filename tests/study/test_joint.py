"""The one log posterior of comparisons, orders and ratings: written out vote by vote, and left to SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.stats import norm, spearmanr

from rankiqa.study.joint import SPREAD, Joint
from rankiqa.study.observations import Observations
from rankiqa.study.posterior import JOD, Votes, fit

N, R = 7, 3


def seen(draw: np.random.Generator, comparisons: int = 40) -> Observations:
    """Votes of all kinds, drawn without any model."""
    left = draw.integers(0, N, comparisons)
    orders = [draw.permutation(N)[:size].tolist() for size in (2, 5, 3)]
    return Observations(
        N,
        R,
        left,
        (left + draw.integers(1, N, comparisons)) % N,
        draw.integers(-1, 2, comparisons).astype(float),
        draw.integers(0, R, comparisons),
        orders,
        np.array([0, 2, 1]),
        np.array([0, 2, 3, 6]),
        draw.uniform(1, 5, 4),
        draw.uniform(0.2, 0.6, 4),
    )


def log_posterior(vector: np.ndarray, votes: Observations) -> float:
    """One vote after the other, from the probabilities themselves."""
    s, raw, pull = vector[:N], vector[N : N + R], vector[N + R : N + 2 * R]
    tie, offset, gain = vector[N + 2 * R :]
    slope = np.exp(raw) / np.exp(raw.mean())
    total = 0.0
    for a, b, better, r in zip(votes.left, votes.right, votes.better, votes.by, strict=True):
        d = slope[r] * (s[a] - s[b]) + pull[r]
        weights = {1: np.exp(d / 2), -1: np.exp(-d / 2), 0: np.exp(tie)}
        total += np.log(weights[int(better)] / sum(weights.values()))
    for order, r in zip(votes.orders, votes.ordered_by, strict=True):
        for place in range(len(order)):
            rest = np.exp(slope[r] * s[order[place:]])
            total += np.log(rest[0] / rest.sum())
    for photo, quality, error in zip(votes.rated, votes.quality, votes.error, strict=True):
        total += norm.logpdf(quality, offset + np.exp(gain) * s[photo], error)
    total += norm.logpdf(s, 0, SPREAD).sum() + norm.logpdf(raw, 0, 0.5).sum() + norm.logpdf(pull, 0, 0.5).sum()
    return total + norm.logpdf(tie, np.log(0.5), 2) + norm.logpdf(offset, 3, 10) + norm.logpdf(gain, np.log(0.5), 1)


def whole(joint: Joint, vector: np.ndarray) -> np.ndarray:
    """The curvature as one matrix."""
    bent = joint.curvature(vector)
    return np.block([[bent.inner.toarray(), bent.border], [bent.border.T, bent.corner]])


def covariance(joint: Joint, vector: np.ndarray) -> np.ndarray:
    """Of all unknowns."""
    return np.linalg.inv(whole(joint, vector))


def test_value_gradient_and_curvature_are_those_of_the_votes_one_by_one():
    draw = np.random.default_rng(0)
    votes = seen(draw)
    joint, first, second = Joint(votes), *draw.normal(size=(2, N + 2 * R + 3))
    there = [joint.value(at)[0] for at in (first, second)]
    assert there[0] - there[1] == pytest.approx(log_posterior(second, votes) - log_posterior(first, votes), abs=1e-9)
    slope = approx_fprime(first, log_posterior, 1e-7, votes)
    assert joint.value(first)[1] == pytest.approx(-slope, abs=1e-4)
    steps = 1e-5 * np.eye(len(first))
    bent = [(joint.value(first + step)[1] - joint.value(first - step)[1]) / 2e-5 for step in steps]
    assert whole(joint, first) == pytest.approx(np.array(bent), abs=1e-6)


def test_the_fit_is_the_top_and_the_intervals_its_curvature():
    votes = seen(np.random.default_rng(1))
    joint = Joint(votes)
    top = joint.fit()
    assert approx_fprime(top, log_posterior, 1e-6, votes) == pytest.approx(0, abs=1e-3)
    columns = [approx_fprime(top + step, log_posterior, 1e-5, votes) for step in np.eye(len(top)) * 1e-3]
    back = [approx_fprime(top - step, log_posterior, 1e-5, votes) for step in np.eye(len(top)) * 1e-3]
    known = np.linalg.inv(-(np.array(columns) - np.array(back)) / 2e-3)
    assert covariance(joint, top) == pytest.approx((known + known.T) / 2, rel=0.02, abs=0.02)
    assert joint.curvature(top).variances() == pytest.approx(known.diagonal(), rel=0.02)


def test_a_fit_that_begins_elsewhere_ends_at_the_same_top():
    draw = np.random.default_rng(4)
    joint = Joint(seen(draw, 200))
    top = joint.fit()
    assert joint.fit(draw.normal(0, 3, len(top))) == pytest.approx(top, abs=1e-7)
    found = minimize(joint.value, np.zeros(len(top)), jac=True, method="BFGS", options={"gtol": 1e-8})
    assert top == pytest.approx(found.x, abs=1e-6)


def test_one_rater_without_ties_is_the_model_that_pairs_are_chosen_with():
    draw = np.random.default_rng(2)
    votes = seen(draw, 60)
    nothing = np.zeros(0)
    alone = Observations(
        N, 1, votes.left, votes.right, np.where(votes.better > 0, 1.0, -1.0), np.zeros(60, int), [],
        np.zeros(0, int), np.zeros(0, int), nothing, nothing,
    )  # fmt: skip
    joint = Joint(alone)
    joint._precision[N + 1] = 1e9  # no pull to a side
    score, error = joint.on_a_scale(joint.fit())
    known = fit(Votes(alone.left, alone.right, alone.better), np.zeros(N), SPREAD)
    assert score == pytest.approx((known.mean - known.mean.mean()) / JOD, abs=1e-4)
    middle = np.eye(N) - 1 / N
    assert error == pytest.approx(np.sqrt((middle @ known.covariance @ middle).diagonal()) / JOD, rel=1e-3)


def test_scores_slopes_and_pulls_that_were_simulated_are_found():
    draw = np.random.default_rng(3)
    scores, slope, pull = draw.normal(0, 2, 40), np.array([2.0, 1.0, 0.5]), np.array([0.0, 0.9, -0.5])
    left, by = draw.integers(0, 40, 3000), draw.integers(0, 3, 3000)
    right = (left + draw.integers(1, 40, 3000)) % 40
    d = slope[by] * (scores[left] - scores[right]) + pull[by]
    better = np.where(draw.random(3000) < 1 / (1 + np.exp(-d)), 1.0, -1.0)
    rated = np.arange(0, 40, 2)
    quality = 3 + 0.4 * scores[rated] + draw.normal(0, 0.2, 20)
    joint = Joint(Observations(40, 3, left, right, better, by, [], np.zeros(0, int), rated, quality, np.full(20, 0.2)))
    vector = joint.fit()
    found = joint.unknowns(vector)
    assert found.slope == pytest.approx(slope, rel=0.2)
    assert found.pull == pytest.approx(pull, abs=0.25)
    assert found.gain == pytest.approx(0.4, rel=0.2)
    score, error = joint.on_a_scale(vector)
    assert spearmanr(score, scores).statistic > 0.97
    away = (score - 3 - 0.4 * scores) / error
    assert np.sqrt(np.mean(away**2)) == pytest.approx(1, abs=0.35)
    # The delta method, written out.
    change = np.zeros((40, len(vector)))
    change[:, :40] = found.gain * np.eye(40)
    change[:, -2], change[:, -1] = 1, found.gain * found.scores
    assert error == pytest.approx(np.sqrt((change @ covariance(joint, vector) @ change.T).diagonal()))
