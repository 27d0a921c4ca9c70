"""What every type must hold, whatever it does."""

import dataclasses
import pickle
import warnings

import numpy as np
import pytest

from rankiqa.distortions import DISTORTIONS, SETS, plan
from rankiqa.distortions.psnr import psnr
from rankiqa.errors import InputError
from rankiqa.ranks.ranked_set import image_seed

# BM3D is an optional package, and slow: see test_restoration. Types whose optional package is missing are left out.
NAMES = [name for name in DISTORTIONS if name != "ID" and DISTORTIONS[name].available]
TABLES = [(name, table) for name in NAMES for table in DISTORTIONS[name].levels]

# Types that leave an image of one colour as it is, but for rounding.
KEEP_ONE_COLOUR = {"GB", "JP2K", "MN", "QN", "NEPN", "CCH", "CCL", "CN", "CA", "CQD", "SSR", "LENS", "MOTION"}
KEEP_ONE_COLOUR |= {"CSHIFT", "JITTER", "PIXEL", "SHARP"}
KEEP_ONE_COLOUR |= {"SUBJECT", "DEFOCUS", "MISFOCUS", "SHAKE", "SMOOTH", "HALO"}
KEEP_ONE_COLOUR |= {"UPNEAR", "UPLIN", "UPCUBIC", "UPLANC", "ALIAS"}
# Types that keep grey as it is, as they act on colours only.
KEEP_GREY = {"CS", "HSVSAT", "LABSAT", "CDIFF", "VIVID"}

# PSNR is measured in a part of a photo, of this side; None for the whole one. JPEG 2000 at the highest ratio, strips of
# lost JPEG code and the largest displacement of the colours need room, and some types need time.
PART = 192
OTHER_PARTS = {"JP2K": 256, "JPEGTE": None, "CSHIFT": None, "SSR": 128, "ID-NLM": 128, "CQD": 128}


def middle(name):
    strengths = next(iter(DISTORTIONS[name].levels.values()))
    return strengths[len(strengths) // 2]


def distort(name, image, strength=None, seed=0):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return DISTORTIONS[name](image, middle(name) if strength is None else strength, np.random.default_rng(seed))


@pytest.mark.parametrize("name", NAMES)
def test_the_input_is_left_alone_and_the_same_call_gives_the_same_image(name, photo):
    image = photo.copy()
    for strength in next(iter(DISTORTIONS[name].levels.values()))[::2]:
        made = distort(name, image, strength)
        assert (image == photo).all()
        assert made.dtype == np.uint8
        assert made.shape == image.shape
        assert made.flags.c_contiguous
        assert made.flags.writeable
        assert not np.shares_memory(made, image)
        assert (made != image).any()
        assert (distort(name, photo, strength) == made).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_in_memory_does_not_matter(name, photo):
    turned = np.swapaxes(np.ascontiguousarray(np.swapaxes(photo, 0, 1)), 0, 1)
    assert not turned.flags.c_contiguous
    assert (distort(name, turned[:100, :90]) == distort(name, photo[:100, :90].copy())).all()


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (1, 50), (50, 1), (7, 13), (33, 47)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_small_and_odd_images(name, shape):
    # Of values in the middle: what a type pads, loses or wraps around would stand out.
    image = np.random.default_rng(1).integers(96, 160, (*shape, 3), dtype=np.uint8)
    strengths = next(iter(DISTORTIONS[name].levels.values()))
    for strength in (strengths[0], strengths[-1]):
        made = distort(name, image, strength)
        assert made.shape == image.shape
        assert made.dtype == np.uint8
        if name in KEEP_ONE_COLOUR - {"CCH", "SHARP", "CN", "MN", "SSR", "HALO"}:
            assert made.min() >= 96 - 20
            assert made.max() <= 160 + 20


@pytest.mark.parametrize("value", [0, 255, 77])
@pytest.mark.parametrize("name", sorted(KEEP_ONE_COLOUR & set(NAMES) | KEEP_GREY))
def test_an_image_of_one_colour_stays_as_it_is(name, value):
    for shape in ((64, 72, 3), (33, 40, 3)):
        image = np.full(shape, value, np.uint8)
        if name not in KEEP_GREY | {"CCH", "CCL", "JP2K"}:  # contrast has one mean for all channels
            image[..., 1] = 255 - value
        strengths = next(iter(DISTORTIONS[name].levels.values()))
        for strength in strengths:
            made = distort(name, image, strength).astype(int)
            assert np.abs(made - image).max() <= 1, strength


@pytest.mark.parametrize("name", NAMES)
def test_black_and_white_images_do_not_wrap_around(name):
    # A value that leaves 0–255 and comes back at the other end would turn black into white.
    rng = np.random.default_rng(3)
    for value in (rng.integers(0, 3), rng.integers(253, 256)):
        image = np.full((64, 64, 3), value, np.uint8)
        made = distort(name, image, next(iter(DISTORTIONS[name].levels.values()))[0]).astype(int)
        if name not in ("IN", "BW", "CBLOCK"):
            assert np.abs(made - image).mean() < 64


def test_blocks_and_impulses_are_what_may_be_far_off():
    black = np.zeros((64, 64, 3), np.uint8)
    assert set(np.unique(distort("IN", black, 0.1))) == {0, 255}


@pytest.mark.parametrize(("name", "table"), TABLES, ids=["-".join(pair) for pair in TABLES])
def test_psnr_falls_with_every_level(name, table, photos):
    distortion = DISTORTIONS[name]
    side = OTHER_PARTS.get(name, PART)
    for key in ("astronaut.png", "coffee.png"):
        image = photos[key] if side is None else photos[key][100 : 100 + side, 140 : 140 + side]
        found = []
        for level, strength in enumerate(distortion.levels[table], start=1):
            rng = np.random.default_rng(image_seed(0, key, name, level))
            found.append(psnr(image, distortion(image, strength, rng)))
        assert (np.diff(found) < -0.01).all(), (key, found)


def test_levels_of_a_nested_type_share_their_seed_and_others_do_not():
    for name, distortion in DISTORTIONS.items():
        seeds = {image_seed(5, "a.png", name, level) for level in range(1, 6)}
        assert len(seeds) == (1 if distortion.nested else 5)


@pytest.mark.parametrize(("image", "words"), [
    (np.zeros((9, 9), np.uint8), "uint8 9×9"),
    (np.zeros((9, 9, 4), np.uint8), "uint8 9×9×4"),
    (np.zeros((9, 9, 3)), "float64 9×9×3"),
    (np.zeros((0, 9, 3), np.uint8), "uint8 0×9×3"),
])  # fmt: skip
def test_other_arrays_are_refused(image, words):
    for distortion in DISTORTIONS.values():
        with pytest.raises(InputError, match=f"{distortion.name.replace('+', '.')} takes uint8 H×W×3, not {words}"):
            distortion(image, middle(distortion.name), np.random.default_rng(0))


@pytest.mark.parametrize("name", [*NAMES, "ID"])
def test_strengths_out_of_range_are_refused_and_both_limits_work(name, photo):
    distortion = DISTORTIONS[name]
    mildest, strongest = distortion.limits
    beyond = (strongest + (strongest - mildest), mildest - (strongest - mildest), float("nan"), float("inf"))
    for strength in beyond:
        with pytest.raises(InputError, match=r"out of range"):
            distortion(photo, strength, np.random.default_rng(0))
    if distortion.whole:
        with pytest.raises(InputError, match="whole number"):
            distortion(photo, (mildest + strongest) // 2 + 0.5, np.random.default_rng(0))
    if name == "ID":
        return
    for strength in (mildest, strongest):
        if name in ("NEPN", "BW", "CBLOCK"):  # a hundred thousand places are correct, and slow
            strength = min(strength, 500)
        assert distort(name, photo[:40, :50], strength).shape == (40, 50, 3)


@pytest.mark.parametrize("name", plan("camera"))
def test_no_strength_of_a_fault_of_the_camera_leaves_a_photo_as_it_is(name, photo):
    # It would be a level that is no worse than the pristine image.
    assert (distort(name, photo, DISTORTIONS[name].limits[0]) != photo).any()


def test_every_type_can_be_told_from_the_others_and_belongs_to_a_set():
    assert len({d.title for d in DISTORTIONS.values()}) == len(DISTORTIONS)
    used = {kind for name in SETS for kind in plan(name)} | {"ID", "ID-NLM"}
    assert used | {name for name, d in DISTORTIONS.items() if not d.available} == set(DISTORTIONS)
    assert DISTORTIONS["GB"].label(2.5) == "σ 2.5 px"
    assert DISTORTIONS["JP2K"].label(1200) == "ratio 1200"


def test_an_entry_can_be_sent_to_another_process():
    sent = pickle.loads(pickle.dumps(DISTORTIONS))
    assert list(sent) == list(DISTORTIONS)
    telling = [name for name, distortion in DISTORTIONS.items() if distortion.recipe]
    assert {"WEBP", "PHOTO2", "FEED1"} <= set(telling)
    for name in telling:
        assert sent[name].recipe(sent[name].at(0.5), 3) == DISTORTIONS[name].recipe(DISTORTIONS[name].at(0.5), 3)


def test_an_entry_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DISTORTIONS["GB"].name = "other"
