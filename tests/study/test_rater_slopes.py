"""Slopes of raters are those that answers were drawn with, where fitting them with the scores does not find them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from rankiqa.study.joint import Joint
from rankiqa.study.observations import Observations
from rankiqa.study.rater_slopes import rater_slopes

NOTHING, NONE = np.zeros(0, int), np.zeros(0)


def drawn(photos, votes, slopes, seed=0, ties=0.5, orders=0):
    """Answers by Davidson's model, and orders of four by Plackett and Luce's, of raters in turn; and the quality."""
    draw = np.random.default_rng(seed)
    quality, raters = draw.normal(0, 1.5, photos), len(slopes)
    left = draw.integers(0, photos, votes)
    right = (left + draw.integers(1, photos, votes)) % photos
    by = np.arange(votes) % raters
    half = slopes[by] * (quality[left] - quality[right]) / 2
    shares = np.stack([np.exp(half), np.full(votes, ties), np.exp(-half)])
    better = 1.0 - (draw.random(votes) * shares.sum(0) > np.cumsum(shares, axis=0)).sum(0)
    ordered_by, rows = np.arange(orders) % raters, []
    for rater in ordered_by:
        some = draw.choice(photos, 4, replace=False)
        rows.append(some[np.argsort(-slopes[rater] * quality[some] - draw.gumbel(size=4))].tolist())
    return Observations(photos, raters, left, right, better, by, rows, ordered_by, NOTHING, NONE, NONE), quality


def away(found, slopes):
    """How far logarithms of slopes are off, root mean square."""
    return np.sqrt(np.mean((np.log(found) - np.log(slopes) + np.log(slopes).mean()) ** 2))


@pytest.mark.parametrize("kind", ["comparisons", "orders"])
def test_slopes_are_found_of_few_votes_a_photo(kind):
    slopes = np.exp(np.random.default_rng(1).normal(0, 0.5, 12))
    votes, orders = (3000, 0) if kind == "comparisons" else (0, 1000)
    seen, _ = drawn(600, votes, slopes, orders=orders)
    found = rater_slopes(seen)
    assert np.log(found).mean() == pytest.approx(0, abs=1e-12)
    assert away(found, slopes) < 0.25 < away(np.ones(12), slopes)
    joint = Joint(seen)
    assert away(joint.unknowns(joint.fit()).slope, slopes) > 2 * away(found, slopes)


def test_the_scale_holds_the_slopes_that_it_is_given():
    slopes = np.exp(np.random.default_rng(2).normal(0, 0.5, 5))
    seen, _ = drawn(30, 400, slopes, orders=20)
    joint = Joint(seen, slopes)
    assert joint.unknowns(joint.fit()).slope == pytest.approx(slopes / np.exp(np.log(slopes).mean()), rel=1e-3)


def test_the_top_is_that_of_a_search_without_newton():
    seen, quality = drawn(40, 600, np.exp(np.linspace(-0.5, 0.5, 6)), orders=30)
    seen = replace(seen, rated=np.arange(20), quality=3 + 0.4 * quality[:20], error=np.full(20, 0.3))
    joint = Joint(seen)
    start = np.zeros(40 + 15)
    start[-2] = 3
    known = minimize(joint.value, start, jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 2000})
    value, slope = joint.value(joint.fit())
    assert value == pytest.approx(known.fun, abs=1e-6)
    assert np.abs(slope).max() < 1e-6


def test_the_gradient_in_slopes_is_that_of_differences():
    seen, _ = drawn(12, 80, np.ones(4), orders=6)
    joint = Joint(seen)
    now = joint.unknowns(joint.fit())
    at = np.array([0.2, -0.3, 0.1, 0.4])

    def chance(logs):
        return joint.of_slopes(replace(now, slope=np.exp(logs)))[0]

    assert joint.of_slopes(replace(now, slope=np.exp(at)))[1] == pytest.approx(
        approx_fprime(at, chance, 1e-7), abs=1e-4
    )


def test_a_tie_that_only_the_held_out_votes_have_does_no_harm():
    seen, _ = drawn(10, 60, np.ones(3), ties=0)
    seen.better[7] = 0
    assert np.isfinite(rater_slopes(seen)).all()


@pytest.mark.parametrize(("raters", "votes"), [(1, 50), (3, 4)])
def test_one_rater_and_a_few_votes_have_no_slopes_of_their_own(raters, votes):
    seen, _ = drawn(8, votes, np.ones(raters))
    assert rater_slopes(seen).tolist() == [1] * raters
