import numpy as np
import pytest
from scipy import fft, interpolate

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.noise import gaussian_noise
from rankiqa.distortions.psnr import psnr
from rankiqa.distortions.restoration import (
    NL_MEANS_REACH,
    bm3d_denoising,
    comfort_noise,
    nl_means_denoising,
    sparse_sampling,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def blocks_of(image):
    height, width = (side // 8 * 8 for side in image.shape[:2])
    for top in range(0, height, 8):
        for left in range(0, width, 8):
            yield image[top : top + 8, left : left + 8].astype(float)


def test_comfort_noise_keeps_the_magnitude_of_every_coefficient(photo):
    # On a low-contrast copy, so that nothing is clipped.
    image = (photo[:64, :64] // 4 + 96).astype(np.uint8)
    made = comfort_noise(image, 40, rng())
    turned = small = 0
    for before, after in zip(blocks_of(image), blocks_of(made), strict=True):
        x, y = (fft.dctn(block, axes=(0, 1), norm="ortho") for block in (before, after))
        # Rounding to 8 bits adds at most half a grey level to each of 64 pixels: 4 in the norm.
        assert np.linalg.norm((np.abs(x) - np.abs(y)).reshape(64, 3), axis=0).max() <= 4
        assert np.abs(x[0, 0] - y[0, 0]).max() <= 4
        mean = np.abs(x.mean(axis=2))
        faint, clear = (mean < 40) & (mean > 12), mean > 40
        faint[0, 0] = clear[0, 0] = False
        flipped = (x.mean(axis=2) * y.mean(axis=2)) < 0
        assert not flipped[clear].any()
        turned, small = turned + flipped[faint].sum(), small + faint.sum()
    assert turned / small == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(small))


def test_comfort_noise_at_half_the_coefficients_has_the_closed_form():
    # A turned sign is an error of 2c; half of the coefficients turn, so the MSE is twice their energy, DC apart.
    image = rng(5).integers(100, 156, (128, 128, 3), dtype=np.uint8)
    image[...] = image[..., :1]  # grey: the three channels turn together
    energy = np.mean([block.var(axis=(0, 1)).mean() for block in blocks_of(image)])
    errors = [np.mean((comfort_noise(image, 1e9, rng(seed)).astype(float) - image) ** 2) for seed in range(4)]
    assert np.mean(errors) == pytest.approx(2 * energy, rel=0.05)


def test_comfort_noise_turns_more_at_a_stronger_level(photo):
    found = [comfort_noise(photo, strength, rng(3)).astype(int) - photo for strength in (20, 60)]
    weaker, stronger = (np.abs(error).sum(axis=2) > 0 for error in found)
    assert stronger.sum() > weaker.sum()
    assert psnr(photo, comfort_noise(photo, 60, rng(3))) < psnr(photo, comfort_noise(photo, 20, rng(3)))


def test_sparse_sampling_keeps_what_it_samples_and_a_stronger_level_keeps_a_part_of_it(photo):
    def share_untouched(strength):
        draws = rng(1).random(photo.shape[:2], dtype=np.float32)
        made = sparse_sampling(photo, strength, rng(1))
        same = (made == photo).all(axis=2)
        assert same[draws < strength].all()
        return same[draws >= strength].mean()

    assert share_untouched(0.3) < 0.5
    assert share_untouched(0.1) < 0.3


@pytest.mark.parametrize("fraction", [0.5, 0.2])
def test_the_reconstruction_is_better_than_linear_interpolation(fraction, photo):
    image = photo[40:168, 60:188]
    kept = rng(2).random(image.shape[:2], dtype=np.float32) < fraction
    places = np.argwhere(kept)
    everywhere = np.argwhere(np.ones_like(kept))
    linear, nearest = (
        interpolate.griddata(places, image[kept].astype(float), everywhere, method=method).reshape(image.shape)
        for method in ("linear", "nearest")
    )
    linear = np.where(np.isnan(linear), nearest, linear)
    ours = sparse_sampling(image, fraction, rng(2))
    assert psnr(image, ours) > psnr(image, np.rint(linear).clip(0, 255).astype(np.uint8))


def test_a_photo_sampled_in_full_is_the_photo(photo):
    assert (sparse_sampling(photo, 1.0, rng()) == photo).all()


def test_non_local_means_takes_noise_away_and_detail_with_it(photo):
    noisy = gaussian_noise(photo, 0.005, rng(4))
    denoised = nl_means_denoising(photo, 0.005, rng(4))
    assert psnr(photo, denoised) > psnr(photo, noisy) + 2
    assert psnr(photo, denoised) < 40
    # Of noise that is stronger than it is set for, most is left: a fall of 12 dB or more would be all of it.
    left = psnr(photo, nl_means_denoising(photo, 0.1, rng(4)))
    assert left < psnr(photo, gaussian_noise(photo, 0.1, rng(4))) + 4


def test_non_local_means_looks_no_further_than_its_reach(photo):
    class Fixed:  # the same noise at the same place
        def __init__(self, noise):
            self.noise = noise

        def standard_normal(self, shape, dtype):
            return self.noise.copy()

    noise = rng(6).standard_normal((96, 96, 3), dtype=np.float32)
    whole = nl_means_denoising(photo[:96, :96], 0.01, Fixed(noise))
    part = slice(30, 60)
    wider = slice(30 - NL_MEANS_REACH, 60 + NL_MEANS_REACH)
    crop = nl_means_denoising(photo[:96, :96][wider, wider], 0.01, Fixed(noise[wider, wider]))
    inner = crop[NL_MEANS_REACH:-NL_MEANS_REACH, NL_MEANS_REACH:-NL_MEANS_REACH]
    assert np.abs(inner.astype(int) - whole[part, part]).max() <= 1


@pytest.mark.slow
def test_bm3d_beats_non_local_means_and_falls_with_the_noise(photo):
    pytest.importorskip("bm3d")
    image = photo[40:104, 60:124]
    variance = (25 / 255) ** 2
    clean = bm3d_denoising(image, variance, rng(7))
    assert (bm3d_denoising(image, variance, rng(7)) == clean).all()
    assert psnr(image, clean) > psnr(image, gaussian_noise(image, variance, rng(7))) + 4
    assert psnr(image, clean) > psnr(image, nl_means_denoising(image, variance, rng(7)))
    found = [psnr(image, bm3d_denoising(image, s, rng(7))) for s in DISTORTIONS["ID"].levels["tid2013-24"]]
    assert (np.diff(found) < 0).all()
    assert bm3d_denoising(image[:1, :5], 0.01, rng()).shape == (1, 5, 3)
