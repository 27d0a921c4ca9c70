"""Read, list and write images: uint8 H×W×3 RGB, and nothing that was converted without being asked for.

Pixels are taken as they are stored: colour profiles are not applied.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import struct
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rankiqa.errors import InputError, explain_os_error

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".gif"})
KINDS = ("png", "bmp")
TEMPORARY = (".rankiqa-", ".tmp")  # prefix and suffix of files being written: hidden, so never listed

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "JPEG2000", "GIF")
_GREY = ("1", "L", "LA", "La")
_ORIENTATION = 0x0112  # EXIF tag
_ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: str | os.PathLike[str], convert: bool = False) -> np.ndarray:
    """The pixels of a colour image: uint8 H×W×3 RGB in 0–255, C-contiguous and writable.

    The rotation that EXIF asks for is applied. Palette images, and an alpha channel that is opaque
    everywhere (or, in a BMP, zero everywhere: an unused byte), are plain RGB.

    With `convert` also these are taken: greyscale (copied to the three channels), alpha (laid on white),
    16 bits a channel (divided by 257 and rounded) and CMYK (Pillow's conversion, without a profile).

    Raises
    ------
    InputError
        The file is missing, is no image, is cut short, has several frames or pages, or, without `convert`,
        is greyscale, transparent, CMYK or has 16 bits a channel. The message names the file.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise InputError(f"{path}: has more than {most:,} pixels; make it smaller") from error
    except Exception as error:  # Pillow's plug-ins raise whatever they meet in a damaged header
        if not data.startswith(b"BM"):
            why = "the file is empty" if not data else "not an image of a known format, or its header is damaged"
            raise InputError(f"{path}: {why}; give one of {', '.join(sorted(SUFFIXES))}") from error
        return _to_rgb(_unpack_bmp(path, data), True, convert, path)
    try:
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise InputError(f"{path}: has {image.n_frames} frames or pages; give one image a file")
        if _has_sixteen_bits(image, data):
            return _from_sixteen_bits(data, convert, path)
        image.load()
        image = _upright(image)
    except InputError:
        raise
    except Exception as error:  # as above: OSError, SyntaxError, struct.error, zlib.error, …
        raise InputError(f"{path}: damaged or cut short ({error})") from error
    return _to_rgb(image, image.format == "BMP" or data.startswith(b"BM"), convert, path)


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _ROTATIONS.get(image.getexif().get(_ORIENTATION))
    except Exception:  # unreadable EXIF says nothing about the rotation
        turn = None
    return image if turn is None else image.transpose(turn)


def _has_sixteen_bits(image: Image.Image, data: bytes) -> bool:
    """Whether the file stores 16 bits a channel; Pillow cuts 16-bit RGB to 8 bits without a word."""
    if image.format == "PNG":
        return data[24] == 16  # bit depth of IHDR, always the first chunk
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (1,))) == 16  # BitsPerSample
    return image.mode.startswith("I;16")


def _from_sixteen_bits(data: bytes, convert: bool, path: Path) -> np.ndarray:
    if not convert:
        raise InputError(f"{path}: has 16 bits a channel; allow its conversion (--convert) or save it with 8")
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise InputError(f"{path}: its 16-bit pixels are damaged or cut short")
    pixels = np.rint(pixels / 257).astype(np.uint8)
    return _to_rgb(_from_bgr(pixels), False, convert, path)


def _unpack_bmp(path: Path, data: bytes) -> Image.Image:
    """Decode a BMP of 16 or 32 bits a pixel with any bit fields; Pillow knows the common ones only.

    OpenCV is no help: it takes the masks of 32-bit files for the usual ones whatever they are.
    """
    try:
        start, header, width, height, _, bits, compression = struct.unpack_from("<10xIIiiHHI", data)
        masks = struct.unpack_from("<4I" if header >= 56 else "<3I", data, 54)
        if compression != 3 or bits not in (16, 32) or not all(masks[:3]):
            raise ValueError("not bit fields")
        columns = -(-width * bits // 32) * 32 // bits  # rows end on a multiple of 4 bytes
        stored = np.frombuffer(data, f"<u{bits // 8}", abs(height) * columns, start)
        stored = stored.reshape(abs(height), columns)[:: -1 if height > 0 else 1, :width]
        channels = [_field(stored, mask) for mask in masks if mask]
        return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
    except (struct.error, ValueError, OverflowError) as error:
        raise InputError(f"{path}: a BMP of an unknown kind, or damaged; save it anew with 24 bits a pixel") from error


def _field(stored: np.ndarray, mask: int) -> np.ndarray:
    """The bits under `mask`, scaled to 0–255 and cut to whole numbers as Pillow does."""
    shift = (mask & -mask).bit_length() - 1
    return ((stored & mask) >> shift).astype(np.uint64) * 255 // np.uint64(mask >> shift)


def _from_bgr(pixels: np.ndarray) -> Image.Image:
    if pixels.ndim == 2:
        return Image.fromarray(pixels)
    code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return Image.fromarray(cv2.cvtColor(pixels, code))


def _to_rgb(image: Image.Image, is_bmp: bool, convert: bool, path: Path) -> np.ndarray:
    if image.mode in _GREY and not convert:
        raise InputError(f"{path}: is greyscale; allow its conversion (--convert) or leave it out")
    if image.mode == "CMYK":
        if not convert:
            raise InputError(f"{path}: is CMYK; allow its conversion (--convert) or save it as RGB")
        image = image.convert("RGB")
    if image.mode not in (*_GREY, "RGB", "RGBA", "P", "PA"):
        raise InputError(f"{path}: has pixels of kind {image.mode}; save it as RGB with 8 bits a channel")
    if image.mode in ("RGBA", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        low, high = image.getchannel("A").getextrema()
        if low < 255 and not (is_bmp and high == 0):
            if not convert:
                raise InputError(
                    f"{path}: is transparent in places; allow its conversion (--convert) or save it as RGB"
                )
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"), dtype=np.uint8, order="C")


def pixels_sha256(image: np.ndarray) -> str:
    """SHA-256, in hex, of the size and the pixels: that of the same picture in any lossless file."""
    digest = hashlib.sha256(f"{image.shape}\n".encode())
    digest.update(np.ascontiguousarray(image))
    return digest.hexdigest()


def list_images(root: str | os.PathLike[str]) -> list[str]:
    """Sorted POSIX paths, relative to `root`, of the images at any depth, told by suffix.

    Links are followed, though not back into a folder they lie in; hidden files and folders are skipped.

    Raises
    ------
    InputError
        `root` is missing, is not a folder, cannot be listed, or holds no image.
    """
    root = Path(root)
    if not root.exists():
        raise InputError(f"{root}: no such folder")
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder")
    found: list[str] = []

    def visit(folder: str, prefix: str, above: frozenset[str]) -> None:
        real = os.path.realpath(folder)
        if real in above:
            return
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise InputError(f"{folder}: cannot be listed: {error.strerror or error}") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                visit(entry.path, f"{prefix}{entry.name}/", above | {real})
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and (
                entry.is_file() or entry.is_symlink()  # a dangling link is reported when it is read
            ):
                found.append(prefix + entry.name)

    visit(os.fspath(root), "", frozenset())
    if not found:
        raise InputError(f"{root}: holds no images ({', '.join(sorted(SUFFIXES))})")
    return sorted(found)


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


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before; makes the folders above.

    Raises
    ------
    InputError
        The system refused (no space, no permission, …); nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(secrets.token_hex(8).join(TEMPORARY))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise explain_os_error(error, path) from error
