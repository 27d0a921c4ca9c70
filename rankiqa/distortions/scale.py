"""Strengths between strengths: a line from the mildest to the strongest through all that are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rankiqa.errors import InputError


@dataclass(frozen=True)
class Scale:
    """The strengths between given ones, the knots, which lie evenly from t = 0 to t = 1.

    Between two knots a strength goes evenly by ratio where all knots have one sign, by difference elsewhere: twice the
    blur is a step as large wherever it begins, and zero has no ratio to anything.

    Attributes:
        knots: Mildest first; less may be stronger.
        whole: Only whole numbers are strengths.
        apart: How far whole strengths that are to make different images lie from each other, at least.
    """

    knots: tuple[float, ...]
    whole: bool = False
    apart: int = 1

    @property
    def by_ratio(self) -> bool:
        """Whether equal steps are equal ratios."""
        return min(self.knots) * max(self.knots) > 0

    @property
    def step(self) -> int:
        """1 where more is stronger, −1 where less is."""
        return 1 if self.knots[-1] > self.knots[0] else -1

    def at(self, t: float) -> float:
        """The strength at `t` in [0, 1]; a knot comes out as it was given. `InputError` for another `t`."""
        if not 0 <= t <= 1:  # NaN as well
            raise InputError(f"t must be from 0 (the mildest strength) to 1 (the strongest), not {t:g}")
        place = t * (len(self.knots) - 1)
        nearest = round(place)
        if abs(place - nearest) < 1e-9:
            return self.knots[nearest]
        low, high = self.knots[int(place)], self.knots[int(place) + 1]
        part = place - int(place)
        strength = low * (high / low) ** part if self.by_ratio else low + (high - low) * part
        strength = min(max(strength, min(low, high)), max(low, high))  # the power may miss a knot by a rounding error
        return round(strength) if self.whole else strength

    def drawn(self, t: float) -> float:
        """The strength at `t`, or one milder by less than `apart`: any two that differ lie so far from each other."""
        strength = self.at(t)
        return strength - self.step * (abs(strength - self.knots[0]) % self.apart) if self.whole else strength

    def place(self, strength: float) -> float:
        """The `t` of a strength between the first and the last knot: the inverse of `at`, but for rounding."""
        for i, (low, high) in enumerate(zip(self.knots, self.knots[1:], strict=False)):
            if min(low, high) <= strength <= max(low, high):
                part = (
                    math.log(strength / low) / math.log(high / low)
                    if self.by_ratio
                    else (strength - low) / (high - low)
                )
                return (i + part) / (len(self.knots) - 1)
        return 0.0  # there is one knot

    def even(self, count: int) -> tuple[float, ...]:
        """`count` strengths, evenly from the first knot to the last; one is the middle.

        Raises:
            InputError: `count` is below 1, or there are not so many whole numbers that are far enough apart.
        """
        if count < 1:
            raise InputError(f"even levels must be at least 1, not {count}")
        most = int(abs(self.knots[-1] - self.knots[0])) // self.apart + 1
        if self.whole and count > most:
            apart = f" that lie {self.apart} apart" if self.apart > 1 else ""
            raise InputError(
                f"from {self.knots[0]:g} to {self.knots[-1]:g} there are {most} whole strengths{apart}, not {count}"
            )
        places = [i / (count - 1) for i in range(count)] if count > 1 else [0.5]
        return self.rising(places)

    def rising(self, places: Sequence[float], end: float = 1.0) -> tuple[float, ...]:
        """The strengths at `places`, which rise to `end` at most; whole ones are moved until they lie `apart`."""
        strengths = [self.at(place) for place in places]
        if not self.whole:
            return tuple(strengths)
        step = self.step * self.apart
        for i in range(1, len(strengths)):
            if (strengths[i] - strengths[i - 1] - step) * step < 0:
                strengths[i] = strengths[i - 1] + step
        last = self.at(end)
        for i in reversed(range(len(strengths))):
            if (strengths[i] - last) * step > 0:
                strengths[i] = last
            last = strengths[i] - step
        return tuple(strengths)
