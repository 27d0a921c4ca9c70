"""HEIC, AVIF and JPEG XL files for the tests: what encoders do not write is put into their files by hand."""

from __future__ import annotations

import base64
import io
import struct

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 (makes Pillow write JPEG XL)
from PIL import Image

from tests.images.by_hand import PIXELS

LOSSLESS = {
    "heic": {"quality": -1, "chroma": 444, "matrix_coefficients": 0},
    "jxl": {"lossless": True},
    "avif": {"quality": 100, "subsampling": "4:4:4"},  # nearly
}
# Two frames of 8×8: (10, 20, 30) and (200, 100, 50).
ANIMATED_JXL = base64.b64decode(
    "/wpBBE0AICYIBAEAVABLEqVCBVIg52IMXu8OQKgYFQCYHA4IBAUAZABLEqVCBVIg/WIM3i8G590BCJ+OgwXQ5GwA"
)
# 8×8 of (60000, 1000, 33333) in 16 bits.
WIDE_JXL = base64.b64decode(
    "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAJanhsbAoAAAAxanhsY/8KQfADULQICAQBAGwASxKlQgVSYP/FGFx7F+MdANRb"
    "KVgZDTxjBYdJ"
)
# 8×8 of (600, 100, 900) in 10 bits.
WIDE_AVIF = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAO"
    "cGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAIgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAA"
    "AABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAACAAAAAgAAAAQcGl4aQAAAAADCgoKAAAADGF2MUOBIEAAAAAAE2NvbHJuY2x4AAIAAgAA"
    "gAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAAKm1kYXQSAAoIOAi/5wICAJAyFBAAAAAP+j36nnjHXB7AGFq1+GAw"
)
# 9×7 grey values in 16 bits, np.random.default_rng(0).integers(0, 65536): plug-ins before 1.3.8 only read such files.
GREY_JXL = base64.b64decode(
    "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAJanhsbAoAAACpanhsY/8KQAAM4AcoWgQIAAEARAJLGIsVQgpinQDYvq6ZLwFjVzSI"
    "vwhogUcUxcjGUkg/VsnTO83SZsBgq83NuJHYAqA59z7HRhj8h5qnTWbn5GQuUjuYdgIGA7v6q+q8Ii9AyFydim5L/+mjytrzeKIvKa1ik0VGwT9x"
    "HNM4vS1XtwgtwwmvSr+y0lUCS3ugkvANX6s2gWi6XobF6aY85YBAkRkB"
)


def phone_file(kind: str, image: np.ndarray | Image.Image = PIXELS, **options) -> bytes:
    """A file of one of `LOSSLESS`."""
    pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, {"heic": "HEIF", "jxl": "JXL", "avif": "AVIF"}[kind], **(LOSSLESS[kind] | options))
    return buffer.getvalue()


def wide_heic(numbers: np.ndarray, bits: int) -> bytes:
    """A HEIC without loss of H×W×3 numbers of 16 bits, of which it keeps 10 or 12."""
    before, pillow_heif.options.SAVE_HDR_TO_12_BIT = pillow_heif.options.SAVE_HDR_TO_12_BIT, bits == 12
    try:
        made = pillow_heif.from_bytes(mode="RGB;16", size=numbers.shape[1::-1], data=numbers.tobytes())
        buffer = io.BytesIO()
        made.save(buffer, **LOSSLESS["heic"])
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = before
    return buffer.getvalue()


def several_heic(*images: np.ndarray) -> bytes:
    file, buffer = pillow_heif.from_pillow(Image.fromarray(images[0])), io.BytesIO()
    for image in images[1:]:
        file.add_from_pillow(Image.fromarray(image))
    file.save(buffer, **LOSSLESS["heic"])
    return buffer.getvalue()


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def with_property(data: bytes, kind: bytes, content: bytes) -> bytes:
    """A HEIC of one item with another property for it, the last of all."""
    properties, owned = data.index(b"ipco"), data.index(b"ipma")
    old = data[properties + 4 : owned - 4]
    count, at = 0, 0
    while at < len(old):
        count, at = count + 1, at + struct.unpack_from(">I", old, at)[0]
    owner = bytearray(data[owned + 4 : data.index(b"mdat") - 4])
    owner = owner[: 11 + owner[10]]  # version, one item, its number, and how many it has
    owner[10] += 1
    new = box(b"iprp", box(b"ipco", old + box(kind, content)) + box(b"ipma", bytes(owner) + bytes([0x80 | count + 1])))
    meta, start = data.index(b"meta"), data.index(b"iprp") - 4
    stop = start + struct.unpack_from(">I", data, start)[0]
    grown = len(new) - (stop - start)
    body = bytearray(data[meta + 4 : start] + new + data[stop : meta - 4 + struct.unpack_from(">I", data, meta - 4)[0]])
    rest = data[meta - 4 + struct.unpack_from(">I", data, meta - 4)[0] :]
    place = data.index(b"mdat") + 4
    where = body.index(b"iloc")
    for k in range(where, where + struct.unpack_from(">I", body, where - 4)[0] - 4):  # all places behind move
        found = struct.unpack_from(">I", body, k)[0]
        if place <= found < len(data) and body[k : k + 2] == b"\0\0":
            struct.pack_into(">I", body, k, found + grown)
            break
    return data[: meta - 4] + box(b"meta", bytes(body)) + rest


def jxl_header(height: int, width: int, boxed: bool = False) -> bytes:
    """The beginning of a JPEG XL of any size, naked or in boxes, its codestream in two parts."""
    bits = "0"  # not by eights
    for side in (height, width):
        bits += "11" + format(side - 1, "030b")[::-1] + ("000" if side is height else "")
    bits += "1" * 8
    number = int(bits[::-1], 2)
    stream = b"\xff\x0a" + number.to_bytes((len(bits) + 7) // 8, "little")
    if not boxed:
        return stream + bytes(20)
    parts = box(b"jxlp", b"\0\0\0\0" + stream[:4]) + box(b"jxlp", b"\x80\0\0\1" + stream[4:])
    return box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ") + parts
