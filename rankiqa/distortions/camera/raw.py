"""Light as a sensor counts it, before the camera's tone curve makes a photo of it.

For what happens to the count: exposure, noise, and light that is added or lost on the way. It is full at the photo's
white, where too much light clips. `light.to_radiance` is for what spreads light over its neighbours: there it matters
most that what the photo shows as white was brighter, as a lamp is, and the tone curve is left out.
"""

from __future__ import annotations

import cv2
import numpy as np

from rankiqa.distortions.camera.light import linear_to_srgb, look_up, srgb_to_linear

_STEPS = 65535  # of the table back
_FINE = np.linspace(0, 1, 100_001)


def tone_curve(code: np.ndarray) -> np.ndarray:
    """The contrast that a camera gives its photos, on sRGB code values on [0, 1]: 3.5x² − 3.5x³ + x⁴.

    Up to the middle it is nearly the smooth step 3x² − 2x³ of the source of `to_raw`. At white its slope is a half,
    where the smooth step has none: undone, that would turn the last grey levels of a bright sky into steps of colour.
    """
    code = np.asarray(code, np.float64)
    return code * code * (3.5 - code * (3.5 - code))


def inverse_tone_curve(code: np.ndarray) -> np.ndarray:
    """What `tone_curve` makes `code`, on [0, 1], of: float64."""
    return np.interp(code, tone_curve(_FINE), _FINE)


# The light of each of the 256 code values, and the code values of all lights.
RAW_OF_CODE = srgb_to_linear(inverse_tone_curve(np.arange(256) / 255))
_TO_RAW = RAW_OF_CODE.astype(np.float32)
_FROM_RAW = np.rint(255 * tone_curve(linear_to_srgb(np.arange(_STEPS + 1) / _STEPS))).astype(np.uint8)


def to_raw(image: np.ndarray) -> np.ndarray:
    """The light that a sensor counted, on [0, 1], 1 where it is full, of a uint8 H×W×3 sRGB image: float32.

    It is the photo's light before the tone curve with which a camera gives its photos contrast: dark tones are brighter
    in it, so that less light crushes them, as it does in photos. Source: Brooks et al., "Unprocessing Images for
    Learned Raw Denoising", CVPR 2019; the colour matrix is left out.
    """
    return cv2.LUT(image, _TO_RAW)


def from_raw(light: np.ndarray) -> np.ndarray:
    """The uint8 sRGB image that a camera makes of float light on [0, 1] on its sensor, clipped: undoes `to_raw`."""
    return look_up(light, _STEPS, _FROM_RAW)


def scale_light(light: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Multiply float32 H×W×3 light in place by a float32 H×W gain; gives the light."""
    return cv2.multiply(light, cv2.merge((gain, gain, gain)), dst=light)
