"""Strengths between the levels."""

import math

import numpy as np
import pytest

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.scale import Scale
from rankiqa.errors import InputError

TABLES = [(name, table) for name, distortion in DISTORTIONS.items() for table in distortion.levels]


@pytest.mark.parametrize(("name", "table"), TABLES, ids=["-".join(pair) for pair in TABLES])
def test_every_type_goes_through_its_levels_and_is_never_milder(name, table):
    distortion = DISTORTIONS[name]
    levels = distortion.levels[table]
    last = len(levels) - 1
    assert tuple(distortion.at(i / last if last else 0.0, table) for i in range(len(levels))) == levels
    between = [distortion.at(t, table) for t in np.linspace(0, 1, 101).tolist()]
    assert (np.diff(between) * (1 if distortion.limits[1] > distortion.limits[0] else -1) >= 0).all()
    for strength in between:
        distortion.check(strength)  # in range, and whole where it must be


def test_strengths_of_one_sign_go_by_ratio_and_others_by_difference():
    assert Scale((1.0, 100.0)).at(0.5) == pytest.approx(10)
    assert Scale((-1.0, -100.0)).at(0.25) == pytest.approx(-math.sqrt(10))
    assert Scale((0.0, 4.0, -4.0)).at(0.75) == 0.0
    assert Scale((100.0, 1.0, 0.5)).at(0.25) == pytest.approx(10)
    assert Scale((64, 8), whole=True).at(0.5) == round(math.sqrt(64 * 8))


@pytest.mark.parametrize("knots", [(1.0, 3.0, 50.0), (43.0, 12.0, 0.0), (-1.0, -2.0, -9.0), (5.0, 1.0)])
def test_place_is_the_inverse(knots):
    scale = Scale(knots)
    for t in np.linspace(0, 1, 37).tolist():
        assert scale.place(scale.at(t)) == pytest.approx(t, abs=1e-12)


def test_even_strengths_are_whole_and_differ():
    assert Scale((9, 7, 5, 3), whole=True).even(7) == (9, 8, 7, 6, 5, 4, 3)
    assert Scale((1, 100), whole=True).even(12) == (1, 2, 3, 4, 5, 8, 12, 19, 28, 43, 66, 100)  # 1, 1.5, 2.3, 3.5 …
    assert Scale((1.0, 16.0)).even(5) == (1.0, 2.0, 4.0, 8.0, 16.0)
    assert Scale((1.0, 16.0)).even(1) == (4.0,)


def test_whole_strengths_of_one_image_do_not_come_between_the_levels():
    scale = Scale((43, 12, 7, 4, 0), whole=True, apart=2)
    assert scale.even(7) == (43, 22, 10, 7, 5, 3, 0)
    assert scale.even(12) == (43, 32, 20, 16, 14, 12, 10, 8, 6, 4, 2, 0)
    assert scale.even(22) == (43, *range(40, -1, -2))
    assert {scale.drawn(t) for t in np.linspace(0, 1, 999).tolist()} == set(range(43, 0, -2))
    assert Scale((1.0, 3.0), apart=2).drawn(0.5) == math.sqrt(3)


@pytest.mark.parametrize(("name", "table"), [(n, t) for n, t in TABLES if DISTORTIONS[n].apart > 1])
def test_images_of_the_most_even_levels_differ(name, table, photo):
    distortion = DISTORTIONS[name]
    scale = distortion.scale(table)
    count = int(abs(scale.knots[-1] - scale.knots[0])) // distortion.apart + 1
    images = [distortion(photo[:64, :64], s, np.random.default_rng(0)).tobytes() for s in scale.even(count)]
    assert len(set(images)) == count


@pytest.mark.parametrize("t", [1.2, -0.01, math.nan, math.inf])
def test_a_t_out_of_range_is_refused(t):
    with pytest.raises(InputError, match=r"GB: t must be from 0 .* to 1 .*, not"):
        DISTORTIONS["GB"].at(t)


def test_a_table_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"^GB has no levels 'mine'; there are live, tid2013, tid2013-24, kadid10k"):
        DISTORTIONS["GB"].at(0.5, "mine")


def test_more_whole_strengths_than_there_are_are_refused():
    with pytest.raises(InputError, match="from 9 to 3 there are 7 whole strengths, not 8"):
        Scale((9, 7, 5, 3), whole=True).even(8)
    with pytest.raises(InputError, match="from 9 to 3 there are 3 whole strengths that lie 3 apart, not 4"):
        Scale((9, 7, 5, 3), whole=True, apart=3).even(4)
    with pytest.raises(InputError, match="at least 1"):
        Scale((9, 7)).even(0)
