import numpy as np
import pytest
from skimage import color

from rankiqa.distortions.camera import white_balance
from rankiqa.distortions.camera.levels import TOO_COOL, TOO_GREEN, TOO_MAGENTA, TOO_WARM
from rankiqa.distortions.camera.light import srgb_to_linear

GREY = np.full((2, 2, 3), 100, np.uint8)


def krystek(kelvin):
    """Krystek's rational approximation of the Planckian locus, CIE 1960 (u, v): another one than the code's."""
    t = kelvin
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t**2) / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t**2)
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t**2) / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t**2)
    return u, v


def uv_and_luminance(image):
    x, y, z = color.rgb2xyz(image)[0, 0]
    return np.array((4 * x, 6 * y)) / (x + 15 * y + 3 * z), y


@pytest.mark.parametrize("kelvin", [2000, 2600, 3200, 4500, 6504, 9000, 14000])
def test_the_locus_is_krysteks(kelvin):
    assert white_balance.planckian(1e6 / kelvin) == pytest.approx(krystek(kelvin), abs=4e-4)


@pytest.mark.parametrize("mired", TOO_WARM["camera"])
def test_grey_moves_along_the_locus_by_the_mired_and_keeps_its_luminance(mired):
    made = white_balance.colour_temperature(GREY, mired, None)
    (before, grey), (after, luminance) = uv_and_luminance(GREY), uv_and_luminance(made)
    day = white_balance.DAYLIGHT
    expected = np.subtract(krystek(1e6 / (day + mired)), krystek(1e6 / day))
    assert after - before == pytest.approx(expected, abs=1.5e-3)  # rounding to 8 bits, and between the two loci
    assert luminance == pytest.approx(grey, rel=0.012)


@pytest.mark.parametrize("mired", TOO_COOL["camera"])
def test_too_cool_undoes_too_warm(mired):
    made = white_balance.colour_temperature(GREY, mired, None)
    assert uv_and_luminance(made)[1] == pytest.approx(uv_and_luminance(GREY)[1], rel=0.012)
    back = white_balance.colour_temperature(made, -mired, None)
    assert np.ptp(back) <= 1  # grey again, though both keep the luminance of grey alone
    assert made[0, 0, 2] > made[0, 0, 0]


@pytest.mark.parametrize("duv", (*TOO_GREEN["camera"], *TOO_MAGENTA["camera"]))
def test_the_tint_is_the_distance_across_the_locus(duv):
    made = white_balance.tint(GREY, duv, None)
    (before, grey), (after, luminance) = uv_and_luminance(GREY), uv_and_luminance(made)
    step = after - before
    along = np.subtract(krystek(6400), krystek(6600))
    along /= np.hypot(*along)
    assert step @ along == pytest.approx(0, abs=1e-3)
    assert along[0] * step[1] - along[1] * step[0] == pytest.approx(duv, abs=1e-3)
    assert luminance == pytest.approx(grey, rel=0.012)
    green = srgb_to_linear(made[0, 0] / 255)
    assert (green[1] > max(green[0], green[2])) == (duv > 0)


def test_no_shift_leaves_all_colours(photo):
    for function in (white_balance.colour_temperature, white_balance.tint):
        assert np.abs(function(photo, 1e-9, None).astype(int) - photo).max() == 0


def test_the_adaptation_scales_bradfords_cones():
    # As Lindbloom prints it, from D65 to the tungsten of illuminant A, for XYZ.
    expected = [
        [1.2164557, 0.1109905, -0.1549325],
        [0.1533326, 0.9152313, -0.0559953],
        [-0.0239469, 0.0358984, 0.3147529],
    ]
    x, y = 0.44757, 0.40745
    matrix = white_balance.to_white(4 * x / (12 * y - 2 * x + 3), 6 * y / (12 * y - 2 * x + 3))
    to_xyz = color.colorconv.xyz_from_rgb
    assert to_xyz @ matrix @ np.linalg.inv(to_xyz) == pytest.approx(np.array(expected), abs=2e-3)
