"""Lens flare: a lamp or the sun in the photo, with its glow, its star and its ghosts."""

from __future__ import annotations

import math

import cv2
import numpy as np

from rankiqa.distortions.camera.raw import from_raw, to_raw

SIDE = 128  # samples a side of the flare, which is then enlarged to the photo

_GLOW = 0.1  # distance, of the photo's side, at which the glow has the strength of the flare
_VEIL = 0.04  # of the strength, all over the photo
_STAR, _STAR_REACH = 1.2, 0.09
_GHOST, _GHOSTS = 0.2, 7  # the brightest that one may be, and how many there are


def flare(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Lens flare: the light of a source near the photo's edge spreads in the lens; added before the tone curve.

    A glow and a star of streaks stand around the source, and a faint veil lies on all of the photo; reflections between
    the lenses, discs with bright rims, lie on the line from the source through the centre. Place, star and ghosts are
    drawn from `rng`, the same for every strength. `strength` is the light of the glow at a tenth of the photo's side
    from the source, in units of white; more is stronger. uint8 H×W×3 in and out; `image` is not changed. Source: the
    parts are those of Wu et al., "How to Train Neural Networks for Flare Removal", ICCV 2021, and Dai et al.,
    "Flare7K", NeurIPS 2022; their shapes are ours.
    """
    height, width = image.shape[:2]
    light = cv2.resize(flare_light(rng), (width, height), interpolation=cv2.INTER_LINEAR)
    return from_raw(cv2.addWeighted(to_raw(image), 1, light, strength, 0, dst=light))


def flare_light(rng: np.random.Generator) -> np.ndarray:
    """The light of a flare of strength 1: float32 `SIDE`×`SIDE`×3, above 0."""
    place = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE - 0.5
    y, x = place[:, None], place[None]
    angle, distance = rng.triangular(-0.75, 0, 0.75) * math.pi, rng.uniform(0.38, 0.54)  # from straight up
    right, down = distance * math.sin(angle), -distance * math.cos(angle)
    warm = np.array((1, rng.uniform(0.86, 0.97), rng.uniform(0.65, 0.9)), np.float32)
    around = _VEIL + glow(x - right, y - down) + _star(x - right, y - down, rng)
    light = cv2.merge([around * part for part in warm])
    for _ in range(_GHOSTS):
        along = rng.uniform(-1.6, 0.7)  # 0 is the centre, 1 the source
        radius = rng.uniform(0.015, 0.09) * (0.5 + abs(along))
        rows, columns = (_span(along * middle, radius) for middle in (down, right))
        disc = ghost(x[:, columns] - along * right, y[rows] - along * down, radius)
        colour = 3 * rng.dirichlet((4, 4, 4)).astype(np.float32)
        light[rows, columns] += (_GHOST * rng.uniform(0.3, 1) * disc)[..., None] * colour
    return light


def glow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Light at (x, y) from the source: 1 at a distance of a tenth, from 2.4 at the source down to 2.4 (10 r)^−2.5."""
    return (2 / (1 + (x * x + y * y) / np.float32(_GLOW**2))) ** 1.25


def ghost(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Light at (x, y) from a ghost's centre: a disc, 0.55 in the middle and 1 at its rim, one sample soft."""
    r = np.hypot(x, y) / np.float32(radius)
    inside = np.clip((1 - r) * np.float32(radius * SIDE) + 0.5, 0, 1)
    return inside * (0.55 + 0.45 * np.minimum(r * r, 1))


def _span(middle: float, radius: float) -> slice:
    """The samples along one side that a ghost around `middle` reaches."""
    first, last = ((middle + side * radius + 0.5) * SIDE + side for side in (-1, 1))
    return slice(max(math.floor(first), 0), max(math.ceil(last), 0))


def _star(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Streaks, as many as the diaphragm makes, not all of one length."""
    streaks = int(rng.choice((6, 8, 10, 14)))
    theta = np.arctan2(y, x) + np.float32(rng.uniform(0, math.pi))
    uneven = 0.6 + 0.4 * np.cos(3 * theta + np.float32(rng.uniform(0, 2 * math.pi)))
    streak = cv2.pow(np.cos(theta * (streaks / 2)), 24)  # many times faster than ** 24
    return _STAR * uneven * streak * np.exp(-np.hypot(x, y) / np.float32(_STAR_REACH))
