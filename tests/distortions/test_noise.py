import numpy as np
import pytest
from scipy import ndimage, stats
from skimage.color import rgb2ycbcr, ycbcr2rgb

from rankiqa.distortions.levels import GAUSSIAN_NOISE
from rankiqa.distortions.noise import (
    MASKING_REACH,
    colour_noise,
    correlated_noise,
    gaussian_noise,
    high_frequency_noise,
    impulse_noise,
    local_contrast,
    masked_noise,
    multiplicative_noise,
    speckle_noise,
)

LIVE = GAUSSIAN_NOISE["live"]


def test_live_variances_are_exact_powers_of_two():
    assert np.log2(LIVE).tolist() == [-10, -7.5, -5.5, -3.5, 0]


@pytest.mark.parametrize("variance", LIVE[:3])
def test_noise_on_mid_grey_has_the_variance_and_is_independent_in_the_channels(variance):
    # Grey 128 lies 3.4 standard deviations from either end at the third level: clipping is negligible.
    grey = np.full((300, 400, 3), 128, np.uint8)
    noise = (gaussian_noise(grey, variance, np.random.default_rng(5)).astype(float) - 128) / 255
    samples = noise.reshape(-1, 3)
    n = len(samples)
    rounding = 1 / 255**2 / 12
    assert np.abs(samples.mean(axis=0)).max() < 5 * np.sqrt(variance / n)
    assert samples.var(axis=0) == pytest.approx(variance + rounding, rel=0.02)
    assert np.abs(np.corrcoef(samples.T)[np.triu_indices(3, 1)]).max() < 5 / np.sqrt(n)
    neighbours = np.corrcoef(noise[:, 1:, 0].ravel(), noise[:, :-1, 0].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(n)


@pytest.mark.parametrize("value", [0, 128, 250])
def test_clipped_noise_has_the_mean_of_the_clipped_normal(value):
    variance = LIVE[3]
    sigma = 255 * np.sqrt(variance)
    image = np.full((400, 400, 3), value, np.uint8)
    low, high = (0 - value) / sigma, (255 - value) / sigma
    inside = value * (stats.norm.cdf(high) - stats.norm.cdf(low))
    inside += sigma * (stats.norm.pdf(low) - stats.norm.pdf(high))
    expected = inside + 255 * stats.norm.sf(high)
    made = gaussian_noise(image, variance, np.random.default_rng(6))
    assert made.mean() == pytest.approx(expected, abs=5 * sigma / np.sqrt(image.size))
    assert {0, 255} <= set(np.unique(gaussian_noise(image, 1.0, np.random.default_rng(6))).tolist())


@pytest.mark.parametrize("variance", LIVE)
def test_pixels_are_those_of_the_formula_in_numpy_bit_for_bit(variance, photo):
    noise = np.random.default_rng(2).standard_normal(photo.shape, dtype=np.float32) * np.float32(255 * variance**0.5)
    expected = np.rint((photo + noise).clip(0, 255)).astype(np.uint8)
    assert (gaussian_noise(photo, variance, np.random.default_rng(2)) == expected).all()


def test_other_generators_give_other_noise():
    grey = np.full((64, 64, 3), 128, np.uint8)
    one, two = (gaussian_noise(grey, LIVE[2], np.random.default_rng(seed)).astype(float) for seed in (1, 2))
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 5 / np.sqrt(grey.size)


@pytest.mark.parametrize("variance", [0.0001, 0.003, 0.0524])
def test_colour_noise_is_added_in_the_ycbcr_of_scikit_image(variance, photo):
    n = np.random.default_rng(3).standard_normal(photo.shape, dtype=np.float32)
    expected = 255 * ycbcr2rgb(rgb2ycbcr(photo) + 255 * variance**0.5 * n.astype(float))
    made = colour_noise(photo, variance, np.random.default_rng(3))
    assert np.abs(made - expected.clip(0, 255)).max() <= 0.5 + 1e-3


def test_colour_noise_has_the_variance_in_each_of_y_cb_and_cr():
    variance = 0.001
    grey = np.full((300, 400, 3), 128, np.uint8)
    made = colour_noise(grey, variance, np.random.default_rng(7))
    samples = (rgb2ycbcr(made) - rgb2ycbcr(grey)).reshape(-1, 3) / 255
    n = len(samples)
    assert samples.var(axis=0) == pytest.approx(variance, rel=5 * (2 / n) ** 0.5)  # rounding adds 0.3 %
    assert np.abs(np.corrcoef(samples.T)[np.triu_indices(3, 1)]).max() < 5 / np.sqrt(n)


def test_correlated_noise_has_the_autocorrelation_of_a_mean_over_three_by_three_pixels():
    variance = 0.002
    grey = np.full((400, 400, 3), 128, np.uint8)
    noise = correlated_noise(grey, variance, np.random.default_rng(8)) / 255 - 128 / 255
    # The correlation at a lag is estimated to about sqrt(sum of squared correlations / samples) = 0.003.
    assert noise.var() == pytest.approx(variance + 1 / 255**2 / 12, rel=0.02)
    for y in range(5):
        for x in range(5):
            found = np.mean(noise[y:, x:] * noise[: 400 - y, : 400 - x]) / noise.var()
            assert found == pytest.approx(max(0, 1 - y / 3) * max(0, 1 - x / 3), abs=0.015)
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


def test_correlated_noise_is_as_strong_at_the_border_and_in_images_smaller_than_its_filter():
    variance = 0.002
    edges, pixels = [], []
    for seed in range(200):
        grey = np.full((40, 40, 3), 128, np.uint8)
        noise = (correlated_noise(grey, variance, np.random.default_rng(seed)).astype(float) - 128) / 255
        edges.append([np.mean(side**2) for side in (noise[0], noise[-1], noise[:, 0], noise[:, -1])])
        one = correlated_noise(np.full((1, 1, 3), 128, np.uint8), variance, np.random.default_rng(seed))
        pixels.append((one.astype(float) - 128) / 255)
    assert np.mean(edges, axis=0) == pytest.approx(variance, rel=0.1)
    assert np.mean(np.square(pixels)) == pytest.approx(variance, rel=5 * (2 / 600) ** 0.5)


class _Ones:
    """Stands in for a generator, so that noise of standard deviation s adds exactly s."""

    def standard_normal(self, shape, dtype):
        return np.ones(shape, dtype)


@pytest.mark.parametrize("shape", [(240, 256), (5, 9), (1, 30), (1, 1)], ids=str)
def test_masked_noise_has_the_local_standard_deviation_that_scipy_gives(shape, photo):
    grey = np.repeat(photo[: shape[0], 40 : 40 + shape[1], 1:2], 3, axis=2)
    luminance = grey[..., 0].astype(float)
    mean, squares = (ndimage.uniform_filter(a, 7, mode="reflect") for a in (luminance, luminance**2))
    contrast = np.sqrt(np.maximum(squares - mean**2, 0))
    assert local_contrast(grey) == pytest.approx(contrast, abs=1e-3)
    made = masked_noise(grey, 0.7, _Ones())
    assert np.abs(made - np.minimum(luminance + 0.7 * contrast, 255)[..., None]).max() <= 0.5 + 1e-3


def test_the_contrast_is_that_of_the_luminance(photo):
    pure = (photo // 128 * 255).astype(np.uint8)  # saturated colours, whose luminances differ much
    luminance = np.rint(pure @ [0.299, 0.587, 0.114])
    mean, squares = (ndimage.uniform_filter(a, 7, mode="reflect") for a in (luminance, luminance**2))
    assert local_contrast(pure) == pytest.approx(np.sqrt(np.maximum(squares - mean**2, 0)), abs=0.1)


def test_masked_noise_keeps_to_the_texture_and_its_surroundings():
    image = np.full((60, 90, 3), 90, np.uint8)
    image[:, :30] = np.random.default_rng(1).integers(60, 120, (60, 30, 3))
    changed = np.any(masked_noise(image, 1.0, np.random.default_rng(2)) != image, axis=(0, 2))
    assert changed[: 30 + MASKING_REACH].all()
    assert not changed[30 + MASKING_REACH :].any()


def test_the_contrast_of_a_part_needs_no_more_than_the_masking_reach_around_it(photo):
    part = photo[50 - MASKING_REACH : 150 + MASKING_REACH, 60 - MASKING_REACH : 160 + MASKING_REACH]
    inner = local_contrast(part)[MASKING_REACH:-MASKING_REACH, MASKING_REACH:-MASKING_REACH]
    assert (inner == local_contrast(photo)[50:150, 60:160]).all()


def test_high_frequency_noise_is_white_noise_through_the_gaussian_high_pass(photo):
    variance = 0.01
    height, width, _ = photo.shape
    n = np.random.default_rng(4).standard_normal(photo.shape, dtype=np.float32).astype(float)
    # 10 cycles in 512 pixels, whatever the image's size.
    distance = 512 * np.hypot(*np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij"))
    gain = 1 - np.exp(-(distance**2) / (2 * 10**2))
    noise = np.fft.ifft2(np.fft.fft2(n, axes=(0, 1)) * gain[..., None], axes=(0, 1)).real
    expected = (photo + 255 * variance**0.5 * noise).clip(0, 255)
    made = high_frequency_noise(photo, variance, np.random.default_rng(4))
    assert np.abs(made - expected).max() <= 0.5 + 2e-3


@pytest.mark.parametrize("shape", [(8, 8), (1, 64), (61, 127)], ids=str)
def test_high_frequency_noise_reaches_small_and_odd_images(shape):
    # The high-pass takes little but the mean from noise in an image that is much smaller than its cut-off's period.
    variance = 0.01
    grey = np.full((*shape, 3), 128, np.uint8)
    made = [high_frequency_noise(grey, variance, np.random.default_rng(seed)) for seed in range(60)]
    noise = (np.array(made, float) - 128) / 255
    freedom = noise.size - 3 * 60
    assert np.sum(noise**2) / freedom == pytest.approx(variance, rel=0.03 + 5 * (2 / freedom) ** 0.5)


@pytest.mark.parametrize("fraction", [1e-4, 0.01, 0.2, 1.0])
def test_impulses_are_half_black_half_white_and_apart_in_the_channels(fraction):
    image = np.random.default_rng(0).integers(1, 255, (400, 500, 3), dtype=np.uint8)
    made = impulse_noise(image, fraction, np.random.default_rng(9))
    black, white = made == 0, made == 255
    assert (made == image)[~(black | white)].all()
    bound = 5 * np.sqrt(image.size * fraction / 2 * (1 - fraction / 2))
    assert black.sum() == pytest.approx(image.size * fraction / 2, abs=bound)
    assert white.sum() == pytest.approx(image.size * fraction / 2, abs=bound)
    in_two = (black | white)[..., 0] & (black | white)[..., 1]
    assert in_two.mean() == pytest.approx(fraction**2, abs=5 * fraction * np.sqrt(1 / in_two.size) + 1e-9)


def test_a_stronger_level_of_impulses_holds_the_weaker_ones(photo):
    middle = photo.clip(1, 254)
    weak, strong = (impulse_noise(middle, fraction, np.random.default_rng(1)) for fraction in (0.02, 0.1))
    hit = weak != middle
    assert hit.any()
    assert (strong[hit] == weak[hit]).all()


@pytest.mark.parametrize("value", [40, 150])
def test_multiplicative_noise_is_normal_and_grows_with_the_value(value):
    deviation = 0.13
    image = np.full((300, 300, 3), value, np.uint8)
    samples = multiplicative_noise(image, deviation, np.random.default_rng(2)).astype(float).ravel()
    assert samples.mean() == pytest.approx(value, abs=5 * value * deviation / samples.size**0.5)
    expected = (value * deviation) ** 2 + 1 / 12
    assert samples.var() == pytest.approx(expected, rel=5 * (2 / samples.size) ** 0.5)
    assert stats.kurtosis(samples) == pytest.approx(0, abs=5 * (24 / samples.size) ** 0.5 + 0.01)


@pytest.mark.parametrize("value", [40, 150])
def test_speckle_is_uniform_noise_that_grows_with_the_value(value):
    variance = 0.05
    image = np.full((300, 300, 3), value, np.uint8)
    samples = speckle_noise(image, variance, np.random.default_rng(2)).astype(float).ravel()
    reach = value * (3 * variance) ** 0.5
    assert samples.mean() == pytest.approx(value, abs=5 * value * variance**0.5 / samples.size**0.5)
    assert samples.var() == pytest.approx(value**2 * variance + 1 / 12, rel=0.01)
    assert (samples.min(), samples.max()) == pytest.approx((value - reach, value + reach), abs=0.6)
    # Every value inside is as frequent as the next one.
    counts = np.bincount(samples.astype(int))[int(value - reach) + 2 : int(value + reach) - 1]
    assert stats.chisquare(counts).pvalue > 1e-4


def test_products_are_clipped_at_both_ends():
    image = np.full((100, 100, 3), 200, np.uint8)
    for made in (
        multiplicative_noise(image, 2.0, np.random.default_rng(0)),
        speckle_noise(image, 3.0, np.random.default_rng(0)),
    ):
        # 1 + n is below 0, or above 255 / 200, for about a third of the samples at least.
        assert np.mean(made == 0) > 0.3
        assert np.mean(made == 255) > 0.3


@pytest.mark.parametrize(
    ("function", "weak", "strong", "ratio"),
    [
        (gaussian_noise, 0.0005, 0.002, 2),
        (colour_noise, 0.0001, 0.0004, 2),
        (correlated_noise, 0.0005, 0.002, 2),
        (masked_noise, 1, 2.5, 2.5),
        (high_frequency_noise, 0.0005, 0.002, 2),
        (multiplicative_noise, 0.02, 0.05, 2.5),
        (speckle_noise, 0.001, 0.009, 3),
    ],
)
def test_one_generator_draws_one_pattern_for_all_strengths(function, weak, strong, ratio, photo):
    middle = (photo // 16 + 120).astype(np.uint8)
    one, other = (function(middle, s, np.random.default_rng(4)).astype(float) - middle for s in (weak, strong))
    assert other.std() > 0.8
    assert np.abs(other - ratio * one).max() <= 0.5 * (1 + ratio) + 1e-3
