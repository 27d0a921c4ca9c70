"""What Pillow does not read by itself: 16 bits a channel, and BMPs with any bit fields."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from rankiqa.errors import InputError

BLOCK = 1 << 20  # pixels that are converted at a time, so that no second copy of a large image is needed
Box = tuple[int, int, int, int]  # left, top, right, bottom

_PHOTOMETRIC, _BITS, _PLANES = 262, 258, 284  # tags of a TIFF
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by channels


def too_large(path: Path, pixels: int, most: int) -> InputError:
    """The error for an image that has, or claims, more than the `most` pixels that are allowed."""
    return InputError(f"has more than {most:,} pixels ({pixels:,})", path=path, cure="make it smaller")


def many_frames(path: Path, count: int | str) -> InputError:
    """The error for a file with several frames or pages."""
    return InputError(f"has {count} frames or pages", path=path, cure="give one image a file")


def blocks(size: tuple[int, int]) -> Iterator[Box]:
    """An image of (width, height) in parts of at most `BLOCK` pixels."""
    width, height = size
    columns = min(width, BLOCK)
    rows = max(1, BLOCK // columns)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield left, top, min(left + columns, width), min(top + rows, height)


def part_of(image: Image.Image, box: Box) -> Image.Image:
    """A part of an image. Not `crop`, which asks for Pillow's own limit."""
    size = (box[2] - box[0], box[3] - box[1])
    return image if size == image.size else image.transform(size, Image.Transform.EXTENT, box)


def tiff_tags(image: Image.Image) -> Mapping[int, Any]:
    """The tags of a TIFF by number; none for files of other formats."""
    return getattr(image, "tag_v2", {})


def has_sixteen_bits(image: ImageFile.ImageFile) -> bool:
    """Whether the file stores 16 bits a channel; Pillow cuts 16-bit RGB to 8 bits without a word."""
    if image.format == "TIFF":
        return max(tiff_tags(image).get(_BITS, (1,))) == 16
    return image.mode.startswith("I;16") or (image.format == "PNG" and ";16" in _rawmode(image))


def eight_bits(path: Path, image: ImageFile.ImageFile, again: ImageFile.ImageFile) -> Image.Image:
    """An image of 16 bits a channel, opened twice and not loaded, with its numbers divided by 257 and rounded.

    Of 16-bit RGB Pillow keeps each number's higher byte. Told that the bytes lie the other way round, it keeps the
    lower one.
    """
    tags = tiff_tags(image)
    kind, _, order = _rawmode(image).partition(";16")
    if image.mode.startswith("I;16"):
        kind = "I"
        image.load()
    elif kind == "LA":  # a PNG's
        _load_as(image, "RGBA")  # the four bytes of a pixel
    elif kind in ("RGB", "RGBX", "RGBA", "RGBa") and order and tags.get(_PLANES, 1) == 1:
        little = order == "L" or (order == "N" and sys.byteorder == "little")
        straight = kind.upper()  # RGBa would be divided by its alpha, in 8 bits
        _load_as(image, f"{straight};16{order}")
        _load_as(again, f"{straight};16{'B' if little else 'L'}")
    else:
        raise InputError("stores its 16 bits a channel in a way that is not read", path=path, cure="save it as PNG")
    result: Image.Image | None = None
    for box in blocks(image.size):
        part = np.asarray(part_of(image, box))
        if kind == "I":
            numbers = part[..., None].astype(np.uint32)
        elif kind == "LA":
            numbers = part[..., 0::2].astype(np.uint32) << 8 | part[..., 1::2]
        else:
            numbers = part.astype(np.uint32) << 8 | np.asarray(part_of(again, box))
        if tags.get(_PHOTOMETRIC) == 0:  # white is zero
            numbers = 65535 - numbers
        if kind == "RGBa":
            numbers[..., :3] = np.minimum(numbers[..., :3] * 65535 // np.maximum(numbers[..., 3:], 1), 65535)
        if (key := image.info.get("transparency")) is not None:  # the colour that is transparent
            alpha = (numbers != key).any(axis=-1, keepdims=True) * np.uint32(65535)
            numbers = np.concatenate([numbers, alpha], axis=-1)
        rounded = ((numbers + 128) // 257).astype(np.uint8)
        made = Image.fromarray(rounded[..., 0] if rounded.shape[-1] == 1 else rounded)
        result = result or Image.new(made.mode, image.size)
        result.paste(made, box)
    assert result is not None  # no image is without a pixel
    return result


def _rawmode(image: ImageFile.ImageFile) -> str:
    """How Pillow takes the channels from the file's bytes: "RGB;16B" is 16 bits each, the higher byte first."""
    arguments = image.tile[0].args if image.tile else ""
    return arguments if isinstance(arguments, str) else (arguments or ("",))[0]


def _load_as(image: ImageFile.ImageFile, rawmode: str) -> None:
    """Load with another `_rawmode`."""
    image.tile = [
        tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *(tile.args or ())[1:]))
        for tile in image.tile
    ]
    image.load()


def unpack_bmp(path: Path, data: bytes, max_pixels: int) -> Image.Image:
    """Decode a BMP of 16 or 32 bits a pixel with any bit fields; Pillow knows the common ones only.

    OpenCV is no help: it takes the masks of 32-bit files for the usual ones whatever they are.
    """
    try:
        start, header, width, height, _, bits, compression = struct.unpack_from("<10xIIiiHHI", data)
        masks = struct.unpack_from("<4I" if header >= 56 else "<3I", data, 54)
        rows = abs(height)
        if compression != 3 or bits not in (16, 32) or not all(masks[:3]) or width < 1 or not rows:
            raise ValueError("not bit fields")
        if width * rows > max_pixels:
            raise too_large(path, width * rows, max_pixels)
        columns = -(-width * bits // 32) * 32 // bits  # rows end on a multiple of 4 bytes
        stored = np.frombuffer(data, f"<u{bits // 8}", rows * columns, start)
        stored = stored.reshape(rows, columns)[:: -1 if height > 0 else 1, :width]
        used = [mask for mask in masks if mask]
        channels = np.empty((rows, width, len(used)), np.uint8)
        for left, top, right, bottom in blocks((width, rows)):
            for k, mask in enumerate(used):
                channels[top:bottom, left:right, k] = _field(stored[top:bottom, left:right], mask)
        return Image.fromarray(channels)
    except InputError:
        raise
    except (struct.error, ValueError, OverflowError) as error:
        cure = "save it anew with 24 bits a pixel"
        raise InputError("a BMP of an unknown kind, or damaged", path=path, cure=cure) from error


def _field(stored: np.ndarray, mask: int) -> np.ndarray:
    """The bits under `mask`, scaled to 0–255 and cut to whole numbers as Pillow does."""
    shift = (mask & -mask).bit_length() - 1
    return ((stored & mask) >> shift).astype(np.uint64) * 255 // np.uint64(mask >> shift)
