"""A photo of a screen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rankiqa.distortions.camera.light import to_light, to_pixels

_PITCH = (0.012, 0.03)  # how far the screen's pixels, as the camera sees them, are from the camera's own, of a pixel
_TILT = 2.0  # degrees that the camera is turned at most
_BEND = (0.01, 0.025)  # barrel distortion and perspective at the edge, of the distance from the middle
_BLUR = 0.5  # σ in pixels: the lens before the screen
_STRIP = 16  # rows that are made at a time, which then stay in the cache
_SHARE = 0.5  # of the grid between the rows, which is dark for all colours, in the fringes


def screen_moire(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Photograph the photo on a screen: curved, coloured fringes where the screen's grid beats with the camera's.

    The screen has red, green and blue stripes side by side and dark lines between its rows. The camera, which has
    nearly the same pitch, takes one sample a pixel, so that the grid comes out as fringes as wide as the two differ:
    the stripes' thirds of a pixel part the colours. The lens bends the fringes. Pitch, turn and bend are drawn.

    `strength` is the contrast of the fringes in light, 0 to 1; one draw for all strengths. uint8 H×W×3 in and out;
    `image` is not changed. Source: moiré of screens as in Sun, Yu and Wang (TIP 2018); the model is ours.
    """
    grid = draw_grid(rng)
    made = cv2.GaussianBlur(image, (5, 5), _BLUR, borderType=cv2.BORDER_REFLECT)
    for top in range(0, len(made), _STRIP):
        part = made[top : top + _STRIP]
        red, green, blue, lines = fringes(grid, image.shape[:2], top, top + len(part))
        lines = 1 + np.float32(strength * _SHARE) * lines
        gain = cv2.merge([cv2.scaleAdd(colour, strength * (1 - _SHARE), lines) for colour in (red, green, blue)])
        part[:] = to_pixels(cv2.multiply(to_light(part), gain).reshape(part.shape))
    return made


@dataclass(frozen=True)
class Grid:
    """How a screen's grid lies before the camera.

    Attributes:
        pitch: of the screen's pixels, in the camera's.
        turn: of the camera, radians.
        bend: of the lens, at half the photo's longer side from `centre`, as a share of the distance.
        centre: of the bend, from the photo's middle, in half its longer side.
        start: of the grid at the photo's middle, in the screen's pixels.
    """

    pitch: float
    turn: float
    bend: float
    centre: tuple[float, float]
    start: tuple[float, float]


def draw_grid(rng: np.random.Generator) -> Grid:
    """A grid whose pitch is a little off the camera's, which is turned a little and bends."""
    return Grid(
        pitch=1 + rng.uniform(*_PITCH) * rng.choice((-1, 1)),
        turn=math.radians(rng.uniform(-_TILT, _TILT)),
        bend=rng.uniform(*_BEND) * rng.choice((-1, 1)),
        centre=(rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)),
        start=(rng.random(), rng.random()),
    )


def fringes(grid: Grid, shape: tuple[int, int], top: int, bottom: int) -> tuple[np.ndarray, ...]:
    """What the camera sees, in rows `top` to `bottom` of a photo of `shape` (height, width), of the grid.

    Four float32 arrays from −1 to 1: of the red, the green and the blue stripes, and of the lines between the rows.
    """
    height, width = shape
    half = np.float32(max(shape) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32(width / 2)
    y = (np.arange(top, bottom, dtype=np.float32) - np.float32(height / 2))[:, None]
    away = (x / half - np.float32(grid.centre[0])) ** 2 + (y / half - np.float32(grid.centre[1])) ** 2
    scale = np.float32(grid.bend / grid.pitch) * away + np.float32(1 / grid.pitch)
    cos, sin = math.cos(grid.turn), math.sin(grid.turn)
    across = (cos * x + sin * y) * scale + np.float32(grid.start[0])  # in pixels of the screen
    down = (cos * y - sin * x) * scale + np.float32(grid.start[1])
    stripes, lines = (np.float32(2 * math.pi) * (place - np.rint(place)) for place in (across, down))
    thirds = (2 * math.pi * third for third in (1 / 6, 1 / 2, 5 / 6))
    waves = np.cos(stripes), np.sin(stripes)
    colours = (cv2.addWeighted(waves[0], math.cos(third), waves[1], math.sin(third), 0) for third in thirds)
    return *colours, np.cos(lines)
