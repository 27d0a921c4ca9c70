import numpy as np
import pytest
from scipy import stats

from rankiqa.distortions.levels import GAUSSIAN_NOISE
from rankiqa.distortions.noise import gaussian_noise

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


def test_other_generators_give_other_noise():
    grey = np.full((64, 64, 3), 128, np.uint8)
    one, two = (gaussian_noise(grey, LIVE[2], np.random.default_rng(seed)).astype(float) for seed in (1, 2))
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 5 / np.sqrt(grey.size)
