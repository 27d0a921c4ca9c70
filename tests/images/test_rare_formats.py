import struct

import cv2
import numpy as np
import pytest

from rankiqa.errors import InputError
from rankiqa.images.reading import read_image
from tests.images.by_hand import A8, B8, BMPS, G8, R8, bmp, rounded, sixteen_bit_png, sixteen_bit_tiff, wide


def unpacked(stored, bits, masks):
    """Each pixel's fields by integer arithmetic, one at a time."""
    masks = masks or ((0x7C00, 0x03E0, 0x001F) if bits == 16 else (R8, G8, B8))
    rows = []
    for row in stored.tolist():
        for value in row:
            for mask in masks[:3]:
                lowest = mask & -mask
                rows.append((value & mask) // lowest * 255 // (mask // lowest))
    return np.array(rows).reshape(*stored.shape, 3)


@pytest.mark.parametrize("name", BMPS)
@pytest.mark.parametrize("alpha", ["opaque", "unused"])
def test_bmp_with_bit_fields(name, alpha, tmp_path):
    bits, masks, options = BMPS[name]
    stored = np.random.default_rng(1).integers(0, 2**bits, (5, 7), dtype=np.uint64).astype(f"u{bits // 8}")
    if len(masks) == 4:
        stored = stored | masks[3] if alpha == "opaque" else stored & (2**bits - 1 - masks[3])
    (tmp_path / "x.bmp").write_bytes(bmp(stored, bits, masks, **options))
    assert (read_image(tmp_path / "x.bmp") == unpacked(stored, bits, masks)).all()


def test_a_bmp_that_is_transparent_in_places_is_refused(tmp_path):
    stored = np.array([[0xFF102030, 0x00102030]], np.uint32)
    (tmp_path / "x.bmp").write_bytes(bmp(stored, 32, (R8, G8, B8, A8), header=108))
    with pytest.raises(InputError, match=r"x\.bmp.*transparent"):
        read_image(tmp_path / "x.bmp")
    assert read_image(tmp_path / "x.bmp", convert=True).tolist() == [[[16, 32, 48], [255, 255, 255]]]


@pytest.mark.parametrize("keep", [20, 60, 80])
@pytest.mark.parametrize("masks", [(0xF800, 0x07E0, 0x001F), (0x0F00, 0x00F0, 0x000F)])
def test_a_bmp_cut_short_is_refused(masks, keep, tmp_path):
    (tmp_path / "x.bmp").write_bytes(bmp(np.ones((5, 7), np.uint16), 16, masks)[:keep])
    with pytest.raises(InputError, match=r"x\.bmp"):
        read_image(tmp_path / "x.bmp")


@pytest.mark.parametrize(("width", "height"), [(0, 5), (7, 0), (-1, 1), (-7, 5)])
def test_a_bmp_without_an_area_is_refused(width, height, tmp_path):
    data = bytearray(bmp(np.ones((5, 7), np.uint16), 16, (0x0F00, 0x00F0, 0x000F)))
    struct.pack_into("<ii", data, 18, width, height)
    (tmp_path / "x.bmp").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.bmp: a BMP of an unknown kind"):
        read_image(tmp_path / "x.bmp")


def test_sixteen_bits_of_every_kind(tmp_path):
    """Against the numbers that were written; cv2 writes TIFFs of RGB and of grey, compressed and not."""
    grey, colour = wide(1), wide(3)
    files = {"grey.png": (sixteen_bit_png(grey), grey), "rgb.png": (sixteen_bit_png(colour), colour)}
    for name, pixels in (("grey", grey), ("rgb", colour[..., ::-1])):
        for compression in (1, 5, 8):
            options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
            files[f"{name}-{compression}.tif"] = (cv2.imencode(".tif", pixels, options)[1], pixels[..., ::-1])
    for name, (data, pixels) in files.items():
        (tmp_path / name).write_bytes(data)
        assert (read_image(tmp_path / name, convert=True) == rounded(pixels)).all(), name
    for channels in (2, 4):
        pixels = wide(channels)
        (tmp_path / "alpha.png").write_bytes(sixteen_bit_png(pixels))
        weight = pixels[..., -1:] / 65535
        on_white = pixels[..., :-1] / 257 * weight + 255 * (1 - weight)
        assert np.abs(read_image(tmp_path / "alpha.png", convert=True) - on_white).max() <= 1.5


@pytest.mark.parametrize("channels", [1, 3])
def test_the_transparent_colour_of_a_sixteen_bit_png_becomes_white(channels, tmp_path):
    pixels = wide(channels)
    key = pixels[2, 3].astype(">u2").tobytes()
    (tmp_path / "x.png").write_bytes(sixteen_bit_png(pixels, (b"tRNS", key)))
    expected = np.where((pixels == pixels[2, 3]).all(-1, keepdims=True), 255, rounded(pixels))
    assert (read_image(tmp_path / "x.png", convert=True) == expected).all()


def test_what_sixteen_bits_of_a_tiff_mean(tmp_path):
    grey, colour, alpha = wide(1), wide(3), wide(4)
    opaque = alpha.copy()
    opaque[..., 3] = 65535
    share = (alpha[..., 3:] / 65535).clip(1e-9)
    straight = np.minimum(alpha[..., :3] / share, 65535)
    cases = {
        "black is zero": (sixteen_bit_tiff(grey, 1), rounded(grey)),
        "white is zero": (sixteen_bit_tiff(grey, 0), rounded(65535 - grey)),
        "colour": (sixteen_bit_tiff(colour, 2), rounded(colour)),
        "a fourth channel of no meaning": (sixteen_bit_tiff(alpha, 2, {338: (3, 0)}), rounded(alpha[..., :3])),
        "multiplied by an opaque alpha": (sixteen_bit_tiff(opaque, 2, {338: (3, 1)}), rounded(opaque[..., :3])),
        "multiplied by alpha": (
            sixteen_bit_tiff(alpha, 2, {338: (3, 1)}),
            straight / 257 * share + 255 * (1 - share),
        ),
    }
    for name, (data, expected) in cases.items():
        (tmp_path / "x.tif").write_bytes(data)
        assert np.abs(read_image(tmp_path / "x.tif", convert=True) - expected).max() <= 1.5, name
    for data in (sixteen_bit_tiff(colour, 2, {284: (3, 2)}), sixteen_bit_tiff(alpha, 5)):  # planes apart, CMYK
        (tmp_path / "x.tif").write_bytes(data)
        with pytest.raises(InputError, match=r"x\.tif: stores its 16 bits a channel in a way"):
            read_image(tmp_path / "x.tif", convert=True)


def test_the_first_page_of_sixteen_bits(tmp_path):
    first, second = wide(3), wide(3)[:4, :5] // 2
    assert cv2.imwritemulti(str(tmp_path / "x.tif"), [first[..., ::-1], second])
    assert (read_image(tmp_path / "x.tif", convert=True, frames="first") == rounded(first)).all()
    with pytest.raises(InputError, match="2 frames or pages"):
        read_image(tmp_path / "x.tif", convert=True)
