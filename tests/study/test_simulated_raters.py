"""Simulated raters answer as often as their noise says."""

import numpy as np
import pytest
from scipy.stats import norm

from rankiqa.study.simulated_raters import SimulatedRater


def test_shares_of_answers_are_those_of_the_noise():
    draw, rater = np.random.default_rng(0), SimulatedRater(0.5, tie=0.2, lapse=0.1, pull=0.1)
    answers = [rater.compare(1.0, 0.7, draw) for _ in range(20_000)]
    left, tie = 1 - norm.cdf(0.2, 0.4, 0.5), norm.cdf(0.2, 0.4, 0.5) - norm.cdf(-0.2, 0.4, 0.5)
    assert answers.count("left") / 20_000 == pytest.approx(0.9 * left + 0.05, abs=0.01)
    assert answers.count("tie") / 20_000 == pytest.approx(0.9 * tie, abs=0.01)


def test_ratings_have_the_bias_and_the_scatter():
    draw, rater = np.random.default_rng(0), SimulatedRater(0.5, bias=0.4, scatter=0.6)
    ratings = np.array([rater.rate(2.6, draw) for _ in range(5000)])
    assert ratings.mean() == pytest.approx(3.0, abs=0.03)
    assert ratings.std() == pytest.approx(np.sqrt(0.6**2 + 1 / 12), abs=0.03)
