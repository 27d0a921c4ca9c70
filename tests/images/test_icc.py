"""Embedded colour profiles, against closed forms of the spaces that they describe."""

import json
import logging
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from rankiqa.cli.make_ranks import main as make_ranks
from rankiqa.config import FinetuneConfig
from rankiqa.config.scores import check_scores
from rankiqa.datasets.leakage import check_leakage
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.splits import make_split
from rankiqa.errors import InputError
from rankiqa.images import notes, rare_formats
from rankiqa.images.photos import read_photos
from rankiqa.images.pixels import pixels_of
from rankiqa.images.reading import read_image
from rankiqa.ranks.online import OnlineSet
from rankiqa.training.scored_data import decodable
from tests.images.by_hand import PIXELS, save, sixteen_bit_png
from tests.images.phone_files import LOSSLESS, phone_file
from tests.images.profiles import (
    ADOBE,
    ADOBE_GAMMA,
    P3,
    SRGB,
    closed_form,
    cmyk_profile,
    grey_profile,
    profile,
    rgb_profile,
    srgb_decoded,
    srgb_encoded,
)

DISPLAY_P3, ADOBE_RGB = rgb_profile(P3), rgb_profile(ADOBE, ADOBE_GAMMA)
COLOURS = np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)


@pytest.fixture
def said(caplog, monkeypatch):
    """The notes of a test."""
    monkeypatch.setattr(notes, "_said", set())
    caplog.set_level(logging.WARNING, "rankiqa")
    return lambda: caplog.messages


def off(found, expected):
    assert found.shape == expected.shape
    return np.abs(found.astype(float) - expected).max()


def test_the_closed_form_agrees_with_published_numbers():
    # CSS Color 4: color(display-p3 0 1 0) is far out of sRGB; 50 % grey is grey in both; P3's (0.5, 0.4, 0.3).
    assert off(closed_form(np.array([[128, 128, 128]]), P3), np.array([[128, 128, 128]])) < 0.01
    known = np.array([[1.2249, -0.2249, 0], [-0.0420, 1.0420, 0], [-0.0196, -0.0786, 1.0983]])  # P3 to sRGB, linear
    linear = np.array([0.3, 0.25, 0.2])
    found = closed_form(255 * srgb_encoded(linear)[None], P3)
    assert np.abs(srgb_decoded(found / 255) - known @ linear).max() < 1e-3


@pytest.mark.parametrize(
    ("name", "icc", "expected"),
    [
        ("P3", DISPLAY_P3, closed_form(COLOURS, P3)),
        ("Adobe", ADOBE_RGB, closed_form(COLOURS, ADOBE, ADOBE_GAMMA)),
        ("linear", rgb_profile(SRGB, 1.0), closed_form(COLOURS, SRGB, 1.0)),
    ],
)
def test_colours_are_converted_to_srgb(name, icc, expected, tmp_path):
    path = save(tmp_path / "x.png", COLOURS, icc_profile=icc)
    assert off(expected, COLOURS) > 20
    assert off(read_image(path), expected) <= 1.5
    assert (read_image(path, icc="ignore") == COLOURS).all()
    assert (pixels_of(Image.open(path)) == read_image(path)).all()
    assert (pixels_of(Image.open(path), "ignore") == COLOURS).all()
    assert (pixels_of(path, "ignore") == COLOURS).all()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_in_the_files_of_phones_too(kind, tmp_path):
    options = {"use_original_profile": True} if kind == "jxl" else {}
    (tmp_path / "x").write_bytes(phone_file(kind, COLOURS, icc_profile=DISPLAY_P3, **options))
    stored = read_image(tmp_path / "x", icc="ignore")
    if kind == "jxl":  # its plug-in writes no profile
        assert (read_image(tmp_path / "x") == COLOURS).all()
    else:
        assert off(read_image(tmp_path / "x"), closed_form(stored, P3)) <= 1.5


def test_a_profile_that_is_srgb_changes_nothing(tmp_path):
    for k, icc in enumerate(
        (rgb_profile(SRGB), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), rgb_profile(SRGB, 2.2))
    ):
        path = save(tmp_path / f"{k}.png", COLOURS, icc_profile=icc)
        assert (read_image(path) == COLOURS).all() == (k < 2)  # a plain power is another curve
    assert off(read_image(path), closed_form(COLOURS, SRGB, 2.2)) <= 1.5
    assert (pixels_of(Image.open(tmp_path / "0.png")) == COLOURS).all()


def test_grey_and_its_profile(tmp_path):
    grey = COLOURS[..., 0]
    path = save(tmp_path / "x.png", grey, icc_profile=grey_profile(1.0))
    expected = np.repeat(255 * srgb_encoded(grey / 255)[..., None], 3, axis=2)
    assert off(read_image(path, convert=True), expected) <= 1.5
    assert (pixels_of(Image.open(path)) == pixels_of(path)).all()
    with pytest.raises(InputError, match="is greyscale"):
        read_image(path)
    same = save(tmp_path / "s.png", grey, icc_profile=grey_profile(None))
    assert (read_image(same, convert=True) == grey[..., None]).all()


def test_cmyk_and_its_profile(tmp_path):
    inks = np.zeros((1, 256, 4), np.uint8)
    inks[..., :3], inks[..., 3] = 77, np.arange(256)  # colours that this press does not print
    path = save(tmp_path / "x.tif", inks, "CMYK", icc_profile=cmyk_profile())
    f = (100 * (1 - np.arange(256) / 255) + 16) / 116
    luminance = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    expected = np.repeat(255 * srgb_encoded(luminance)[None, :, None], 3, axis=2)
    assert off(read_image(path, convert=True), expected) <= 2
    plain = np.array(Image.open(path).convert("RGB"))
    assert (read_image(path, convert=True, icc="ignore") == plain).all()
    assert (pixels_of(Image.open(path)) == pixels_of(path)).all()


def test_alpha_and_palettes_keep_their_own(tmp_path):
    alpha = np.random.default_rng(1).integers(0, 256, (40, 50, 1), dtype=np.uint8)
    clear = save(tmp_path / "a.png", np.dstack([COLOURS, alpha]), icc_profile=DISPLAY_P3)
    weight = alpha / 255
    on_white = closed_form(COLOURS, P3) * weight + 255 * (1 - weight)
    assert off(read_image(clear, convert=True), on_white) <= 2
    assert (pixels_of(Image.open(clear)) == pixels_of(clear)).all()
    palette = Image.fromarray(COLOURS).quantize(16)
    palette.save(tmp_path / "p.png", icc_profile=DISPLAY_P3)
    assert off(read_image(tmp_path / "p.png"), closed_form(np.array(palette.convert("RGB")), P3)) <= 1.5
    grey = save(tmp_path / "g.png", np.dstack([COLOURS[..., 0], alpha]), icc_profile=grey_profile(1.0))
    on_white = 255 * srgb_encoded(COLOURS[..., :1] / 255) * weight + 255 * (1 - weight)
    assert off(read_image(grey, convert=True), on_white.repeat(3, 2)) <= 2


def test_sixteen_bits_the_rotation_and_the_blocks(tmp_path, monkeypatch):
    iccp = (b"iCCP", b"x\0\0" + zlib.compress(DISPLAY_P3))
    (tmp_path / "x.png").write_bytes(sixteen_bit_png(COLOURS.astype(np.uint16) * 257, iccp))
    assert off(read_image(tmp_path / "x.png", convert=True), closed_form(COLOURS, P3)) <= 1.5
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "r.png", COLOURS, icc_profile=DISPLAY_P3, exif=exif)
    whole = read_image(path)
    assert off(whole, np.rot90(closed_form(COLOURS, P3), -1)) <= 1.5
    monkeypatch.setattr(rare_formats, "BLOCK", 70)
    assert (read_image(path) == whole).all()


def broken_profiles():
    huge = rgb_profile(P3) + bytes(9 << 20)
    lut = b"mft1\0\0\0\0" + bytes([15, 3, 255, 0])  # 255 to the 15th places
    return {
        "no profile": (b"hello", "damaged"),
        "cut short": (DISPLAY_P3[:200], "damaged"),
        "no tags": (profile(b"RGB ", {}), "damaged"),
        "a bomb": (profile(b"RGB ", {b"A2B0": lut}), "damaged"),
        "too large": (huge, "too large"),
        "grey": (grey_profile(1.0), "it is for GRAY, and the pixels are RGB"),
        "CMYK": (cmyk_profile(), "it is for CMYK, and the pixels are RGB"),
        "a link": (profile(b"RGB ", {}, b"link"), "not one of a picture"),
    }


@pytest.mark.parametrize("name", broken_profiles())
def test_a_profile_that_cannot_be_used_is_ignored_and_noted_once(name, tmp_path, said, capfd):
    icc, why = broken_profiles()[name]
    for k in range(2):
        path = tmp_path / f"{k}.tif"
        Image.fromarray(COLOURS).save(path, icc_profile=icc)
        assert (read_image(path) == COLOURS).all()
    assert len(said()) == 1 and said()[0].startswith(f"note: {tmp_path / '0.tif'}: its colour profile is ignored: ")
    assert why in said()[0]
    assert (pixels_of(Image.open(path)) == COLOURS).all()
    assert capfd.readouterr().out == ""


def test_an_rgb_profile_of_a_grey_image_is_ignored(tmp_path, said):
    path = save(tmp_path / "x.jpg", np.full((8, 8), 100, np.uint8), icc_profile=DISPLAY_P3)
    assert (read_image(path, convert=True) == 100).all()
    assert "it is for RGB, and the pixels are GRAY" in said()[0]


def test_an_unknown_choice_is_refused(tmp_path):
    path = save(tmp_path / "x.png")
    for call in (lambda: read_image(path, icc="srgb"), lambda: pixels_of(PIXELS, "srgb")):
        with pytest.raises(InputError, match="icc must be convert or ignore, not 'srgb'"):
            call()


def test_the_choice_reaches_scored_sets_and_what_was_trained_on_is_found_either_way(tmp_path):
    for name in "abcd":
        save(tmp_path / f"{name}.png", np.roll(COLOURS, ord(name), 0), icc_profile=DISPLAY_P3)
    (tmp_path / "s.csv").write_text(
        "name,mos,reference\n" + "".join(f"{n}.png,{k},{n}.png\n" for k, n in enumerate("abcd"))
    )
    dataset = open_dataset("csv", tmp_path, labels=tmp_path / "s.csv")
    split = make_split(dataset, "random", seed=0)
    hashes = []
    for icc in ("convert", "ignore"):
        _, photos = decodable(dataset, False, icc)
        hashes.append({photo.sha256: path for path, photo in photos.items()})
        with pytest.raises(InputError, match="photos that the ranking stage learned from"):
            check_leakage(dataset, split, photos=photos, trained_photos=hashes[-1])
    assert not hashes[0].keys() & hashes[1].keys()
    config = FinetuneConfig()
    config.data.icc = "srgb"
    with pytest.raises(InputError, match=r"data\.icc must be one of convert, ignore; got 'srgb'"):
        check_scores(config.data)


def test_the_choice_reaches_ranked_sets_and_is_kept(tmp_path, capsys):
    side = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    (tmp_path / "photos").mkdir()
    save(tmp_path / "photos" / "x.png", side, icc_profile=DISPLAY_P3)

    def make(out, *more):
        base = ["--pristine", str(tmp_path / "photos"), "--min-side", "64", "--distortions", "JPEG", "--workers", "1"]
        return make_ranks([*base, "--out", str(tmp_path / out), *more])

    assert make("a") == make("b", "--icc", "ignore") == 0
    converted, plain = (read_image(tmp_path / out / "pristine" / "x.png") for out in "ab")
    assert off(converted, closed_form(side, P3)) <= 1.5 and (plain == side).all()
    sources = [json.loads((tmp_path / out / "set.json").read_text())["source"] for out in "ab"]
    assert "icc" not in sources[0] and sources[1]["icc"] == "ignore"
    assert make("b", "--icc", "ignore") == 0  # goes on
    capsys.readouterr()
    assert make("b") == make("a", "--icc", "ignore") == 2
    assert capsys.readouterr().err.count("made with another source") == 2
    for icc, expected in (("convert", converted), ("ignore", plain)):
        online = OnlineSet.find(tmp_path / "photos", "JPEG", icc=icc)
        assert (online.image("x.png", "JPEG", 0) == expected).all()
    files = {"x": tmp_path / "photos" / "x.png"}
    assert len({read_photos(files, icc=icc)["x"].sha256 for icc in ("convert", "ignore")}) == 2
