"""The strengths that give one image the PSNR of TID2013's levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from rankiqa.distortions.distortion import Distortion
from rankiqa.distortions.levels import TID2013_PSNR
from rankiqa.distortions.scale import Scale

TOLERANCE = 0.05  # dB
_HALVINGS = 20


def psnr(image: np.ndarray, made: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 images, in dB; infinite where they are equal."""
    difference = np.subtract(made, image, dtype=np.int16).astype(np.float32)
    error = float(np.vdot(difference, difference)) / difference.size
    return 10 * math.log10(255**2 / error) if error else math.inf


def strengths_for_psnr(
    distortion: Distortion, image: np.ndarray, seed: int, targets: Sequence[float] = TID2013_PSNR
) -> tuple[float, ...]:
    """A strength for each of `targets` (dB, falling), found by bisection between the limits of the type.

    Each is stronger than the one before. A type may not reach a target in an image, as blur cannot bring a picture of
    fog to 21 dB: the levels from there on are spread evenly up to the type's strongest, and the order still holds.

    Args:
        distortion: the type.
        image: uint8 H×W×3, the pristine image.
        seed: of the distorted images that are measured.
        targets: PSNR of the levels, the mildest level first.
    """
    scale = Scale(distortion.limits, distortion.whole)
    measured: dict[float, float] = {}

    def measure(strength: float) -> float:
        if strength not in measured:
            measured[strength] = psnr(image, distortion(image, strength, np.random.default_rng(seed)))
        return measured[strength]

    end = _strongest_that_differs(scale, measure)
    places: list[float] = []
    for target in targets:
        if measure(scale.at(end)) > target + TOLERANCE:
            break
        places.append(_bisect(lambda place: measure(scale.at(place)), target, places[-1] if places else 0.0, end))
    first = places[-1] if places else 0.0
    missing = len(targets) - len(places)
    places += [first + (end - first) * (i + 1) / missing for i in range(missing)]
    return scale.rising(places, end)


def _bisect(measure: Callable[[float], float], target: float, low: float, high: float) -> float:
    """The place between `low` (milder) and `high` where `measure`, which falls, comes nearest to `target`."""
    best, nearest = high, abs(measure(high) - target)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        value = measure(middle)
        if abs(value - target) < nearest:
            best, nearest = middle, abs(value - target)
        if nearest < TOLERANCE:
            break
        low, high = (middle, high) if value > target else (low, middle)
    return best


def _strongest_that_differs(scale: Scale, measure: Callable[[float], float]) -> float:
    """The last place; libjpeg, say, takes quality 0 for 1, and two levels must not be the same image."""
    mildest, end = scale.knots
    while scale.whole and end != mildest and measure(end) == measure(end - scale.step):
        end -= scale.step
    return scale.place(end) if end != mildest else 1.0  # an image of one colour: nothing differs
