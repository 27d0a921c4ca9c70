"""Krippendorff's alpha, against his own example and against a sum over all pairs of judgements."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from rankiqa.study.agreement import alpha

# K. Krippendorff, Computing Krippendorff's alpha-reliability (2011), section C: 4 observers, 12 units, with gaps.
EXAMPLE = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""


def test_the_published_example():
    rows = [line.split() for line in EXAMPLE.split("\n") if line]
    unit, value = zip(*((k, int(v)) for row in rows for k, v in enumerate(row) if v != "."), strict=True)
    assert alpha(np.array(unit), np.array(value)) == pytest.approx(0.743, abs=5e-4)
    assert alpha(np.array(unit), np.array(value), distance=True) == pytest.approx(0.849, abs=5e-4)


@pytest.mark.parametrize("distance", [False, True])
def test_all_pairs_one_by_one(distance: bool):
    draw = np.random.default_rng(0)
    unit, value = draw.integers(0, 30, 80), draw.integers(-1, 4, 80)
    counted = [k for k in range(80) if np.sum(unit == unit[k]) > 1]

    def differ(j: int, k: int) -> int:
        return int(value[j] - value[k]) ** 2 if distance else int(value[j] != value[k])

    pairs = list(itertools.permutations(counted, 2))
    within = Fraction(0)
    for j, k in pairs:
        if unit[j] == unit[k]:
            within += Fraction(differ(j, k), int(np.sum(unit == unit[j])) - 1)
    between = Fraction(sum(differ(j, k) for j, k in pairs), len(counted) - 1)
    assert alpha(unit, value, distance=distance) == pytest.approx(float(1 - within / between), abs=1e-12)


def test_the_ends():
    assert np.isnan(alpha(np.array([1, 2]), np.array([1, 1])))
    assert alpha(np.array([1, 1, 2, 2]), np.array([1, 1, 1, 1])) == 1
