"""Damaged images of every format that is read."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.images.pixels import pixels_of
from rankiqa.images.reading import FRAMES, read_image
from tests.fuzz.damage import EXTREMES, damaged
from tests.fuzz.harness import tries
from tests.images.by_hand import BMPS, bmp, png_chunk, sixteen_bit_png, sixteen_bit_tiff, wide
from tests.images.phone_files import ANIMATED_JXL, WIDE_AVIF, WIDE_JXL, phone_file, several_heic, wide_heic
from tests.images.profiles import ADOBE, ADOBE_GAMMA, P3, cmyk_profile, grey_profile, rgb_profile

MOST = 1_000_000  # pixels
RNG = np.random.default_rng(0)
RGB = np.clip(
    np.add.outer(np.arange(23), np.arange(31))[..., None] * [3, 4, 5] + RNG.integers(0, 9, (23, 31, 3)), 0, 255
)
RGB = RGB.astype(np.uint8)


def encoded(kind: str, mode: str = "RGB", **options) -> bytes:
    image, buffer = Image.fromarray(RGB), io.BytesIO()
    if mode == "P":
        image = image.quantize(20)
    elif mode == "RGBA":
        image.putalpha(Image.fromarray(RGB[..., 0]))
    else:
        image = image.convert(mode)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def metadata() -> dict:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01"
    return {"exif": exif}


def frames(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    more = [Image.fromarray(np.roll(RGB, k, 1)) for k in (1, 2)]
    Image.fromarray(RGB).save(buffer, kind, save_all=True, append_images=more, **options)
    return buffer.getvalue()


def png_pieces(data: bytes) -> list[bytes]:
    parts, at = [data[:8]], 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big") % (len(data) - at + 12) + 12
        parts.append(data[at : at + size])
        at += size
    return parts


def jpeg_pieces(data: bytes) -> list[bytes]:
    return re.split(rb"(?=\xff[\xc0-\xfe])", data)


def riff_pieces(data: bytes) -> list[bytes]:
    return re.split(rb"(?=VP8[ XL]|ALPH|ANIM|ANMF|EXIF|ICCP)", data)


def gif_pieces(data: bytes) -> list[bytes]:
    return re.split(rb"(?=!\xf9|,\0\0|!\xff)", data)


def jp2_pieces(data: bytes) -> list[bytes]:
    return re.split(rb"(?=\xff[\x4f-\x93\xd9])", data)


def box_pieces(data: bytes) -> list[bytes]:
    """Of HEIF and AVIF: their boxes, each with its size."""
    kinds = rb"meta|hdlr|pitm|iloc|iinf|infe|iref|iprp|ipco|ispe|pixi|hvcC|av1C|colr|auxC|irot|ipma|mdat|idat|jxlc|jxlp"
    return re.split(rb"(?=.{4}(?:" + kinds + rb"))", data, flags=re.DOTALL)


def tiff_pieces(data: bytes) -> list[bytes]:
    """Eight bytes of header, and entries of twelve behind the place that it names."""
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", data, 4)[0] + 2 if len(data) > 8 else 8
    start = start if start < len(data) else 8
    entries = [data[k : k + 12] for k in range(start, min(start + 240, len(data)), 12)]
    return [data[:8], data[8:start], *entries, data[start + 240 :]]


JPEGS = [encoded("JPEG", **o) for o in ({}, {"progressive": True}, {"quality": 95, "subsampling": 0}, metadata())]
JPEGS += [encoded("JPEG", "CMYK"), encoded("JPEG", "L"), frames("MPO")]
PNGS = [encoded("PNG", mode) for mode in ("RGB", "RGBA", "L", "LA", "P", "1")] + [encoded("PNG", **metadata())]
PNGS += [frames("PNG"), encoded("PNG", "P", transparency=3), encoded("PNG", "P", transparency=bytes(range(20)))]
PNGS += [sixteen_bit_png(wide(channels)) for channels in (1, 2, 3, 4)]
PNGS += [
    sixteen_bit_png(
        wide(3),
        (b"tRNS", b"\1\2\3\4\5\6"),
        (b"tEXt", b"transparency\0x"),
        (b"zTXt", b"k\0\0" + zlib.compress(b"x" * 9999)),
    )
]
TIFFS = [encoded("TIFF", mode) for mode in ("RGB", "RGBA", "L", "P", "CMYK", "1")] + [encoded("TIFF", **metadata())]
TIFFS += [
    encoded("TIFF", compression=c) for c in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")
]
TIFFS += [
    frames("TIFF"),
    encoded("TIFF", "1", compression="group4"),
    sixteen_bit_tiff(wide(1), 1),
    sixteen_bit_tiff(wide(3), 2),
]
TIFFS += [sixteen_bit_tiff(wide(4), 2, {338: (3, k)}) for k in (0, 1, 2)]
TIFFS += [cv2.imencode(".tif", wide(3), [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()]
stored = RNG.integers(0, 2**16, (5, 7), dtype=np.uint16)
ODD_BMPS = [bmp(stored.astype(f"u{bits // 8}"), bits, masks, **o) for bits, masks, o in BMPS.values()]
RGBA = np.dstack([RGB, RGB[..., 0]])
HEICS = [phone_file("heic", image) for image in (RGB, RGBA)] + [phone_file("heic", RGB, quality=50, chroma=420)]
HEICS += [several_heic(RGB, 255 - RGB), *(wide_heic(wide(3).repeat(4, 0).repeat(4, 1), bits) for bits in (10, 12))]
HEICS += [phone_file("heic", np.tile(RGB, (6, 5, 1)), tile_size=64, quality=30, chroma=420, matrix_coefficients=1)]
FORMATS = {
    "png": (PNGS, png_pieces),
    "jpeg": (JPEGS, jpeg_pieces),
    "bmp": ([encoded("BMP", mode) for mode in ("RGB", "L", "P", "1", "RGBA")] + ODD_BMPS, None),
    "tiff": (TIFFS, tiff_pieces),
    "webp": (
        [encoded("WEBP", mode, **o) for mode in ("RGB", "RGBA") for o in ({}, {"lossless": True}, metadata())]
        + [frames("WEBP", lossless=lossless) for lossless in (False, True)],
        riff_pieces,
    ),
    "jp2": (
        [encoded("JPEG2000", mode, **o) for mode in ("RGB", "RGBA", "L", "LA") for o in ({}, {"no_jp2": True})]
        + [encoded("JPEG2000", irreversible=True, quality_layers=[20, 5], tile_size=(16, 16))],
        jp2_pieces,
    ),
    "heic": (HEICS, box_pieces),
    "avif": (
        [phone_file("avif", image, quality=q) for image in (RGB, RGBA, RGB[..., 0]) for q in (40, 100)]
        + [phone_file("avif", RGB, **metadata()), frames("AVIF"), WIDE_AVIF],
        box_pieces,
    ),
    "jxl": (
        [phone_file("jxl", image, lossless=exact) for image in (RGB, RGBA, RGB[..., 0]) for exact in (True, False)]
        + [phone_file("jxl", RGB, use_container=True, exif=metadata()["exif"].tobytes()), ANIMATED_JXL, WIDE_JXL],
        box_pieces,
    ),
    "gif": (
        [encoded("GIF", "P"), encoded("GIF", "L"), frames("GIF"), frames("GIF", disposal=2, transparency=0)],
        gif_pieces,
    ),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "x"
    for samples, _ in FORMATS.values():  # imports, and every decoder's tables
        for data in samples:
            path.write_bytes(data)
            with contextlib.suppress(InputError):  # an animated JPEG XL
                read_image(path, convert=True, frames="first")
    return path


def look(trial, file, data, convert, choice, loud=False):
    file.write_bytes(data)
    image = trial(read_image, file, convert, choice, MOST, loud=loud)
    if not isinstance(image, Exception):
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        assert 0 < image.size <= 3 * MOST and image.flags.c_contiguous and image.flags.writeable


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files(kind, trial, file):
    samples, pieces = FORMATS[kind]

    @tries(1500)
    @given(damaged(samples, pieces), st.booleans(), st.sampled_from(FRAMES))
    def run(data, convert, choice):
        look(trial, file, data, convert, choice, loud=kind == "tiff")  # libtiff says on stderr what it refuses

    run()


PROFILES = [rgb_profile(P3), rgb_profile(ADOBE, ADOBE_GAMMA), grey_profile(2.2), cmyk_profile()]


@tries(2500)
@given(
    damaged(PROFILES, lambda data: [data[k : k + 12] for k in range(0, len(data), 12)]),
    st.sampled_from(("RGB", "RGBA", "L", "LA", "CMYK")),
)
def test_damaged_profiles(trial, data, mode):
    image = Image.fromarray(RGBA).convert("RGB" if mode == "CMYK" else "RGBA").convert(mode)
    image.info["icc_profile"] = data
    found = trial(pixels_of, image)
    assert found.shape == RGB.shape and found.dtype == np.uint8


@tries(1200)
@given(damaged(PNGS, png_pieces, most=3), st.booleans(), st.sampled_from(FRAMES))
def test_damaged_png_whose_checksums_fit(trial, file, data, convert, choice):
    parts = png_pieces(data)
    data = parts[0] + b"".join(png_chunk(part[4:8], part[8:-4]) for part in parts[1:])
    look(trial, file, data, convert, choice)


@tries(1200)
@given(
    st.sampled_from([data for data in TIFFS if data[:2] == b"II"]),
    st.lists(
        st.tuples(st.integers(0, 19), st.sampled_from((2, 4, 8)), st.sampled_from(EXTREMES)), min_size=1, max_size=3
    ),
    st.booleans(),
)
def test_tiff_whose_tags_hold_extremes(trial, file, data, changes, convert):
    parts = tiff_pieces(data)
    for entry, place, value in changes:
        if entry + 2 < len(parts) - 1 and len(parts[entry + 2]) == 12:
            part = bytearray(parts[entry + 2])
            size = 2 if place == 2 else 4
            part[place : place + size] = (value % 256**size).to_bytes(size, "little")
            parts[entry + 2] = bytes(part)
    look(trial, file, b"".join(parts), convert, "first", loud=True)


@tries(1000)
@given(
    st.sampled_from([b"", *(samples[0][:n] for samples, _ in FORMATS.values() for n in (2, 8, 12, 30))]),
    st.binary(max_size=400),
    st.booleans(),
)
def test_random_bytes_behind_the_beginning_of_a_format(trial, file, head, data, convert):
    look(trial, file, head + data, convert, "error", loud=head[:2] in (b"II", b"MM"))
