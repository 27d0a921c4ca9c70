"""Reduction and enlargement: a small photo made large, and one reduced without a filter."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image


def enlarge_nearest(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Reduce by the factor `strength` and enlarge by repeating pixels: blocks. See `enlarge`."""
    return enlarge(image, strength, cv2.INTER_NEAREST_EXACT)


def enlarge_bilinear(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Reduce by the factor `strength` and enlarge by bilinear interpolation: soft. See `enlarge`."""
    return enlarge(image, strength, cv2.INTER_LINEAR)


def enlarge_bicubic(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Reduce by the factor `strength` and enlarge by bicubic interpolation: slight rings at edges. See `enlarge`."""
    return enlarge(image, strength, cv2.INTER_CUBIC)


def enlarge_lanczos(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Reduce by the factor `strength` and enlarge by Lanczos's kernel, 8 pixels wide: rings at edges. See `enlarge`."""
    return enlarge(image, strength, cv2.INTER_LANCZOS4)


def enlarge(image: np.ndarray, factor: float, interpolation: int) -> np.ndarray:
    """What a photo smaller by `factor` looks like, enlarged to the size of `image`, uint8 H×W×3, which is not changed.

    It is reduced by a tent twice as wide as a new pixel (Pillow's bilinear filter), to the nearest whole size, and
    pixel centres keep their places both ways. `interpolation` is OpenCV's. Source: any viewer that fits a small photo
    to the screen.
    """
    height, width = image.shape[:2]
    # A box, OpenCV's INTER_AREA, would at a factor of 2 leave the very means that a viewer at half the size sees.
    smaller = Image.fromarray(image).resize(smaller_size(image, factor), Image.Resampling.BILINEAR)
    return cv2.resize(np.asarray(smaller), (width, height), interpolation=interpolation)


def smaller_size(image: np.ndarray, factor: float) -> tuple[int, int]:
    """Width and height of an image reduced by `factor`, whole pixels, at least 1."""
    height, width = image.shape[:2]
    return max(1, round(width / factor)), max(1, round(height / factor))


def aliasing(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Reduce without a filter, so that edges are jagged and fine texture turns into false patterns.

    Of every `strength` pixels one is kept, as it is; what was between two kept ones is interpolated bilinearly from
    where they were, so that nothing moves. `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: sampling below the Nyquist rate, as by fast previews and cheap zooms; strengths of ours.
    """
    height, width = image.shape[:2]
    columns, rows = (
        kept(side, small) for side, small in zip((width, height), smaller_size(image, strength), strict=True)
    )
    x, y = (
        np.interp(np.arange(side), at, np.arange(len(at))).astype(np.float32)
        for side, at in ((width, columns), (height, rows))
    )
    few = image[np.ix_(rows, columns)]
    return cv2.remap(
        few, np.tile(x, (height, 1)), np.tile(y[:, None], (1, width)), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def kept(side: int, small: int) -> np.ndarray:
    """Which of `side` pixels in a row stay when there are `small` of them: the one at the middle of each part."""
    return ((np.arange(small) + 0.5) * side / small).astype(int)
