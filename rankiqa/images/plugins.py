"""HEIF and JPEG XL, which packages of their own decode. They are imported when the first such file is met."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.extras import MissingExtra, extra
from rankiqa.images.headers import Header
from rankiqa.images.rare_formats import many_frames, too_large

_THREADS = min(4, os.cpu_count() or 1)
_MOST_EXTRA = 4  # channels of a JPEG XL beside its colours: alpha, depth, … Each takes as much memory as a picture


def _missing(path: Path, error: MissingExtra) -> InputError:
    why = f"is an image of a kind that the package {error.called} reads, which is not installed"
    return InputError(why, path=path, cure=error.cure)


def decode_heif(path: Path, data: bytes, frames: str, max_pixels: int) -> Image.Image:
    """The main picture of a HEIF file, with 8 bits a channel and turned as the file says.

    Args:
        path: for errors.
        data: of the file.
        frames: "error" refuses a file with several pictures.
        max_pixels: of the picture.
    """
    try:
        with extra("heic"):
            import pillow_heif
    except MissingExtra as error:
        raise _missing(path, error) from error
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False, remove_stride=True)
    if frames == "error" and len(file) > 1:
        raise many_frames(path, len(file))
    picture: Any = file[file.primary_index]
    if (pixels := picture.size[0] * picture.size[1]) > max_pixels:
        raise too_large(path, pixels, max_pixels)
    numbers = np.asarray(picture)
    mode, _, bits = picture.mode.partition(";")
    numbers = _scaled(numbers, 2 ** int(bits or 8) - 1)
    image = Image.frombytes("L" if mode == "I" else mode, numbers.shape[1::-1], numbers.tobytes())
    if mode == "RGBa":  # multiplied by alpha
        image = image.convert("RGBA")
    image.info = {"icc_profile": picture.info.get("icc_profile")}
    return image


def _scaled(numbers: np.ndarray, highest: int) -> np.ndarray:
    """Numbers from 0 to `highest` as 8 bits, rounded."""
    if highest == 255:
        return numbers
    table = np.rint(np.arange(highest + 1) * (255 / highest)).astype(np.uint8)
    return table[np.minimum(numbers, highest)]


def decode_jxl(path: Path, data: bytes, header: Header) -> Image.Image | bytes:
    """The picture of a JPEG XL file, 8 bits a channel and turned as it says; or the JPEG that it was made from.

    Of more bits its decoder makes 8 where there is colour: what it gives lies within one of the rounded number.
    """
    try:
        with extra("jxl"):
            from pillow_jxl import Decoder
    except MissingExtra as error:
        raise _missing(path, error) from error
    if header.animated:  # the decoder gives the last frame
        raise InputError("is animated, and of JPEG XL only still images are read", path=path, cure="save one frame")
    if header.extra > _MOST_EXTRA:
        raise InputError(f"has {header.extra} channels beside its colours", path=path, cure="save it as RGB")
    try:
        is_jpeg, info, pixels, profile, *_ = Decoder(num_threads=_THREADS)(data)
    except Exception as error:  # it gives no reason but advice to those who build it
        raise InputError("damaged or cut short", path=path) from error
    if is_jpeg:
        return bytes(pixels)
    if info.mode == "I;16":
        pixels = _scaled(np.frombuffer(pixels, "<u2"), 65535).tobytes()
    elif info.mode not in ("L", "LA", "RGB", "RGBA"):
        raise InputError(f"has pixels of kind {info.mode}", path=path, cure="save it with 8 bits a channel")
    image = Image.frombytes(info.mode.replace("I;16", "L"), (info.width, info.height), pixels)
    image.info = {"icc_profile": profile}
    return image
