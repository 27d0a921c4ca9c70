"""The types of the set `camera`, in the order in which a photo meets them."""

from __future__ import annotations

from rankiqa.distortions.distortion import Distortion

TYPES: tuple[Distortion, ...] = ()
