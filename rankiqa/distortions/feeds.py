"""What messengers and networks do with a photo: make it smaller, sharpen it, encode it; and the reader enlarges it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

FACTOR = (0.4, 0.9)  # of each side, in one round at full strength: a 12-megapixel photo of 4000 pixels at 1600 is 0.4
GAIN = (0.0, 1.2)  # of the unsharp mask after it, which makes up for the detail that resizing took
LEAST = 0.25  # share of the way that the mildest level goes
CODECS = ("JPEG420", "WEBP", "AVIF")
_SIGMA = 1.0  # pixels, of the unsharp mask

Size = tuple[int, int]  # height, width


def resize(image: np.ndarray, factor: float, shown: Size) -> np.ndarray:
    """The image with sides `factor` times as long, at most 1: the mean over the area of each new pixel."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def sharpen(image: np.ndarray, gain: float, shown: Size) -> np.ndarray:
    """Unsharp mask: the difference from a Gaussian blur of σ 1 px, `gain` times, on top."""
    return cv2.addWeighted(image, 1 + gain, cv2.GaussianBlur(image, (0, 0), _SIGMA), -gain, 0)


def show(image: np.ndarray, factor: float, shown: Size) -> np.ndarray:
    """The image at the size `shown`, bicubic; `factor` is not used."""
    return cv2.resize(image, shown[::-1], interpolation=cv2.INTER_CUBIC)


# f(image, strength, size that the photo had) -> image, whose size may be another.
STEPS: dict[str, Callable[[np.ndarray, float, Size], np.ndarray]] = {"RESIZE": resize, "SHARPEN": sharpen, "SHOW": show}
LIMITS = {"RESIZE": (0.0, 1.0), "SHARPEN": (0.0, GAIN[1]), "SHOW": (1.0, 1.0)}
