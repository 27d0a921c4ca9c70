import math

import numpy as np
import pytest
from scipy import ndimage

from rankiqa.distortions.blur import motion_kernel
from rankiqa.distortions.camera import light
from rankiqa.distortions.camera.levels import SHAKE, SUBJECT
from rankiqa.distortions.camera.motion import (
    camera_shake,
    shake_kernel,
    shake_path,
    shake_reach,
    subject,
    subject_motion,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def of_light(image):
    return light.above_the_knee(light.srgb_to_linear(image / 255))


def pixels(radiance):
    return 255 * light.linear_to_srgb(light.below_white(radiance))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("extent", [1.0, 2.6, 9.0, 60.0])
def test_a_shake_keeps_all_light_in_place_and_is_no_wider_than_its_extent(extent, seed):
    kernel = shake_kernel(extent, shake_path(rng(seed))).astype(float)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    reach = len(kernel) // 2
    places = np.arange(-reach, reach + 1)
    widths = []
    for axis in (0, 1):
        profile = kernel.sum(axis=axis)
        assert profile @ places == pytest.approx(0, abs=1e-3)
        widths.append(np.ptp(np.flatnonzero(profile > 1e-9)) + 1)
    # Both ends lie between two pixels, which share them.
    assert max(widths) <= math.floor(extent) + 2
    assert max(widths) >= extent - 0.01
    assert reach <= shake_reach(extent)


def test_a_path_starts_over_for_no_strength():
    path = shake_path(rng(3))
    small, large = (shake_kernel(extent, path).astype(float) for extent in (21, 41))
    moments = []
    for kernel in (small, large):
        places = np.arange(len(kernel)) - len(kernel) // 2
        moments.append(np.array([kernel.sum(axis=axis) @ places**2 for axis in (0, 1)]))
    # Twice the path has four times the second moment; bilinear sharing adds at most a quarter of a pixel to both.
    assert moments[1] == pytest.approx(4 * moments[0], abs=1)


def test_a_straight_path_is_the_mean_along_a_line():
    path = np.linspace(-0.5, 0.5, 4001) + 0j
    kernel = shake_kernel(9, path)
    assert kernel[len(kernel) // 2].max() == pytest.approx(1 / 8, rel=1e-2)
    expected = np.array([1 / 16, *[1 / 8] * 7, 1 / 16])
    assert kernel[len(kernel) // 2] == pytest.approx(expected, abs=1e-3)


def test_shake_filters_radiance_with_its_kernel(photo):
    part = photo[:50, :60]
    kernel = shake_kernel(9.0, shake_path(rng(2))).astype(float)
    expected = pixels(ndimage.correlate(of_light(part), kernel[..., None], mode="reflect"))
    assert np.abs(camera_shake(part, 9.0, rng(2)) - expected).max() <= 0.6


def test_a_bright_spot_leaves_the_path_as_it_ran():
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 255
    path = shake_path(rng(4))
    trail = of_light(camera_shake(image, 15.0, rng(4)))[..., 0]
    x, y = 20 + 14 * path.real, 20 + 14 * path.imag
    visited = np.zeros((41, 41), bool)
    visited[np.rint(y).astype(int), np.rint(x).astype(int)] = True
    assert trail[visited].sum() > 0.6 * trail.sum()
    assert trail.sum() == pytest.approx(light.BRIGHTEST, rel=0.05)


def test_a_part_with_its_context_is_shaken_as_in_the_whole_image(photo):
    strength = SHAKE["camera"][3]
    around = shake_reach(strength)
    whole = camera_shake(photo, strength, rng(5))[60:100, 70:110]
    part = camera_shake(photo[60 - around : 100 + around, 70 - around : 110 + around], strength, rng(5))
    assert np.abs(part[around:-around, around:-around].astype(int) - whole).max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_what_moves_is_the_layer_formula_and_the_rest_stays_exactly(seed, photo):
    strength = SUBJECT["camera"][2]
    draw = rng(seed)
    kernel = motion_kernel(strength, draw.random() * 180).astype(float)
    cover = subject(photo, draw).astype(float)
    radiance = of_light(photo)
    smeared = ndimage.correlate(radiance * cover[..., None], kernel[..., None], mode="constant")
    left = 1 - ndimage.correlate(cover, kernel, mode="constant")
    made = subject_motion(photo, strength, rng(seed))
    assert np.abs(made - pixels(smeared + left[..., None] * radiance)).max() <= 0.6
    far = ndimage.maximum_filter(cover, 2 * math.ceil(strength) + 1) == 0
    assert far.any()
    assert (made[far] == photo[far]).all()


def test_the_part_is_over_half_as_wide_as_the_photo_and_holds_its_detail():
    image = np.full((128, 128, 3), 120, np.uint8)
    image[64:, 64:] = rng().integers(0, 255, (64, 64, 3))
    for seed in range(5):
        cover = subject(image, rng(seed))
        assert cover.max() == 1
        assert cover[64:, 64:].mean() > 2 * cover[:64, :64].mean()
        assert 0.15 < (cover > 0).mean() < 0.5
