import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import structural_similarity

from rankiqa.metrics.full_reference import gmsd, psnr, ssim


@pytest.fixture
def noisy(photo):
    noise = np.random.default_rng(0).integers(-40, 41, photo.shape)
    return np.clip(photo.astype(int) + noise, 0, 255).astype(np.uint8)


def test_ssim_is_that_of_scikit_image(photo, noisy):
    for made in (noisy, np.clip(photo.astype(int) - 60, 0, 255).astype(np.uint8), photo[::-1].copy()):
        expected = structural_similarity(
            photo,
            made,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
        assert ssim(photo, made) == pytest.approx(expected, abs=2e-4)


def test_gmsd_is_the_papers_formula(photo, noisy):
    def edges(image):
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
        height, width = (side // 2 * 2 for side in grey.shape)
        half = grey[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        kernel = np.array([[1, 0, -1]] * 3) / 3
        across, along = (ndimage.correlate(half, k, mode="constant") for k in (kernel, kernel.T))
        return np.hypot(across, along)

    x, y = edges(photo), edges(noisy)
    expected = np.std((2 * x * y + 170) / (x**2 + y**2 + 170))
    assert gmsd(photo, noisy) == pytest.approx(expected, abs=1e-4)


def test_equal_images_are_perfect(photo):
    assert psnr(photo, photo) == np.inf
    assert ssim(photo, photo) == pytest.approx(1)
    assert gmsd(photo, photo) == pytest.approx(0, abs=1e-7)
