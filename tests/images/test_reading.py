import warnings

import numpy as np
import pytest
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.images import rare_formats
from rankiqa.images.reading import read_image, read_size
from tests.images.by_hand import PIXELS, bmp, encoded, png_chunk, save, sixteen_bit_png


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
    monkeypatch.setattr(rare_formats, "BLOCK", 40)
    assert (read_image(tmp_path / "x.png") == UPRIGHT[orientation](PIXELS)).all()
    sixteen = sixteen_bit_png(PIXELS.astype(np.uint16) * 257, (b"eXIf", exif.tobytes()[6:]))
    (tmp_path / "16.png").write_bytes(sixteen)
    assert (read_image(tmp_path / "16.png", convert=True) == UPRIGHT[orientation](PIXELS)).all()


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


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", REASONS)
def test_what_is_refused_is_named_with_the_reason_in_one_line(name, refused):
    with pytest.raises(InputError) as caught:
        read_image(refused / name)
    message = str(caught.value)
    assert str(refused / name) in message
    assert REASONS[name] in message
    assert "\n" not in message


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
    levels = np.random.default_rng(1).integers(0, 65536, (9, 9, 3), dtype=np.uint16)
    (tmp_path / "x.png").write_bytes(sixteen_bit_png(levels))
    assert np.abs(read_image(tmp_path / "x.png", convert=True) - levels / 257).max() <= 0.5
    red = np.tile(np.array([0, 255, 255, 0], np.uint8), (8, 8, 1))
    save(tmp_path / "red.tif", red, "CMYK")
    assert read_image(tmp_path / "red.tif", convert=True)[0, 0].tolist() == [255, 0, 0]


def test_a_jpeg_with_a_preview_behind_it_is_its_first_picture(tmp_path):
    # MPO, as phones and stereo cameras write it, is no animation.
    first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
    first.save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    first.save(tmp_path / "plain.jpg", quality=95)
    assert Image.open(tmp_path / "x.jpg").n_frames == 2
    assert (read_image(tmp_path / "x.jpg") == read_image(tmp_path / "plain.jpg")).all()


@pytest.mark.parametrize("name", ["animated.gif", "animated.webp", "animated.png", "animated.tif"])
def test_the_first_frame_is_taken_if_it_is_asked_for(name, refused):
    first = Image.open(refused / name).convert("RGB")
    assert (read_image(refused / name, frames="first") == np.array(first)).all()
    if not name.endswith((".gif", ".webp")):  # without loss
        assert (read_image(refused / name, frames="first") == PIXELS).all()


def test_an_unknown_choice_of_frames_is_refused(tmp_path):
    with pytest.raises(InputError, match="frames must be error or first, not 'last'"):
        read_image(save(tmp_path / "x.png"), frames="last")


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
    monkeypatch.setattr(rare_formats, "BLOCK", block)
    for file, pixels in zip(files, whole, strict=True):
        assert (read_image(file, convert=True, frames="first") == pixels).all(), file.name


def test_a_text_in_a_png_is_no_transparency(tmp_path):
    data = encoded("PNG")
    (tmp_path / "x.png").write_bytes(data[:33] + png_chunk(b"tEXt", b"transparency\0none") + data[33:])
    assert (read_image(tmp_path / "x.png") == PIXELS).all()


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


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_the_size_is_that_of_what_is_read(suffix, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"x.{suffix}", exif=exif)
    assert read_size(path) == read_image(path).shape[:2] == ((17, 12) if orientation > 5 else (12, 17))


def test_the_size_of_a_png_that_tells_its_rotation_at_its_end(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = save(tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(data[:-12] + png_chunk(b"eXIf", exif.tobytes()[6:]) + data[-12:])
    assert read_size(tmp_path / "x.png") == read_image(tmp_path / "x.png").shape[:2] == (17, 12)


def test_what_has_no_size(tmp_path):
    (tmp_path / "x.png").write_bytes(b"nothing")
    for path, what in (
        (tmp_path / "x.png", "not an image"),
        (tmp_path / "y.png", "no such file"),
        (tmp_path, "cannot be"),
    ):
        with pytest.raises(InputError, match=what):
            read_size(path)
    with pytest.raises(InputError, match=r"more than 100 pixels \(204\)"):
        read_size(save(tmp_path / "x.png"), max_pixels=100)
    save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:-100])  # cut short: its header is whole
    assert read_size(tmp_path / "x.jpg") == (12, 17)
