"""Read images: uint8 H×W×3 sRGB, and nothing that was converted without being asked for but embedded profiles."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, features

from rankiqa.errors import InputError
from rankiqa.images.headers import AVIF, HEIF, JXL, Header, kind_of, read_header
from rankiqa.images.icc import CONVERT, check_icc, srgb_conversion
from rankiqa.images.listing import SUFFIXES
from rankiqa.images.notes import note
from rankiqa.images.plugins import decode_heif, decode_jxl
from rankiqa.images.rare_formats import (
    blocks,
    eight_bits,
    has_sixteen_bits,
    many_frames,
    part_of,
    tiff_tags,
    too_large,
    unpack_bmp,
)

MAX_PIXELS = 200_000_000  # more than cameras have; reading a JPEG of so many takes 1.4 GB
FRAMES = ("error", "first")

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "JPEG2000", "GIF", "AVIF")
_GREY = ("1", "L", "LA", "La")
_ALPHA = ("RGBA", "LA", "La", "PA")
_ORIENTATION = 0x0112  # EXIF tag
_TIFF_SIZE = (256, 257)  # tags: width and height
_SIDEWAYS = (5, 6, 7, 8)  # orientations that swap height and width
_TIFF_TILE = (322, 323)  # likewise
# From EXIF's orientation to a view of the upright pixels in which they lie as in the file.
_AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: np.asarray,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}
_MAX_SCANS = 100  # of a JPEG; a photo has ten. Each is a pass over all pixels, and an empty one takes 60 bytes
_MAX_PAGES = 1000  # counted of a TIFF: Pillow's time for them grows with their square
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # of a JPEG, without those inside a scan
GAIN_MAP = "its HDR gain map is left aside"
_GAIN_MAP_MARKS = (b"hdrgm:Version", b"urn:iso:std:iso:ts:21496:-1", b"http://ns.apple.com/HDRGainMap/")
_PILLOW = re.compile(r"PIL\.")
_limit_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # a process forked while a thread holds it would wait for ever
    os.register_at_fork(
        before=_limit_lock.acquire, after_in_parent=_limit_lock.release, after_in_child=_limit_lock.release
    )


def read_image(
    path: str | os.PathLike[str],
    convert: bool = False,
    frames: str = "error",
    max_pixels: int = MAX_PIXELS,
    icc: str = CONVERT,
) -> np.ndarray:
    """The pixels of a colour image: uint8 H×W×3 RGB in 0–255, C-contiguous and writable.

    The rotation that EXIF asks for is applied. Palette images, and an alpha channel that is opaque
    everywhere (or, in a BMP, zero everywhere: an unused byte), are plain RGB. Colours of an embedded profile other than
    sRGB, such as a phone's Display P3, are converted to sRGB (`rankiqa.images.icc`), unless `icc` is "ignore".

    With `convert` also these are taken: greyscale (copied to the three channels), alpha (laid on white),
    more than 8 bits a channel (scaled to 255 and rounded) and CMYK (by its profile, or without one as Pillow does).

    Args:
        path: a PNG, JPEG, BMP, TIFF, WebP, JPEG 2000, GIF or AVIF, whatever its suffix; a HEIF (HEIC) with the extra
            `heic`, a JPEG XL with the extra `jxl`. An HDR gain map is left aside, and noted.
        convert: take what is not RGB with 8 bits a channel too.
        frames: what becomes of a file with several frames or pages: "error", or "first" (the first is taken).
        max_pixels: the most that an image may have; one that claims more is refused before it is decoded. Pillow's own
            limit does not count.
        icc: "convert", or "ignore" (the numbers are taken as they are stored). A profile that is damaged, or for other
            channels, is ignored too, and noted.

    Raises:
        InputError: the file is missing, is no image, is cut short, has too many pixels, has several frames or pages
            (unless `frames` is "first"), needs an extra that is not installed, is an animated JPEG XL, or, without
            `convert`, is greyscale, transparent, CMYK or has more than 8 bits a channel. The message names the file.
    """
    if frames not in FRAMES:
        raise InputError(f"frames must be {' or '.join(FRAMES)}, not {frames!r}")
    check_icc(icc)
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError("no such file", path=path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path=path) from error
    _hush_pillow()
    try:
        image, orientation = _decode(path, data, convert, frames, max_pixels)
        is_bmp = data.startswith(b"BM")
        del data
        return _to_rgb(path, image, orientation, is_bmp, convert, icc)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError("is too large for the memory that is free", path=path, cure="make it smaller") from error
    except Exception as error:  # Pillow's plug-ins raise whatever they meet: OSError, SyntaxError, zlib.error, …
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"damaged or cut short ({why})", path=path) from error


def read_size(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(height, width) of what `read_image` gives, with `convert` and the first frame; no pixel is decoded for it.

    Of HEIF and JPEG XL the whole file is read and decoded.

    Raises:
        InputError: the file is missing, is no image of a known format, or has too many pixels. What is damaged behind
            the header shows only when it is read.
    """
    path = Path(path)
    _hush_pillow()
    try:
        with open(path, "rb") as file:
            if kind_of(file.read(256)) in (HEIF, JXL):
                return read_image(path, convert=True, frames="first", max_pixels=max_pixels).shape[:2]
            file.seek(0)
            with _pillow_limit(max_pixels):
                image = Image.open(file, formats=_FORMATS)
                # Of a PNG Pillow would decode the pixels, to look behind them.
                late = image.format == "PNG" and "exif" not in image.info
                turned = (_png_orientation(file) if late else _orientation(image)) in _SIDEWAYS
            tags = tiff_tags(image)  # of a TIFF Pillow may have turned the size already
            width, height = (tags.get(tag, side) for tag, side in zip(_TIFF_SIZE, image.size, strict=True))
            return (width, height) if turned else (height, width)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError("no such file", path=path) from None
    except Image.DecompressionBombError as error:
        raise too_large(path, int(re.findall(r"\d+", str(error))[0]), max_pixels) from error
    except Exception as error:  # as in `read_image`
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
        raise InputError("not an image of a known format, or its header is damaged", path=path) from error


def _png_orientation(file: BinaryIO) -> int:
    """The orientation that a PNG tells behind its pixels; 1 where there is none."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"eXIf":
            exif = Image.Exif()
            exif.load(file.read(min(length, 1 << 20)))
            return exif.get(_ORIENTATION, 1)
        file.seek(length + 4, os.SEEK_CUR)
    return 1


def _hush_pillow() -> None:
    """Silence what Pillow says of damaged metadata: it names no file, and what matters is raised.

    One narrow filter is put in and stays: `warnings.catch_warnings` would mix up those of several threads.
    """
    if not any(entry[3] == _PILLOW for entry in warnings.filters):
        warnings.filterwarnings("ignore", category=UserWarning, module=_PILLOW.pattern)
    logger = logging.getLogger("PIL")
    if not logger.handlers:  # Python prints what has no handler
        logger.addHandler(logging.NullHandler())


class _Limit(int):
    """Pillow warns of more pixels than its limit, and refuses more than its double: this one's double is itself."""

    def __rmul__(self, _: int) -> int:
        return int(self)


@contextlib.contextmanager
def _pillow_limit(pixels: int) -> Iterator[int | None]:
    """Set Pillow's limit, a global of its, for a moment and one thread at a time; yields what it was."""
    with _limit_lock:
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, _Limit(pixels)
        try:
            yield usual
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def _decode(path: Path, data: bytes, convert: bool, frames: str, max_pixels: int) -> tuple[Image.Image, int]:
    """The image with its pixels, 8 bits a channel, and the orientation in its EXIF data."""
    kind = kind_of(data)
    header = _check_header(path, data, kind, convert, max_pixels) if kind else Header()
    if kind == HEIF:
        return decode_heif(path, data, frames, max_pixels), 1
    if kind == JXL:
        decoded = decode_jxl(path, data, header)
        return (decoded, 1) if isinstance(decoded, Image.Image) else _decode(path, decoded, convert, frames, max_pixels)
    return _open(path, data, convert, frames, max_pixels)


def _check_header(path: Path, data: bytes, kind: str, convert: bool, max_pixels: int) -> Header:
    """The header of a HEIF, AVIF or JPEG XL; `InputError` for what is not to be decoded."""
    if kind == AVIF and not features.check("avif"):
        cure = 'pip install --force-reinstall "pillow>=11.3"'
        raise InputError("is an AVIF, which the Pillow that is installed was built without", path=path, cure=cure)
    header = read_header(data, kind)
    if header.pixels > max_pixels:
        raise too_large(path, header.pixels, max_pixels)
    if header.bits > 8 and not convert:
        raise _unconverted(path, f"has {header.bits} bits a channel", "save it with 8")
    if header.gain_map:
        note(path, GAIN_MAP)
    if header.unconverted:
        note(path, f"{header.unconverted} are taken as they are stored: it embeds no profile")
    return header


def _open(path: Path, data: bytes, convert: bool, frames: str, max_pixels: int) -> tuple[Image.Image, int]:
    """`_decode` for what Pillow reads by itself."""
    stream = io.BytesIO(data)
    try:
        with _pillow_limit(max_pixels) as usual:
            image = Image.open(stream, formats=_FORMATS)
            again = Image.open(io.BytesIO(data), formats=_FORMATS) if has_sixteen_bits(image) else None
            count = _count_frames(image) if frames == "error" else 1
            tile = _tile_pixels(image)
    except Image.DecompressionBombError as error:
        raise too_large(path, int(re.findall(r"\d+", str(error))[0]), max_pixels) from error
    except Exception as error:
        if data.startswith(b"BM"):
            return unpack_bmp(path, data, max_pixels), 1
        if kind_of(data):
            raise InputError("damaged or cut short", path=path) from error
        why = "the file is empty" if not data else "not an image of a known format, or its header is damaged"
        raise InputError(why, path=path, cure=f"give one of {', '.join(sorted(SUFFIXES))}") from error
    if tile > max_pixels:  # Pillow looks at the image alone
        raise too_large(path, tile, max_pixels)
    if count > 1:
        raise many_frames(path, f"{count} or more" if count == _MAX_PAGES else count)
    if image.format in ("JPEG", "MPO"):
        if _count_scans(data) > _MAX_SCANS:
            raise InputError(f"has more than {_MAX_SCANS} scans, as no photo has", path=path, cure="save it anew")
        if _has_gain_map(image, data):
            note(path, GAIN_MAP)
    if again and not convert:
        raise _unconverted(path, "has 16 bits a channel", "save it with 8")
    above = usual is not None and image.width * image.height > usual
    with _pillow_limit(max_pixels) if above else contextlib.nullcontext():  # a TIFF asks for the limit once more
        pixels = eight_bits(path, image, again) if again else image
        pixels.load()
    pixels.info.setdefault("icc_profile", image.info.get("icc_profile"))
    orientation = _orientation(image)
    stream.close()  # the image keeps it, and it keeps the bytes of the file
    return pixels, orientation


def _tile_pixels(image: Image.Image) -> int:
    """The size of a tile of a TIFF, which is decoded as a whole even if the image is but a corner of it."""
    width, height = (tiff_tags(image).get(tag, 0) for tag in _TIFF_TILE)
    return width * height


def _count_frames(image: Image.Image) -> int:
    """Frames or pages; a JPEG with others behind it (MPO: a preview, the other eye) is one picture."""
    if image.format == "MPO":
        return 1
    if image.format != "TIFF":
        return getattr(image, "n_frames", 1)
    count = 1
    with contextlib.suppress(EOFError):
        while count < _MAX_PAGES:
            image.seek(count)
            count += 1
    return count


def _has_gain_map(image: Image.Image, data: bytes) -> bool:
    """Whether a JPEG has one (Ultra HDR, ISO 21496-1, Apple): a second picture that its metadata speak of."""
    where = data if image.format == "MPO" else bytes(image.info.get("xmp") or b"")
    return any(mark in where for mark in _GAIN_MAP_MARKS)


def _count_scans(data: bytes) -> int:
    """How many scans a JPEG has, counted to one more than the most."""
    count, at = 0, 2
    while count <= _MAX_SCANS and (found := _MARKER.search(data, at)) and found[0] != b"\xff\xd9":
        count += found[0] == b"\xff\xda"
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return count


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION)
        return orientation if orientation in _AS_STORED else 1
    except Exception:  # unreadable EXIF says nothing about the rotation
        return 1


def _unconverted(path: Path, why: str, otherwise: str) -> InputError:
    return InputError(why, path=path, cure=f"allow its conversion or {otherwise}", options=("convert=True",))


def _to_rgb(path: Path, image: Image.Image, orientation: int, is_bmp: bool, convert: bool, icc: str) -> np.ndarray:
    if image.mode in _GREY and not convert:
        raise _unconverted(path, "is greyscale", "leave it out")
    if image.mode == "CMYK" and not convert:
        raise _unconverted(path, "is CMYK", "save it as RGB")
    if image.mode not in (*_GREY, "RGB", "RGBA", "P", "PA", "CMYK"):
        raise InputError(f"has pixels of kind {image.mode}", path=path, cure="save it as RGB with 8 bits a channel")
    if isinstance(image.info.get("transparency"), str):  # a text of this name in a PNG
        del image.info["transparency"]
    flatten = _plain
    if image.mode in _ALPHA or "transparency" in image.info:
        flatten = _without_alpha
        low, high = _alpha_range(image)
        if low < 255 and not (is_bmp and high == 0):
            if not convert:
                raise _unconverted(path, "is transparent in places", "save it as RGB")
            flatten = _on_white
    profile = image.info.get("icc_profile") if icc == CONVERT else None
    to_srgb = srgb_conversion(image, profile, path) or (lambda part: part)
    pixels = np.empty((*(image.size if orientation in _SIDEWAYS else image.size[::-1]), 3), np.uint8)
    stored = _AS_STORED[orientation](pixels)
    for left, top, right, bottom in blocks(image.size):
        stored[top:bottom, left:right] = flatten(to_srgb(part_of(image, (left, top, right, bottom))))
    return pixels


def _plain(image: Image.Image) -> np.ndarray:
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _without_alpha(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGBA"))[..., :3]


def _on_white(image: Image.Image) -> np.ndarray:
    return _without_alpha(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")))


def _alpha_range(image: Image.Image) -> tuple[int, int]:
    parts = (np.asarray(part_of(image, box).convert("RGBA").getchannel("A")) for box in blocks(image.size))
    ranges = [(int(alpha.min()), int(alpha.max())) for alpha in parts]
    return min(low for low, _ in ranges), max(high for _, high in ranges)
