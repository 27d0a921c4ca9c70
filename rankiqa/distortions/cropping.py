"""One crop of a distorted image, made from as little of the image as its type allows."""

from __future__ import annotations

import numpy as np

from rankiqa.distortions.registry import Distortion


def distort_crop(
    distortion: Distortion, image: np.ndarray, strength: float, rng: np.random.Generator, top: int, left: int, size: int
) -> np.ndarray:
    """The size×size part at (top, left) of `distortion(image, strength, rng)`.

    Only a window around the crop is distorted: the crop with the type's `context` on each side, widened to whole blocks
    of its `grid`, and cut where the image ends, so that borders are treated as those of the whole image. A type
    without a `context` distorts the whole image.

    Types that draw nothing, or look at the whole image, give the pixels of the whole image (to within one grey level,
    where OpenCV sums in another order). The others draw for the window: other noise with the same distribution.

    Args:
        distortion: the type.
        image: uint8 H×W×3, the pristine image; not changed.
        strength: of the type.
        rng: what the type draws from.
        top: of the crop, which lies in the image, pixels from the image's upper border.
        left: of the crop, pixels from the image's left border.
        size: side of the crop, pixels.

    Returns:
        uint8 size×size×3, a new C-contiguous array.
    """
    context = context_of(distortion, strength)
    height, width = image.shape[:2]
    if context is None:
        rows, columns = slice(0, height), slice(0, width)
    else:
        rows = _window(top, size, height, context, distortion.grid)
        columns = _window(left, size, width, context, distortion.grid)
    made = distortion(image[rows, columns], strength, rng)
    top, left = top - rows.start, left - columns.start
    return made[top : top + size, left : left + size].copy()  # a view would keep the whole of it in memory


def context_of(distortion: Distortion, strength: float) -> int | None:
    """How many pixels around a crop are distorted with it; None: the whole image is."""
    return distortion.context(strength) if callable(distortion.context) else distortion.context


def _window(start: int, size: int, side: int, context: int, grid: int) -> slice:
    first = (start - context) // grid * grid
    last = -(-(start + size + context) // grid) * grid
    return slice(max(first, 0), min(last, side))
