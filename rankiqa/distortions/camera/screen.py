"""A photo of a screen."""

from __future__ import annotations

import math

import cv2
import numpy as np

from rankiqa.distortions.camera.light import to_light, to_pixels

_PITCH = (0.012, 0.03)  # how far the screen's pixels, as the camera sees them, are from the camera's own, of a pixel
_TILT = 2.0  # degrees that the camera is turned at most
_BEND = (0.01, 0.025)  # barrel distortion and perspective at the edge, of the distance from the middle
_BLUR = 0.5  # σ in pixels: the lens before the screen
_SHARE = 0.5  # of the grid between the rows, which is dark for all colours, in the fringes


def screen_moire(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Photograph the photo on a screen: curved, coloured fringes where the screen's grid beats with the camera's.

    The screen has red, green and blue stripes side by side and dark lines between its rows. The camera, which has
    nearly the same pitch, takes one sample a pixel, so that the grid comes out as fringes as wide as the two differ:
    the stripes' thirds of a pixel part the colours. The lens bends the fringes. Pitch, turn and bend are drawn.

    `strength` is the contrast of the fringes in light, 0 to 1; one draw for all strengths. uint8 H×W×3 in and out;
    `image` is not changed. Source: moiré of screens as in Sun, Yu and Wang (TIP 2018); the model is ours.
    """
    red, green, blue, rows = fringes(image.shape[:2], rng)
    light = to_light(cv2.GaussianBlur(image, (5, 5), _BLUR, borderType=cv2.BORDER_REFLECT))
    rows = 1 + np.float32(strength * _SHARE) * rows
    gain = cv2.merge([cv2.scaleAdd(colour, strength * (1 - _SHARE), rows) for colour in (red, green, blue)])
    return to_pixels(cv2.multiply(light, gain))


def fringes(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """What the camera sees of the stripes of each colour and of the rows: four float32 arrays from −1 to 1."""
    pitch = 1 + rng.uniform(*_PITCH) * rng.choice((-1, 1))
    turn = math.radians(rng.uniform(-_TILT, _TILT))
    bend = rng.uniform(*_BEND) * rng.choice((-1, 1))
    centre = rng.uniform(-0.4, 0.4, 2)
    start = rng.random(2)
    height, width = shape
    half = np.float32(max(shape) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32(width / 2)
    y = (np.arange(height, dtype=np.float32) - np.float32(height / 2))[:, None]
    away = (x / half - np.float32(centre[0])) ** 2 + (y / half - np.float32(centre[1])) ** 2
    scale = np.float32(bend / pitch) * away + np.float32(1 / pitch)
    cos, sin = math.cos(turn), math.sin(turn)
    across = (cos * x + sin * y) * scale + np.float32(start[0])  # in pixels of the screen
    down = (cos * y - sin * x) * scale + np.float32(start[1])
    stripes, lines = (np.float32(2 * math.pi) * (place - np.rint(place)) for place in (across, down))
    thirds = (2 * math.pi * third for third in (1 / 6, 1 / 2, 5 / 6))
    waves = np.cos(stripes), np.sin(stripes)
    colours = (cv2.addWeighted(waves[0], math.cos(third), waves[1], math.sin(third), 0) for third in thirds)
    return *colours, np.cos(lines)
