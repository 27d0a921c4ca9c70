"""Smooth shapes drawn over a photo, and where its detail is."""

from __future__ import annotations

import cv2
import numpy as np


def smooth_noise(size: tuple[int, int], knots: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise over `size` (height, width): float32, knots×knots independent normal values, bicubic between."""
    values = rng.standard_normal((knots, knots), dtype=np.float32)
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_CUBIC)


def detail(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How much fine detail each part of a photo holds: float32 of `size` (height, width), above 0, sum 1.

    Detail is the mean difference between neighbours, |∂x| + |∂y| of the grey values, plus a little everywhere.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    across = cv2.absdiff(grey[:, 1:], grey[:, :-1]) if grey.shape[1] > 1 else np.zeros_like(grey)
    down = cv2.absdiff(grey[1:], grey[:-1]) if grey.shape[0] > 1 else np.zeros_like(grey)
    found = sum(
        cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) for part in (across, down)
    )
    found = found + np.float32(0.1)
    return found / found.sum()
