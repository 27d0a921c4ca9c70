"""The distortions of the ranked sets: `DISTORTIONS["GB"](image, strength, rng)`."""

from rankiqa.distortions.registry import DISTORTIONS, Distortion
from rankiqa.distortions.sets import SETS, plan, resolve

__all__ = ["DISTORTIONS", "SETS", "Distortion", "plan", "resolve"]
