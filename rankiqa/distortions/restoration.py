"""Images made up in part: noise taken away, lost detail replaced by synthetic detail, missing pixels reconstructed."""

from __future__ import annotations

import cv2
import numpy as np

from rankiqa.distortions.noise import gaussian_noise
from rankiqa.distortions.rounding import to_uint8
from rankiqa.extras import extra

_DENOISER_SIGMA = 25  # on 0–255, of the noise that the denoisers are told of (RankIQA)

# Non-local means. OpenCV advises an `h` of 10 for colour; near that noise of σ = 25 begins to be left over. With more
# the filter takes so much detail from clean images that a little noise, which it spares, makes them better. Patch and
# search window are OpenCV's own.
_H = 10
_PATCH, _SEARCH = 7, 21
NL_MEANS_REACH = _PATCH // 2 + _SEARCH // 2  # pixels

_BM3D_SIDE = 16  # pixels, at least

_COMFORT_BLOCK = 8  # pixels
_SPARSE_BLOCK = 16  # pixels
ROUNDS = 20
_THRESHOLDS = (60.0, 2.0)  # of the first and of the last round, on 0–255


def bm3d_denoising(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise, then colour BM3D told that its standard deviation is 25: detail lost with it, or noise left over.

    `strength` is the variance of the noise, which `rng` draws, for pixel values on [0, 1]. Needs the optional package
    bm3d; takes some ten seconds. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 9.
    """
    with extra("bm3d"):
        from bm3d import bm3d_rgb

    noisy = gaussian_noise(image, strength, rng)
    height, width = noisy.shape[:2]
    # The package crashes on 8×8 pixels, the size of its blocks: small images are widened by reflection.
    below, beside = (max(0, _BM3D_SIDE - side) for side in (height, width))
    wider = np.pad(noisy, ((0, below), (0, beside), (0, 0)), mode="symmetric")
    clean = np.asarray(bm3d_rgb(wider / 255, _DENOISER_SIGMA / 255))[:height, :width]
    return np.rint(255 * clean).clip(0, 255).astype(np.uint8, order="C")


def nl_means_denoising(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise, then OpenCV's non-local means in CIE Lab: a stand-in for `bm3d_denoising`, not the same thing.

    `strength` is the variance of the noise, which `rng` draws, for pixel values on [0, 1]. The filter's own strength is
    always the same: it takes weak noise away together with detail, and leaves strong noise over.
    uint8 H×W×3 in and out; `image` is not changed. Source: RankIQA (ICCV 2017), supplement; TID2013 type 9.
    """
    noisy = gaussian_noise(image, strength, rng)
    return cv2.fastNlMeansDenoisingColored(noisy, None, _H, _H, _PATCH, _SEARCH)


def comfort_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Replace faint detail by noise of the same spectrum, as a decoder does with detail that the coder dropped.

    In the 8×8 DCT, coefficients whose mean over R, G and B is below `strength` in magnitude (on 0–255, orthonormal)
    keep their magnitude and get a random sign, the same in the three channels; the first, brightness, stays.
    More is stronger. `rng` draws the signs; what a weaker level turns, a stronger one from the same seed turns too.
    uint8 H×W×3 in and out; `image` is not changed.
    Source: TID2013 type 20, whose program is not published; this one is ours.
    """
    from scipy import fft  # which takes longer to import than all distortions together

    spectrum = fft.dctn(_to_blocks(image.astype(np.float32), _COMFORT_BLOCK), axes=(-2, -1), norm="ortho")
    mean = spectrum.mean(axis=2, keepdims=True)
    turned = rng.integers(0, 2, mean.shape, dtype=np.uint8).view(bool)
    turned &= np.abs(mean) < strength
    turned[..., 0, 0] = False
    np.negative(spectrum, where=turned, out=spectrum)
    made = fft.idctn(spectrum, axes=(-2, -1), norm="ortho", overwrite_x=True)
    return to_uint8(np.ascontiguousarray(_from_blocks(made, image.shape[:2])))


def sparse_sampling(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Keep some pixels and reconstruct the others, on the ground that photos are sparse in a cosine transform.

    `strength` is the fraction of the pixels that are kept as they are, at random places from `rng`; **lower is
    stronger**, and what a stronger level keeps, a weaker one from the same seed keeps too. The first guess is a
    weighted mean of the kept neighbours. Then coefficients below a threshold are set to zero in 16×16 DCT blocks, whose
    grid moves from round to round, and the kept pixels put back, while the threshold falls from 60 to 2 on 0–255.
    uint8 H×W×3 in and out; `image` is not changed.
    Source: TID2013 type 24, whose program is not published; this one is ours.
    """
    draws = rng.random(image.shape[:2], dtype=np.float32)
    kept = draws < strength
    kept.flat[draws.argmin()] = True  # one at least
    real = image.astype(np.float32)
    guess = _mean_of_neighbours(real, kept)
    # A fixed way of the grid, so that levels differ in what is kept alone.
    shifts = np.random.default_rng(0).integers(_SPARSE_BLOCK, size=(ROUNDS, 2))
    for threshold, shift in zip(np.geomspace(*_THRESHOLDS, ROUNDS, dtype=np.float32), shifts, strict=True):
        guess = _sparse(guess, threshold, shift)
        guess[kept] = real[kept]
    return to_uint8(np.ascontiguousarray(guess))


def _mean_of_neighbours(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """`values` with the pixels that are not kept replaced by Gaussian means of kept ones, wider where there are few."""
    weight = kept.astype(np.float32)
    known = values * weight[..., None]
    filled, missing, sigma = known.copy(), ~kept, 1.0
    while missing.any():
        total, share = (
            cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REFLECT) for part in (known, weight)
        )
        found = missing & (share > 1e-3)
        filled[found] = total[found] / share[found][:, None]
        missing &= ~found
        sigma *= 2
    return filled


def _sparse(values: np.ndarray, threshold: float, shift: np.ndarray) -> np.ndarray:
    """`values` without their DCT coefficients below `threshold`, in blocks whose grid is moved by `shift` pixels."""
    from scipy import fft

    top, left = shift.tolist()
    moved = np.pad(values, ((top, 0), (left, 0), (0, 0)), mode="edge")
    spectrum = fft.dctn(_to_blocks(moved, _SPARSE_BLOCK), axes=(-2, -1), norm="ortho", overwrite_x=True)
    spectrum *= np.abs(spectrum) >= threshold
    blocks = fft.idctn(spectrum, axes=(-2, -1), norm="ortho", overwrite_x=True)
    return _from_blocks(blocks, moved.shape[:2])[top:, left:]


def _to_blocks(values: np.ndarray, side: int) -> np.ndarray:
    """Rows×columns×3×side×side blocks of H×W×3; the edge is repeated up to whole blocks."""
    height, width = values.shape[:2]
    padded = np.pad(values, ((0, -height % side), (0, -width % side), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // side, padded.shape[1] // side
    return np.ascontiguousarray(padded.reshape(rows, side, columns, side, 3).transpose(0, 2, 4, 1, 3))


def _from_blocks(blocks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows, columns, channels, side, _ = blocks.shape
    values = blocks.transpose(0, 3, 1, 4, 2).reshape(rows * side, columns * side, channels)
    return values[: shape[0], : shape[1]]
