"""The strengths that give one image the PSNR of TID2013's levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from rankiqa.distortions.levels import TID2013_PSNR
from rankiqa.distortions.registry import Distortion

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
    scale = _Scale(distortion)
    measured: dict[float, float] = {}

    def measure(strength: float) -> float:
        if strength not in measured:
            measured[strength] = psnr(image, distortion(image, strength, np.random.default_rng(seed)))
        return measured[strength]

    end = scale.strongest_that_differs(measure)
    places: list[float] = []
    for target in targets:
        if measure(scale(end)) > target + TOLERANCE:
            break
        places.append(_bisect(lambda place: measure(scale(place)), target, places[-1] if places else 0.0, end))
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


class _Scale:
    """Strengths on [0, 1], 0 the mildest: evenly by ratio where the limits allow it, by difference elsewhere."""

    def __init__(self, distortion: Distortion) -> None:
        self.whole = distortion.whole
        self.mildest, self.strongest = map(float, distortion.limits)
        self.by_ratio = self.mildest * self.strongest > 0
        self.step = 1 if self.strongest > self.mildest else -1

    def __call__(self, place: float) -> float:
        if self.by_ratio:
            strength = self.mildest * (self.strongest / self.mildest) ** place
        else:
            strength = self.mildest + (self.strongest - self.mildest) * place
        low, high = sorted((self.mildest, self.strongest))
        strength = min(max(strength, low), high)  # the power may miss the limit by a rounding error
        return round(strength) if self.whole else strength

    def place(self, strength: float) -> float:
        if self.by_ratio:
            return math.log(strength / self.mildest) / math.log(self.strongest / self.mildest)
        return (strength - self.mildest) / (self.strongest - self.mildest)

    def strongest_that_differs(self, measure: Callable[[float], float]) -> float:
        """The last place; libjpeg, say, takes quality 0 for 1, and two levels must not be the same image."""
        end = self.strongest
        while self.whole and end != self.mildest and measure(end) == measure(end - self.step):
            end -= self.step
        return self.place(end) if end != self.mildest else 1.0  # an image of one colour: nothing differs

    def rising(self, places: Sequence[float], end: float) -> tuple[float, ...]:
        """The strengths at `places`, whole ones moved apart where two have become one."""
        strengths = [self(place) for place in places]
        if not self.whole:
            return tuple(strengths)
        for i in range(1, len(strengths)):
            if (strengths[i] - strengths[i - 1]) * self.step <= 0:
                strengths[i] = strengths[i - 1] + self.step
        last = self(end)
        for i in reversed(range(len(strengths))):
            if (strengths[i] - last) * self.step > 0:
                strengths[i] = last
            last = strengths[i] - self.step
        return tuple(strengths)
