"""The subject model of P.910 and the screening of BT.500, against sureal's numbers (tests/reference/sureal.json)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rankiqa.study.ratings import certainty, subject_model
from rankiqa.study.screening import screen

SUREAL = json.loads((Path(__file__).parents[1] / "reference" / "sureal.json").read_text(encoding="utf-8"))


def numbers(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def test_the_subject_model_is_that_of_sureal():
    known = SUREAL["subject_model"]
    found = subject_model(*np.array(known["ratings"]).T)
    for name in ("quality", "error", "bias", "inconsistency"):
        assert getattr(found, name) == pytest.approx(numbers(known[name]), abs=1e-6), name


def test_the_screening_is_that_of_sureal():
    known = SUREAL["screening"]
    found = screen(*np.array(known["ratings"]).T)
    assert found.outside == pytest.approx(numbers(known["outside"]), abs=1e-12)
    assert found.one_sided == pytest.approx(numbers(known["one_sided"]), abs=1e-12, nan_ok=True)
    assert found.rejected.tolist() == known["rejected"]
    assert np.flatnonzero(found.rejected).tolist() == [4]  # who pressed anything; not 9, who only added 2


def test_the_model_finds_what_was_simulated():
    draw = np.random.default_rng(0)
    quality, bias, noise = draw.uniform(1, 5, 200), np.array([0.5, -0.3, 0.0, -0.2]), np.array([0.2, 0.4, 0.8, 1.2])
    photo, rater = (part.ravel() for part in np.meshgrid(np.arange(200), np.arange(4), indexing="ij"))
    found = subject_model(photo, rater, quality[photo] + bias[rater] + noise[rater] * draw.normal(size=800))
    assert found.bias == pytest.approx(bias, abs=0.1)
    assert found.inconsistency[1:] == pytest.approx(noise[1:], rel=0.25)
    plain = np.sqrt(np.mean((bias + noise * draw.normal(size=(200, 4))).mean(1) ** 2))
    assert np.sqrt(np.mean((found.quality - quality) ** 2)) < plain / 1.2


def test_one_rater_is_as_inconsistent_as_usual():
    found = subject_model(np.array([0, 1, 3]), np.zeros(3, int), np.array([1.0, 3.0, 5.0]), 0.7, 5)
    assert found.quality == pytest.approx([1, 3, np.nan, 5], nan_ok=True)
    assert found.inconsistency == pytest.approx([np.sqrt(5 * 0.49 / 8)])
    assert found.error[2] == np.inf


@pytest.mark.parametrize(("raters", "noise"), [(2, 0.7), (2, 1.4), (3, 1.2), (8, 0.7)])
def test_certainty_is_the_share_of_pairs_in_order(raters: int, noise: float):
    said, known, said_of_more = [], [], []
    for seed in range(10):
        draw = np.random.default_rng(seed)
        quality, bias = draw.normal(3, 0.7, 150), 0.5 * draw.standard_normal(raters)
        photo, rater = (part.ravel() for part in np.meshgrid(np.arange(150), np.arange(raters), indexing="ij"))
        score = quality[photo] + bias[rater] + noise * draw.standard_normal(len(photo))
        mean = np.bincount(photo, score - bias[rater]) / raters
        left, right = np.triu_indices(150, 1)
        known.append(np.mean((mean[left] > mean[right]) == (quality[left] > quality[right])))
        said.append(certainty(photo, rater, score, 150))
        said_of_more.append(certainty(photo, rater, score, 200))  # of the others nobody knows anything
    assert np.mean(said) == pytest.approx(np.mean(known), abs=0.015)
    assert 0.5 < np.mean(said_of_more) < np.mean(said) - 0.03


def test_certainty_of_too_few_ratings_is_none():
    one = np.zeros(4, dtype=int)
    assert certainty(np.arange(4), one, np.array([1.0, 2.0, 3.0, 4.0]), 4) is None
    assert certainty(np.array([0, 0]), np.array([0, 1]), np.array([1.0, 5.0]), 2) is None
    noise = np.random.default_rng(6).integers(1, 6, 400).astype(float)  # who press anything
    assert certainty(np.arange(400) % 100, np.arange(400) // 100, noise, 100) < 0.75
