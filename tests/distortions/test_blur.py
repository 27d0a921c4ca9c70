import math

import numpy as np
import pytest
from scipy import ndimage

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.blur import (
    disk_kernel,
    gaussian_blur,
    kernel_width,
    lens_blur,
    motion_blur,
    motion_kernel,
)
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


SHAPES = [(120, 96), (9, 31), (1, 40), (40, 1), (1, 1)]


def test_the_disk_of_radius_one_is_matlabs():
    # As the documentation of fspecial prints it.
    expected = [[0.0251, 0.1453, 0.0251], [0.1453, 0.3183, 0.1453], [0.0251, 0.1453, 0.0251]]
    assert disk_kernel(1) == pytest.approx(np.array(expected), abs=5e-5)


@pytest.mark.parametrize("radius", [0.5, 0.8, 1.5, 2, 4, 6.3, 8, 40])
def test_a_disk_covers_its_pixels_as_a_supersampled_one_does(radius):
    kernel = disk_kernel(radius)
    parts = 41  # each way in a pixel
    places = (np.arange(len(kernel) * parts) + 0.5) / parts - len(kernel) / 2
    inside = places[:, None] ** 2 + places**2 <= radius**2
    assert inside.sum() / parts**2 == pytest.approx(math.pi * radius**2, rel=0.01)  # none of it lies outside
    covered = inside.reshape(len(kernel), parts, len(kernel), parts).mean(axis=(1, 3))
    assert np.abs(kernel * math.pi * radius**2 - covered).max() < 0.02
    assert kernel.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("radius", [1, 2, 6, 8, 25.5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_lens_blur_equals_scipy_with_the_border_replicated(radius, shape, photo):
    part = photo[: shape[0], : shape[1]]
    expected = ndimage.convolve(part.astype(float), disk_kernel(radius)[..., None].astype(float), mode="nearest")
    assert np.abs(lens_blur(part, radius, None) - expected).max() <= 0.5 + 2e-3


@pytest.mark.parametrize("degrees", [0, 90])
@pytest.mark.parametrize("length", [3, 9, 21])
def test_motion_of_odd_length_along_an_axis_is_a_box(length, degrees):
    kernel = motion_kernel(length, degrees)
    assert kernel.shape == ((1, length) if degrees == 0 else (length, 1))
    assert kernel == pytest.approx(1 / length)


def test_motion_at_45_degrees_has_the_weights_worked_out_by_hand():
    half = 0.5**0.5
    beside, beyond = 1 - half, 1 - (2 * 2**0.5 - 2)
    at_the_end = 1 - math.hypot(3 * half - 2, half)
    expected = np.zeros((5, 5))
    for (row, column), weight in {
        (2, 2): 1, (1, 3): 1, (0, 4): beyond, (1, 2): beside, (2, 3): beside, (0, 3): at_the_end, (1, 4): at_the_end,
    }.items():  # fmt: skip
        expected[row, column] = expected[4 - row, 4 - column] = weight
    assert motion_kernel(5, 45) == pytest.approx(expected / expected.sum(), abs=1e-6)


def test_motion_measures_pixels_as_far_away_as_the_ends_from_the_end():
    # The pixels beside the centre are 1 from it, as the ends are, yet lie within the line: to MATLAB, beyond.
    beside, beyond = 1 - math.hypot(1 - 0.5**0.5, 0.5**0.5), 2 - 2**0.5
    expected = np.array([[0, beside, beyond], [beside, 1, beside], [beyond, beside, 0]])
    assert motion_kernel(3, 45) == pytest.approx(expected / expected.sum(), abs=1e-6)


def test_motion_of_length_two_is_half_a_pixel_to_each_side():
    assert motion_kernel(2, 0) == pytest.approx(np.array([[0.25, 0.5, 0.25]]))
    assert motion_kernel(1, 33).max() == 1


@pytest.mark.parametrize("degrees", [0, 17, 30, 45, 60, 90, 120, 135, 179])
def test_motion_has_the_moments_of_its_line(degrees):
    length = 61
    kernel = motion_kernel(length, degrees).astype(float)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert (kernel == kernel[::-1, ::-1]).all()
    up, right = np.mgrid[: kernel.shape[0], : kernel.shape[1]] - (np.array(kernel.shape) // 2)[:, None, None]
    up = -up
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = right * cos + up * sin, up * cos - right * sin
    assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, rel=0.03)
    # A triangle of half-width 1 sampled on the grid: none of it beside an axis, (1/6) on average.
    assert (kernel * across**2).sum() <= 0.21
    assert abs((kernel * along * across).sum()) < 0.3
    assert kernel[np.abs(across) >= 1].max(initial=0) == 0


@pytest.mark.parametrize("length", [1.5, 4, 10, 30])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_motion_blur_equals_scipy_along_the_one_direction_that_a_generator_draws(length, shape, photo):
    part = photo[: shape[0], : shape[1]]
    for seed in (1, 2):
        kernel = motion_kernel(length, np.random.default_rng(seed).integers(180))
        expected = ndimage.convolve(part.astype(float), kernel[..., None].astype(float), mode="nearest")
        assert np.abs(motion_blur(part, length, np.random.default_rng(seed)) - expected).max() <= 0.5 + 2e-3


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("GB", 7 / 6),
        ("GB", 0.4),
        ("GB", 6.5),
        ("LENS", 1),
        ("LENS", 8),
        ("LENS", 20.7),
        ("MOTION", 2.5),
        ("MOTION", 30),
    ],
)
def test_a_part_with_its_context_is_blurred_as_in_the_whole_image(name, strength, photo):
    distortion = DISTORTIONS[name]
    around = distortion.context(strength)
    for seed in range(4):
        whole = distortion(photo, strength, np.random.default_rng(seed))[60:180, 70:170]
        part = photo[60 - around : 180 + around, 70 - around : 170 + around]
        made = distortion(part, strength, np.random.default_rng(seed))[around : around + 120, around : around + 100]
        assert np.abs(made.astype(int) - whole).max() <= 1
        assert np.mean(made != whole) < 0.01  # where the two sums round apart
