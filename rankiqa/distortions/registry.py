"""The distortion types by name.

A new type is a function, its levels, and an entry: in `laboratory`, `camera.types`, `codec_types` or `chains`.
"""

from __future__ import annotations

from rankiqa.distortions import chains, codec_types, laboratory
from rankiqa.distortions.camera import types as camera
from rankiqa.distortions.distortion import Distortion, Function

__all__ = ["DISTORTIONS", "Distortion", "Function"]

DISTORTIONS: dict[str, Distortion] = {
    distortion.name: distortion for distortion in (*laboratory.TYPES, *camera.TYPES, *codec_types.TYPES, *chains.TYPES)
}
