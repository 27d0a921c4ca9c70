import math

import numpy as np
import pytest
from scipy import ndimage

from rankiqa.distortions.camera import light
from rankiqa.distortions.camera.defocus import aperture, blurred_end, defocus, defocus_reach, misfocus
from rankiqa.distortions.camera.levels import DEFOCUS, MISFOCUS
from rankiqa.distortions.camera.shapes import detail

RADII = (0.7, 1.9, 5.5, 14.0)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("blades", [0, 5, 6, 7, 8])
@pytest.mark.parametrize("radius", RADII)
def test_an_aperture_has_the_area_of_its_disc_and_moves_no_light(blades, radius):
    for turn in (0, 0.4, 2):
        kernel = aperture(radius, blades, turn).astype(float)
        reach = len(kernel) // 2
        assert reach <= defocus_reach(radius)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        places = np.arange(-reach, reach + 1)
        assert kernel.sum(axis=0) @ places == pytest.approx(0, abs=0.02)
        assert kernel.sum(axis=1) @ places == pytest.approx(0, abs=0.02)
        # A pixel that lies wholly within holds its share of the whole.
        assert 1 / kernel[reach, reach] == pytest.approx(max(math.pi * radius**2, 1), rel=0.02 if radius > 1 else 0.6)


@pytest.mark.parametrize("blades", [5, 8])
def test_a_polygon_has_the_second_moment_of_its_closed_form(blades):
    radius, turn = 9.0, 0.3
    kernel = aperture(radius, blades, turn).astype(float)
    places = np.arange(len(kernel)) - len(kernel) // 2
    # Of a regular polygon with circumradius R, about an axis: R² (2 + cos(2π/n)) / 12; of the pixels, 1/12 more.
    outer = radius**2 * 2 * math.pi / (blades * math.sin(2 * math.pi / blades))
    expected = outer * (2 + math.cos(2 * math.pi / blades)) / 12 + 1 / 12
    assert kernel.sum(axis=0) @ places**2 == pytest.approx(expected, rel=0.01)
    assert kernel.sum(axis=1) @ places**2 == pytest.approx(expected, rel=0.01)


def test_defocus_blurs_radiance_by_the_one_aperture_that_a_generator_draws(photo):
    part = photo[:60, :50]
    for seed in range(3):
        draw = rng(seed)
        kernel = aperture(4.0, int(draw.choice((0, 5, 6, 7, 8))), draw.random() * 2 * math.pi)
        radiance = light.above_the_knee(light.srgb_to_linear(part / 255))
        blurred = ndimage.correlate(radiance, kernel[..., None].astype(float), mode="reflect")
        expected = 255 * light.linear_to_srgb(light.below_white(blurred))
        assert np.abs(defocus(part, 4.0, rng(seed)) - expected).max() <= 0.6


def test_a_white_spot_blooms_more_than_a_grey_one_twice_as_dark():
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = (255, 188, 0)  # white, half of its light, none
    made = light.to_light(defocus(image, 3.0, rng()))[20, 20]
    assert made[0] / made[1] == pytest.approx(2 * light.BRIGHTEST, rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_misfocus_is_sharp_at_one_end_and_its_blur_grows_to_the_other(seed, photo):
    depth = blurred_end(photo, rng(seed))
    assert depth.min() < 0.05
    assert depth.max() > 0.95
    assert np.average(depth, weights=detail(photo, depth.shape)) > 0.45
    before = 0
    for strength in MISFOCUS["camera"]:
        change = np.abs(misfocus(photo, strength, rng(seed)).astype(float) - photo).mean(axis=2)
        near, far = change[depth < 0.02].mean(), change[depth > 0.8].mean()
        assert near < far / 4
        assert far > 2
        assert far > before
        before = far


def test_where_the_radius_is_that_of_a_layer_misfocus_is_that_disc(photo, monkeypatch):
    from rankiqa.distortions.camera import defocus as module

    monkeypatch.setattr(module, "blurred_end", lambda image, draw: np.ones(image.shape[:2], np.float32))
    for radius, near in ((1.6, 0.6), (4.0, 2.5), (10.0, 2.5)):  # the larger ones over a smaller image
        kernel = aperture(radius, 0, 0)[..., None].astype(float)
        radiance = light.above_the_knee(light.srgb_to_linear(photo[:80, :96] / 255))
        expected = 255 * light.linear_to_srgb(light.below_white(ndimage.correlate(radiance, kernel, mode="reflect")))
        made = misfocus(photo[:80, :96], radius, rng())
        assert np.sqrt(((made - expected) ** 2).mean()) <= near
        assert misfocus(photo[:80, :96], radius * 1.2, rng()).std() < made.std()


def test_detail_is_the_mean_difference_between_neighbours():
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, 8::2] = 100
    found = detail(image, (1, 2))[0]
    assert found.sum() == pytest.approx(1)
    assert found[0] / found[1] < 0.15


def test_a_part_with_its_context_is_defocused_as_in_the_whole_image(photo):
    strength = DEFOCUS["camera"][2]
    around = defocus_reach(strength)
    for seed in range(3):
        whole = defocus(photo, strength, rng(seed))[60:100, 70:110]
        part = defocus(photo[60 - around : 100 + around, 70 - around : 110 + around], strength, rng(seed))
        assert np.abs(part[around:-around, around:-around].astype(int) - whole).max() <= 1
