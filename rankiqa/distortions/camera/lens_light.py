"""Light that a lens loses or sends astray: vignetting and veiling glare."""

from __future__ import annotations

import math

import cv2
import numpy as np

from rankiqa.distortions.camera import field
from rankiqa.distortions.camera.raw import from_raw, scale_light, to_raw

_GLOW = 0.12  # standard deviation of the wide glow around bright areas, of the photo's sides

# A bright source outside the frame: its light, slightly warm, and how far from the centre, in half diagonals.
SOURCE_LIGHT = np.array((1.0, 0.93, 0.81))
_SOURCE_DISTANCE = 1.15


def vignetting(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Darken towards the corners, in the light that meets the sensor.

    `strength` is the loss at the corner in EV (2 leave a quarter of the light), more is stronger. Half of it is the
    cos⁴ law of oblique light, 1 / (1 + (r/f)²)², half is the lens barrel in the way of the light, 1 − α r⁴, with r the
    distance from the centre. `rng` is not used. uint8 H×W×3 in and out; `image` is not changed. Source: Kang and Weiss,
    "Can we calibrate a camera using an image of a flat, textureless Lambertian surface?", ECCV 2000, whose 1 − α r
    has a cusp at the centre.
    """
    height, width = image.shape[:2]
    return from_raw(scale_light(to_raw(image), vignette(height, width, strength)))


def vignette(height: int, width: int, corner: float) -> np.ndarray:
    """The share of the light that is left, 1 at the centre and 2^−`corner` at the very corners: float32 H×W."""
    y, x = field.places(height, width)
    r2 = y * y + x * x
    half = 2 ** (-corner / 2)
    oblique = 1 + r2 * np.float32(half**-0.5 - 1)
    return (1 - np.float32(1 - half) * (r2 * r2)) / (oblique * oblique)


def glare(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Veiling glare: a bright source beside the frame, and the photo's own light, scatter in the lens over all of it.

    `strength` is the share g of the light that scatters, before the camera's tone curve; more is stronger. Of the
    photo's own light 1 − g stays in its place; of the rest, half spreads evenly, half in a wide glow; none is lost. The
    source adds g times its slightly warm white in the mean over the photo, more on its side, which is drawn from `rng`,
    above more often than below, and the same for every strength. uint8 H×W×3 in and out; `image` is not changed.
    Source: the veiling glare index of ISO 9358, a few percent for good lenses; McCann and Rizzi, "The Art and Science
    of HDR Imaging", 2011.
    """
    light = to_raw(image)
    height, width = light.shape[:2]
    astray = scattered(light) + source(rng)[..., None] * SOURCE_LIGHT.astype(np.float32)
    return from_raw(cv2.addWeighted(light, 1 - strength, field.enlarged(astray, height, width), strength, 0))


def scattered(light: np.ndarray) -> np.ndarray:
    """Where the photo's scattered light goes: a coarse field, float32, with the mean of `light`."""
    side = len(field.coarse_places()[0])
    small = cv2.resize(light, (side, side), interpolation=cv2.INTER_AREA)
    glow = cv2.GaussianBlur(small, (0, 0), _GLOW * side, borderType=cv2.BORDER_REFLECT)
    return (glow + glow.mean(axis=(0, 1))) / 2


def source(rng: np.random.Generator) -> np.ndarray:
    """How the light of a source outside the frame falls over it: a coarse field, float32, mean 1."""
    angle = math.pi / 2 + rng.triangular(-math.pi, 0, math.pi)
    y, x = field.coarse_places()
    away = (x - _SOURCE_DISTANCE * math.cos(angle)) ** 2 + (y + _SOURCE_DISTANCE * math.sin(angle)) ** 2
    falls = 1 / (0.35 + away)
    return (falls / falls.mean()).astype(np.float32)
