"""Haze and fog between the camera and what it sees."""

from __future__ import annotations

import cv2
import numpy as np

from rankiqa.distortions.camera import field
from rankiqa.distortions.camera.raw import RAW_OF_CODE, from_raw, scale_light, to_raw
from rankiqa.distortions.camera.shapes import smooth_noise

# The light of an overcast, slightly bluish sky, in a photo whose brightest part is white.
AIRLIGHT = np.array((0.63, 0.67, 0.72))

_DIMMEST = 0.2  # of the airlight: a night's


def haze(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Haze: light J becomes J·t + A·(1 − t), t = exp(−β d), Koschmieder's law, in the light that meets the sensor.

    The depth d is smooth and drawn from `rng`, the same for every strength: it grows upwards, with hills; its mean over
    the photo is 1. A is `airlight`. `strength` is β, the optical depth at the mean depth: contrast there falls to
    exp(−β); more is stronger. uint8 H×W×3 in and out; `image` is not changed. Source: Koschmieder 1924; the model of
    He, Sun and Tang, CVPR 2009, and of RESIDE (Li et al., TIP 2019), which draws β in [0.6, 1.8] and A in [0.7, 1].
    """
    height, width = image.shape[:2]
    transmission = np.exp(-np.float32(strength) * depth(rng))
    veil = (1 - transmission[..., None]) * airlight(image).astype(np.float32)
    light = scale_light(to_raw(image), field.enlarged(transmission, height, width))
    return from_raw(cv2.add(light, field.enlarged(veil, height, width), dst=light))


def airlight(image: np.ndarray) -> np.ndarray:
    """The light of the haze in R, G and B: bright, slightly bluish grey, darker where all of the photo is dark.

    The 99th percentile of green says how bright the photo's brightest parts are, which haze in the same light is too.
    """
    counts = cv2.calcHist([image], [1], None, [256], [0, 256]).cumsum()
    brightest = RAW_OF_CODE[np.searchsorted(counts, 0.99 * counts[-1])]
    return AIRLIGHT * max(brightest, _DIMMEST)


def depth(rng: np.random.Generator) -> np.ndarray:
    """A coarse field of depths, above 0 and with the mean 1: float32."""
    y, x = field.coarse_places()
    tilt = rng.uniform(-0.4, 0.4)
    drawn = np.exp(rng.uniform(0.5, 1) * (tilt * x - y) + 0.15 * smooth_noise((field.SIDE, field.SIDE), 4, rng))
    return drawn / drawn.mean()
