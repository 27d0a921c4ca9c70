"""Noise added to the pixels."""

from __future__ import annotations

import numpy as np


def gaussian_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise, independent in R, G and B; clip to the range, round to 8 bits.

    `strength` is the variance for pixel values on [0, 1]. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 1.
    """
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= np.float32(255 * strength**0.5)
    noise += image
    return np.rint(noise.clip(0, 255, out=noise), out=noise).astype(np.uint8)
