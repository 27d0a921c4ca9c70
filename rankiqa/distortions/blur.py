"""Blur."""

from __future__ import annotations

import math

import cv2
import numpy as np


def kernel_width(sigma: float) -> int:
    """The odd width in pixels of the kernel that reaches three standard deviations to each side."""
    return 2 * math.floor(3 * sigma) + 1


def gaussian_blur(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian cut at three standard deviations, the border reflected (edge pixel repeated).

    `strength` is the standard deviation in pixels; `rng` is not used. uint8 H×W×3 in and out; `image` is
    not changed. Source: RankIQA (ICCV 2017), supplement; TID2013 type 8.
    """
    width = kernel_width(strength)
    # In floating point: for 8-bit images OpenCV rounds the kernel itself to 8 bits.
    blurred = cv2.GaussianBlur(image.astype(np.float32), (width, width), strength, borderType=cv2.BORDER_REFLECT)
    return np.rint(blurred).clip(0, 255).astype(np.uint8)
