import numpy as np
import pytest
from skimage import color

from rankiqa.distortions.camera import light

CODES = np.arange(256, dtype=np.uint8).reshape(1, -1)


def test_the_curve_is_that_of_iec_61966():
    # Linear light of sRGB's middle, of its straight part's end and of white, as the standard's formula gives them.
    expected = {0: 0, 10: 10 / 255 / 12.92, 128: ((128 / 255 + 0.055) / 1.055) ** 2.4, 255: 1}
    made = light.to_light(CODES)[0]
    assert {code: made[code] for code in expected} == pytest.approx(expected, abs=1e-7)


def test_light_and_radiance_come_back_as_the_same_pixels():
    assert (light.to_pixels(light.to_light(CODES)) == CODES).all()
    assert (light.to_photo(light.to_radiance(CODES)) == CODES).all()


def test_light_out_of_range_is_clipped_and_the_rest_rounded():
    assert light.to_pixels(np.array([[-1, 0.2140, 2]], np.float32)).tolist() == [[0, 127, 255]]
    assert light.to_photo(np.array([[-1, 0.2140, 4, 9]], np.float32)).tolist() == [[0, 127, 255, 255]]


def test_the_shoulder_leaves_the_dark_alone_and_rises_ever_more_steeply_to_the_brightest():
    radiance = light.to_radiance(CODES)[0].astype(float)
    linear = light.to_light(CODES)[0]
    below = linear <= light.KNEE
    assert (radiance[below] == linear[below]).all()
    assert radiance[-1] == pytest.approx(light.BRIGHTEST)
    slopes = np.diff(radiance[~below]) / np.diff(linear[~below])
    assert (np.diff(slopes) > 0).all()
    assert slopes[0] > 1


def test_light_is_that_of_skimage():
    grey = np.repeat(CODES[..., None], 3, axis=2)
    assert light.to_light(grey)[..., 1] == pytest.approx(color.rgb2xyz(grey)[..., 1], abs=1e-6)


def test_pixels_are_the_nearest_to_the_formulas_values():
    values = np.random.default_rng(0).random((1, 20000)).astype(np.float32) ** 3
    exact = 255 * np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)
    assert np.abs(light.to_pixels(values) - exact).max() < 0.5 + 0.03
