import hashlib
import io
import os
import struct
import threading
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.files import write_atomically
from rankiqa.images import rare_formats as rare_images
from rankiqa.images.listing import list_images
from rankiqa.images.reading import read_image
from rankiqa.images.writing import write_image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)


def save(path, pixels=PIXELS, mode=None, **options):
    Image.fromarray(pixels, mode).save(path, **options)
    return path


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


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_lossless_formats_read_back(suffix, tmp_path):
    options = {"lossless": True} if suffix == "webp" else {}
    image = read_image(save(tmp_path / f"x.{suffix}", **options))
    assert (image == PIXELS).all()
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable


def test_palette_and_opaque_alpha_are_plain_rgb(tmp_path):
    palette = Image.fromarray(PIXELS).quantize(16)
    palette.save(tmp_path / "p.png")
    assert (read_image(tmp_path / "p.png") == np.array(palette.convert("RGB"))).all()
    save(tmp_path / "a.png", np.dstack([PIXELS, np.full((12, 17), 255, np.uint8)]))
    assert (read_image(tmp_path / "a.png") == PIXELS).all()


# The transformations that the EXIF standard lists for values 1 to 8.
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rotation_of_exif_is_applied(orientation, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (read_image(save(tmp_path / "x.png", exif=exif)) == UPRIGHT[orientation](PIXELS)).all()
    monkeypatch.setattr(rare_images, "BLOCK", 40)
    assert (read_image(tmp_path / "x.png") == UPRIGHT[orientation](PIXELS)).all()
    sixteen = sixteen_bit_png(PIXELS.astype(np.uint16) * 257, (b"eXIf", exif.tobytes()[6:]))
    (tmp_path / "16.png").write_bytes(sixteen)
    assert (read_image(tmp_path / "16.png", convert=True) == UPRIGHT[orientation](PIXELS)).all()


def refused_files(folder):
    grey = PIXELS[..., 0]
    alpha = np.dstack([PIXELS, grey])
    save(folder / "grey.png", grey)
    save(folder / "grey.jpg", grey)
    save(folder / "grey-alpha.png", np.dstack([grey, grey]))
    save(folder / "transparent.png", alpha)
    save(folder / "transparent.webp", alpha, lossless=True)
    save(folder / "key.png", PIXELS, transparency=tuple(PIXELS[0, 0].tolist()))
    Image.fromarray(PIXELS).convert("CMYK").save(folder / "cmyk.jpg")
    (folder / "16-bit.png").write_bytes(sixteen_bit_png(PIXELS.astype(np.uint16) * 257))
    (folder / "16-bit-grey.png").write_bytes(sixteen_bit_png(grey[..., None].astype(np.uint16) * 257))
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    for name in ("animated.gif", "animated.webp", "animated.png", "animated.tif"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    (folder / "text.png").write_text("this is no image\n")
    (folder / "empty.png").write_bytes(b"")
    for kind in ("png", "jpg", "bmp", "tif", "webp", "jp2"):
        buffer = io.BytesIO()
        smooth = np.add.outer(np.arange(200), np.arange(200))[..., None] // np.array([2, 3, 4])
        formats = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}
        Image.fromarray(smooth.astype(np.uint8)).save(buffer, formats.get(kind, kind))
        data = buffer.getvalue()
        (folder / f"half.{kind}").write_bytes(data[: len(data) // 2])
        (folder / f"head.{kind}").write_bytes(data[:10])
    Image.fromarray(PIXELS.astype(np.float32)[..., 0]).save(folder / "float.tif")


REASONS = {
    "grey.png": "greyscale",
    "grey.jpg": "greyscale",
    "grey-alpha.png": "greyscale",
    "transparent.png": "transparent",
    "transparent.webp": "transparent",
    "key.png": "transparent",
    "cmyk.jpg": "CMYK",
    "16-bit.png": "16 bits",
    "16-bit-grey.png": "16 bits",
    "animated.gif": "2 frames",
    "animated.webp": "2 frames",
    "animated.png": "2 frames",
    "animated.tif": "2 frames",
    "text.png": "not an image",
    "empty.png": "empty",
    "float.tif": "kind F",
    "missing.png": "no such file",
    **{f"half.{kind}": "" for kind in ("png", "jpg", "bmp", "tif", "webp", "jp2")},
    **{f"head.{kind}": "" for kind in ("png", "jpg", "bmp", "tif", "webp", "jp2")},
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    refused_files(folder)
    return folder


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", REASONS)
def test_what_is_refused_is_named_with_the_reason_in_one_line(name, refused):
    with pytest.raises(InputError) as caught:
        read_image(refused / name)
    message = str(caught.value)
    assert str(refused / name) in message
    assert REASONS[name] in message
    assert "\n" not in message


def test_a_header_that_claims_a_giant_is_refused_before_memory_is_taken(tmp_path):
    data = bytearray(sixteen_bit_png(PIXELS.astype(np.uint16)))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.png: has more than [0-9,]+ pixels"):
        read_image(tmp_path / "x.png", convert=True)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)


def test_convert_follows_the_stated_policy(refused, tmp_path):
    grey = PIXELS[..., 0]
    assert (read_image(refused / "grey.png", convert=True) == np.dstack([grey] * 3)).all()
    weight = grey[..., None] / 255
    on_white = PIXELS * weight + 255 * (1 - weight)
    assert np.abs(read_image(refused / "transparent.png", convert=True) - on_white).max() <= 1
    on_white = grey * weight[..., 0] + 255 * (1 - weight[..., 0])
    assert np.abs(read_image(refused / "grey-alpha.png", convert=True) - on_white[..., None]).max() <= 1
    assert (read_image(refused / "16-bit.png", convert=True) == PIXELS).all()
    assert (read_image(refused / "16-bit-grey.png", convert=True) == grey[..., None]).all()
    key = PIXELS.copy()
    key[(key == PIXELS[0, 0]).all(axis=-1)] = 255
    assert (read_image(refused / "key.png", convert=True) == key).all()
    levels = RNG.integers(0, 65536, (9, 9, 3), dtype=np.uint16)
    (tmp_path / "x.png").write_bytes(sixteen_bit_png(levels))
    assert np.abs(read_image(tmp_path / "x.png", convert=True) - levels / 257).max() <= 0.5
    red = np.tile(np.array([0, 255, 255, 0], np.uint8), (8, 8, 1))
    save(tmp_path / "red.tif", red, "CMYK")
    assert read_image(tmp_path / "red.tif", convert=True)[0, 0].tolist() == [255, 0, 0]


def test_list_images_at_any_depth(tmp_path):
    names = ["b/z.PNG", "a.jpg", "b/c/d.bmp", "a/x.jpeg"]
    for name in [*names, "b/notes.txt", ".hidden.png", ".cache/x.png", "b/c/.x.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    os.symlink(tmp_path, tmp_path / "b" / "loop")
    elsewhere = tmp_path / ".elsewhere"
    elsewhere.mkdir()
    (elsewhere / "linked.png").write_bytes(b"")
    os.symlink(elsewhere, tmp_path / "link")
    assert list_images(tmp_path) == sorted([*names, "link/linked.png"])


def test_list_images_says_what_is_wrong(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for root, words in (("none", "no such folder"), ("notes.txt", "not a folder"), (".", "holds no images")):
        with pytest.raises(InputError, match=words):
            list_images(tmp_path / root)


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_write_image_loses_nothing_and_returns_the_hash(kind, tmp_path):
    path = tmp_path / "deep" / f"x.{kind}"
    sha256 = write_image(path, PIXELS, kind)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    opened = Image.open(path)
    assert opened.format == kind.upper()
    assert (np.array(opened) == PIXELS).all()


def test_lossy_formats_are_not_written(tmp_path):
    with pytest.raises(InputError, match="png, bmp"):
        write_image(tmp_path / "x.jpg", PIXELS, "jpeg")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"/x: no space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(InputError, match=r"a/x\.png"):
        write_image(tmp_path / "a" / "x.png", PIXELS)


def test_a_jpeg_with_a_preview_behind_it_is_its_first_picture(tmp_path):
    # MPO, as phones and stereo cameras write it, is no animation.
    first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
    first.save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    first.save(tmp_path / "plain.jpg", quality=95)
    assert Image.open(tmp_path / "x.jpg").n_frames == 2
    assert (read_image(tmp_path / "x.jpg") == read_image(tmp_path / "plain.jpg")).all()


def wide(channels: int) -> np.ndarray:
    return np.random.default_rng(channels).integers(0, 65536, (9, 11, channels), dtype=np.uint16)


def rounded(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels / 257)


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


@pytest.mark.parametrize("name", ["animated.gif", "animated.webp", "animated.png", "animated.tif"])
def test_the_first_frame_is_taken_if_it_is_asked_for(name, refused):
    first = Image.open(refused / name).convert("RGB")
    assert (read_image(refused / name, frames="first") == np.array(first)).all()
    if not name.endswith((".gif", ".webp")):  # without loss
        assert (read_image(refused / name, frames="first") == PIXELS).all()


def test_the_first_page_of_sixteen_bits(tmp_path):
    first, second = wide(3), wide(3)[:4, :5] // 2
    (tmp_path / "x.tif").write_bytes(cv2.imencodemulti(".tif", [first[..., ::-1], second])[1])
    assert (read_image(tmp_path / "x.tif", convert=True, frames="first") == rounded(first)).all()
    with pytest.raises(InputError, match="2 frames or pages"):
        read_image(tmp_path / "x.tif", convert=True)


def test_an_unknown_choice_of_frames_is_refused(tmp_path):
    with pytest.raises(InputError, match="frames must be error or first, not 'last'"):
        read_image(save(tmp_path / "x.png"), frames="last")


def encoded(kind: str, pixels=PIXELS, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


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
    monkeypatch.setattr(rare_images, "BLOCK", 40)
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


@pytest.mark.parametrize("block", [1, 16, 40, 204])
def test_the_size_of_the_blocks_does_not_matter(block, refused, tmp_path, monkeypatch):
    files = [
        refused / name for name in REASONS if not name.startswith(("half", "head", "text", "empty", "miss", "flo"))
    ]
    for mode in ("RGB", "L", "LA", "1", "P", "RGBA"):
        Image.fromarray(PIXELS).convert(mode).save(tmp_path / f"{mode}.png")
        files.append(tmp_path / f"{mode}.png")
    (tmp_path / "fields.bmp").write_bytes(bmp(np.arange(35, dtype=np.uint16).reshape(5, 7), 16, (0xF00, 0xF0, 0xF)))
    files.append(tmp_path / "fields.bmp")
    whole = [read_image(file, convert=True, frames="first") for file in files]
    monkeypatch.setattr(rare_images, "BLOCK", block)
    for file, pixels in zip(files, whole, strict=True):
        assert (read_image(file, convert=True, frames="first") == pixels).all(), file.name


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


def test_a_text_in_a_png_is_no_transparency(tmp_path):
    data = encoded("PNG")
    (tmp_path / "x.png").write_bytes(data[:33] + png_chunk(b"tEXt", b"transparency\0none") + data[33:])
    assert (read_image(tmp_path / "x.png") == PIXELS).all()


@pytest.mark.parametrize(("width", "height"), [(0, 5), (7, 0), (-1, 1), (-7, 5)])
def test_a_bmp_without_an_area_is_refused(width, height, tmp_path):
    data = bytearray(bmp(np.ones((5, 7), np.uint16), 16, (0x0F00, 0x00F0, 0x000F)))
    struct.pack_into("<ii", data, 18, width, height)
    (tmp_path / "x.bmp").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.bmp: a BMP of an unknown kind"):
        read_image(tmp_path / "x.bmp")


def test_damaged_metadata_is_passed_over_without_a_word(tmp_path, capfd):
    path = save(tmp_path / "x.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09" + bytes(range(100)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_image(path)
    assert not caught
    assert capfd.readouterr() == ("", "")


def test_a_path_that_cannot_be_one_is_refused():
    with pytest.raises(InputError, match="cannot be read: embedded null"):
        read_image("a\0b.png")
