"""Noise added to the pixels.

With the same generator every strength draws the same pattern, scaled: a stronger level is the same noise, only more.
"""

from __future__ import annotations

import cv2
import numpy as np

# Y, Cb and Cr of BT.601 in its studio range, both sides on [0, 1].
_YCBCR_FROM_RGB = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
_RGB_FROM_YCBCR = np.linalg.inv(_YCBCR_FROM_RGB).astype(np.float32)

_MEAN_SIDE = 3  # of the square whose mean correlates neighbours, pixels

_MASK_SIDE = 7  # of the square whose contrast hides noise, pixels
MASKING_REACH = _MASK_SIDE // 2

_CUT_OFF = 10 / 512  # cycles a pixel: RankIQA's radius of 10 in the Fourier plane of a 512-pixel image


def gaussian_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise, independent in R, G and B; clip to the range, round to 8 bits.

    `strength` is the variance for pixel values on [0, 1]. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 1.
    """
    return _add(image, _white(image.shape, 255 * strength**0.5, rng))


def colour_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise, independent in Y, Cb and Cr, which looks coloured: R and B get more of it than G.

    YCbCr is that of BT.601 in its studio range, as MATLAB's `rgb2ycbcr` has it. The way there is linear, so the noise
    alone takes the way back. `strength` is the variance in each of the three on [0, 1]. uint8 H×W×3 in and out; `image`
    is not changed. Source: RankIQA (ICCV 2017), supplement; TID2013 type 2, KADID-10k type 12.
    """
    noise = _white(image.shape, 255 * strength**0.5, rng)
    for top in range(0, len(noise), 64):  # a strip at a time stays in the cache; a second whole array costs more
        strip = noise[top : top + 64]
        strip[:] = cv2.transform(strip, _RGB_FROM_YCBCR)
    return _add(image, noise)


def correlated_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise that neighbouring pixels share: the mean of white noise over 3×3 pixels, in R, G and B.

    `strength` is the variance for pixel values on [0, 1], after the mean is taken and up to the image's edge; at a
    distance of (x, y) pixels the correlation is (1 − |x|/3)(1 − |y|/3), and none from 3 pixels on. uint8 H×W×3 in and
    out; `image` is not changed. Source: TID2013 type 3, whose filter is not published; this one is ours.
    """
    height, width, channels = image.shape
    margin = _MEAN_SIDE // 2
    wider = (height + 2 * margin, width + 2 * margin, channels)
    # The mean over a square of independent samples has the standard deviation of one, divided by the square's side.
    noise = _white(wider, 255 * strength**0.5 * _MEAN_SIDE, rng)
    cv2.blur(noise, (_MEAN_SIDE, _MEAN_SIDE), dst=noise)
    return _add(image, noise[margin:-margin, margin:-margin])


def masked_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise where the eye finds it hard to see: much in texture and at edges, none in smooth areas.

    `strength` is its standard deviation as a multiple of the local contrast, which is the standard deviation of the
    luminance in the 7×7 pixels around (the border reflected). uint8 H×W×3 in and out; `image` is not changed.
    Source: TID2013 type 4, whose masking model is not published; this one is ours.
    """
    deviation = np.float32(strength) * local_contrast(image)
    noise = _white(image.shape, 1, rng)
    noise *= deviation[..., None]
    return _add(image, noise)


def local_contrast(image: np.ndarray) -> np.ndarray:
    """Standard deviation, on 0–255, of the luminance in the square around each pixel: float32 H×W."""
    luminance = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    window = (_MASK_SIDE, _MASK_SIDE)
    # Whole numbers, so that a constant image has no contrast at all.
    total: np.ndarray = cv2.boxFilter(luminance, cv2.CV_32S, window, normalize=False, borderType=cv2.BORDER_REFLECT)
    squares: np.ndarray = cv2.sqrBoxFilter(
        luminance, cv2.CV_32S, window, normalize=False, borderType=cv2.BORDER_REFLECT
    )
    squares *= _MASK_SIDE**2
    squares -= total * total
    return np.sqrt(squares, dtype=np.float32) / np.float32(_MASK_SIDE**2)


def high_frequency_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise from which a Gaussian high-pass has taken the low frequencies, in R, G and B.

    The high-pass is 1 − exp(−f² / 2c²) with c = 10/512 cycles a pixel. `strength` is the variance for pixel values on
    [0, 1] before the high-pass. uint8 H×W×3 in and out; `image` is not changed.

    Source: RankIQA (ICCV 2017), supplement; TID2013 type 5. RankIQA's cut-off is 10 cycles an image, which leaves a
    tiny image almost without noise and gives a crop other noise than its image; at 512 pixels the two are the same.
    Its code filters the image along with the noise, and measures frequency from the wrong corner; here the noise alone
    is filtered, from zero frequency.
    """
    from scipy import fft  # which takes longer to import than all distortions together

    height, width = image.shape[:2]
    rows, columns = fft.next_fast_len(height), fft.next_fast_len(width, real=True)
    spectrum = fft.rfft2(_white((rows, columns, 3), 255 * strength**0.5, rng), axes=(0, 1))
    spectrum *= _high_pass(rows, columns)[..., None]
    noise = fft.irfft2(spectrum, s=(rows, columns), axes=(0, 1), overwrite_x=True)
    return _add(image, noise[:height, :width])


def _high_pass(rows: int, columns: int) -> np.ndarray:
    """Gains for the half of the Fourier plane that `rfft2` gives."""
    vertical, horizontal = (
        np.exp(-0.5 * (f / np.float32(_CUT_OFF)) ** 2)
        for f in (np.fft.fftfreq(rows).astype(np.float32), np.fft.rfftfreq(columns).astype(np.float32))
    )
    return 1 - np.outer(vertical, horizontal)  # the Gaussian of the radius is the product of those of its two parts


def impulse_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Salt and pepper: samples become 0 or 255, half each, every channel on its own, as MATLAB's `imnoise` does it.

    `strength` is the probability that a sample is hit. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 6, KADID-10k type 13.
    """
    draws = rng.random(image.shape, dtype=np.float32)
    made = np.multiply(image, draws >= strength / 2, order="C")
    made |= np.negative((draws >= 1 - strength / 2).view(np.uint8))  # −1 is 255
    return made


def multiplicative_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Multiply each sample by 1 + n, where n is white Gaussian noise: bright areas get more of it.

    `strength` is the standard deviation of n. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 19.
    """
    return _multiply(image, _white(image.shape, strength, rng))


def speckle_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Multiply each sample by 1 + n, where n is white uniform noise, as MATLAB's `imnoise` does it for speckle.

    `strength` is the variance of n. uint8 H×W×3 in and out; `image` is not changed.
    Source: KADID-10k (QoMEX 2019) type 14.
    """
    noise = rng.random(image.shape, dtype=np.float32)
    noise -= np.float32(0.5)
    noise *= np.float32((12 * strength) ** 0.5)  # a uniform variable of width 1 has the variance 1/12
    return _multiply(image, noise)


def _white(shape: tuple[int, ...], deviation: float, rng: np.random.Generator) -> np.ndarray:
    """White Gaussian noise of that standard deviation: float32."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise *= np.float32(deviation)
    return noise


def _add(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Image + noise, clipped and rounded in one pass, ties to even (`cv2.add` does not always round its ties so)."""
    return cv2.addWeighted(image, 1, noise, 1, 0, dtype=cv2.CV_8U)


def _multiply(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Image × (1 + noise), clipped and rounded in one pass. `noise` is overwritten."""
    noise += np.float32(1)
    return cv2.multiply(image, noise, dtype=cv2.CV_8U)
