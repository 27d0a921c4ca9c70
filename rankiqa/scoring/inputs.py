"""What the network sees of an image, as a tensor."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from rankiqa.errors import InputError
from rankiqa.images.crops import DENSE, WHOLE, check_small, crop_positions, fit, squeeze
from rankiqa.seeding import generator


def cut(image: np.ndarray, crop: int, patches: int, mode: str, seed: int, small: str) -> torch.Tensor:
    """What the network sees of an image, (P, 3, H, W) uint8: its crops, or in a mode of one input (1, 3, H, W)."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"an image must be a uint8 array of height × width × 3 (RGB), not {what}")
    check_small(small)
    if mode in WHOLE:
        whole = squeeze(image, crop) if mode == "resize" else np.ascontiguousarray(image)
        return torch.from_numpy(whole.transpose(2, 0, 1)[None].copy())
    image = np.ascontiguousarray(image)
    if mode == DENSE:
        image = fit(image, crop, small)
        # A view: the photo may be a large one.
        return torch.from_numpy(image if image.flags.writeable else image.copy()).permute(2, 0, 1)[None]
    pixels = hashlib.sha256(image).hexdigest()
    rng = generator(seed, pixels, *image.shape)
    image = fit(image, crop, small)
    places = crop_positions(*image.shape[:2], crop, patches, mode, rng)
    crops = np.stack([image[top : top + crop, left : left + crop] for top, left in places])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()
