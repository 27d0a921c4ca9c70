"""A crop of a distorted image, against the whole image distorted, then cropped: every type."""

import dataclasses

import numpy as np
import pytest

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.cropping import distort_crop
from rankiqa.distortions.psnr import psnr

# Types whose noise is drawn for the window; the others give the whole image's own pixels.
NOISY = [name for name, d in DISTORTIONS.items() if d.context is not None and ("+GN" in name or name in {
    *("GN", "GNC", "SCN", "MN", "HFN", "IN", "ID-NLM", "MGN", "CN", "LCNI", "SPECKLE", "JITTER", "LOWLIGHT"),
    "LOWLIGHT-DN",
})]  # fmt: skip
# Encoders that code a block by what they made of those before it: nearly the whole image's.
NEAR = ["WEBP", "AVIF", "JXL", "HEIC", "H264", "HEVC"]
LOCAL = [name for name, d in DISTORTIONS.items() if d.context is not None and name not in (*NOISY, *NEAR)]
WHOLE = [name for name, d in DISTORTIONS.items() if d.context is None]
SIZE = 64
SEEDS = 32


def strengths(name):
    """The mildest and the strongest of the published ones."""
    distortion = DISTORTIONS[name]
    published = sorted({strength for table in distortion.levels.values() for strength in table})
    return published[0], published[-1]


def both(distortion, image, strength, top, left, size=SIZE, seeds=(0, 0)):
    part = distort_crop(distortion, image, strength, np.random.default_rng(seeds[0]), top, left, size)
    whole = distortion(image, strength, np.random.default_rng(seeds[1]))
    return part.astype(int), whole[top : top + size, left : left + size].astype(int)


def places(image, size=SIZE):
    """Corners, borders and the middle, in and out of step with blocks of 8 and 16 pixels."""
    bottom, right = image.shape[0] - size, image.shape[1] - size
    corners = (0, 0), (0, right), (bottom, 0), (bottom, right)
    return *corners, (0, 45), (bottom, 32), (81, 0), (49, 63), (64, 48), (95, 79)


@pytest.fixture
def odd(photo):
    """No side a multiple of 2, let alone of a block."""
    image = photo[3:226, 5:252]
    assert image.shape == (223, 247, 3)
    return image


@pytest.mark.parametrize("name", LOCAL)
def test_a_crop_of_what_draws_no_noise_is_that_of_the_whole_image(name, odd):
    for strength in strengths(name):
        whole = DISTORTIONS[name](odd, strength, np.random.default_rng(0))
        for top, left in places(odd):
            part = distort_crop(DISTORTIONS[name], odd, strength, np.random.default_rng(0), top, left, SIZE)
            difference = np.abs(part.astype(int) - whole[top : top + SIZE, left : left + SIZE])
            assert difference.max() <= 1
            assert np.count_nonzero(difference) <= 0.001 * difference.size  # ties that are rounded the other way
            assert part.flags.c_contiguous and part.base is None


@pytest.mark.parametrize("name", NEAR)
def test_a_crop_by_an_encoder_is_as_far_off_as_that_of_the_whole_image_and_nearer_to_it(name, odd):
    if not DISTORTIONS[name].available:
        pytest.skip(f"needs the extra {DISTORTIONS[name].extra}")
    for strength in strengths(name):
        whole = DISTORTIONS[name](odd, strength, np.random.default_rng(0))
        further = []
        for top, left in places(odd)[-4:]:
            part = distort_crop(DISTORTIONS[name], odd, strength, np.random.default_rng(0), top, left, SIZE)
            of_whole, pristine = (image[top : top + SIZE, left : left + SIZE] for image in (whole, odd))
            further.append(psnr(pristine, part) - psnr(pristine, of_whole))
            assert psnr(of_whole, part) > psnr(pristine, of_whole) + 1
        assert np.abs(further).mean() < 0.5


@pytest.mark.parametrize("name", WHOLE)
def test_a_type_that_looks_at_the_whole_image_sees_all_of_it(name, odd):
    if not DISTORTIONS[name].available:
        pytest.skip(f"needs the package {DISTORTIONS[name].extra}")
    image = odd[:96, :101]
    part, whole = both(DISTORTIONS[name], image, strengths(name)[1], 21, 30)
    assert (part == whole).all()


def deviations(distortion, image, strength, *places):
    """Student's t, over seeds, of the difference between a crop's noise and the whole image's, in several numbers.

    A row for each place: top and left of the crop.
    """
    pristine, differences = image.astype(int), []
    for seed in range(SEEDS):
        whole = distortion(image, strength, np.random.default_rng(2 * seed + 1)).astype(int)
        for top, left in places:
            window = slice(top, top + SIZE), slice(left, left + SIZE)
            part = distort_crop(distortion, image, strength, np.random.default_rng(2 * seed), top, left, SIZE)
            differences.append(numbers(part - pristine[window]) - numbers(whole[window] - pristine[window]))
    differences = np.reshape(differences, (SEEDS, len(places), -1))
    return differences.mean(axis=0) / (differences.std(axis=0, ddof=1) / SEEDS**0.5 + 1e-9)


def numbers(noise):
    inside = np.zeros((SIZE, SIZE), bool)
    inside[4:-4, 4:-4] = True
    square = noise**2.0
    covariances = [(noise[1:] * noise[:-1]).mean(), (noise[:, 1:] * noise[:, :-1]).mean()]
    covariances.append((noise[..., 1:] * noise[..., :-1]).mean())
    # A window that is too small shows at the border of the crop.
    return np.array([noise.mean(), (noise == 0).mean(), square[inside].mean(), square[~inside].mean(), *covariances])


@pytest.mark.parametrize("name", NOISY)
def test_noise_of_a_crop_has_the_distribution_of_the_whole_image_s(name, odd):
    distortion, image = DISTORTIONS[name], odd[:127, :149]
    strength = strengths(name)[1]
    places = (0, 0), (30, 43)
    for top, left in places:
        part, whole = both(distortion, image, strength, top, left)
        assert (part != whole).mean() > 0.02  # the same seed, but a window of another size
    # Of all numbers of all types one in two hundred such tests would be off by chance.
    assert np.abs(deviations(distortion, image, strength, *places)).max() < 5


@pytest.mark.parametrize("name", ["JITTER", "GB6.5+GN"])
def test_with_too_small_a_window_the_noise_is_another(name, odd):
    less = dataclasses.replace(DISTORTIONS[name], context=0)
    assert np.abs(deviations(less, odd[:127, :149], strengths(name)[1], (30, 43))).max() > 5


@pytest.mark.parametrize("shape", [(61, 37), (37, 300), (33, 33)])
def test_a_kernel_may_be_wider_than_the_image(shape, photos):
    image = photos["chelsea.png"][: shape[0], : shape[1]]
    for name, strength in (("GB", 199 / 6), ("GB", 100.0), ("LENS", 100.0), ("MOTION", 200.0), ("CDIFF", 30.0)):
        part, whole = both(DISTORTIONS[name], image, strength, 1, 4, 32)
        assert np.abs(part - whole).max() <= 1


@pytest.mark.parametrize("name", ["GB", "JPEG", "GB1.2+JPEG", "CA", "SHARP", "LENS", "CDIFF"])
def test_less_context_would_not_do(name, odd):
    strength = DISTORTIONS[name].levels[next(iter(DISTORTIONS[name].levels))][1]
    less = dataclasses.replace(DISTORTIONS[name], context=0, grid=1)
    found = [both(less, odd, strength, *place) for place in places(odd)]
    assert max(np.abs(part - whole).max() for part, whole in found) > 1


def test_no_more_of_the_image_is_distorted_than_needed(photos):
    image = photos["astronaut.png"]
    seen = []

    def look(image, strength, rng):
        seen.append(image.shape[:2])
        return image.copy()

    for context, grid, (top, left), expected in (
        (0, 1, (100, 50), (64, 64)),
        (lambda strength: 2 * int(strength), 1, (100, 50), (84, 84)),
        (3, 1, (0, 448), (67, 67)),
        (0, 16, (96, 49), (64, 80)),
        (1, 16, (96, 448), (96, 80)),
        (1000, 8, (5, 5), (512, 512)),
        (None, 1, (5, 5), (512, 512)),
    ):
        distortion = dataclasses.replace(DISTORTIONS["GB"], function=look, context=context, grid=grid)
        part = distort_crop(distortion, image, 5.0, np.random.default_rng(0), top, left, SIZE)
        assert seen.pop() == expected
        assert (part == image[top : top + SIZE, left : left + SIZE]).all()


@pytest.mark.parametrize("name", ["BW", "NEPN", "CBLOCK"])
def test_stronger_levels_of_a_nested_type_go_on_from_the_weaker_in_a_crop_too(name, photo):
    crops = [
        distort_crop(DISTORTIONS[name], photo, number, np.random.default_rng(5), 20, 30, 180) for number in (4, 8, 16)
    ]
    pristine = photo[20:200, 30:210]
    values = [psnr(pristine, crop) for crop in crops]
    changed = [(crop != pristine).any(axis=2) for crop in crops]
    assert values[0] > values[1] > values[2]
    assert (changed[1] | ~changed[0]).all() and (changed[2] | ~changed[1]).all()
