"""From an image to what the network sees of it, as a tensor."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from rankiqa.errors import InputError
from rankiqa.images.crops import DENSE, FULL, crop_positions, fit, reduce, squeeze, whole
from rankiqa.scoring.view import View
from rankiqa.seeding import generator


def inputs_of(image: np.ndarray, crop: int, view: View, reduced: bool = False) -> torch.Tensor:
    """What the network sees of an image: (P, 3, H, W) uint8 RGB.

    The places of random crops come from the seed and a hash of the pixels, so that the same picture is cut alike
    whatever its file is called.

    Args:
        image: uint8 H×W×3 RGB.
        crop: side of the network's input, pixels.
        view: with a mode; see `View.of`. In a mode of one input P is 1.
        reduced: in the mode "dense" a large image is reduced as in the mode "whole".

    Raises:
        InputError: not such an image; smaller than the crop (in the mode "whole" than 64 px), where `view.small` is
            "error".
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"an image must be a uint8 array of height × width × 3 (RGB), not {what}")
    image = np.ascontiguousarray(image)
    if view.is_whole or view.mode == DENSE:
        if view.mode == FULL:
            image = whole(image, view.small)
        elif view.mode == "resize":
            image = squeeze(image, crop)
        elif view.mode == DENSE:
            image = fit(reduce(image) if reduced else image, crop, view.small)
        # A view, channels last as they are wanted: the photo may be a large one.
        return torch.from_numpy(image if image.flags.writeable else image.copy()).permute(2, 0, 1)[None]
    pixels = hashlib.sha256(image.data).hexdigest()
    rng = generator(view.seed, pixels, *image.shape)
    image = fit(image, crop, view.small)
    places = crop_positions(image.shape[0], image.shape[1], crop, view.patches, view.mode or "random", rng)
    crops = np.stack([image[top : top + crop, left : left + crop] for top, left in places])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()
