import cv2
import numpy as np
import pytest
from scipy import ndimage

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.camera import light, overdone
from rankiqa.distortions.cropping import distort_crop


def test_one_pass_of_smoothing_is_the_bilateral_sum(photo, monkeypatch):
    monkeypatch.setattr(overdone, "_PASSES", 1)
    part = photo[:20, :24].astype(float)
    padded = np.pad(part, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
    total, weights = np.zeros_like(part), np.zeros(part.shape[:2])
    for y in range(-2, 3):
        for x in range(-2, 3):
            if x * x + y * y > 4:  # OpenCV's window is round
                continue
            moved = padded[2 + y : 22 + y, 2 + x : 26 + x]
            far = np.abs(moved - part).sum(axis=2)
            weight = np.exp(-(far**2) / (2 * 30**2) - (x * x + y * y) / (2 * 2.5**2))
            total += weight[..., None] * moved
            weights += weight
    made = overdone.over_smoothing(photo[:20, :24], 30, None)
    assert np.abs(made - total / weights[..., None]).max() <= 1


def test_smoothing_takes_noise_and_leaves_the_edge():
    clean = np.full((40, 60, 3), 60, np.uint8)
    clean[:, 30:] = 180
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 6, clean.shape), 0, 255).astype(np.uint8)
    made = overdone.over_smoothing(noisy, 28, None).astype(int)
    assert made[:, :25].std() < 0.35 * noisy[:, :25].std()
    assert (made[:, 31].mean() - made[:, 28].mean()) > 110


def test_halos_beside_a_step_are_the_gaussians_tails():
    image = np.full((80, 120, 3), 100, np.uint8)
    image[:, 60:] = 140
    made = overdone.halos(image, 1.0, None).astype(float)
    reach = np.arange(-overdone.HALO_REACH, overdone.HALO_REACH + 1)
    kernel = np.exp(-(reach**2) / (2 * 8**2))
    kernel /= kernel.sum()
    for column in (20, 45, 59, 60, 70, 100):
        blurred = 100 + 40 * kernel[column - reach >= 60].sum()
        assert made[40, column] == pytest.approx(2 * image[40, column].astype(float) - blurred, abs=0.6)


def test_halos_are_the_same_in_all_channels_and_clipped(photo):
    made = overdone.halos(photo, 3.0, None).astype(int)
    change = made - photo
    inside = ((made > 0) & (made < 255)).all(axis=2)
    assert np.ptp(change[inside], axis=1).max() <= 1
    assert (made == 0).any()
    assert (made == 255).any()


def test_hdr_is_its_formula(photo):
    part = photo[:90, :100]
    linear = light.srgb_to_linear(part / 255)
    octaves = np.log2(linear @ [0.2126, 0.7152, 0.0722] + 0.002)
    window = 31

    def mean(field):
        return ndimage.uniform_filter(field, window, mode="reflect")

    variance = mean(octaves**2) - mean(octaves) ** 2
    slope = variance / (variance + 1)
    base = mean(slope) * octaves + mean((1 - slope) * mean(octaves))
    middle = np.log2(0.18)
    changed = middle + (base - middle) / 2 + 4 * (octaves - base)
    expected = 255 * light.linear_to_srgb(np.clip(linear * np.exp2(changed - octaves)[..., None], 0, 1))
    assert np.abs(overdone.overdone_hdr(part, 4.0, None) - expected).max() <= 0.7


def test_hdr_and_vivid_of_strength_one_leave_a_photo_alone(photo):
    assert np.abs(overdone.overdone_hdr(photo, 1.0, None).astype(int) - photo).max() == 0
    assert np.abs(overdone.overdone_colours(photo, 1.0, None).astype(int) - photo).max() <= 1


def test_vivid_scales_oklabs_chroma(photo):
    # Of Ottosson's own numbers: pure red is L 0.628, a 0.225, b 0.126.
    red = overdone._OKLAB @ np.cbrt(overdone._CONES @ [1, 0, 0])
    assert red == pytest.approx([0.628, 0.225, 0.126], abs=1e-3)

    def oklab(image):
        return np.cbrt(light.srgb_to_linear(image / 255) @ overdone._CONES.T) @ overdone._OKLAB.T

    made = overdone.overdone_colours(photo, 1.3, None)
    inside = ((made > 8) & (made < 247)).all(axis=2) & (photo > 30).all(axis=2)
    before, after = oklab(photo)[inside], oklab(made)[inside]
    assert np.abs(after - before * (1, 1.3, 1.3)).max() < 0.01


def test_a_noisy_ramp_becomes_steps_and_an_edge_stays():
    step = 16
    ramp = np.linspace(60, 160, 300)
    noisy = ramp + np.random.default_rng(0).normal(0, 1, (60, 300))
    noisy[:, 250:] -= 60
    image = cv2.merge([np.rint(noisy).astype(np.uint8)] * 3)
    made = overdone.banding(image, step, None)[20:40, :, 0].astype(float)
    flat = made[:, 10:240]
    away = np.abs(flat - step * np.rint(flat / step))
    assert np.median(away) <= 1
    assert np.mean(np.abs(np.diff(flat.mean(axis=0))) < 1) > 0.8
    assert len(np.unique(step * np.rint(flat / step))) == pytest.approx(90 / step, abs=2)
    assert made[:, 249].mean() - made[:, 250].mean() > 40


def test_the_guided_filter_is_the_papers(photo):
    pixels = photo[:50, :60, 0].astype(float)

    def mean(field):
        return ndimage.uniform_filter(field, 9, mode="reflect")

    variance = mean(pixels**2) - mean(pixels) ** 2
    slope = variance / (variance + 12**2)
    expected = mean(slope) * pixels + mean(mean(pixels) - slope * mean(pixels))
    assert np.abs(overdone.guided_filter(pixels.astype(np.float32), 4, 12.0) - expected).max() < 0.02


@pytest.mark.parametrize("name", ["SMOOTH", "HALO", "HDR", "VIVID", "BANDING"])
def test_a_crop_is_processed_as_in_the_whole_image(name, photo):
    distortion = DISTORTIONS[name]
    strength = distortion.levels["camera"][3]
    whole = distortion(photo, strength, None)[70:134, 90:154].astype(int)
    made = distort_crop(distortion, photo, strength, None, 70, 90, 64)
    assert np.mean(np.abs(made - whole) > 1) < 0.002  # where two sums round to another step


@pytest.mark.parametrize("strength", [5.5, 20.0])
def test_a_bright_point_in_the_dark_stays_white_however_much_detail_is_amplified(strength):
    image = np.zeros((81, 81, 3), np.uint8)
    image[40, 40] = 255
    made = overdone.overdone_hdr(image, strength, None)
    assert (made[40, 40] == 255).all()
    assert (made[0] == 0).all()
