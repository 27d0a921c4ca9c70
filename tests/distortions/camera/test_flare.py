import math

import numpy as np
import pytest

from rankiqa.distortions.camera import flare, raw
from rankiqa.distortions.camera.levels import FLARE


def test_the_glow_is_the_strength_at_a_tenth_and_falls_as_the_power():
    x = np.array([0.06, 0.0, 0.1, 1.0], np.float32)
    y = np.array([0.08, 0.0, 0.0, 0.0], np.float32)
    assert flare.glow(x, y) == pytest.approx([1, 2**1.25, 1, (2 / 101) ** 1.25], rel=1e-5)


def test_a_ghost_holds_the_light_of_a_disc_brighter_at_its_rim():
    place = (np.arange(flare.SIDE, dtype=np.float32) + 0.5) / flare.SIDE - 0.5
    for radius in (0.05, 0.1, 0.2):
        disc = flare.ghost(place[None] - 0.1, place[:, None] + 0.07, radius)
        # The integral of 0.55 + 0.45 r² over a disc.
        assert disc.sum() / flare.SIDE**2 == pytest.approx(math.pi * radius**2 * (0.55 + 0.45 / 2), rel=0.03)


@pytest.mark.parametrize("middle", [-0.7, -0.52, -0.301, 0.0, 0.25, 0.4999, 0.8])
@pytest.mark.parametrize("radius", [0.008, 0.05, 0.19])
def test_a_ghost_is_dark_beyond_the_samples_that_are_computed(middle, radius):
    place = (np.arange(flare.SIDE, dtype=np.float32) + 0.5) / flare.SIDE - 0.5
    disc = flare.ghost(place[None] - np.float32(middle), np.zeros((1, 1), np.float32), radius)[0]
    disc[flare._span(middle, radius)] = 0
    assert not disc.any()


@pytest.mark.parametrize("strength", FLARE["camera"][::2])
def test_the_flare_is_added_to_the_light_on_the_sensor(strength):
    image = np.full((flare.SIDE, flare.SIDE, 3), (10, 90, 180), np.uint8)
    made = flare.flare(image, strength, np.random.default_rng(4))
    exact = raw.RAW_OF_CODE[[10, 90, 180]] + strength * flare.flare_light(np.random.default_rng(4)).astype(float)
    assert np.abs(made - 255 * raw.tone_curve(raw.linear_to_srgb(np.minimum(exact, 1)))).max() < 0.6


def test_flares_stand_at_the_edge_and_reach_all_of_the_photo():
    above = 0
    for seed in range(30):
        light = flare.flare_light(np.random.default_rng(seed))
        assert light.min() > 0.02
        y, x = np.unravel_index(light.sum(axis=2).argmax(), light.shape[:2])
        assert math.hypot(y + 0.5 - flare.SIDE / 2, x + 0.5 - flare.SIDE / 2) > 0.35 * flare.SIDE
        above += y < flare.SIDE / 2
    assert 18 <= above <= 30
