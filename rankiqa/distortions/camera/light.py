"""Linear light and sRGB: IEC 61966-2-1's curve exactly, by tables."""

from __future__ import annotations

import cv2
import numpy as np

_STEPS = 65535  # of the table back: a step is at most 0.05 of a code value, where the curve is steepest
_STRIP = 8  # rows at a time: what lies between light and pixels then stays in the cache

KNEE = 0.8  # of white: pixel value 231, where the shoulder begins
BRIGHTEST = 4.0  # times white: two stops, what a sensor's raw file keeps above the photo's white
_BEND = 1 / (1 - KNEE) - 1 / (BRIGHTEST - KNEE)


def srgb_to_linear(code: np.ndarray) -> np.ndarray:
    """Light on [0, 1] of sRGB code values on [0, 1]: float64."""
    code = np.asarray(code, np.float64)
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """The sRGB code values on [0, 1] of light on [0, 1]: float64."""
    light = np.asarray(light, np.float64)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def above_the_knee(light: np.ndarray) -> np.ndarray:
    """The light on the sensor, on [0, `BRIGHTEST`], of light on [0, 1] in the photo: float64."""
    over = np.maximum(np.asarray(light, np.float64) - KNEE, 0)
    return np.minimum(light, KNEE) + over / (1 - _BEND * over)


def below_white(radiance: np.ndarray) -> np.ndarray:
    """The light on [0, 1] in the photo of light on the sensor: float64, the inverse of `above_the_knee`."""
    over = np.maximum(np.asarray(radiance, np.float64) - KNEE, 0)
    return np.minimum(radiance, KNEE) + over / (1 + _BEND * over)


_TO_LINEAR = srgb_to_linear(np.arange(256) / 255).astype(np.float32)
_TO_SRGB = np.rint(255 * linear_to_srgb(np.arange(_STEPS + 1) / _STEPS)).astype(np.uint8)
_TO_RADIANCE = above_the_knee(_TO_LINEAR).astype(np.float32)
_TO_PHOTO = np.rint(255 * linear_to_srgb(below_white(BRIGHTEST * np.arange(_STEPS + 1) / _STEPS))).astype(np.uint8)


def to_light(image: np.ndarray) -> np.ndarray:
    """Light on [0, 1], white 1, of a uint8 sRGB image: float32, a new array of the same shape."""
    return cv2.LUT(image, _TO_LINEAR)


def to_pixels(light: np.ndarray) -> np.ndarray:
    """The uint8 sRGB image of `light`, float32 on [0, 1], clipped above and below as a sensor and a file do it.

    Light beyond 2^15 times white is more than OpenCV can round, and would come out black.
    """
    return look_up(light, _STEPS, _TO_SRGB)


def to_radiance(image: np.ndarray) -> np.ndarray:
    """The light that fell on the sensor, which the photo's highlights only hint at: float32 on [0, `BRIGHTEST`].

    A camera presses what is brighter than white into the range by a shoulder. Up to `KNEE` this is `to_light`; above,
    it rises ever more steeply, to `BRIGHTEST` at pixel value 255. `image` is uint8 sRGB; a new array of its shape.

    Source: the curve is ours, a hyperbola that leaves the straight line smoothly, shaped as the cameras' responses of
    Grossberg and Nayar (TPAMI 2004) are.
    """
    return cv2.LUT(image, _TO_RADIANCE)


def to_photo(radiance: np.ndarray) -> np.ndarray:
    """The uint8 sRGB image of light that fell on the sensor, float32 on [0, `BRIGHTEST`]: undoes `to_radiance`."""
    return look_up(radiance, _STEPS / BRIGHTEST, _TO_PHOTO)


def look_up(light: np.ndarray, steps: float, table: np.ndarray) -> np.ndarray:
    """The entries of `table`, 65536 uint8, at `light` times `steps`, rounded and clipped to it."""
    found = np.empty(light.shape, np.uint8)
    for top in range(0, len(light), _STRIP):
        strip = light[top : top + _STRIP]
        # Multiplies, rounds and clips at once.
        places: np.ndarray = cv2.addWeighted(strip, steps, strip, 0, 0, dtype=cv2.CV_16U)
        table.take(places.reshape(strip.shape), out=found[top : top + _STRIP], mode="clip")
    return found
