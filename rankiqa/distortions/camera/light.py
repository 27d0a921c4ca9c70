"""Linear light and sRGB: IEC 61966-2-1's curve exactly, by tables."""

from __future__ import annotations

import numpy as np

_STEPS = 65535  # of the table back: a step is at most 0.05 of a code value, where the curve is steepest


def srgb_to_linear(code: np.ndarray) -> np.ndarray:
    """Light on [0, 1] of sRGB code values on [0, 1]: float64."""
    code = np.asarray(code, np.float64)
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """The sRGB code values on [0, 1] of light on [0, 1]: float64."""
    light = np.asarray(light, np.float64)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


_TO_LINEAR = srgb_to_linear(np.arange(256) / 255).astype(np.float32)
_TO_SRGB = np.rint(255 * linear_to_srgb(np.arange(_STEPS + 1) / _STEPS)).astype(np.uint8)


def to_light(image: np.ndarray) -> np.ndarray:
    """Light on [0, 1], white 1, of a uint8 sRGB image: float32, a new array of the same shape."""
    return _TO_LINEAR[image]


def to_pixels(light: np.ndarray) -> np.ndarray:
    """The uint8 sRGB image of `light`, float on [0, 1], clipped above and below as a sensor and a file do it."""
    steps = np.multiply(light, np.float32(_STEPS), dtype=np.float32)
    np.clip(steps, 0, _STEPS, out=steps)
    steps += np.float32(0.5)
    return _TO_SRGB[steps.astype(np.uint16)]
