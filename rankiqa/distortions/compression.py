"""Lossy compression: encode, decode, keep what came back."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """The JPEG file of uint8 H×W×3 RGB: libjpeg's quality 0–100, chroma at half resolution (4:2:0)."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(quality), subsampling="4:2:0")
    return buffer.getvalue()


def encode_jpeg2000(image: np.ndarray, ratio: float) -> bytes:
    """The JP2 file of uint8 H×W×3 RGB, `ratio` times smaller than the raw pixels.

    The 9/7 wavelet and the colour transform are on; Pillow leaves both off, which costs 1 to 4 dB.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(
        buffer, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, mct=1
    )
    return buffer.getvalue()


def jpeg(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG compression; `strength` is libjpeg's quality, 0–100, **lower is stronger**.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 10.
    """
    return _decode(encode_jpeg(image, int(strength)))


def jpeg2000(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG 2000 compression; `strength` is the ratio of the raw size to the compressed size, ≥ 1.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 11.
    """
    return _decode(encode_jpeg2000(image, strength))


def _decode(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))
