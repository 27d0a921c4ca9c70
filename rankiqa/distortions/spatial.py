"""Places: patches moved or painted over, pixels displaced, the grid made coarser, edges made steeper."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from rankiqa.distortions.colour import from_lab, to_lab
from rankiqa.distortions.rounding import to_uint8

_PATCH, _OFFSET = 15, 5  # pixels
_BLOCK = 32  # pixels
_TRIES = 16  # places for a block, of which the one that overlaps others least is taken
_COLOURS = 16  # from which the one that the image has least of is taken
_PASSES = 5
_SHARPEN_SIGMA = 3
SHARPEN_REACH = 2 * _SHARPEN_SIGMA  # pixels: MATLAB cuts the Gaussian at two standard deviations


def moved_patches(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Replace patches of 15×15 pixels by what `image` has 5 pixels further down and to the right.

    `strength` is the number of patches, more is stronger. `rng` gives their places, uniformly; the patches of a
    weaker level are among those of a stronger one from the same seed. In an image smaller than that, patch and offset
    are cut. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 14.
    """
    made = np.array(image, order="C")
    size = image.shape[:2]
    offset = [min(_OFFSET, side // 2) for side in size]
    patch = [min(_PATCH, side - by) for side, by in zip(size, offset, strict=True)]
    room = [side - by - of_patch + 1 for side, by, of_patch in zip(size, offset, patch, strict=True)]
    places = (rng.random((int(strength), 2)) * room).astype(int)
    for top, left in places.tolist():
        rows, columns = slice(top, top + patch[0]), slice(left, left + patch[1])
        made[rows, columns] = image[offset[0] :, offset[1] :][rows, columns]
    return made


def blocks(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Paint blocks of 32×32 pixels, all in one colour that the image has little of.

    `strength` is the number of blocks, more is stronger. `rng` gives the colour and the places, which overlap only
    where there is no room; the blocks of a weaker level are among those of a stronger one from the same seed. A block
    is cut where the image is smaller. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 15.
    """
    colour = _rare_colour(image, rng)
    made = np.array(image, order="C")
    for rows, columns, _ in _random_blocks(image.shape, int(strength), rng):
        made[rows, columns] = colour
    return made


def colour_blocks(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Paint blocks of 32×32 pixels, each in its own colour.

    `strength` is the number of blocks, more is stronger. `rng` gives colours and places, as in `blocks`.
    uint8 H×W×3 in and out; `image` is not changed. Source: KADID-10k type 23.
    """
    made = np.array(image, order="C")
    for rows, columns, colour in _random_blocks(image.shape, int(strength), rng):
        made[rows, columns] = colour
    return made


def pixelate(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Resize to 0.95 − strength^0.6 of the size and back, each pixel taking the nearest one.

    `strength` is from 0 to 0.85, more is stronger; `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: KADID-10k type 21.
    """
    zoom = 0.95 - strength**0.6
    height, width = image.shape[:2]
    small = (math.ceil(zoom * width), math.ceil(zoom * height))
    # Not INTER_NEAREST, which takes the pixel to the upper left.
    return cv2.resize(
        cv2.resize(image, small, interpolation=cv2.INTER_NEAREST_EXACT),
        (width, height),
        interpolation=cv2.INTER_NEAREST_EXACT,
    )


def jitter(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Take each pixel from a place displaced at random, five times in a row.

    `strength` is the standard deviation in pixels of each displacement, Gaussian and independent in x and y and
    from pixel to pixel; more is stronger. Bicubic interpolation, the edge pixel repeated. `rng` gives the
    displacements. uint8 H×W×3 in and out; `image` is not changed. Source: KADID-10k type 19.
    """
    height, width = image.shape[:2]
    made: np.ndarray = image.astype(np.float32)
    for _ in range(_PASSES):
        x, y = rng.standard_normal((2, height, width), dtype=np.float32) * np.float32(strength)
        x += np.arange(width, dtype=np.float32)
        y += np.arange(height, dtype=np.float32)[:, None]
        made = cv2.remap(made, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return to_uint8(made)


def jitter_reach(strength: float) -> int:
    """From how far `jitter` takes a pixel, in pixels: five displacements within 5 σ, each with the bicubic kernel."""
    return _PASSES * (math.ceil(5 * strength) + 2)


def sharpen(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Unsharp mask on L of CIE Lab: add to it its difference from its blur by a Gaussian of σ 3 px (imsharpen).

    `strength` is the factor on the difference, more is stronger; `rng` is not used. uint8 H×W×3 in and out; `image`
    is not changed. Source: KADID-10k type 24.
    """
    lab = to_lab(image)
    lightness = cv2.extractChannel(lab, 0)
    width = 2 * SHARPEN_REACH + 1
    blurred = cv2.GaussianBlur(lightness, (width, width), _SHARPEN_SIGMA, borderType=cv2.BORDER_REPLICATE)
    cv2.insertChannel(cv2.addWeighted(lightness, 1 + strength, blurred, -strength, 0), lab, 0)
    return from_lab(lab)


def _random_blocks(
    shape: tuple[int, ...], count: int, rng: np.random.Generator
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Rows, columns and colour of `count` random blocks; for the same seed, fewer are the first of more.

    A block takes the first of `_TRIES` places that is free, or the one that overlaps the earlier blocks least.
    """
    side = np.minimum(shape[:2], _BLOCK)
    room = np.array(shape[:2]) - side + 1
    covered = np.zeros(shape[:2], bool)
    for draw in rng.random((count, 2 * _TRIES + 3)):
        least = math.inf
        for top, left in (draw[3:].reshape(_TRIES, 2) * room).astype(int).tolist():
            window = slice(top, top + side[0]), slice(left, left + side[1])
            overlap = int(np.count_nonzero(covered[window]))
            if overlap < least:
                least, place = overlap, window
            if not least:
                break
        covered[place] = True
        yield *place, (256 * draw[:3]).astype(np.uint8)


def _rare_colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of random colours the one with the fewest pixels of `image` near it: a block of it stands out everywhere."""
    colours = rng.integers(0, 256, (_COLOURS, 3))
    height, width = image.shape[:2]
    pixels = image[:: -(-height // 64), :: -(-width // 64)].reshape(-1, 3)
    near = (abs(pixels - colours[:, None]) < 64).all(axis=2)
    return colours[near.sum(axis=1).argmin()].astype(np.uint8)
