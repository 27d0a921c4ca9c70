"""Pixels of whatever holds an image, against those that `read_image` gives of the same picture in a file."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.images.pixels import pixels_of
from rankiqa.images.reading import read_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (40, 52, 3), dtype=np.uint8)
ALPHA = np.dstack([RGB, RNG.integers(0, 256, (40, 52), dtype=np.uint8)])


def in_file(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(mode):
    """A Pillow image of a kind, and the format that keeps it."""
    if mode == "I;16":
        return Image.fromarray(RNG.integers(0, 65536, (40, 52), dtype=np.uint16)), "PNG"
    if mode == "palette with transparency":
        image = Image.fromarray(RGB).quantize(16)
        image.info["transparency"] = 3
        return image, "PNG"
    if mode == "colour with transparency":
        image = Image.fromarray(RGB)
        image.info["transparency"] = tuple(int(value) for value in RGB[5, 7])
        return image, "PNG"
    if mode == "P":
        return Image.fromarray(RGB).quantize(16), "PNG"
    if mode in ("RGBA", "LA"):
        return Image.fromarray(ALPHA).convert(mode), "PNG"
    return Image.fromarray(RGB).convert(mode), "TIFF" if mode == "CMYK" else "PNG"


MODES = ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "palette with transparency", "colour with transparency"]


@pytest.mark.parametrize("mode", MODES)
def test_a_pillow_image_has_the_pixels_of_its_file(mode, tmp_path):
    image, kind = picture(mode)
    path = tmp_path / "image"
    path.write_bytes(in_file(image, kind))
    found = pixels_of(Image.open(path))
    assert found.shape == (40, 52, 3) and found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels_of(path))
    np.testing.assert_array_equal(found, read_image(path, convert=True))
    assert found.std() > 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_pillow_image_too(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a.png").write_bytes(in_file(Image.fromarray(RGB), exif=exif))
    found = pixels_of(Image.open(tmp_path / "a.png"))
    assert found.shape[:2] == ((40, 52) if orientation < 5 else (52, 40))
    np.testing.assert_array_equal(found, pixels_of(tmp_path / "a.png"))


def test_an_unused_byte_of_a_bmp_is_no_transparency(tmp_path):
    data = np.dstack([RGB, np.zeros((40, 52), np.uint8)])
    image = Image.open(io.BytesIO(in_file(Image.fromarray(data), "BMP")))
    (tmp_path / "a.bmp").write_bytes(in_file(Image.fromarray(data), "BMP"))
    np.testing.assert_array_equal(pixels_of(image), pixels_of(tmp_path / "a.bmp"))
    np.testing.assert_array_equal(pixels_of(image), RGB)


def test_arrays():
    np.testing.assert_array_equal(pixels_of(RGB), RGB)
    np.testing.assert_array_equal(pixels_of(RGB[::2, ::-1]), RGB[::2, ::-1])
    assert pixels_of(RGB[::2, ::-1]).flags.c_contiguous
    np.testing.assert_array_equal(pixels_of(RGB[..., 0]), np.repeat(RGB[..., :1], 3, axis=2))
    opaque = np.dstack([RGB, np.full((40, 52), 255, np.uint8)])
    np.testing.assert_array_equal(pixels_of(opaque), RGB)
    clear = np.dstack([RGB, np.zeros((40, 52), np.uint8)])
    assert (pixels_of(clear) == 255).all()  # on white


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_tensors(dtype):
    tensor = torch.from_numpy(RGB).permute(2, 0, 1)
    np.testing.assert_array_equal(pixels_of(tensor), RGB)
    np.testing.assert_array_equal(pixels_of(tensor[None]), RGB)
    np.testing.assert_array_equal(pixels_of((tensor.double() / 255).to(dtype).requires_grad_()), RGB)
    np.testing.assert_array_equal(pixels_of(torch.full((3, 2, 2), 0.5)), np.full((2, 2, 3), 128))  # 127.5, to even


def test_what_is_given_is_not_changed():
    for image in (RGB.copy(), ALPHA.copy()):
        before = image.copy()
        pixels_of(image)
        np.testing.assert_array_equal(image, before)
    image = Image.fromarray(ALPHA)
    image.getexif()[0x0112] = 6
    pixels_of(image)
    assert image.mode == "RGBA" and image.size == (52, 40) and image.getexif()[0x0112] == 6


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "not NoneType"),
        ([[1, 2]], "not list"),
        (RGB.astype(float) / 255, "not float64 40×52×3"),
        (RGB[None], "not uint8 1×40×52×3"),
        (RGB[:0], "not uint8 0×52×3"),
        (RGB[..., :2], "not uint8 40×52×2"),
        (torch.zeros(2, 3, 4, 4), "score one image at a time"),
        (torch.zeros(4, 4, 3), r"not a tensor of \(4, 4, 3\)"),
        (torch.zeros(3, 0, 4), "not a tensor of"),
        (torch.full((3, 4, 4), 255.0), r"must lie in \[0, 1\], not from 255 to 255"),
        (torch.full((3, 4, 4), torch.nan), "not from nan"),
        (torch.full((3, 4, 4), -0.1), "not from -0.1"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "not torch.int64"),
        (Image.new("F", (4, 4)), "kind F has no known range"),
        (Image.new("I", (4, 4)), "kind I has no known range"),
    ],
)
def test_anything_else_is_refused_with_what_it_is(image, message):
    with pytest.raises(InputError, match=message):
        pixels_of(image)


def test_a_pillow_image_of_a_file_that_is_cut_short():
    image = Image.open(io.BytesIO(in_file(Image.fromarray(RGB))[:2000]))
    with pytest.raises(InputError, match="cannot be read as RGB"):
        pixels_of(image)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        pixels_of(tmp_path / "none.png")
