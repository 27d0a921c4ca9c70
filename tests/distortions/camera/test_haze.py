import math

import numpy as np
import pytest

from rankiqa.distortions.camera import haze, raw
from rankiqa.distortions.camera.levels import HAZE


@pytest.mark.parametrize("beta", HAZE["camera"][1::3])
@pytest.mark.parametrize("colour", [(0, 0, 0), (200, 90, 30), (255, 255, 255)])
def test_one_colour_becomes_koschmieders_mixture_at_every_depth(beta, colour):
    image = np.empty((32, 32, 3), np.uint8)
    image[:] = colour
    depth = haze.depth(np.random.default_rng(5))
    made = raw.to_raw(haze.haze(image, beta, np.random.default_rng(5)))
    light, air = raw.to_raw(image)[0, 0], haze.airlight(image)
    for y, x in ((0, 0), (3, 30), (16, 16), (31, 9)):
        t = math.exp(-beta * depth[y, x])
        expected = light * t + air * (1 - t)
        codes = 255 * raw.tone_curve(raw.linear_to_srgb(expected))
        assert np.abs(raw.from_raw(made[y : y + 1, x : x + 1]).ravel() - codes).max() < 0.5 + 0.05


def test_depth_has_the_mean_one_and_grows_upwards():
    upper = []
    for seed in range(40):
        depth = haze.depth(np.random.default_rng(seed))
        assert depth.mean() == pytest.approx(1, abs=1e-5)
        assert depth.min() > 0.1
        assert np.abs(np.diff(depth, axis=0)).max() < 0.25  # smooth
        upper.append(depth[:8].mean() > depth[-8:].mean())
    assert all(upper)


def test_the_contrast_falls_by_the_transmission(photo):
    # Koschmieder's law: differences of light at one depth shrink by exp(−β d), whatever the airlight is.
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, ::2], image[:, 1::2] = 80, 160
    made = raw.to_raw(haze.haze(image, 0.5, np.random.default_rng(1)))
    before = raw.to_raw(image)
    share = (made[:, 1::2] - made[:, ::2]) / (before[:, 1::2] - before[:, ::2])
    depth = haze.depth(np.random.default_rng(1))
    near = (depth[:, 1::2] + depth[:, ::2]) / 2
    assert share.mean(axis=2) == pytest.approx(np.exp(-0.5 * near), abs=0.04)


def test_the_haze_is_as_bright_as_the_brightest_parts_down_to_a_fifth():
    image = np.full((50, 50, 3), 10, np.uint8)
    assert haze.airlight(image) == pytest.approx(0.2 * haze.AIRLIGHT)
    image[0, :26] = 240  # a little more than one pixel in a hundred
    assert haze.airlight(image) == pytest.approx(raw.RAW_OF_CODE[240] * haze.AIRLIGHT)
