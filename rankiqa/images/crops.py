"""Which parts of an image a network sees: crops at random places or on a grid, or the whole image.

Crops are never resized: interpolation would change the distortion that is to be judged.
"""

from __future__ import annotations

import numpy as np

from rankiqa.errors import InputError

CROPS = ("random", "grid")  # parts of the image
FULL = "whole"  # the image at its own size, reduced where it is a large one: `whole`
WHOLE = (FULL, "resize", "native")  # the image itself, once
DENSE = "dense"  # every window, the features computed once: `rankiqa.scoring.dense`
MODES = (*CROPS, DENSE, *WHOLE)
SMALL = ("error", "reflect", "resize")

# Sides in pixels of what a network is shown of a whole image: the longer one at most, the shorter one at least.
MOST_SIDE, LEAST_SIDE = 1024, 64


def crop_positions(height: int, width: int, crop: int, patches: int, mode: str, rng: np.random.Generator) -> np.ndarray:
    """Upper left corners (top, left) of the crops, (P, 2) int64.

    Args:
        height: of the image, pixels, at least `crop`.
        width: of the image, pixels, at least `crop`.
        crop: side of the square crop, pixels.
        patches: how many.
        mode: "random": `patches` places, each as likely as any other, maybe one twice. "grid": the rows ×
            columns ≤ `patches` whose neighbours lie closest, evenly spread from border to border. It may give
            fewer than `patches`: 28 = 4 × 7 of 30 in a picture of 384×512, one where the image is as large as
            the crop. All places differ; from four patches on, the four corners are among them.
        rng: for "random".

    Raises:
        InputError: the image is smaller than the crop, fewer than one patch, or an unknown mode.
    """
    if patches < 1:
        raise InputError(f"patches must be at least 1, not {patches}")
    if mode not in CROPS:
        raise InputError(f"crops are {' or '.join(CROPS)}, not {mode!r}")
    if min(height, width) < crop:
        raise _too_small((height, width), crop)
    free = height - crop, width - crop
    if mode == "random":
        return rng.integers(0, np.array(free) + 1, size=(patches, 2))
    rows, columns = _grid_shape(*free, patches)
    places = [_spread(free[0], rows), _spread(free[1], columns)]
    return np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).reshape(-1, 2)


def _spread(free: int, count: int) -> np.ndarray:
    if count == 1:
        return np.array([free // 2])
    return np.floor(np.linspace(0, free, count) + 0.5).astype(np.int64)


def _grid_shape(free_rows: int, free_columns: int, patches: int) -> tuple[int, int]:
    def step(free: int, count: int) -> float:
        return free / (count - 1) if count > 1 else 2 * free  # one crop in the middle: nothing at the border

    least = [min(2, free + 1) for free in (free_rows, free_columns)]
    if least[0] * least[1] > patches:  # too few for four corners
        least = [1, 1]
    shapes = []
    for rows in range(least[0], min(patches // least[1], free_rows + 1) + 1):
        columns = min(patches // rows, free_columns + 1)
        steps = step(free_rows, rows), step(free_columns, columns)
        shapes.append((max(steps), sum(steps), rows, columns))
    return min(shapes)[2:]


def check_small(small: str) -> None:
    """Raise `InputError` for a policy for small images that is not one of `SMALL`."""
    if small not in SMALL:
        raise InputError(f"small must be one of {', '.join(SMALL)}, not {small!r}")


def check_least(image: np.ndarray, least: int) -> None:
    """Raise `InputError` for an image with a side below `least` pixels."""
    height, width = image.shape[:2]
    if min(height, width) < least:
        raise InputError(f"the image ({width}×{height}) is smaller than {least}×{least}: too little to judge")


def _too_small(size: tuple[int, ...], crop: int, what: str = " crop") -> InputError:
    """For an image of (height, width, …)."""
    return InputError(
        f"the image ({size[1]}×{size[0]}) is smaller than the {crop}×{crop}{what}",
        cure="leave it out, or choose a policy for small images",
        options=("small=reflect", "small=resize"),
    )


def fit(image: np.ndarray, crop: int, small: str) -> np.ndarray:
    """An H×W×3 image that holds a crop: itself, or enlarged as `small` says; `InputError` where that is "error"."""
    if min(image.shape[:2]) >= crop:
        return image
    if small == "error":
        raise _too_small(image.shape, crop)
    return enlarge(image, crop, small)


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of an image after `reduce`: its own, unless its longer side has more than `MOST_SIDE` pixels.

    The shorter side stays at `LEAST_SIDE` or above, so that of a long strip the longer one may remain above the most.
    """
    long, short = max(height, width), min(height, width)
    scale = max(MOST_SIDE / long, LEAST_SIDE / short)
    return (height, width) if scale >= 1 else (round(height * scale), round(width * scale))


def reduce(image: np.ndarray) -> np.ndarray:
    """An H×W×3 image as a network sees a whole one: at most of `reduced_size`, each pixel the mean of its area."""
    height, width = reduced_size(*image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    import cv2

    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def whole(image: np.ndarray, small: str) -> np.ndarray:
    """An H×W×3 image as a network sees a whole one: reduced if it is large, enlarged as `small` says if it is small.

    Raises:
        InputError: a side below `LEAST_SIDE`, and `small` is "error".
    """
    if small == "error" and min(image.shape[:2]) < LEAST_SIDE:
        raise _too_small(image.shape, LEAST_SIDE, " px that the network needs")
    return fit(reduce(image), LEAST_SIDE, small)


def squeeze(image: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """An H×W×3 image resized to height×width, a square without the latter, whatever its shape: NIMA's input.

    Bilinear, and smoothed where it shrinks.
    """
    from PIL import Image

    size = height if width is None else width, height
    return np.array(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BILINEAR))


def enlarge(image: np.ndarray, crop: int, how: str) -> np.ndarray:
    """An H×W×3 image that holds a crop: mirrored at its borders ("reflect") or interpolated ("resize")."""
    height, width = image.shape[:2]
    if how == "reflect":
        missing = [max(0, crop - height), max(0, crop - width)]
        return np.pad(image, [*((m // 2, m - m // 2) for m in missing), (0, 0)], mode="reflect")
    from PIL import Image

    scale = crop / min(height, width)
    size = max(crop, round(width * scale)), max(crop, round(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def crop_at(image: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    """The size×size part of an H×W×3 image at (top, left): native resolution, no interpolation."""
    return image[top : top + size, left : left + size]


def random_place(image: np.ndarray, size: int, rng: np.random.Generator) -> tuple[int, int]:
    """(top, left) of a size×size part of an H×W×3 image; every place is equally likely.

    Raises:
        InputError: the image is smaller than the crop; its message has both sizes.
    """
    height, width = image.shape[:2]
    if height < size or width < size:
        raise InputError(f"the image of {width}×{height} px is smaller than the crop of {size}×{size} px")
    return int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))


def random_crop(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A size×size part of an H×W×3 image at a `random_place`.

    Never resized: interpolation would change the distortion.

    Raises:
        InputError: the image is smaller than the crop.
    """
    return crop_at(image, *random_place(image, size, rng), size)
