"""Pixels from whatever a program holds an image in: a file, an array, a Pillow image or a tensor."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from rankiqa.errors import InputError
from rankiqa.images.icc import CONVERT, check_icc, srgb_conversion
from rankiqa.images.reading import read_image

_KNOWN = (
    "a path, a Pillow image, a uint8 array (height × width × 3 or height × width), or a tensor (3 × height × width)"
)


def pixels_of(image: Any, icc: str = CONVERT) -> np.ndarray:
    """uint8 H×W×3 sRGB of an image.

    Args:
        image: the path of a file, read by `rankiqa.images.reading.read_image` with `convert` and the first of several
            frames; a Pillow image, turned as its EXIF data say and converted in the same way; a uint8 array, H×W×3 RGB,
            H×W×4 with alpha, or H×W grey; or a torch tensor, 3×H×W or 1×3×H×W, RGB, uint8 or floating point in [0, 1].
            The last is rounded to 8 bits, as a file would hold it.
        icc: what becomes of the profile of a file or a Pillow image, as in `read_image`.

    Raises:
        InputError: anything else, with what it is.
    """
    check_icc(icc)
    if isinstance(image, (str, os.PathLike)):
        return read_image(image, convert=True, frames="first", icc=icc)
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if hasattr(image, "getexif"):
        return _of_pillow(image, icc)
    if hasattr(image, "detach"):
        return _of_tensor(image)
    raise InputError(f"an image must be {_KNOWN}, not {type(image).__name__}")


def _of_array(image: np.ndarray) -> np.ndarray:
    from PIL import Image

    grey, colour = image.ndim == 2, image.ndim == 3 and image.shape[2] in (3, 4)
    if image.dtype != np.uint8 or not (grey or colour) or not image.size:
        raise InputError(f"an image must be {_KNOWN}, not {image.dtype} {'×'.join(map(str, image.shape))}")
    if colour and image.shape[2] == 3:
        return np.ascontiguousarray(image)
    return _of_pillow(Image.fromarray(np.ascontiguousarray(image)), icc=CONVERT)


def _of_pillow(image: Any, icc: str) -> np.ndarray:
    try:
        return np.array(_opaque(image, icc).convert("RGB"))
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError) as error:  # a file cut short, which is read only now; an odd mode
        why = " ".join(str(error).split())
        raise InputError(f"a Pillow image of kind {image.mode} cannot be read as RGB ({why})") from error


def _opaque(image: Any, icc: str) -> Any:
    """A Pillow image upright, with 8 bits a channel of sRGB and without transparency."""
    from PIL import Image, ImageOps

    is_bmp, profile = image.format == "BMP", image.info.get("icc_profile") if icc == CONVERT else None
    try:
        image = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, ZeroDivisionError):
        image = image.copy()  # unreadable EXIF says nothing about the rotation
    if image.mode.startswith("I;16"):
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise InputError(f"a Pillow image of kind {image.mode} has no known range", cure="convert it to RGB or L")
    if isinstance(image.info.get("transparency"), str):  # a text of this name in a PNG
        del image.info["transparency"]
    if to_srgb := srgb_conversion(image, profile, None):
        image = to_srgb(image)
    if image.mode not in ("RGBA", "RGBa", "LA", "La", "PA") and "transparency" not in image.info:
        return image
    image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    if is_bmp and image.getchannel("A").getextrema() == (0, 0):  # an unused byte
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _of_tensor(image: Any) -> np.ndarray:
    import torch

    if image.ndim == 4 and len(image) == 1:
        image = image[0]
    if image.ndim != 3 or len(image) != 3 or not image.numel():
        raise InputError(
            f"an image must be {_KNOWN}, not a tensor of {tuple(image.shape)}", cure="score one image at a time"
        )
    if image.is_floating_point():
        low, high = (value.item() for value in image.detach().aminmax())
        if not (low >= 0 and high <= 1):  # NaN as well
            raise InputError(f"a tensor of floating point must lie in [0, 1], not from {low:g} to {high:g}")
        image = image.detach().float().mul(255).round_().to(torch.uint8)
    if image.dtype != torch.uint8:
        raise InputError(f"a tensor must be uint8, or floating point in [0, 1], not {image.dtype}")
    return np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
