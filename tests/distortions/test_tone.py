import warnings
from itertools import combinations

import numpy as np
import pytest
from scipy import interpolate
from skimage import color
from skimage.filters import threshold_multiotsu

from rankiqa.distortions.levels import BRIGHTEN, CONTRAST_DOWN, CONTRAST_UP, CURVE_DOWN, CURVE_UP, DARKEN, QUANTIZATION
from rankiqa.distortions.psnr import psnr
from rankiqa.distortions.tone import brighten, contrast, contrast_curve, darken, mean_shift, quantization

RAMP = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)


@pytest.mark.parametrize("classes", [3, 4])
def test_thresholds_are_otsus(classes, photo):
    samples = photo.ravel()
    bins = np.digitize(samples, threshold_multiotsu(samples, classes), right=True)
    means = np.array([np.rint(samples[bins == k].mean()) for k in range(classes)])
    assert (quantization(photo, classes - 1, None).ravel() == means[bins]).all()


@pytest.mark.parametrize("bins", [2, 3, 5])
def test_no_other_bins_have_a_smaller_error(bins):
    def error(parts):
        return sum(((part - part.mean()) ** 2).sum() for part in parts)

    rng = np.random.default_rng(0)
    for _ in range(20):
        values = np.sort(rng.choice(256, 8, replace=False)).astype(np.uint8)
        samples = np.repeat(values, 3 * rng.integers(1, 30, 8))
        made = quantization(samples.reshape(1, -1, 3), bins - 1, None).ravel()
        found = [samples[made == value] for value in np.unique(made)]
        least = min(
            error(np.split(samples, np.searchsorted(samples, cut))) for cut in combinations(values[1:], bins - 1)
        )
        assert len(found) == bins
        assert error(found) == pytest.approx(least)
        assert [int(value) for value in np.unique(made)] == [int(np.rint(part.mean())) for part in found]


def test_an_image_of_no_more_values_than_bins_stays_as_it_is(photo):
    image = np.uint8((3, 70, 71, 72, 255))[np.random.default_rng(1).integers(0, 5, (20, 30, 3))]
    for thresholds in (4, 5, 254):
        assert (quantization(image, thresholds, None) == image).all()
    assert len(np.unique(quantization(image, 3, None))) == 4
    assert set(np.unique(quantization(image, 3, None))) <= {3, 70, 71, 72, 255}


def test_a_photo_comes_near_the_psnr_and_keeps_its_mean(photos):
    # A step of s, uniformly filled, leaves s² / 12: 30, 27 and 24 dB for 39, 55 and 76.
    for thresholds, expected in zip(QUANTIZATION["tid2013"][1:], (30, 27, 24), strict=True):
        found = []
        for image in photos.values():
            made = quantization(image, thresholds, None)
            assert abs(made.mean() - image.mean()) < 0.5
            found.append(psnr(image, made))
        assert abs(np.mean(found) - expected) < 2


@pytest.mark.parametrize("shift", [15, -15, 75, -75, 0.08 * 255, -0.15 * 255, 0.4, 255, -255])
def test_mean_shift_adds_and_clips(shift):
    assert (mean_shift(RAMP, shift, None) == np.rint(np.clip(RAMP + float(shift), 0, 255))).all()


@pytest.mark.parametrize("factor", CONTRAST_UP["tid2013-24"] + CONTRAST_DOWN["tid2013-24"])
def test_contrast_is_stretched_about_the_mean_of_all_samples(factor, photo):
    image = photo // 2 + 64  # nothing is clipped by the weaker ones
    mean = image.mean(dtype=float)
    expected = mean + factor * (image - mean)
    made = contrast(image, factor, None)
    assert np.abs(made - expected.clip(0, 255)).max() < 0.5 + 1e-6
    if factor < 1:
        assert abs(made.mean() - mean) < 0.1
        assert made.std() == pytest.approx(factor * image.std(), rel=0.01)


def test_no_contrast_is_the_mean(photo):
    assert np.unique(contrast(photo, 0, None)).tolist() == [round(photo.mean())]


def curve(points, x):
    """The polynomial through `points`, at `x`; all on 0–1."""
    return np.clip(interpolate.lagrange(*zip(*points, strict=True))(x), 0, 1)


@pytest.mark.parametrize(("function", "amount"), [
    *((brighten, amount) for amount in BRIGHTEN["kadid10k"]),
    *((darken, amount) for amount in DARKEN["kadid10k"]),
])  # fmt: skip
def test_brighter_and_darker_bend_rgb_and_lightness(function, amount, photo):
    part = photo[::3, ::3]
    points = ((0, 0), (0.5, 0.5 + amount / 2 * (1 if function is brighten else -1)), (1, 1))
    lab = color.rgb2lab(part)
    lab[..., 0] = 100 * curve(points, lab[..., 0] / 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # colours that sRGB lacks, with Z below 0: compared are the others
        bent = color.lab2rgb(lab)
    expected = 255 * (2 * curve(points, part / 255) + bent) / 3
    inside = (lab[..., 0] / 100 + 0.16) * 100 / 116 > lab[..., 2] / 200
    assert inside.mean() > 0.7
    assert np.abs(function(part, amount, None) - expected)[inside].max() < 1


def test_the_middle_moves_by_half_the_amount():
    grey = np.full((1, 1, 3), 128, np.uint8)
    lightness = float(color.rgb2lab(grey)[0, 0, 0]) / 100
    risen = lightness + 4 * 0.1 * lightness * (1 - lightness)
    mixed = (2 * (0.502 + 0.1) + color.lab2rgb([[[100 * risen, 0, 0]]])[0, 0, 0]) / 3
    assert np.abs(brighten(grey, 0.2, None) - 255 * mixed).max() <= 1
    assert brighten(RAMP, 1.1, None)[0, [0, 255]].tolist() == [[0] * 3, [255] * 3]
    assert darken(RAMP, 0.8, None)[0, [0, 255]].tolist() == [[0] * 3, [255] * 3]


@pytest.mark.parametrize("amount", [*CURVE_UP["kadid10k"], *CURVE_DOWN["kadid10k"], 1.5])
def test_contrast_curve_is_the_cubic_through_its_points(amount):
    points = ((0, 0), (1 / 4, (1 - amount) / 4), (3 / 4, (3 + amount) / 4), (1, 1))
    made = contrast_curve(RAMP, amount, None)
    assert np.abs(made - 255 * curve(points, RAMP / 255)).max() < 0.5 + 1e-6
