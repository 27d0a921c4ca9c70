import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.images import rare_formats
from rankiqa.images.reading import read_image
from tests.images.by_hand import PIXELS, bmp, encoded, save, sixteen_bit_png, sixteen_bit_tiff, tiff, wide


def test_a_header_that_claims_a_giant_is_refused_before_memory_is_taken(tmp_path):
    data = bytearray(sixteen_bit_png(PIXELS.astype(np.uint16)))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.png: has more than [0-9,]+ pixels"):
        read_image(tmp_path / "x.png", convert=True)


def too_large_files():
    odd = bmp(np.ones((5, 7), np.uint16), 16, (0x0F00, 0x00F0, 0x000F))
    gif = bytearray(encoded("GIF"))
    frame = gif.index(b",\0\0\0\0") + 5
    gif[frame : frame + 4] = b"\xff" * 4
    with_tile = {322: (4, 5000), 323: (4, 5000), 324: (4, 8), 325: (4, 8)}
    plain = {256: (4, 3), 257: (4, 3), 258: (3, 8), 259: (3, 8), 262: (3, 1)}
    return {
        "png": (encoded("PNG"), 204),
        "jpg": (encoded("JPEG"), 204),
        "bmp": (encoded("BMP"), 204),
        "bit-fields.bmp": (odd, 35),
        "tif": (encoded("TIFF"), 204),
        "lzw.tif": (encoded("TIFF", compression="tiff_lzw"), 204),
        "tile.tif": (tiff(plain | with_tile, b""), 25_000_000),
        "webp": (encoded("WEBP"), 204),
        "jp2": (encoded("JPEG2000"), 204),
        "gif": (encoded("GIF"), 204),
        "frame.gif": (bytes(gif), 65535**2),
        "16-bit.png": (sixteen_bit_png(wide(3)), 99),
        "16-bit.tif": (sixteen_bit_tiff(wide(3), 2), 99),
    }


@pytest.mark.parametrize("name", too_large_files())
def test_too_many_pixels_are_refused_from_the_header(name, tmp_path, monkeypatch):
    data, pixels = too_large_files()[name]
    (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    with warnings.catch_warnings(), pytest.raises(InputError) as caught:
        warnings.simplefilter("error")
        read_image(tmp_path / name, convert=True, max_pixels=34)
    assert f"{tmp_path / name}: has more than 34 pixels ({pixels:,})" in str(caught.value)


def test_the_limit_is_the_last_size_that_is_read(tmp_path):
    for kind in ("png", "jpeg", "bmp", "tiff", "webp", "gif"):
        (tmp_path / "x").write_bytes(encoded(kind))
        assert read_image(tmp_path / "x", max_pixels=12 * 17).shape == (12, 17, 3)
        with pytest.raises(InputError, match="more than 203 pixels"):
            read_image(tmp_path / "x", max_pixels=12 * 17 - 1)


@pytest.mark.parametrize("limit", [1, None])
def test_pillows_own_limit_does_not_count_and_stays(limit, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(rare_formats, "BLOCK", 40)
    files = {k: encoded(k) for k in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "JPEG2000", "GIF")}
    files |= {"16 bits": sixteen_bit_png(wide(3)), "16-bit TIFF": sixteen_bit_tiff(wide(3), 2)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
            read_image(tmp_path / name, convert=True)
    assert Image.MAX_IMAGE_PIXELS is limit


def test_threads_do_not_get_in_each_others_way(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    paths = [save(tmp_path / f"{k}.{kind}") for k in range(4) for kind in ("png", "tif", "bmp")]
    wrong = []

    def read(path):
        for k in range(20):
            try:
                wrong.extend([path] if (read_image(path, max_pixels=204 - k % 2) != PIXELS).any() else [])
            except InputError as error:
                wrong.extend([] if k % 2 and "more than 203" in str(error) else [error])

    threads = [threading.Thread(target=read, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_jpeg_of_countless_scans_is_refused(tmp_path):
    data = encoded("JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "x.jpg").write_bytes(data[:-2] + last * 50 + b"\xff\xd9")
    assert read_image(tmp_path / "x.jpg").shape == PIXELS.shape
    hidden = b"\xff\xfe\x00\x04\xff\xd9"  # a comment that holds an end of the image
    for between in (b"", hidden):
        (tmp_path / "x.jpg").write_bytes(data[:-2] + (between + last) * 150 + b"\xff\xd9")
        with pytest.raises(InputError, match=r"x\.jpg: has more than 100 scans"):
            read_image(tmp_path / "x.jpg")


def test_the_pages_of_a_tiff_are_counted_to_a_thousand(tmp_path):
    page = tiff({256: (4, 1), 257: (4, 1), 258: (3, 8), 259: (3, 1), 262: (3, 1)}, b"\0")
    pages, size = bytearray(), len(page) - 8
    for k in range(3000):
        pages += page[8:]
        struct.pack_into("<I", pages, k * size + size - 5, 8 + (k + 1) * size if k < 2999 else 0)
    (tmp_path / "x.tif").write_bytes(page[:8] + pages)
    with pytest.raises(InputError, match=r"x\.tif: has 1000 or more frames or pages"):
        read_image(tmp_path / "x.tif")
