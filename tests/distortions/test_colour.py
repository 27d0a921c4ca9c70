import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import color

from rankiqa.distortions.colour import (
    aberration_reach,
    chromatic_aberration,
    colour_diffusion,
    colour_quantization,
    colour_shift,
    diffusion_reach,
    from_lab,
    hsv_saturation,
    lab_saturation,
    saturation,
    to_lab,
)
from rankiqa.distortions.levels import (
    CHROMATIC_ABERRATION,
    COLOUR_DIFFUSION,
    COLOUR_QUANTIZATION,
    COLOUR_SHIFT,
    HSV_SATURATION,
    LAB_SATURATION,
    SATURATION,
)
from rankiqa.distortions.psnr import psnr


def off(made, expected):
    """By how much 8-bit `made` is off from `expected` on 0–255, which is clipped but not rounded."""
    return np.abs(made - np.clip(expected, 0, 255)).max()


@pytest.fixture(scope="module")
def colours():
    """Every 15th value of each channel in all combinations."""
    axis = np.arange(0, 256, 15, dtype=np.uint8)
    return np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(18, -1, 3)


@pytest.mark.parametrize("factor", SATURATION["tid2013-24"])
def test_saturation_scales_cb_and_cr(factor, colours, photo):
    for image in (colours, photo):
        planes = color.rgb2ycbcr(image)
        planes[..., 1:] = 128 + factor * (planes[..., 1:] - 128)
        assert off(saturation(image, factor, None), 255 * color.ycbcr2rgb(planes)) < 0.51


@pytest.mark.parametrize("factor", [1, *HSV_SATURATION["kadid10k"][:4]])
def test_hsv_saturation_scales_s(factor, colours):
    planes = color.rgb2hsv(colours)
    planes[..., 1] *= factor
    assert off(hsv_saturation(colours, factor, None), 255 * color.hsv2rgb(planes)) < 0.5001


def test_below_0_hsv_saturation_turns_hues_into_their_opposites():
    # Value 200, chroma 100: −0.4 moves each channel by 0.4 of its distance from 200 to the other side.
    image = np.uint8([[[200, 150, 100]]])
    assert hsv_saturation(image, -0.4, None).tolist() == [[[200, 220, 240]]]


def test_lab_is_the_cie_lab_of_srgb(colours):
    assert np.abs(to_lab(colours) - color.rgb2lab(colours)).max() < 0.04
    assert (from_lab(to_lab(colours)) == colours).all()


def srgb(lab):
    """CIE's and IEC 61966-2-1's formulas, 0–255, clipped; scikit-image clips Z as well, which changes the colour."""
    f = (lab[..., :1] + 16) / 116 + lab[..., 1:2] * (1 / 500, 0, 0) - lab[..., 2:] * (0, 0, 1 / 200)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * color.xyz_tristimulus_values(
        illuminant="D65", observer="2"
    )
    linear = np.clip(xyz @ np.linalg.inv(color.colorconv.xyz_from_rgb).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("factor", LAB_SATURATION["kadid10k"])
def test_lab_saturation_scales_a_and_b(factor, photo):
    expected = srgb(color.rgb2lab(photo) * (1, factor, factor))
    assert off(lab_saturation(photo, factor, None), expected) < 1.2


@pytest.mark.parametrize("amount", COLOUR_DIFFUSION["kadid10k"][::2])
def test_diffusion_blurs_and_amplifies_a_and_b(amount, photo):
    sigma = 1.5 * amount + 2
    lab = color.rgb2lab(photo)
    lab[..., 1:] = amount * ndimage.gaussian_filter(
        lab[..., 1:], sigma, mode="nearest", radius=diffusion_reach(amount), axes=(0, 1)
    )
    assert off(colour_diffusion(photo, amount, None), srgb(lab)) < 1.2


def test_diffusion_reaches_as_far_as_it_says(photo):
    for amount in (1, 3):
        reach = diffusion_reach(amount)
        crop = np.s_[60:80, 90:110]
        around = np.s_[60 - reach : 80 + reach, 90 - reach : 110 + reach]
        cut = colour_diffusion(photo[around], amount, None)[reach:-reach, reach:-reach]
        assert (cut == colour_diffusion(photo, amount, None)[crop]).all()


def test_colour_shift_moves_green_in_one_direction_for_all_strengths():
    # Two steps in all channels: each gets a fringe as wide as the shift across it.
    image = np.full((200, 200, 3), 40, np.uint8)
    image[80:, 80:] = 200
    for seed in range(4):
        right, down = (1 - np.random.default_rng(seed).random(2)).tolist()
        length = (right**2 + down**2) ** 0.5
        for strength in COLOUR_SHIFT["kadid10k"][:3]:
            made = colour_shift(image, strength, np.random.default_rng(seed))
            assert (made[..., ::2] == image[..., ::2]).all()
            changed = made[..., 1] < 199
            assert changed[150, 80:].sum() == round(strength * right / length)
            assert changed[80:, 150].sum() == round(strength * down / length)
            assert (made[:80, :80] == 40).all()


def edge_map(image):
    """The map of the colour shift, with SciPy and scikit-image."""
    grey = np.rint(255 * color.rgb2gray(image))  # of other weights, which differ little
    sobel = [ndimage.sobel(grey, axis, mode="nearest") for axis in (0, 1)]
    edges = ndimage.gaussian_filter(np.hypot(*sobel), 4, mode="nearest", radius=8)
    edges = np.maximum((edges - edges.min()) / np.ptp(edges), 0.1)
    low, high = np.percentile(edges, (1, 99))
    return np.clip((edges - low) / (high - low), 0, 1)


def test_colour_shift_is_blended_in_where_there_are_edges(photo):
    rng = np.random.default_rng(5)
    right, down = np.rint(6 * (u := 1 - rng.random(2)) / np.linalg.norm(u)).astype(int)
    green = photo[..., 1].astype(float)
    moved = np.pad(green, ((down, 0), (right, 0)), mode="symmetric")[: len(green), : green.shape[1]]
    expected = green + edge_map(photo) * (moved - green)
    made = colour_shift(photo, 6, np.random.default_rng(5))
    assert np.abs(made[..., 1] - expected).mean() < 0.3
    assert np.abs(moved - green).mean() > 5
    flat = np.full((30, 40, 3), (9, 99, 199), np.uint8)
    assert (colour_shift(flat, 6, rng) == flat).all()


def test_colour_shift_grows_as_seen_from_further_off(photos):
    # Pixel by pixel, a shift beyond the size of the details is no further away; see the docstring.
    for image in photos.values():
        image = image[:400, :400]
        errors = []
        for strength in COLOUR_SHIFT["kadid10k"]:
            difference = np.subtract(colour_shift(image, strength, np.random.default_rng(1)), image, dtype=np.float32)
            errors.append((ndimage.gaussian_filter(difference[..., 1], 2) ** 2).mean())
        assert (np.diff(errors) > 0).all()


@pytest.mark.parametrize("shift", CHROMATIC_ABERRATION["tid2013-24"])
def test_aberration_moves_red_and_half_as_far_blue(shift, photo):
    columns = np.arange(photo.shape[1])
    moved = [photo[:, np.maximum(columns - by, 0), channel] for channel, by in enumerate((shift, 0, shift // 2))]
    expected = ndimage.gaussian_filter(np.dstack(moved).astype(float), 0.5, mode="reflect", radius=1, axes=(0, 1))
    assert off(chromatic_aberration(photo, shift, None), expected) < 0.501
    assert aberration_reach(shift) == shift + 1


def test_aberration_of_one_column_is_the_blur_alone():
    image = np.random.default_rng(0).integers(0, 256, (20, 1, 3), dtype=np.uint8)
    expected = ndimage.gaussian_filter1d(image.astype(float), 0.5, axis=0, mode="reflect", radius=1)
    assert off(chromatic_aberration(image, 7, None), expected) < 0.501


def number_of_colours(image):
    return len(np.unique(image.reshape(-1, 3), axis=0))


@pytest.mark.parametrize("n", [256, *COLOUR_QUANTIZATION["tid2013-24"], 2])
def test_no_more_colours_than_asked_for(n, photo):
    made = colour_quantization(photo, n, None)
    assert 0.9 * n <= number_of_colours(made) <= n


@pytest.mark.parametrize("n", COLOUR_QUANTIZATION["tid2013-24"])
def test_the_palette_is_about_as_good_as_k_means(n, photo):
    picture = Image.fromarray(photo)
    palette = picture.quantize(n, method=Image.Quantize.MEDIANCUT, kmeans=1)
    refined = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    found = psnr(photo, colour_quantization(photo, n, None))
    assert found > psnr(photo, np.array(refined.convert("RGB"))) - 0.6


def test_dither_keeps_the_mean_where_the_nearest_colour_does_not():
    ramp = np.linspace(0, 255, 256, dtype=np.uint8)[None].repeat(128, axis=0)
    image = np.dstack([ramp] * 3)
    made = colour_quantization(image, 4, None)
    palette = np.unique(made)
    nearest = palette[np.abs(ramp[..., None].astype(int) - palette).argmin(axis=-1)]

    def error(approximation):
        # Of the mean of each 16×16 part between the darkest and the brightest colour of the palette.
        mean = ndimage.uniform_filter(approximation.astype(float), 16) - ndimage.uniform_filter(ramp.astype(float), 16)
        inside = (ramp > palette[0] + 16) & (ramp < palette[-1] - 16)
        return np.sqrt((mean**2)[8:-8][inside[8:-8]].mean())

    assert len(palette) == 4
    assert error(nearest) > 10
    assert error(made[..., 0]) < 2


def test_few_colours_stay_as_they_are():
    flags = np.uint8([[0, 0, 0], [250, 10, 10], [10, 250, 10], [10, 12, 250], [251, 252, 253], [119, 119, 120]])
    image = flags[np.random.default_rng(2).integers(0, 6, (40, 50))]
    assert np.abs(colour_quantization(image, 6, None).astype(int) - image).max() == 0
    # Colours that hardly differ are told apart too: the cells are as fine as the image's range is narrow.
    fog = np.random.default_rng(3).integers(100, 108, (64, 64, 3), dtype=np.uint8)
    assert number_of_colours(colour_quantization(fog, 64, None)) > 20


def test_the_first_cut_is_the_one_of_least_squared_error(photo):
    # The palette of two colours is that of the best of all cuts across one channel.
    part = photo[::4, ::4].reshape(-1, 3).astype(float)
    best = np.inf
    for channel in range(3):
        for threshold in range(1, 256):
            below = part[:, channel] < threshold
            if 0 < below.sum() < len(part):
                error = sum(((side - side.mean(axis=0)) ** 2).sum() for side in (part[below], part[~below]))
                best = min(best, error)
    palette = np.unique(colour_quantization(photo[::4, ::4], 2, None).reshape(-1, 3), axis=0).astype(float)
    error = ((part[:, None] - palette) ** 2).sum(axis=-1).min(axis=1).sum()
    assert len(palette) == 2
    assert error < 1.02 * best


def test_the_library_still_rounds_and_clips_as_relied_on():
    values = np.float32([[[-3, 0.4, 0.6], [254.4, 254.6, 300]]])
    assert cv2.add(values, 0, dtype=cv2.CV_8U).tolist() == [[[0, 0, 1], [254, 255, 255]]]
