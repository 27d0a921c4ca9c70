import cv2
import numpy as np
import pytest

from rankiqa.distortions.camera import low_light, raw
from rankiqa.distortions.camera.levels import LOW_LIGHT


@pytest.mark.parametrize("electrons", LOW_LIGHT["camera"][::2])
def test_the_mosaics_variance_is_that_of_counted_electrons(electrons):
    # Electrons counted by a Poisson process, read with an error of two of them: an independent draw of it.
    rng = np.random.default_rng(0)
    image = np.full((300, 300, 3), (200, 120, 60), np.uint8)
    noise = low_light.bayer_noise(image, electrons, rng)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        gain, light = low_light.GAINS[channel], raw.RAW_OF_CODE[(200, 120, 60)[channel]]
        counted = rng.poisson(electrons * light / gain, 20000) + rng.normal(0, low_light.READ_NOISE, 20000)
        site = noise[row::2, column::2]
        assert abs(site.mean()) < 4 * site.std() / site.size**0.5
        assert site.var() == pytest.approx((counted * gain / electrons).var(), rel=0.06)


def test_the_variance_is_inverse_to_the_electrons_where_photons_rule_and_to_their_square_in_the_dark():
    bright, dark = (low_light.noise_deviation(1000.0, 1.0)[code] / low_light.noise_deviation(2000.0, 1.0)[code]
                    for code in (255, 0))  # fmt: skip
    assert bright**2 == pytest.approx(2, rel=0.01)
    assert dark**2 == pytest.approx(4)


def test_demosaicing_is_bilinear_and_puts_every_colour_in_its_place():
    image = np.full((40, 52, 3), 128, np.uint8)
    noise = low_light.bayer_noise(image, 500.0, np.random.default_rng(3))
    margin = low_light.CONTEXT
    made = low_light.low_light(image, 500.0, np.random.default_rng(3))
    kernel = {0: [1, 2, 1], 2: [1, 2, 1]}
    exact = np.empty((*noise.shape, 3))
    for channel, first in ((0, 0), (2, 1)):
        sites = np.zeros_like(noise)
        sites[first::2, first::2] = noise[first::2, first::2]
        exact[..., channel] = cv2.filter2D(sites, -1, np.outer(kernel[channel], kernel[channel]) / 4)
    green = noise.copy()
    green[::2, ::2] = green[1::2, 1::2] = 0
    exact[..., 1] = cv2.filter2D(green, -1, np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4)
    exact = raw.to_raw(image) + exact[margin:-margin, margin:-margin]
    codes = 255 * raw.tone_curve(raw.linear_to_srgb(np.clip(exact, 0, 1)))
    assert np.abs(made - codes).max() < 0.6


def test_stronger_levels_have_the_same_pattern_and_more_of_it():
    image = np.full((64, 64, 3), 128, np.uint8)
    weak, strong = (low_light.bayer_noise(image, n, np.random.default_rng(1)) for n in (1600.0, 160.0))
    assert strong / weak == pytest.approx(np.full(weak.shape, (strong / weak)[0, 1]), rel=0.1)
    assert (strong / weak)[0, 1] > 3


def test_red_and_blue_are_noisier_than_green_and_the_mean_stays():
    image = np.full((256, 256, 3), 150, np.uint8)
    made = low_light.low_light(image, 800.0, np.random.default_rng(1)).astype(float)
    red, green, blue = made.std(axis=(0, 1))
    assert red > blue > green > 1
    assert made.mean(axis=(0, 1)) == pytest.approx([150] * 3, abs=0.3)


def test_denoising_leaves_little_grain_but_blotches_of_colour():
    image = np.full((256, 256, 3), 110, np.uint8)
    both = [f(image, 90.0, np.random.default_rng(2)) for f in (low_light.low_light, low_light.denoised_low_light)]
    noisy, denoised = (cv2.cvtColor(made, cv2.COLOR_RGB2YCrCb).astype(np.float32) for made in both)
    assert denoised[..., 0].std() < 0.4 * noisy[..., 0].std()
    # Of the colour's noise what is coarser than forty pixels stays, the fine is gone.
    coarse = [cv2.blur(made[..., 1], (40, 40)).std() for made in (noisy, denoised)]
    assert coarse[1] == pytest.approx(coarse[0], rel=0.2)
    fine = [np.diff(made[..., 1], axis=1).std() for made in (noisy, denoised)]
    assert fine[1] < 0.1 * fine[0]


def test_the_denoiser_keeps_strong_edges():
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 220
    made = low_light.denoised_low_light(image, 600.0, np.random.default_rng(2)).astype(float).mean(axis=(0, 2))
    assert made[30] < 25
    assert made[33] > 195
