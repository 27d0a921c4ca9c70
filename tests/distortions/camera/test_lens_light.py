import math

import cv2
import numpy as np
import pytest

from rankiqa.distortions.camera import lens_light, raw
from rankiqa.distortions.camera.field import enlarged
from rankiqa.distortions.camera.levels import GLARE, VIGNETTING


@pytest.mark.parametrize("corner", VIGNETTING["camera"])
def test_the_centre_keeps_its_light_and_the_corner_loses_it(corner):
    gain = lens_light.vignette(1001, 1501, corner)
    assert gain[500, 750] == 1
    # The corner itself is half a pixel beyond the last one.
    assert -math.log2(gain[0, 0]) == pytest.approx(corner, rel=0.01)
    assert gain[0, 0] == pytest.approx(gain[-1, -1], rel=1e-4)


def test_half_of_the_loss_is_the_cos4_law_and_half_the_barrel():
    corner = 3.0
    gain = lens_light.vignette(41, 61, corner)
    tangent = math.sqrt(2 ** (corner / 4) - 1)  # of the angle whose cos⁴ is 2^−1.5
    assert math.cos(math.atan(tangent)) ** 4 == pytest.approx(2**-1.5)
    for y, x in ((0, 0), (20, 0), (7, 44), (40, 60)):
        r = math.hypot(y - 20, x - 30) / (math.hypot(41, 61) / 2)
        expected = math.cos(math.atan(r * tangent)) ** 4 * (1 - (1 - 2**-1.5) * r**4)
        assert gain[y, x] == pytest.approx(expected, rel=1e-5)


def test_vignetting_darkens_the_light_by_the_gain():
    image = np.full((33, 47, 3), (30, 128, 250), np.uint8)
    made = lens_light.vignetting(image, 2.0, None)
    exact = raw.RAW_OF_CODE[[30, 128, 250]] * lens_light.vignette(33, 47, 2.0)[..., None]
    assert np.abs(made - 255 * raw.tone_curve(raw.linear_to_srgb(exact))).max() < 0.6


def test_scattered_light_is_neither_made_nor_lost(photo):
    light = raw.to_raw(photo)
    scattered = lens_light.scattered(light)
    assert scattered.mean(axis=(0, 1)) == pytest.approx(light.mean(axis=(0, 1)), rel=1e-3)
    spread = scattered.std(axis=(0, 1)) / light.std(axis=(0, 1))
    assert (spread < 0.5).all()


@pytest.mark.parametrize("share", GLARE["camera"][:3])
def test_one_colour_gets_the_sources_light_on_top(share):
    image = np.full((32, 32, 3), (20, 60, 100), np.uint8)
    made = lens_light.glare(image, share, np.random.default_rng(2))
    falls = lens_light.source(np.random.default_rng(2))
    exact = raw.RAW_OF_CODE[[20, 60, 100]] + share * falls[..., None] * lens_light.SOURCE_LIGHT
    assert np.abs(made - 255 * raw.tone_curve(raw.linear_to_srgb(np.minimum(exact, 1)))).max() < 0.6


def test_the_source_adds_its_share_in_the_mean_over_any_photo_and_lies_above_more_often():
    above = 0
    for seed in range(60):
        falls = lens_light.source(np.random.default_rng(seed))
        assert enlarged(falls, 96, 160).mean() == pytest.approx(1, abs=0.01)
        assert falls.min() > 0.2
        above += falls[:16].mean() > falls[16:].mean()
    assert 38 <= above <= 60


def test_glare_leaves_less_contrast_of_fine_detail(photo):
    fine = [cv2.Laplacian(raw.to_raw(p), cv2.CV_32F).std() for p in (
        photo, *(lens_light.glare(photo, share, np.random.default_rng(0)) for share in GLARE["camera"])
    )]  # fmt: skip
    assert (np.diff(fine) < 0).all()
