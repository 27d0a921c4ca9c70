"""Motion during the exposure: of the camera, or of what it looks at."""

from __future__ import annotations

import cmath
import math

import cv2
import numpy as np

from rankiqa.distortions.blur import motion_kernel
from rankiqa.distortions.camera.light import to_photo, to_radiance
from rankiqa.distortions.camera.raw import scale_light
from rankiqa.distortions.camera.shapes import detail

_STEPS = 500  # of the walk
_LENGTH = 64  # of the walk, in the pixels in which its forces are published
_FINE = 8  # places between two steps: at an extent of 100 pixels a step is a fraction of a pixel

_GRID = 16  # cells each way in which `subject_motion` looks for detail
_SUBJECT = (0.28, 0.36)  # half the width and height of what moves, of the photo's sides: the least and the most


def camera_shake(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur in light as a camera in shaking hands does: every point follows the same drawn path.

    `strength` is the extent of the path in pixels, the larger side of the box around its kernel, from 1, where nothing
    changes; one path for all strengths. Bright spots leave trails (`light.to_radiance`). Beyond the border the image is
    reflected. uint8 H×W×3 in and out; `image` is not changed.
    Source: Boracchi and Foi (TIP 2012), whose random walk this is; also Delbracio and Sapiro (CVPR 2015).
    """
    kernel = shake_kernel(strength, shake_path(rng))
    return to_photo(cv2.filter2D(to_radiance(image), cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT))


def shake_path(rng: np.random.Generator) -> np.ndarray:
    """A drawn path, evenly in time: complex, x + iy, mean 0, the larger side of the box around it 1.

    A walk at constant speed whose direction drifts by chance, is drawn back to where it began, and now and then turns
    round. How restless it is is drawn as well, from a nearly straight line to a tangle.
    """
    restless = 0.02 * rng.random()
    pull, drift, turns = 0.7 * rng.random(), 10 * rng.random(), 0.2 * rng.random()
    chance = rng.random((_STEPS, 2))
    gauss = rng.standard_normal((_STEPS, 2)) @ (1, 1j)
    speed = 1 / _STEPS
    place, velocity = 0j, cmath.rect(speed, rng.random() * 2 * math.pi)
    places = [place]
    for step in range(_STEPS):
        change = restless * speed * (drift * gauss[step] - pull * _LENGTH * place)
        if chance[step, 0] < turns * restless:
            change += 2 * velocity * cmath.exp(1j * (math.pi + chance[step, 1] - 0.5))
        velocity += change
        velocity *= speed / abs(velocity)
        place += velocity
        places.append(place)
    times = np.linspace(0, _STEPS, _STEPS * _FINE + 1)
    path = np.interp(times, np.arange(_STEPS + 1), np.array(places))
    path -= path.mean()
    return path / max(np.ptp(path.real), np.ptp(path.imag))


def shake_kernel(extent: float, path: np.ndarray) -> np.ndarray:
    """The time that a path of that extent spends over each pixel: float32, odd square, sum 1, centroid 0.

    Each place of the path is shared among the four pixels around it, as bilinear interpolation does.
    """
    x, y = path.real * (extent - 1), path.imag * (extent - 1)
    reach = math.ceil(max(np.abs(x).max(), np.abs(y).max()))
    side = 2 * reach + 2  # a column and a row more, for what is right of a place at the reach: they stay empty
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = x - left, y - top
    first = (top + reach) * side + left + reach
    kernel = sum(
        np.bincount(first + step, weights, side * side)
        for step, weights in (
            (0, (1 - right) * (1 - down)),
            (1, right * (1 - down)),
            (side, (1 - right) * down),
            (side + 1, right * down),
        )
    )
    kernel = np.reshape(kernel, (side, side))[:-1, :-1]
    return (kernel / len(path))[::-1, ::-1].astype(np.float32)  # OpenCV correlates


def shake_reach(strength: float) -> int:
    """Pixels to each side that a path of that extent may reach from its mean."""
    return math.ceil(strength)


def subject_motion(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Smear, in light, a part of the photo along a line, as what moves during the exposure is smeared; the rest stays.

    The part is a drawn ellipse with a soft edge, over half the photo's sides across, where the photo has detail; the
    line's direction is drawn as well. The part's light and its cover α are both smeared, and the photo shows through
    where the part no longer covers it: blur(α · light) + (1 − blur(α)) · light.

    `strength` is the length of the line in pixels, from 1, where nothing changes; one part and direction for all
    strengths. uint8 H×W×3 in and out; `image` is not changed.
    Source: the layers of moving objects as in Wang and Adelson (TIP 1994); the part is ours.
    """
    degrees = float(rng.random() * 180)
    cover = subject(image, rng)
    kernel = motion_kernel(strength, degrees)
    up, right = (side // 2 for side in kernel.shape)
    rows, columns = (slice(*np.flatnonzero(cover.any(axis=axis))[[0, -1]] + (0, 1)) for axis in (1, 0))
    rows = slice(max(rows.start - up, 0), rows.stop + up)
    columns = slice(max(columns.start - right, 0), columns.stop + right)
    made = image.copy()
    radiance, alpha = to_radiance(image[rows, columns]), cover[rows, columns]
    light = scale_light(radiance.copy(), alpha)
    light, alpha = (cv2.filter2D(layer, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT) for layer in (light, alpha))
    made[rows, columns] = to_photo(cv2.add(scale_light(radiance, 1 - alpha), light, dst=light))
    return made


def subject(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How much of each pixel belongs to a drawn part of the photo: float32 H×W on [0, 1], 1 at its middle.

    Its middle is drawn from the places around which the ellipse would hold the most detail.
    """
    across, down = rng.uniform(*_SUBJECT, size=2)
    height, width = image.shape[:2]
    reach = round(2 * _GRID * min(_SUBJECT))
    around = cv2.blur(detail(image, (_GRID, _GRID)), (reach, reach), borderType=cv2.BORDER_CONSTANT)
    best = np.argsort(around, axis=None)[-6:]
    row, column = divmod(int(rng.choice(best)), _GRID)
    x = (np.arange(width, dtype=np.float32) + 0.5) / width - (column + 0.5) / _GRID
    y = (np.arange(height, dtype=np.float32) + 0.5) / height - (row + 0.5) / _GRID
    distance = np.sqrt((x / np.float32(across)) ** 2 + ((y / np.float32(down)) ** 2)[:, None])
    edge = np.clip((1 - distance) * 2.5, 0, 1)
    return edge * edge * (3 - 2 * edge)
