import numpy as np
import pytest
from scipy.optimize import brentq

from rankiqa.distortions.camera import raw

CODES = np.arange(256, dtype=np.uint8).reshape(1, -1)


def test_the_tone_curve_is_undone_as_a_root_finder_does_it():
    for code in (0, 1, 30, 128, 200, 254, 255):
        before = brentq(lambda x, y=code / 255: (1 - x / 2) * (3 * x**2 - 2 * x**3) + x / 2 * x - y, 0, 1, xtol=1e-12)
        assert raw.inverse_tone_curve(code / 255) == pytest.approx(before, abs=1e-9)
        light = before / 12.92 if before <= 0.04045 else ((before + 0.055) / 1.055) ** 2.4
        assert raw.to_raw(np.full((1, 1, 3), code, np.uint8)) == pytest.approx(light, abs=1e-6)


def test_every_pixel_value_comes_back_and_what_is_beyond_is_clipped():
    assert (raw.from_raw(raw.to_raw(CODES)) == CODES).all()
    assert raw.from_raw(np.array([[-1, 1, 7]], np.float32)).tolist() == [[0, 255, 255]]


def test_light_is_scaled_pixel_by_pixel_in_all_channels():
    rng = np.random.default_rng(0)
    light, gain = rng.random((5, 7, 3), np.float32), rng.random((5, 7), np.float32)
    assert raw.scale_light(light.copy(), gain) == pytest.approx(light * gain[..., None])
