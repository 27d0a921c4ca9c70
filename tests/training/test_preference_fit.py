"""Scores learned from pairs: against a plain minimiser, and in a network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from rankiqa.datasets.pairs import Pairs
from rankiqa.losses import pairwise_logistic
from rankiqa.models import build_model
from rankiqa.models.linear_branch import add_linear
from rankiqa.models.statistics import StageStatistics
from rankiqa.training import preference_fit
from rankiqa.training.preference_fit import Features, fit_preferences, log_losses


def drawn(rng: np.random.Generator, scores: np.ndarray, votes: int) -> Pairs:
    """Votes on random pairs by people who say σ(difference)."""
    first = rng.integers(0, len(scores), votes)
    second = (first + rng.integers(1, len(scores), votes)) % len(scores)
    up = rng.random(votes) < 1 / (1 + np.exp(scores[second] - scores[first]))
    better, worse = np.where(up, first, second), np.where(up, second, first)
    weight = rng.uniform(0.5, 2, votes)
    return Pairs(tuple(map(str, range(len(scores)))), better, worse, weight, np.arange(votes))


@pytest.mark.parametrize("width", [5, 40])  # fewer and more than photos
def test_the_fit_is_the_minimum_of_loss_and_prior(width):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(15, width))
    known = rng.normal(size=15)
    pairs = drawn(rng, known + values @ rng.normal(size=width) / 3, 200)
    features, deviation = Features.of(values), 1.5
    fit = fit_preferences(pairs, known, features, deviation)

    centred = (values - values.mean(0)) / features.size

    def loss(at):
        scores = at[0] * known + centred @ at[1:]
        difference = scores[pairs.better] - scores[pairs.worse]
        prior = ((at[0] - 2) ** 2 / 4 + (at[1:] ** 2).sum() / deviation**2) / 2
        return pairs.weight @ np.log1p(np.exp(-difference)) + prior

    plain = minimize(loss, np.zeros(width + 1), tol=1e-10).x
    assert fit.slope == pytest.approx(plain[0], abs=1e-3)
    assert fit.scores(known, features) == pytest.approx(plain[0] * known + centred @ plain[1:], abs=5e-3)
    assert features.back @ fit.weights == pytest.approx(plain[1:], abs=5e-3)


@pytest.mark.parametrize(("photos", "width"), [(62, 90), (62, 56)])
def test_of_many_photos_the_main_directions_are_kept(photos, width, monkeypatch):
    monkeypatch.setattr(preference_fit, "_MOST", 50)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(photos, width)) / np.arange(1, width + 1)
    features = Features.of(values)
    away = (values - values.mean(0)) / features.size
    left, roots, _ = np.linalg.svd(away, full_matrices=False)
    assert features.rotated.shape == (photos, 50) and features.back.shape == (width, 50)
    assert away @ features.back == pytest.approx(features.rotated, abs=1e-6)
    main = (left[:, :50] * roots[:50] ** 2) @ left[:, :50].T
    assert features.rotated @ features.rotated.T == pytest.approx(main, abs=1e-9)


def test_votes_against_the_known_score_take_it_away_and_do_not_turn_it():
    rng = np.random.default_rng(1)
    known = rng.normal(size=20)
    assert fit_preferences(drawn(rng, -3 * known, 300), known).slope == 0


def test_the_loss_is_that_of_the_trainings():
    scores = np.array([1.0, -0.5])
    pairs = Pairs.of([("a", "b", 1.0, False)])
    expected = pairwise_logistic(torch.from_numpy(scores), torch.zeros(2), torch.tensor([0, 1]), steepness=1.0)
    assert log_losses(scores, pairs)[0] == pytest.approx(float(expected))


@torch.no_grad()
def test_a_linear_map_joins_the_head_exactly():
    torch.manual_seed(0)
    net = build_model("tf_efficientnet_lite0", head={"kind": "statistics", "hidden": 6}).eval().backbone
    assert isinstance(net, StageStatistics)
    net.centre.normal_()
    net.spread.uniform_(0.5, 2)
    statistics, weights = torch.randn(7, len(net.centre)), torch.randn(len(net.centre)) / 30
    inputs = (statistics - net.centre) / net.spread
    expected = 0.7 * net.top(statistics)[:, 0] + inputs @ weights + 2
    add_linear(net, 0.7, weights, 2.0)
    assert net.head().hidden == 8
    torch.testing.assert_close(net.top(statistics)[:, 0], expected, rtol=1e-4, atol=1e-4)
    before = net.top(statistics)[:, 0]
    add_linear(net, 3.0, torch.zeros_like(weights), -1.0)
    assert net.head().hidden == 8
    torch.testing.assert_close(net.top(statistics)[:, 0], 3 * before - 1, rtol=1e-4, atol=1e-4)
