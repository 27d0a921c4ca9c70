"""Exposure and the black point: each value has a new one, wherever it stands in the photo."""

from __future__ import annotations

import cv2
import numpy as np

from rankiqa.distortions.camera.light import srgb_to_linear, to_pixels
from rankiqa.distortions.camera.raw import RAW_OF_CODE, from_raw


def exposure(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Expose too much or too little: the light on the sensor times 2^EV, each channel clipped at white.

    `strength` is EV: above 0 too much, below 0 too little; further from 0 is stronger. The camera's tone curve then
    crushes what is dark onto few of the 8-bit values. `rng` is not used. uint8 H×W×3 in and out; `image` is not
    changed. Source: ISO 2720 for EV; Afifi et al., "Learning Multi-Scale Photo Exposure Correction", CVPR 2021, for
    photos from −1.5 to +1.5 EV; ours go on to what the worst photos of BIQ2021 show.
    """
    return cv2.LUT(image, from_raw(RAW_OF_CODE[None] * 2.0**strength))


def grey_blacks(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Show black as grey, which makes the photo flat.

    `strength` is the lightness b of black (L* of CIE Lab, 0–100): L becomes b + L·(1 − b / 100) in each channel, and
    white stays. More is stronger. `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    """
    return _moved(image, strength + _LIGHTNESS * (1 - strength / 100))


def crushed_blacks(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Show dark grey as black, which takes the detail out of the shadows: the inverse of `grey_blacks`.

    `strength` is the lightness (L* of CIE Lab, 0–100) that, with all below it, becomes black in each channel; white
    stays. More is stronger. `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    """
    return _moved(image, (_LIGHTNESS - strength) / (1 - strength / 100))


def _moved(image: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """`image` with the lightness of each of the 256 values replaced."""
    return cv2.LUT(image, to_pixels(from_lightness(lightness)[None]))


def to_lightness(light: np.ndarray) -> np.ndarray:
    """L* of CIE Lab, 0–100, of light on [0, 1]."""
    return np.where(light > (6 / 29) ** 3, 116 * np.cbrt(light) - 16, light * (29 / 3) ** 3)


def from_lightness(lightness: np.ndarray) -> np.ndarray:
    """Light on [0, 1] of L* on 0–100."""
    return np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness * (3 / 29) ** 3)


_LIGHTNESS = to_lightness(srgb_to_linear(np.arange(256) / 255))
