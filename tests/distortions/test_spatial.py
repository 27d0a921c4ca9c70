import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import color

from rankiqa.distortions.levels import BLOCKS, COLOUR_BLOCKS, JITTER, PATCHES, PIXELATE, SHARPEN
from rankiqa.distortions.spatial import (
    SHARPEN_REACH,
    blocks,
    colour_blocks,
    jitter,
    jitter_reach,
    moved_patches,
    pixelate,
    sharpen,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def numbered(height, width):
    """An image whose every pixel has another colour."""
    number = np.arange(height * width).reshape(height, width)
    return np.dstack((number >> 16, number >> 8 & 255, number & 255)).astype(np.uint8)


def test_a_patch_is_what_stands_5_pixels_further_down_and_right():
    image = numbered(100, 120)
    tops = []
    for seed in range(30):
        made = moved_patches(image, 1, rng(seed))
        changed = (made != image).any(axis=2)
        rows, columns = np.nonzero(changed.any(axis=1))[0], np.nonzero(changed.any(axis=0))[0]
        top, left = rows[0], columns[0]
        assert changed.sum() == 15 * 15 == changed[top : top + 15, left : left + 15].sum()
        assert (made[changed] == image[top + 5 : top + 20, left + 5 : left + 20].reshape(-1, 3)).all()
        tops.append((top, left))
    assert len(set(tops)) == 30


def test_patches_are_spread_over_all_places():
    image = numbered(60, 50)
    count = np.zeros((60, 50))
    for seed in range(300):
        count += (moved_patches(image, 3, rng(seed)) != image).any(axis=2)
    assert (count[2:53, 2:43] > 0).all()
    assert (count[55:] == 0).all()
    assert (count[:, 45:] == 0).all()
    # A pixel in the middle is in 15 × 15 of the 41 × 31 patches.
    expected = 300 * (1 - (1 - 225 / (41 * 31)) ** 3)
    assert abs(count[25:35, 20:25].mean() - expected) < 4 * math.sqrt(expected)


def test_patches_share_no_pixel_that_moved_twice(photo):
    # All patches come from the pristine image: where they overlap, nothing moves by 10 pixels.
    made = moved_patches(photo, 600, rng())
    height, width = photo.shape[:2]
    kept = (made == photo).all(axis=2)[: height - 5, : width - 5]
    moved = (made[: height - 5, : width - 5] == photo[5:, 5:]).all(axis=2)
    assert (kept | moved).all()
    assert moved.mean() > 0.8


@pytest.mark.parametrize(("function", "counts"), [
    (moved_patches, PATCHES["tid2013-24"]),
    (moved_patches, PATCHES["kadid10k"]),
    (blocks, BLOCKS["tid2013-24"]),
    (colour_blocks, COLOUR_BLOCKS["kadid10k"]),
])  # fmt: skip
def test_a_stronger_level_changes_more_and_all_that_a_weaker_one_does(function, counts, photo):
    images = [function(photo, count, rng(3)) for count in counts]
    for weaker, stronger in pairwise(images):
        changed = (weaker != photo).any(axis=2)
        assert (stronger[changed] == weaker[changed]).all()
        assert (stronger != photo).any(axis=2).sum() > changed.sum()


@pytest.mark.parametrize("shape", [(8, 8), (19, 40), (40, 3), (2, 2)], ids=str)
def test_patches_in_images_smaller_than_a_patch_and_its_offset(shape):
    image = numbered(*shape)
    made = moved_patches(image, 50, rng())
    down, right = (min(5, side // 2) for side in shape)
    changed = np.argwhere((made != image).any(axis=2))
    assert len(changed)
    for row, column in changed:
        assert (made[row, column] == image[row + down, column + right]).all()


def corners(made, image):
    """The top left corners of the blocks of one colour, 32×32, that do not overlap."""
    changed = (made != image).any(axis=2)
    found = []
    while changed.any():
        row, column = np.argwhere(changed)[0]
        window = np.s_[row : row + 32, column : column + 32]
        assert changed[window].shape == (32, 32)
        assert changed[window].all()
        changed[window] = False
        found.append((row, column, made[window].reshape(-1, 3)))
    return found


@pytest.mark.parametrize("function", [blocks, colour_blocks])
@pytest.mark.parametrize("count", [1, 2, 8, 16])
def test_blocks_are_of_32_by_32_pixels_and_do_not_overlap(function, count):
    image = np.full((400, 380, 3), 7, np.uint8)
    image[..., 1] = 99
    for seed in range(3):
        made = function(image, count, rng(seed))
        assert (made != image).any(axis=2).sum() == count * 32 * 32
        colours = np.unique(made[(made != image).any(axis=2)], axis=0)
        assert len(colours) == (1 if function is blocks else count)
        if count <= 2:
            for *_, pixels in corners(made, image):
                assert (pixels == pixels[0]).all()


def test_the_colour_of_the_blocks_is_one_that_the_photo_has_little_of(photos):
    for image in photos.values():
        seen = set()
        for seed in range(10):
            made = blocks(image, 1, rng(seed))
            colour = made[(made != image).any(axis=2)][0].astype(int)
            assert (np.abs(image - colour).max(axis=2) < 48).mean() < 0.05
            assert (blocks(image, 9, rng(seed)) == colour).all(axis=2).sum() >= 9 * 32 * 32
            seen.add(tuple(colour))
        assert len(seen) > 5


def test_blocks_beyond_the_room_overlap_and_still_cover_more():
    image = np.zeros((96, 96, 3), np.uint8)
    covered = [(blocks(image, count, rng(1)) != image).any(axis=2).sum() for count in (1, 2, 4, 8, 16, 32, 64)]
    assert (np.diff(covered) >= 0).all()
    assert covered[:2] == [1024, 2048]
    assert covered[-1] > 0.95 * 96 * 96


def test_a_block_is_cut_where_the_image_is_smaller():
    image = np.full((20, 64, 3), 50, np.uint8)
    changed = (colour_blocks(image, 1, rng()) != image).any(axis=2)
    assert changed.sum() == 20 * 32
    assert (blocks(image[:, :30], 1, rng()) != 50).any(axis=2).all()


@pytest.mark.parametrize("amount", [*PIXELATE["kadid10k"], 0.85])
@pytest.mark.parametrize("shape", [(240, 256), (31, 47), (1, 9)], ids=str)
def test_pixels_come_from_the_nearest_place_of_a_smaller_grid(amount, shape):
    def nearest(size, down, up):
        small = math.ceil((0.95 - amount**0.6) * size)
        places = np.floor((np.arange(small) + 0.5) * size / small + down).astype(int)
        return places[np.floor((np.arange(size) + 0.5) * small / size + up).astype(int)]

    made = pixelate(numbered(*shape), amount, None).astype(int) @ (1 << 16, 1 << 8, 1)
    rows, columns = made // shape[1], made % shape[1]
    assert (rows == rows[:, :1]).all()
    assert (columns == columns[:1]).all()
    # Halfway between two pixels either is the nearest.
    for found, size in ((rows[:, 0], shape[0]), (columns[0], shape[1])):
        ways = [nearest(size, down, up) for down in (-1e-4, 1e-4) for up in (-1e-4, 1e-4)]
        assert (found == ways).any(axis=0).all()


def test_strong_pixels_are_squares(photo):
    made = pixelate(photo, PIXELATE["kadid10k"][-1], None).astype(int)
    zoom = 0.95 - 0.5**0.6
    changes = (np.diff(made, axis=1) != 0).any(axis=(0, 2)).sum()
    assert changes == math.ceil(zoom * photo.shape[1]) - 1


def bicubic(image, row, column):
    """Keys' cubic convolution with a = −0.75 at one place, the edge repeated; a plain double loop."""

    def weight(x):
        x, a = abs(x), -0.75
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    height, width = image.shape[:2]
    value = 0
    for r in range(math.floor(row) - 1, math.floor(row) + 3):
        for c in range(math.floor(column) - 1, math.floor(column) + 3):
            pixel = image[min(max(r, 0), height - 1), min(max(c, 0), width - 1)]
            value = value + weight(row - r) * weight(column - c) * pixel
    return value


@pytest.mark.parametrize("sigma", [0.1, 1])
def test_jitter_is_five_bicubic_displacements(sigma, photo):
    image = cv2.GaussianBlur(photo[100:112, 80:94], (0, 0), 1)
    height, width = image.shape[:2]
    draws = rng(4)
    expected = image.astype(float)
    for _ in range(5):
        x, y = sigma * draws.standard_normal((2, height, width), dtype=np.float32)
        expected = np.array(
            [[bicubic(expected, r + y[r, c], c + x[r, c]) for c in range(width)] for r in range(height)]
        )
    made = jitter(image, sigma, rng(4))
    # The library rounds places to 1/32 pixel.
    slope = np.abs(np.gradient(image.astype(float), axis=(0, 1))).max()
    assert np.abs(made - expected.clip(0, 255)).max() < 0.5 + 5 * slope / 32
    assert np.abs(made - expected.clip(0, 255)).mean() < 1
    assert np.abs(made.astype(float) - image).mean() > (1 if sigma < 1 else 4)


@pytest.mark.parametrize("sigma", JITTER["kadid10k"][:2])
def test_small_displacements_have_the_variance_of_five(sigma):
    # On a ramp of 10 a pixel the interpolation rises by 2 · 0.75 · 10 at the pixel and by 10 over the whole of it.
    ramp = np.arange(5, 250, 10, dtype=np.uint8)[None, :, None].repeat(3000, axis=0).repeat(3, axis=2)
    error = (jitter(ramp, sigma, rng()).astype(float) - ramp)[:, 5:-5]
    assert 5 * (10 * sigma) ** 2 < error[..., 0].var() - 1 / 12 < 5 * (15 * sigma) ** 2
    assert abs(error.mean()) < 0.05
    assert (error[..., 0] == error[..., 1]).all()
    assert abs(np.corrcoef(error[1:, 3, 0], error[:-1, 3, 0])[0, 1]) < 0.1


def test_jitter_does_not_look_beyond_its_reach():
    for sigma in (0.5, 2):
        reach = jitter_reach(sigma)
        image = np.zeros((2 * reach + 9, 2 * reach + 9, 3), np.uint8)
        image[0] = image[-1] = 255
        assert (jitter(image, sigma, rng())[reach + 1 : -reach - 1] == 0).all()
        assert reach < 30 * sigma + 12


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB:UserWarning")
@pytest.mark.parametrize("gain", SHARPEN["kadid10k"])
def test_sharpen_is_an_unsharp_mask_on_lightness(gain, photo):
    part = photo[40:140, 60:180]
    lab = color.rgb2lab(part)
    blurred = ndimage.gaussian_filter(lab[..., 0], 3, mode="nearest", radius=6)
    lab[..., 0] += gain * (lab[..., 0] - blurred)
    difference = np.abs(sharpen(part, gain, None) - 255 * color.lab2rgb(lab))
    inside = (lab[..., 0] + 16) / 116 > lab[..., 2] / 200  # elsewhere Z is below 0, which scikit-image clips
    assert inside.mean() > 0.7
    assert difference[inside].max() < 1.2


def test_sharpen_reaches_as_far_as_it_says(photo):
    image = photo.copy()
    image[100, 100] = 255 - image[100, 100]
    changed = np.argwhere((sharpen(image, 12, None) != sharpen(photo, 12, None)).any(axis=2))
    assert np.abs(changed - 100).max() == SHARPEN_REACH
