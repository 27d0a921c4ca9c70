"""Full-reference quality: how far a distorted image is from its pristine one."""

from __future__ import annotations

import cv2
import numpy as np

from rankiqa.distortions.psnr import psnr

__all__ = ["gmsd", "psnr", "ssim"]

# Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004.
_WINDOW = cv2.getGaussianKernel(11, 1.5, cv2.CV_32F)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Xue et al., "Gradient magnitude similarity deviation", IEEE TIP 23(2), 2014.
_GRADIENT = np.array([[1, 0, -1]] * 3, dtype=np.float32) / 3
_T = 170.0


def ssim(image: np.ndarray, made: np.ndarray) -> float:
    """Structural similarity of two uint8 H×W×3 images, the mean over R, G and B; 1 where they are equal.

    The Gaussian window of the paper, 11×11 and σ 1.5; the 5 pixels next to the border do not count. Both sides must be
    11 pixels or more. scikit-image gives the same number (`gaussian_weights`, no sample covariance), several times
    slower.
    """
    x, y = image.astype(np.float32), made.astype(np.float32)
    mean_x, mean_y = _blur(x), _blur(y)
    cross = mean_x * mean_y
    squares = mean_x * mean_x
    squares += mean_y * mean_y
    covariance = _blur(x * y)
    covariance -= cross
    x *= x
    y *= y
    x += y
    variances = _blur(x)
    variances -= squares
    similarity = (2 * cross + _C1) * (2 * covariance + _C2)
    similarity /= (squares + _C1) * (variances + _C2)
    return float(similarity[5:-5, 5:-5].mean(dtype=np.float64))


def gmsd(image: np.ndarray, made: np.ndarray) -> float:
    """Gradient magnitude similarity deviation of two uint8 H×W×3 images, on luminance; 0 where they are equal.

    **Lower is better.** Images are halved first, as in the paper.
    """
    x, y = _edges(image), _edges(made)
    similarity = (2 * x * y + _T) / (x * x + y * y + _T)
    return float(similarity.std(dtype=np.float64))


def _blur(values: np.ndarray) -> np.ndarray:
    return cv2.sepFilter2D(values, cv2.CV_32F, _WINDOW, _WINDOW)


def _edges(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    half = cv2.blur(grey, (2, 2), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)[::2, ::2]
    across, along = (
        cv2.filter2D(half, cv2.CV_32F, k, borderType=cv2.BORDER_CONSTANT) for k in (_GRADIENT, _GRADIENT.T)
    )
    return cv2.magnitude(across, along)
