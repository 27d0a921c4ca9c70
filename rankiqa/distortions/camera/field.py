"""Smooth fields over a photo: places, and what is made of few samples and then enlarged."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 32  # samples a side, of a field that is then enlarged to the photo


def places(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels' centres in units of half the diagonal, from the centre: float32 H×1 and 1×W.

    The corners of the photo, not the centres of the pixels there, are at a distance of 1.
    """
    half = np.hypot(height, width) / 2
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / half
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / half
    return y[:, None].astype(np.float32), x[None].astype(np.float32)


def coarse_places() -> tuple[np.ndarray, np.ndarray]:
    """`places` of a square photo of few pixels, for a field that is then enlarged."""
    return places(SIDE, SIDE)


def enlarged(field: np.ndarray, height: int, width: int) -> np.ndarray:
    """A coarse field at the photo's size: between its samples it is linear, so that it keeps within their range."""
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
