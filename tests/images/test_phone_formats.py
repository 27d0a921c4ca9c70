"""HEIC, AVIF and JPEG XL, as phones and their programs make them."""

import io
import logging
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.images import notes
from rankiqa.images.reading import read_image
from tests.images.by_hand import PIXELS, encoded
from tests.images.phone_files import (
    ANIMATED_JXL,
    GREY_JXL,
    LOSSLESS,
    WIDE_AVIF,
    WIDE_JXL,
    jxl_header,
    phone_file,
    several_heic,
    wide_heic,
    with_property,
)

NEAR = {"heic": 0, "jxl": 0, "avif": 4}  # how far a file of `LOSSLESS` may be from what was put in


@pytest.fixture
def file(tmp_path):
    def write(data, name="x.jpg"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def off(found, expected):
    assert found.shape == expected.shape
    return np.abs(found.astype(float) - expected).max()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_what_is_read_is_what_was_put_in_whatever_the_suffix(kind, file):
    image = read_image(file(phone_file(kind)))
    assert off(image, PIXELS) <= NEAR[kind]
    assert image.dtype == np.uint8 and image.flags.c_contiguous and image.flags.writeable


@pytest.mark.parametrize("kind", LOSSLESS)
def test_grey_and_alpha_follow_the_stated_policy(kind, file):
    grey = PIXELS[..., 0]
    near = NEAR[kind] + 1
    assert (
        off(read_image(file(phone_file(kind, grey, matrix_coefficients=1)), convert=True), np.dstack([grey] * 3))
        <= near
    )
    weight = grey[..., None] / 255
    clear = file(phone_file(kind, np.dstack([PIXELS, grey])))
    assert off(read_image(clear, convert=True), PIXELS * weight + 255 * (1 - weight)) <= near
    with pytest.raises(InputError, match="transparent in places"):
        read_image(clear)
    opaque = file(phone_file(kind, np.dstack([PIXELS, np.full_like(grey, 255)])))
    assert off(read_image(opaque), PIXELS) <= NEAR[kind]


def test_the_rotation_of_a_heic_is_its_own_and_applied_once(file):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter clockwise
    plain = phone_file("heic", exif=exif)  # an EXIF orientation, and no box
    assert b"irot" not in plain
    assert (read_image(file(plain)) == PIXELS).all()
    for quarter in range(4):  # anticlockwise
        turned = with_property(phone_file("heic"), b"irot", bytes([quarter]))
        assert (read_image(file(turned)) == np.rot90(PIXELS, quarter)).all()
    assert (read_image(file(with_property(phone_file("heic"), b"imir", b"\1"))) == PIXELS[:, ::-1]).all()
    both = phone_file("heic", exif=exif.tobytes())  # as phones do
    assert b"irot" in both
    assert (read_image(file(both)) == np.rot90(PIXELS, -1)).all()


def test_the_rotation_of_an_avif_and_of_a_jpeg_in_a_jxl(file):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = phone_file("avif", exif=exif.tobytes())
    assert b"irot" in data
    assert off(read_image(file(data)), np.rot90(PIXELS, -1)) <= NEAR["avif"]
    jpeg = file(encoded("JPEG", exif=exif), "a.jpg")
    wrapped = file(phone_file("jxl", Image.open(jpeg), lossless_jpeg=True), "a.jxl")
    assert (read_image(wrapped) == read_image(jpeg)).all()
    assert read_image(wrapped).shape == (17, 12, 3)
    stray = file(phone_file("jxl", exif=exif.tobytes()))  # the codestream's orientation counts: none
    assert (read_image(stray) == PIXELS).all()


@pytest.mark.parametrize("bits", [10, 12])
def test_more_bits_of_a_heic_are_scaled_and_rounded(bits, file):
    numbers = np.random.default_rng(bits).integers(0, 65536, (16, 20, 3), dtype=np.uint16)
    path = file(wide_heic(numbers, bits))
    with pytest.raises(InputError, match=f"has {bits} bits a channel"):
        read_image(path)
    expected = np.rint((numbers >> 16 - bits) * (255 / (2**bits - 1)))
    assert (read_image(path, convert=True) == expected).all()


def test_more_bits_of_an_avif_and_of_a_jxl(file):
    grey = np.random.default_rng(0).integers(0, 65536, (9, 7), dtype=np.uint16)
    for data, bits, expected, near in (
        (WIDE_AVIF, 10, np.full((8, 8, 3), [149.56, 24.93, 224.34]), 0.5),
        (WIDE_JXL, 16, np.full((8, 8, 3), [233.46, 3.89, 129.7]), 1),
        (GREY_JXL, 16, np.rint(grey / 257)[..., None].repeat(3, 2), 0),
    ):
        path = file(data)
        with pytest.raises(InputError, match=f"has {bits} bits a channel; allow its conversion"):
            read_image(path)
        assert off(read_image(path, convert=True, icc="ignore"), expected) <= near + 0.01


def test_several_pictures(file):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(
        buffer, "AVIF", save_all=True, append_images=[Image.fromarray(255 - PIXELS)], **LOSSLESS["avif"]
    )
    for data, near in ((several_heic(PIXELS, 255 - PIXELS), 0), (buffer.getvalue(), NEAR["avif"])):
        with pytest.raises(InputError, match=r"x\.jpg: has 2 frames or pages; give one"):
            read_image(file(data))
        assert off(read_image(file(data), frames="first"), PIXELS) <= near
    for frames in ("error", "first"):  # the plug-in gives the last
        with pytest.raises(InputError, match=r"x\.jpg: is animated"):
            read_image(file(ANIMATED_JXL), frames=frames)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_files_cut_short_are_one_line(kind, file, capfd):
    data = phone_file(kind, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for keep in (10, 12, 14, 40, 100, len(data) // 2, len(data) - 100):
        with pytest.raises(InputError, match=r"x\.jpg: .") as caught:
            read_image(file(data[:keep]), convert=True)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 300
        assert keep < 12 or "damaged or cut short" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def claims(kind: str, side: int) -> bytes:
    if kind == "jxl":
        return jxl_header(side, side)
    data = bytearray(phone_file(kind))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", side, side)
    return bytes(data)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_header_that_claims_too_much_is_refused_before_a_decoder_sees_it(kind, file, monkeypatch):
    monkeypatch.setattr("pillow_heif.open_heif", None)
    monkeypatch.setattr("pillow_jxl.Decoder", None)
    monkeypatch.setattr("PIL.AvifImagePlugin.AvifImageFile._open", None)
    for side, most in ((20_000, 200_000_000), (16, 255)):
        with pytest.raises(InputError, match=rf"x\.jpg: has more than {most:,} pixels \({side**2:,}\)"):
            read_image(file(claims(kind, side)), convert=True, max_pixels=most)


def test_the_size_of_a_jxl_in_all_its_spellings(file):
    with pytest.raises(InputError, match=r"\(6,000,000\)"):
        read_image(file(jxl_header(2000, 3000, boxed=True)), max_pixels=1)
    sizes = [(8, 8), (256, 256), (12, 17), (600, 9000), (9, 1), (100, 120), (90, 160), (300, 225), (2000, 1000)]
    for height, width in sizes:  # by eights, by ratio, in 9 and 13 bits
        data = phone_file("jxl", np.zeros((height, width, 3), np.uint8), effort=1)
        with pytest.raises(InputError, match=rf"\({height * width:,}\)"):
            read_image(file(data), max_pixels=1)


@pytest.mark.parametrize(
    ("kind", "module", "package"), [("heic", "pillow_heif", "pillow-heif"), ("jxl", "pillow_jxl", "pillow-jxl-plugin")]
)
def test_without_its_package_one_line_names_the_extra(kind, module, package, file, monkeypatch):
    path = file(phone_file(kind))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError) as caught:
        read_image(path)
    why = f"is an image of a kind that the package {package} reads, which is not installed"
    assert str(caught.value) == f'{path}: {why}; pip install "rankiqa[{kind}]"'


def test_the_plug_ins_are_imported_when_they_are_needed(file):
    code = """
import sys
from rankiqa.images.reading import read_image
for name in sys.argv[1:]:
    read_image(name)
    print(*sorted({"pillow_heif", "pillow_jxl", "PIL.AvifImagePlugin"} & sys.modules.keys()))
"""
    files = [file(encoded("JPEG"), "a.jpg"), *(file(phone_file(kind), f"a.{kind}") for kind in ("heic", "jxl"))]
    run = [sys.executable, "-c", code, *map(str, files)]
    found = subprocess.run(
        run, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()}, check=True
    )
    assert found.stdout.splitlines() == ["", "pillow_heif", "pillow_heif pillow_jxl"]


def test_threads(file):
    paths = [file(phone_file(kind), f"a.{kind}") for kind in LOSSLESS] * 6
    with ThreadPoolExecutor(6) as pool:
        for path, image in zip(paths, pool.map(read_image, paths), strict=True):
            assert off(image, PIXELS) <= NEAR[path.suffix[1:]]


def gain_map_files():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description hdrgm:Version="1.0"/></x:xmpmeta>'
    first, second, buffer = Image.fromarray(PIXELS), Image.fromarray(PIXELS[..., 0]), io.BytesIO()
    first.save(buffer, "MPO", save_all=True, append_images=[second], xmp=xmp)
    apples = b"\0\0\0\0urn:com:apple:photo:2020:aux:hdrgainmap\0"
    tone_map = phone_file("avif").replace(b"av01", b"tmap", 1)
    return {
        "ultra.jpg": encoded("JPEG", xmp=xmp),
        "mpo.jpg": buffer.getvalue(),
        "iphone.heic": with_property(phone_file("heic"), b"auxC", apples),
        "tmap.avif": tone_map,
    }


@pytest.mark.parametrize("name", gain_map_files())
def test_a_gain_map_is_left_aside_and_noted_once(name, file, caplog, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    caplog.set_level(logging.WARNING, "rankiqa")
    paths = [file(gain_map_files()[name], f"{k}{name}") for k in range(2)]
    for path in paths * 2:
        if name == "tmap.avif":  # of which the main picture itself was made here
            with pytest.raises(InputError):
                read_image(path)
        else:
            assert read_image(path).shape == PIXELS.shape
    said = "its HDR gain map is left aside (said once; other files may be like it)"
    assert [record.getMessage() for record in caplog.records] == [f"note: {paths[0]}: {said}"]


@pytest.mark.parametrize(
    ("primaries", "transfer", "what"),
    [
        (9, 16, "the tones of PQ (HDR)"),
        (1, 18, "the tones of HLG (HDR)"),
        (12, 13, "Display P3's colours"),
        (1, 13, ""),
    ],
)
def test_colours_that_no_profile_tells_are_noted(primaries, transfer, what, file, caplog, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    data = phone_file("heic")
    at = data.index(b"nclx") + 4
    path = file(data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :])
    assert (read_image(path) == PIXELS).all()
    line = f"note: {path}: {what} are taken as they are stored: it embeds no profile (said once"
    assert [message.partition(";")[0] for message in caplog.messages] == ([line] if what else [])


def test_a_preview_is_no_gain_map(file, caplog):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(PIXELS)])
    read_image(file(buffer.getvalue()))
    for kind in LOSSLESS:
        read_image(file(phone_file(kind)))
    assert not caplog.records
