"""Means over pairs: their errors against a double loop, and what the ceiling promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from rankiqa.errors import InputError
from rankiqa.metrics.preferences import Agreement, ceiling, mean_over_pairs, right


@pytest.mark.parametrize("grouped", [False, True])
def test_the_error_counts_pairs_that_share_a_photo(grouped):
    rng = np.random.default_rng(1)
    n, photos = 60, 12
    first = rng.integers(0, photos, n)
    second = (first + rng.integers(1, photos, n)) % photos
    of_photo, weight = rng.normal(size=photos // 2).repeat(2), rng.random(n)
    values = of_photo[first] + of_photo[second] + rng.normal(size=n)
    group = np.array([f"g{k // 2}" for k in range(photos)]) if grouped else np.array([f"{k}" for k in range(photos)])
    mean = mean_over_pairs(values, first, second, weight, group if grouped else None)
    value = np.average(values, weights=weight)
    error = weight * (values - value)
    of = [{group[i], group[j]} for i, j in zip(first, second, strict=True)]
    variance = sum(error[p] * error[q] for p in range(n) for q in range(n) if of[p] & of[q])
    assert mean.value == pytest.approx(value)
    assert mean.error == pytest.approx(np.sqrt(variance) / weight.sum())


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Scores of photos that err for all of their pairs; the truth is that of very many photos."""
    rng = np.random.default_rng(2)
    inside = 0

    def draw(photos, pairs):
        quality = rng.normal(size=photos)
        scores = quality + rng.normal(size=photos)
        first = rng.integers(0, photos, pairs)
        second = (first + rng.integers(1, photos, pairs)) % photos
        up = quality[first] > quality[second]
        better, worse = np.where(up, first, second), np.where(up, second, first)
        return right(scores, better, worse), better, worse

    truth = draw(200_000, 400_000)[0].mean()
    for _ in range(200):
        low, high = mean_over_pairs(*draw(80, 300)).interval
        inside += low <= truth <= high
    assert 180 <= inside <= 199


def test_nothing_to_tell_and_wrong_arrays():
    assert np.isnan(mean_over_pairs([], [], []).value)
    with pytest.raises(InputError, match="must all be"):
        mean_over_pairs([1.0], [0, 1], [1, 2])


def test_right_counts_equal_scores_half():
    assert right([0.0, 1.0, 1.0], [1, 1, 0], [0, 2, 2]).tolist() == [1, 0.5, 0]


def test_the_best_scores_reach_no_more_than_the_ceiling():
    rng = np.random.default_rng(3)
    for p in (np.full(1000, 0.8), rng.random(1000), np.ones(9)):
        agreement = np.mean(p**2 + (1 - p) ** 2)
        best = np.mean(np.maximum(p, 1 - p))
        assert agreement - 1e-9 <= best <= ceiling(agreement) + 1e-9
    assert ceiling(0.4) == 0.5 and np.isnan(ceiling(float("nan")))


def test_agreement_and_its_interval():
    found = Agreement.of([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    low, high = binomtest(8, 10).proportion_ci(method="wilson")
    assert found.share == 0.8 and found.interval == pytest.approx((low, high))
    assert "80% (49% to 94%) of 10 pairs" in found.text() and "at most 89% (50% to 97%)" in found.text()
    assert Agreement.of([]).facts()["share"] is None and "No two photos" in Agreement.of([]).text()
