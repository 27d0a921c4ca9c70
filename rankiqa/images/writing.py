"""Write images without loss."""

from __future__ import annotations

import hashlib
import io
import os

import numpy as np
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.files import write_atomically

KINDS = ("png", "bmp")


def write_image(path: str | os.PathLike[str], image: np.ndarray, kind: str = "png") -> str:
    """Write uint8 H×W×3 RGB without loss, atomically; returns the SHA-256 of the file in hex.

    `kind` is "png" or "bmp": a lossy format would add its own distortion to every level.
    """
    if kind not in KINDS:
        raise InputError(f"cannot write images of kind {kind!r}; known: {', '.join(KINDS)}")
    buffer = io.BytesIO()
    # The lowest level of deflate: several times faster for files a few per cent larger.
    Image.fromarray(image).save(buffer, kind, **({"compress_level": 1} if kind == "png" else {}))
    data = buffer.getvalue()
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()
