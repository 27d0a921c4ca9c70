"""From computed values back to pixels."""

from __future__ import annotations

import cv2
import numpy as np


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Float values on 0–255, rounded to the nearest whole number and clipped, as uint8; `values` are C-contiguous."""
    return cv2.add(values, 0, dtype=cv2.CV_8U)  # type: ignore[call-overload]  # its stubs know no number to add
