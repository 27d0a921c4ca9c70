import math

import numpy as np
import pytest
from scipy import ndimage

from rankiqa.distortions.blur import gaussian_blur, kernel_width
from rankiqa.distortions.levels import GAUSSIAN_BLUR

LIVE = GAUSSIAN_BLUR["live"]


def test_kernels_are_as_wide_as_the_papers():
    assert [kernel_width(sigma) for sigma in LIVE] == [7, 15, 39, 91, 199]


@pytest.mark.parametrize("sigma", LIVE[:3])
def test_an_impulse_becomes_the_closed_form(sigma):
    reach = kernel_width(sigma) // 2
    side = 2 * reach + 21
    image = np.zeros((side, side, 3), np.uint8)
    image[side // 2, side // 2] = (255, 128, 0)
    profile = [math.exp(-(x**2) / (2 * sigma**2)) for x in range(-reach, reach + 1)]
    kernel = np.outer(profile, profile) / sum(profile) ** 2
    expected = np.zeros((side, side))
    expected[10:-10, 10:-10] = kernel
    made = gaussian_blur(image, sigma, None)
    for channel, value in enumerate((255, 128, 0)):
        assert np.abs(made[..., channel] - value * expected).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("sigma", LIVE)
@pytest.mark.parametrize("shape", [(240, 256), (31, 64), (8, 8), (1, 40)], ids=str)
def test_equals_scipy_with_the_border_reflected(sigma, shape, photo):
    # Where the kernel is wider than the image, the reflection repeats.
    part = photo[: shape[0], : shape[1]]
    expected = ndimage.gaussian_filter(
        part.astype(float), sigma, mode="reflect", radius=kernel_width(sigma) // 2, axes=(0, 1)
    )
    assert np.abs(gaussian_blur(part, sigma, None) - expected).max() <= 0.5 + 1e-3
