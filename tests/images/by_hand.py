"""Image files for the tests, also those that Pillow does not write: they are put together by hand."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)

R8, G8, B8, A8 = 0xFF0000, 0xFF00, 0xFF, 0xFF000000
BMPS = {
    "RGB565": (16, (0xF800, 0x07E0, 0x001F), {}),
    "RGB565 top-down": (16, (0xF800, 0x07E0, 0x001F), {"top_down": True}),
    "XRGB1555": (16, (0x7C00, 0x03E0, 0x001F), {}),
    "XRGB1555 plain": (16, (), {}),
    "A1R5G5B5": (16, (0x7C00, 0x03E0, 0x001F, 0x8000), {"header": 108}),
    "A4R4G4B4": (16, (0x0F00, 0x00F0, 0x000F, 0xF000), {"header": 56}),
    "A4R4G4B4 top-down": (16, (0x0F00, 0x00F0, 0x000F, 0xF000), {"header": 124, "top_down": True}),
    "X4R4G4B4": (16, (0x0F00, 0x00F0, 0x000F), {}),
    "X8R8G8B8": (32, (R8, G8, B8), {}),
    "X8R8G8B8 plain": (32, (), {}),
    "X8R8G8B8 plain top-down": (32, (), {"top_down": True}),
    "X8B8G8R8": (32, (B8, G8, R8), {}),
    "A8R8G8B8": (32, (R8, G8, B8, A8), {"header": 108}),
    "A8R8G8B8 top-down": (32, (R8, G8, B8, A8), {"header": 124, "top_down": True}),
}


def save(path, pixels=PIXELS, mode=None, **options):
    Image.fromarray(pixels, mode).save(path, **options)
    return path


def encoded(kind: str, pixels=PIXELS, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def wide(channels: int) -> np.ndarray:
    return np.random.default_rng(channels).integers(0, 65536, (9, 11, channels), dtype=np.uint16)


def rounded(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels / 257)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def sixteen_bit_png(pixels: np.ndarray, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits a channel with `more` chunks, written by hand: Pillow writes no such RGB."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(*part) for part in ((b"IHDR", header), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def bmp(stored: np.ndarray, bits: int, masks=(), header=40, top_down=False) -> bytes:
    """A BMP with bit fields, or plain (BI_RGB) without masks."""
    height, width = stored.shape
    rows = stored if top_down else stored[::-1]
    pad = bytes(-width * bits // 8 % 4)
    data = b"".join(row.astype(f"<u{bits // 8}").tobytes() + pad for row in rows)
    fields = struct.pack(f"<{len(masks)}I", *masks)
    size = (header, width, -height if top_down else height)
    info = struct.pack("<IiiHHIIiiII", *size, 1, bits, 3 if masks else 0, len(data), 2835, 2835, 0, 0)
    info += fields.ljust(max(header - 40, len(fields)), b"\0")
    return struct.pack("<2sIHHI", b"BM", 14 + len(info) + len(data), 0, 0, 14 + len(info)) + info + data


def tiff(tags: dict[int, tuple[int, int | bytes]], pixels: bytes) -> bytes:
    """A little-endian TIFF of one page: tag → (type, value); `pixels` lie behind the tags."""
    tags = dict(tags) | {273: (4, 0), 279: (4, len(pixels))}
    more = 8 + 2 + 12 * len(tags) + 4
    tags[273] = (4, more + sum(len(value) for _, value in tags.values() if isinstance(value, bytes)))
    entries, data = b"", b""
    for tag, (kind, value) in sorted(tags.items()):
        size = {3: 2, 4: 4}[kind]
        count, field = (len(value) // size, more + len(data)) if isinstance(value, bytes) else (1, value)
        entries += struct.pack("<HHII", tag, kind, count, field)
        data += value if isinstance(value, bytes) else b""
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data + pixels


def sixteen_bit_tiff(pixels: np.ndarray, photometric: int, more: dict | None = None) -> bytes:
    height, width, channels = pixels.shape
    bits = struct.pack(f"<{channels}H", *[16] * channels) if channels > 2 else 16
    tags = {256: (4, width), 257: (4, height), 258: (3, bits), 259: (3, 1), 262: (3, photometric), 277: (3, channels)}
    return tiff(tags | (more or {}), pixels.astype("<u2").tobytes())
