"""Small pictures of images, for pages."""

from __future__ import annotations

import io

import numpy as np


def thumbnail(image: np.ndarray, side: int) -> bytes:
    """A JPEG of an image, uint8 H×W×3 RGB, whose longer side has `side` pixels at most; it is never enlarged."""
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80, optimize=True)
    return buffer.getvalue()
