"""Light that the lens does not bring together: a photo out of focus, or focused on the wrong plane."""

from __future__ import annotations

import math

import cv2
import numpy as np

from rankiqa.distortions.blur import disk_kernel
from rankiqa.distortions.camera.light import to_photo, to_radiance
from rankiqa.distortions.camera.shapes import detail, smooth_noise

_BLADES = (5, 6, 7, 8)  # of an iris; wide open, or with none, it is round
_LAYERS = (1.6, 4.0, 10.0, 25.0, 62.5)  # radii of the discs between which `misfocus` interpolates, pixels
_SMALL_DISC = 2.0  # pixels: the radius down to which a disc is applied to an image made smaller instead

_STRIP = 32  # rows that are mixed at a time, which then stay in the cache


def defocus(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur in light as a lens out of focus does: each point becomes the shape of the aperture.

    The shape is drawn: a disc, or the polygon of an iris of 5 to 8 blades, at any turn. What the photo shows as white
    was brighter, and blooms into that shape (`light.to_radiance`). Beyond the border the image is reflected.

    `strength` is the radius in pixels of the disc, or of the disc as large as the polygon; one draw for all strengths.
    uint8 H×W×3 in and out; `image` is not changed.
    Source: geometric optics, as in Potmesil and Chakravarty (SIGGRAPH 1981); the draws are ours.
    """
    kernel = aperture(strength, int(rng.choice((0, *_BLADES))), rng.random() * 2 * math.pi)
    return to_photo(_filter(to_radiance(image), kernel))


def aperture(radius: float, blades: int, turn: float) -> np.ndarray:
    """The share of an aperture's area that falls on each pixel: float32, odd square, sum 1.

    Args:
        radius: of the disc with the aperture's area, pixels.
        blades: 0 for a disc, from 3 for a regular polygon.
        turn: of the polygon, radians, clockwise as rows grow downwards.
    """
    if blades == 0:
        return disk_kernel(radius)
    outer = radius * math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))
    reach = math.ceil(outer - 0.5)
    side = 2 * reach + 1
    parts = max(4, 64 // side)  # each way in a pixel
    places = ((np.arange(side * parts) + 0.5) / parts - side / 2).astype(np.float32)
    edges = turn + 2 * math.pi / blades * np.arange(blades)
    beyond = np.full((side * parts, side * parts), -np.inf, np.float32)  # how far outside, pixels
    for cos, sin in zip(np.cos(edges).astype(np.float32), np.sin(edges).astype(np.float32), strict=True):
        np.maximum(beyond, places * cos + (places * sin)[:, None], out=beyond)
    inside = np.clip(0.5 - parts * (beyond - outer * math.cos(math.pi / blades)), 0, 1)
    kernel: np.ndarray = cv2.resize(inside.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return kernel / kernel.sum()


def defocus_reach(strength: float) -> int:
    """Pixels to each side that the widest aperture of that radius, the pentagon, reaches."""
    return math.ceil(1.15 * strength)


def misfocus(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Focus on the wrong plane: blur by a disc that grows with the distance from the plane in focus, in light.

    The depth is drawn, smooth over the photo: a slope in a drawn direction with bumps, steeper around its middle, so
    that there are a near part and a far part. In focus is the end that shows less detail, as where a camera has missed
    what the photo is of. The disc's radius is proportional to the difference in depth, taken as diopters. Between discs
    of a few radii the photos are mixed.

    `strength` is the radius in pixels at the end out of focus; one depth for all strengths. uint8 H×W×3 in and out;
    `image` is not changed. Source: thin-lens optics, as in Potmesil and Chakravarty (SIGGRAPH 1981), the layers as in
    Kass, Lefohn and Owens (2006); the depth is ours.
    """
    end = blurred_end(image, rng)
    made, below = to_radiance(image), 0.0
    discs = _LAYERS[: 1 + sum(disc < strength for disc in _LAYERS)]
    layers = [_disc_blur(made, disc) for disc in discs]  # large discs give small images
    blurred = layers[0]
    for disc, layer in zip(discs, layers, strict=True):
        if layer is not blurred:
            cv2.resize(layer, made.shape[1::-1], dst=blurred, interpolation=cv2.INTER_LINEAR)
        for top in range(0, len(made), _STRIP):
            rows = slice(top, top + _STRIP)
            radius = np.float32(strength) * end[rows]
            share = np.clip((radius - np.float32(below)) / np.float32(disc - below), 0, 1)
            cv2.blendLinear(blurred[rows], made[rows], share, 1 - share, dst=made[rows])
        below = disc
    return to_photo(made)


def blurred_end(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A drawn depth, from 0 where the photo is in focus to 1 at the end out of focus: float32 H×W.

    Weighted with the photo's detail, its mean is at least a half.
    """
    angle, steepness = rng.random() * 2 * math.pi, rng.uniform(5, 10)
    bumps = smooth_noise((32, 32), 4, rng)
    place = np.linspace(-1, 1, 32, dtype=np.float32)
    slope = math.cos(angle) * place + math.sin(angle) * place[:, None] + 0.5 * bumps
    slope -= np.median(slope)
    depth = 1 / (1 + np.exp(-steepness * slope / np.ptp(slope)))
    depth = (depth - depth.min()) / np.ptp(depth)
    if np.average(depth, weights=detail(image, (32, 32))) < 0.5:
        depth = 1 - depth
    height, width = image.shape[:2]
    depth = cv2.resize(depth.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(depth, 0, 1, out=depth)


def _disc_blur(radiance: np.ndarray, radius: float) -> np.ndarray:
    """Blur by a disc; for a large one the image is made smaller, which is many times faster, and is left so."""
    factor = 2 ** max(0, math.floor(math.log2(radius / _SMALL_DISC)))
    if factor == 1:
        return _filter(radiance, disk_kernel(radius))
    height, width = radiance.shape[:2]
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    smaller = cv2.resize(radiance, size, interpolation=cv2.INTER_AREA)
    # Making it smaller (a box) and later larger (a tent) blurs as well: together as a disc of radius 1 would.
    return _filter(smaller, disk_kernel(math.sqrt((radius / factor) ** 2 - 1)))


def _filter(radiance: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    # OpenCV correlates; an aperture is drawn at any turn, so that which way round it lies does not matter.
    return cv2.filter2D(radiance, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT)
