"""The posterior of thousands of photos: against the one with all covariances, and bounded in memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import spearmanr

from rankiqa.study import choosing
from rankiqa.study.choosing import Chooser
from rankiqa.study.posterior import Votes, fit
from rankiqa.study.simulated_raters import SimulatedRater
from rankiqa.study.sparse_posterior import fit_sparse


def votes_on(left: np.ndarray, right: np.ndarray, photos: int) -> Votes:
    """Answers of a rater, some of them ties, to these pairs."""
    draw = np.random.default_rng(5)
    scores = draw.normal(0, 2.5, photos)
    better = np.where(draw.random(len(left)) < 1 / (1 + np.exp(scores[right] - scores[left])), 1.0, -1.0)
    return Votes(left, right, np.where(draw.random(len(left)) < 0.1, 0.0, better))


def test_where_votes_make_no_loop_it_is_exact():
    draw = np.random.default_rng(6)
    left = np.arange(1, 60)
    right = np.array([draw.integers(0, photo) for photo in left])
    votes = votes_on(np.r_[left, left[:9]], np.r_[right, right[:9]], 60)  # some pairs twice: no loop either
    dense, sparse = (each(votes, np.linspace(-1, 1, 60), 2.2, 0.2) for each in (fit, fit_sparse))
    assert sparse.mean == pytest.approx(dense.mean, abs=1e-6)
    assert sparse.variance == pytest.approx(dense.variance, rel=1e-4)


@pytest.mark.parametrize(("number", "near"), [(0, 1e-9), (600, 0.03), (3000, 0.08)])
def test_where_they_do_the_means_are_exact_and_variances_near(number: int, near: float):
    draw = np.random.default_rng(7)
    left = draw.integers(0, 300, number)
    votes = votes_on(left, (left + draw.integers(1, 300, number)) % 300, 300)
    dense, sparse = (each(votes, np.zeros(300), 2.2, 0.2) for each in (fit, fit_sparse))
    assert sparse.mean == pytest.approx(dense.mean, abs=1e-6)
    assert sparse.variance == pytest.approx(dense.variance, rel=near)
    ends = np.arange(150), np.arange(150, 300)
    assert sparse.in_order(*ends).mean() == pytest.approx(dense.in_order(*ends).mean(), abs=0.01)


def test_answers_that_are_nearly_certain_do_not_overshoot():
    left, right = np.zeros(200, dtype=int), np.ones(200, dtype=int)
    votes = Votes(left, right, np.ones(200))
    start = np.array([-30.0, 30.0])  # as after answers that were all taken back
    assert fit_sparse(votes, np.zeros(2), 2.2, start=start).mean == pytest.approx(fit(votes, np.zeros(2), 2.2).mean)


def test_what_is_chosen_without_covariances_beats_random_pairs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(choosing, "DENSE", 100)
    scores = np.random.default_rng(8).normal(0, 3, 210)
    draw, rater = np.random.default_rng(9), SimulatedRater(1.5)
    chosen, random = Chooser(210, checks=False), Chooser(210, checks=False)
    for _ in range(630):
        question = chosen.question("Ada")
        left, right = (int(k) for k in draw.choice(210, 2, replace=False))
        for chooser, a, b in ((chosen, question.left, question.right), (random, left, right)):
            chooser.told("Ada", a, b, rater.compare(scores[a], scores[b], draw))
    found, other = (spearmanr(each._known().mean, scores).statistic for each in (chosen, random))
    assert found > other + 0.02


def test_ten_thousand_photos_are_asked_about_in_little_memory():
    chooser, draw = Chooser(10_000), np.random.default_rng(10)
    for _ in range(3000):
        left, right = draw.integers(0, 5000, 2).tolist()
        chooser.told("Ada", left, 5000 + right, "left")
    tracemalloc.start()
    try:
        question = chooser.question("Ada")
        chooser.told("Ada", question.left, question.right, "tie", question.purpose)
        assert chooser.question("Ada") != question
        assert 0.5 < chooser.progress().certainty < 0.6
        assert tracemalloc.get_traced_memory()[1] < 150e6  # a matrix of all pairs has 800 MB
    finally:
        tracemalloc.stop()
