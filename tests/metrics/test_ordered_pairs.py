import numpy as np
import pytest
from scipy import stats

from rankiqa.errors import InputError
from rankiqa.metrics.ordered_pairs import ordered_across, ordered_within


def double_loop(scores, level, photo, same):
    ordered = pairs = 0
    for i in range(len(scores)):
        for j in range(len(scores)):
            if level[i] < level[j] and (photo[i] == photo[j]) == same:
                pairs += 1
                ordered += bool(scores[i] > scores[j])
    return ordered, pairs


@pytest.mark.parametrize("seed", range(6))
def test_ordered_pairs_are_those_of_the_double_loop(seed):
    rng = np.random.default_rng(seed)
    n = (1, 2, 40, 90, 90, 90)[seed]
    scores = np.round(rng.normal(size=n), 1)  # rounded: ties
    if seed == 5:
        scores[rng.integers(0, n, 12)] = rng.choice([np.nan, np.inf, -np.inf], 12)
    level = rng.choice([0, 1, 2, 5], n)
    photo = np.array([f"photo{k}" for k in rng.integers(0, 9, n)])
    assert ordered_within(scores, level, photo) == double_loop(scores, level, photo, True)
    assert ordered_across(scores, level, photo) == double_loop(scores, level, photo, False)


def test_ordered_pairs_of_a_perfect_a_reversed_and_a_constant_scorer():
    level = np.tile(np.arange(6), 3)
    photo = np.repeat(["a", "b", "c"], 6)
    within, across = 3 * 15, 3 * 2 * 15
    for scores, right in ((-level, 1), (level, 0), (np.zeros(18), 0)):
        assert ordered_within(scores, level, photo) == (within * right, within)
        assert ordered_across(scores, level, photo) == (across * right, across)
    assert ordered_within([], [], []) == ordered_across([], [], []) == (0, 0)


def test_a_full_sized_set_is_counted():
    rng = np.random.default_rng(0)
    photos, levels = 4744, 6
    level = np.tile(np.arange(levels), photos)
    photo = np.repeat(np.arange(photos), levels)
    ordered, pairs = ordered_across(rng.normal(size=len(level)) - level, level, photo)
    assert pairs == photos * (photos - 1) * levels * (levels - 1) // 2
    # two levels that are k apart: P(N(k, 2) > 0)
    expected = sum((levels - k) * stats.norm.cdf(k / np.sqrt(2)) for k in range(1, levels)) / 15
    assert ordered / pairs == pytest.approx(expected, abs=0.002)


def test_unequal_lengths_are_refused():
    with pytest.raises(InputError, match="of one length"):
        ordered_within([1, 2, 3], [1, 2, 3], [1, 2])
