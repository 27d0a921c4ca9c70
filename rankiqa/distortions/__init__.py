"""The distortions of the ranked sets: `DISTORTIONS["GB"](image, strength, rng)`."""

from rankiqa.distortions.registry import DISTORTIONS, SETS, Distortion, resolve

__all__ = ["DISTORTIONS", "SETS", "Distortion", "resolve"]
