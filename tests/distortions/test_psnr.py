import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from rankiqa.distortions import DISTORTIONS, levels
from rankiqa.distortions.psnr import TOLERANCE, psnr, strengths_for_psnr

TARGETS = levels.TID2013_PSNR


def reached(name, image, strengths, seed=0):
    return [psnr(image, DISTORTIONS[name](image, s, np.random.default_rng(seed))) for s in strengths]


def test_psnr_is_that_of_scikit_image(photo):
    noisy = DISTORTIONS["GN"](photo, 0.01, np.random.default_rng(0))
    assert psnr(photo, noisy) == pytest.approx(peak_signal_noise_ratio(photo, noisy), abs=1e-4)
    assert psnr(photo, photo) == math.inf


def test_noise_on_grey_has_the_variance_of_the_closed_form():
    # MSE = 255² · variance, and a twelfth of a grey level for rounding; 128 lies far from the ends.
    grey = np.full((256, 256, 3), 128, np.uint8)
    strengths = strengths_for_psnr(DISTORTIONS["GN"], grey, 0)
    expected = [10 ** (-target / 10) - 1 / 12 / 255**2 for target in TARGETS]
    assert strengths == pytest.approx(expected, rel=0.03)


def test_a_shift_has_the_closed_form():
    grey = np.full((64, 64, 3), 128, np.uint8)
    up = strengths_for_psnr(DISTORTIONS["MSH"], grey, 0)
    down = strengths_for_psnr(DISTORTIONS["MSL"], grey, 0)
    shift = [255 * 10 ** (-target / 20) for target in TARGETS]
    # Pixels are whole: a grey level in the place of 5.7 is 6, which every shift from 5.5 to 6.5 gives.
    assert up == pytest.approx(shift, abs=1)
    assert down == pytest.approx([-s for s in shift], abs=1)


@pytest.mark.parametrize("name", ["GB", "GN", "GNC", "IN", "CCL", "LCNI"])
def test_photos_get_the_psnr_that_is_asked_for(name, photo):
    strengths = strengths_for_psnr(DISTORTIONS[name], photo, 7)
    DISTORTIONS[name].check_levels(strengths)
    found = reached(name, photo, strengths, 7)
    met = [target for target, value in zip(TARGETS, found, strict=True) if abs(value - target) <= TOLERANCE]
    assert len(met) >= 4
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize("name", ["JPEG", "QN", "CQD"])
def test_whole_strengths_come_as_near_as_they_can(name, photo):
    distortion = DISTORTIONS[name]
    strengths = strengths_for_psnr(distortion, photo, 0)
    distortion.check_levels(strengths)
    made = dict(zip(TARGETS, reached(name, photo, strengths), strict=True))
    low, high = (int(limit) for limit in sorted(distortion.limits))
    for target, strength in zip(TARGETS, strengths, strict=True):
        around = [s for s in range(int(strength) - 3, int(strength) + 4) if low <= s <= high]
        best = min(abs(value - target) for value in reached(name, photo, around))
        if made[target] <= target + 1:  # reachable
            assert abs(made[target] - target) <= best + 0.3


def test_where_a_target_is_out_of_reach_the_levels_still_rise():
    # Blur cannot bring a picture of fog below some 40 dB.
    ramp = np.broadcast_to(np.linspace(100, 130, 96)[None, :, None], (64, 96, 3)).astype(np.uint8)
    strengths = strengths_for_psnr(DISTORTIONS["GB"], ramp, 0)
    DISTORTIONS["GB"].check_levels(strengths)
    assert len(strengths) == 5
    assert strengths[-1] == pytest.approx(DISTORTIONS["GB"].limits[1])
    assert (np.diff(reached("GB", ramp, strengths)) < 0).all()


def test_the_same_image_is_never_two_levels(photo):
    # libjpeg takes quality 0 for 1: of the two only one may be a level.
    smooth = DISTORTIONS["GB"](photo, 6, None)
    strengths = strengths_for_psnr(DISTORTIONS["JPEG"], smooth, 0)
    DISTORTIONS["JPEG"].check_levels(strengths)
    assert strengths[-1] > 0
    assert (np.diff(reached("JPEG", smooth, strengths)) < 0).all()
    constant = strengths_for_psnr(DISTORTIONS["CQD"], np.full((16, 16, 3), 90, np.uint8), 0)
    DISTORTIONS["CQD"].check_levels(constant)
