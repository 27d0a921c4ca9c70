"""Little light: the noise of photons and of the sensor, and what a phone's denoiser leaves of it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from rankiqa.distortions.camera.raw import RAW_OF_CODE, from_raw, to_raw

READ_NOISE = 2.0  # electrons, standard deviation
GAINS = (2.0, 1.0, 1.7)  # the white balance of R, G and B in daylight
CONTEXT = 2  # pixels around that demosaicing looks at, in whole cells of the mosaic
DENOISING_CONTEXT = 24  # the same, and 16 for the blur of colour and 4 for enlarging it, in whole blocks of 4

# Noise as 16-bit numbers, that OpenCV's demosaicing takes: ±1 of light, 0 in the middle.
_HALF = 32767

_WINDOW = 7  # pixels a side, of Lee's filter


def low_light(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """The noise of a sensor that met few photons: shot and read noise on a Bayer mosaic, demosaiced.

    `strength` is the number N of photo-electrons that make white in a green pixel, **lower is stronger**. A pixel with
    the light L on [0, 1] and the white balance's gain w expects N·L / w electrons. Their number, and the 2 electrons of
    read noise, make a variance of L·w / N + (2 w / N)² in the light after white balance. The noise is Gaussian, as in
    Foi's model, which is close from ten electrons on; so every strength has the same pattern, only stronger.

    A photo was demosaiced once already, so that only the noise is (bilinear interpolation is linear), which blurs and
    colours it. uint8 H×W×3 in and out; `image` is not changed. Source: EMVA 1288; Foi et al., "Practical
    Poissonian-Gaussian noise modeling and fitting for single-image raw-data", TIP 2008; white balance and tone curve
    undone as in Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019, but for the colour matrix.
    """
    noise = cv2.demosaicing(_as_16_bit(bayer_noise(image, strength, rng)), cv2.COLOR_BayerRGGB2RGB)
    noise = noise[CONTEXT:-CONTEXT, CONTEXT:-CONTEXT]
    return from_raw(cv2.addWeighted(to_raw(image), 1, noise, 1 / _HALF, -1, dtype=cv2.CV_32F))


def bayer_noise(image: np.ndarray, electrons: float, rng: np.random.Generator) -> np.ndarray:
    """The noise of the mosaic's pixels, R G over G B, in white-balanced light: float32, `CONTEXT` wider each way."""
    wider: np.ndarray = cv2.copyMakeBorder(image, *(CONTEXT,) * 4, borderType=cv2.BORDER_REFLECT_101)
    noise = rng.standard_normal(wider.shape[:2], dtype=np.float32)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        deviation = noise_deviation(electrons, GAINS[channel]).astype(np.float32)
        noise[row::2, column::2] *= deviation.take(wider[row::2, column::2, channel])
    return noise


def noise_deviation(electrons: float, gain: float) -> np.ndarray:
    """The noise's standard deviation in light, for each of the 256 code values."""
    return np.sqrt(RAW_OF_CODE * gain / electrons + (READ_NOISE * gain / electrons) ** 2)


def denoised_low_light(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """`low_light`, denoised as a phone does it: little grain is left, but smeared detail and blotches of colour.

    Y of YCbCr goes towards its mean over 7×7 pixels, Cb and Cr towards a wider one, a Gaussian of 6 pixels taken at a
    quarter of the size; all less so where they vary by more than noise (Lee's filter). `strength` is that of
    `low_light`, **lower is stronger**. uint8 H×W×3 in and out; `image` is not changed. Source: J.-S. Lee, "Digital
    image enhancement and noise filtering by use of local statistics", TPAMI 1980; stronger denoising of chroma as in
    Hasinoff et al., "Burst photography for high dynamic range and low-light imaging on mobile cameras", SIGGRAPH Asia
    2016.
    """
    noisy = cv2.cvtColor(low_light(image, strength, rng), cv2.COLOR_RGB2YCrCb)
    luma, *chroma = cv2.split(noisy.astype(np.float32))
    mean = _mean(luma)
    grain = cv2.LUT(cv2.convertScaleAbs(mean), grain_variance(strength).astype(np.float32))
    planes = [
        _towards(luma, mean, _mean, grain),
        *(_towards(plane, _wide_mean(plane), _wide_mean, grain) for plane in chroma),
    ]
    return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)


def _towards(
    plane: np.ndarray, mean: np.ndarray, average: Callable[[np.ndarray], np.ndarray], grain: np.ndarray
) -> np.ndarray:
    """Lee's filter: of the distance from the mean the share that the variance has beyond that of noise; uint8."""
    variance = average(plane * plane) - mean * mean
    kept = np.maximum(variance - grain, 0) / np.maximum(variance, np.float32(1e-3))
    return cv2.convertScaleAbs(mean + kept * (plane - mean))


def _mean(plane: np.ndarray) -> np.ndarray:
    return cv2.blur(plane, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REFLECT)


def _wide_mean(plane: np.ndarray) -> np.ndarray:
    height, width = plane.shape
    quarters = cv2.resize(plane, (-(-width // 4), -(-height // 4)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(quarters, (9, 9), 1.5, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)


def grain_variance(electrons: float) -> np.ndarray:
    """The variance that Lee's filter takes for noise, in squared grey levels, for each of the 256 code values.

    It is green's in the mosaic, two to three times what Y, Cb and Cr have after demosaicing: phones rather smear.
    """
    return (noise_deviation(electrons, 1) / np.gradient(RAW_OF_CODE)) ** 2


def _as_16_bit(noise: np.ndarray) -> np.ndarray:
    return cv2.addWeighted(noise, _HALF, noise, 0, _HALF, dtype=cv2.CV_16U)  # rounds and clips
