import numpy as np
import pytest
from skimage import color

from rankiqa.distortions.camera import exposure, raw
from rankiqa.distortions.camera.levels import CRUSHED, FLAT, OVEREXPOSURE, UNDEREXPOSURE

RAMP = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, -1, 1), 3, axis=2)


@pytest.mark.parametrize("ev", (*OVEREXPOSURE["camera"][::2], *UNDEREXPOSURE["camera"][::2]))
def test_every_stop_doubles_the_light_on_the_sensor_up_to_white(ev):
    made = exposure.exposure(RAMP, ev, None)
    light = np.minimum(raw.RAW_OF_CODE * 2**ev, 1)
    assert np.abs(made[0, :, 0] - 255 * raw.tone_curve(raw.linear_to_srgb(light))).max() < 0.5 + 0.05


def test_channels_clip_on_their_own_and_the_dark_is_crushed():
    image = np.full((1, 1, 3), (200, 128, 20), np.uint8)
    made = exposure.exposure(image, 2.0, None)[0, 0]
    assert made[0] == made.max() == 255
    assert made[2] < 128
    # Four stops under, the lower half of all values is left with few.
    assert len(np.unique(exposure.exposure(RAMP, -4.0, None)[0, :128])) < 16


def lightness(image):
    return color.rgb2lab(image)[..., 0]


@pytest.mark.parametrize("black", FLAT["camera"])
def test_black_becomes_the_grey_of_that_lightness_and_white_stays(black):
    made = exposure.grey_blacks(RAMP, black, None)
    # As skimage knows lightness; a step of a pixel value is up to 0.45 of L*.
    expected = black + lightness(RAMP) * (1 - black / 100)
    assert np.abs(lightness(made) - expected).max() < 0.3
    assert (made[0, -1] == 255).all()


@pytest.mark.parametrize("black", CRUSHED["camera"])
def test_all_up_to_that_lightness_becomes_black_and_the_rest_keeps_its_order(black):
    made = exposure.crushed_blacks(RAMP, black, None)
    before = lightness(RAMP)[0]
    assert (made[0, before < black] == 0).all()
    assert (made[0, before > black + 3] > 0).all()
    expected = np.maximum((before - black) / (1 - black / 100), 0)
    assert np.abs(lightness(made)[0] - expected).max() < 0.3


def test_lifting_black_is_undone_by_crushing_it(photo):
    lifted = exposure.grey_blacks(photo, 20.0, None)
    assert np.abs(exposure.crushed_blacks(lifted, 20.0, None).astype(int) - photo).max() <= 2
