"""Distorting while training: the same images as on disk where they must be, new noise where it should be."""

import itertools
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from rankiqa.cli.make_ranks import main as make_ranks
from rankiqa.config import RankConfig, RankDataConfig
from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.compression import LONGEST
from rankiqa.errors import InputError
from rankiqa.images import builtin_photos
from rankiqa.images import photos as photo_files
from rankiqa.images.crops import random_crop, random_place
from rankiqa.images.reading import read_image
from rankiqa.images.writing import write_image
from rankiqa.ranks import online as online_set
from rankiqa.ranks.online import OnlineSet
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.batches import load_batches
from rankiqa.training.rank_validation import validation_items
from rankiqa.training.ranked_batches import RankedBatches
from rankiqa.training.ranking import split_ranks
from rankiqa.training.samplers import EfficientGroups

TYPES = "JPEG,GN,BW,NEPN,MSL,GB"  # not in the registry's order; two of them nested


@pytest.fixture(scope="module")
def made(_small_photos, tmp_path_factory):
    """A ranked set, and the online set that is to be like it."""
    out = tmp_path_factory.mktemp("set") / "ranks"
    common = ["--pristine", str(_small_photos), "--out", str(out), "--distortions", TYPES]
    assert make_ranks([*common, "--seed", "7", "--min-side", "64", "--workers", "1"]) == 0
    return RankedSet.read(out), OnlineSet.find(_small_photos, TYPES, seed=7)


@pytest.fixture
def online(photo_folder):
    return OnlineSet.find(photo_folder, TYPES, seed=7)


def sampler(data):
    return EfficientGroups(data.references, data.levels, images=2)


def test_whole_images_are_those_that_make_ranks_writes(made):
    on_disk, online = made
    for name in ("references", "distortions", "levels", "photos"):
        assert getattr(online, name) == getattr(on_disk, name)
    assert list(online.levels) == list(on_disk.levels)
    items = validation_items(online)
    assert items == validation_items(on_disk) and len(items) == 3 * (6 + 6 + 5 + 5 + 5 + 6)
    for item in items:
        assert (online.image(*item) == on_disk.image(*item)).all(), item


def test_crops_of_what_draws_no_noise_are_those_of_the_set_on_disk(made):
    on_disk, online = made
    for reference, distortion, level in validation_items(online):
        if distortion in ("GN", "BW", "NEPN") and level:
            continue
        rng = [np.random.default_rng(level) for _ in range(3)]
        crop = on_disk.crop(reference, distortion, level, 48, rng[0])
        assert (crop == random_crop(on_disk.image(reference, distortion, level), 48, rng[1])).all()
        assert np.abs(online.crop(reference, distortion, level, 48, rng[2], 1) - crop.astype(int)).max() <= 1
        assert rng[0].bit_generator.state == rng[2].bit_generator.state


def test_noise_is_new_with_every_seed_and_only_then(online):
    def crop(level, seed):
        return online.crop("x.png", "GN", level, 48, np.random.default_rng(0), seed).astype(int)

    pristine = crop(0, 1)
    assert (crop(1, 1) == crop(1, 1)).all()
    residuals = [crop(1, 1) - pristine, crop(1, 2) - pristine, crop(2, 1) - pristine]
    expected = 255 * DISTORTIONS["GN"].levels["live"][0] ** 0.5
    assert residuals[1].std() == pytest.approx(expected, rel=0.1)
    assert np.abs(np.corrcoef([r.ravel() for r in residuals]) - np.eye(3)).max() < 0.05


def test_a_stronger_level_of_a_nested_type_goes_on_from_the_weaker_of_the_same_step(online):
    def hit(level, seed):
        made, pristine = (online.crop("x.png", "BW", n, 90, np.random.default_rng(0), seed) for n in (level, 0))
        return (made != pristine).any(axis=2)

    hits = [hit(level, 1) for level in (1, 2, 3, 4)]
    for weaker, stronger in itertools.pairwise(hits):
        assert (stronger | ~weaker).all()
    assert (hit(2, 2) & ~hits[2]).any()


def test_batches_do_not_depend_on_workers_and_processes(online):
    def batches(**options):
        return RankedBatches(online, sampler(online), 48, seed=3, **options)

    plain = list(load_batches(batches(), 0, 4, 0))
    for workers in (1, 2):
        for a, b in zip(plain, load_batches(batches(), 0, 4, workers), strict=True):
            assert all(torch.equal(a[key], b[key]) for key in a)
    parts = [batches(rank=rank, processes=2)[1]["images"] for rank in (0, 1)]
    assert torch.equal(parts[0], plain[1]["images"][0::2]) and torch.equal(parts[1], plain[1]["images"][1::2])
    # In the next epoch the same photo has another crop.
    items = [batches().sampler.batch(step) for step in range(4)]
    wanted = items[0][3]
    crops = [plain[s]["images"][i] for s in (0, 2, 3) for i, item in enumerate(items[s]) if item[:3] == wanted[:3]]
    assert len(crops) == 2 and not torch.equal(*crops)


def test_a_crop_is_placed_as_one_of_a_ranked_set(online):
    batches = RankedBatches(online, sampler(online), 48, seed=3)
    items = batches.sampler.batch(0)
    got = batches[0]["images"].numpy().transpose(0, 2, 3, 1)
    for place, item in enumerate(items):
        if item.level == 0:
            photo = read_image(online.folder / item.reference)
            assert (got[place] == random_crop(photo, 48, generator(3, "crop", 0, place))).all()


def test_aligned_levels_of_a_photo_are_cropped_at_one_place(online):
    batches = RankedBatches(online, sampler(online), 48, seed=3, aligned=True)
    items = batches.sampler.batch(0)
    got = batches[0]["images"].numpy().transpose(0, 2, 3, 1)
    places = {}
    for image, item in zip(got, items, strict=True):
        key = 3, "crop", 0, item.reference, item.distortion
        places[item[:2]] = random_place(read_image(online.folder / item.reference), 48, generator(*key))
        wanted = online.crop(*item[:3], 48, generator(*key), derive_seed(3, "distort", 0))
        assert (image == wanted).all()
    assert len(set(places.values())) > 1


def test_a_photo_is_decoded_once_for_its_levels_and_few_are_kept(online, monkeypatch):
    read = []
    monkeypatch.setattr(online_set, "read_image", lambda path, convert, icc: read.append(path.name) or read_image(path))
    online_set._read.cache_clear()
    for item in validation_items(online):
        online.crop(*item, 48, np.random.default_rng(0))
    assert len(read) == 3  # of three photos, at 33 levels each
    assert online_set._read.cache_info().currsize <= 2


def test_the_fingerprint_is_of_pixels_names_strengths_and_seed(online, photo_folder, tmp_path):
    def fingerprint(folder=photo_folder, types="GB,GN", **options):
        return OnlineSet.find(folder, types, **options).fingerprint

    first = fingerprint()
    moved = shutil.copytree(photo_folder, tmp_path / "moved")
    stored_anew = Image.open(moved / "x.png")
    stored_anew.save(moved / "x.png", compress_level=9)
    assert (moved / "x.png").read_bytes() != (photo_folder / "x.png").read_bytes()
    assert fingerprint(moved) == first == fingerprint(types="GN,GB")
    levels = tmp_path / "levels.yaml"
    levels.write_text("GB: [1, 2]\n")
    others = [fingerprint(seed=1), fingerprint(types="GB"), fingerprint(levels=str(levels))]
    others.append(online.select(["x.png", "a/x.png"]).fingerprint)
    image = np.array(stored_anew)
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(moved / "x.png")
    others.append(fingerprint(moved))
    (moved / "x.png").rename(moved / "y.png")
    others.append(fingerprint(moved))
    assert len({str(value) for value in (first, *others)}) == 7


def test_a_photo_is_known_in_any_lossless_file(photos, tmp_path):
    image = photos["chelsea.png"][:40, :50]
    for name in ("a.png", "b.bmp", "c.tif"):
        Image.fromarray(image).save(tmp_path / name)
    Image.fromarray(image.reshape(50, 40, 3)).save(tmp_path / "d.png")  # the same bytes in another shape
    found = OnlineSet.find(tmp_path).photos
    assert found["a.png"] == found["b.bmp"] == found["c.tif"]
    assert found["a.png"].sha256 != found["d.png"].sha256
    assert (found["a.png"].height, found["a.png"].width) == (40, 50)


def test_photos_to_train_and_to_validate_on_are_told_apart_by_their_pixels(made, tmp_path):
    image = made[0].image("x.png", "GB", 0)
    write_image(tmp_path / "mine.bmp", image, "bmp")
    write_image(tmp_path / "other.bmp", image[::-1].copy(), "bmp")
    config = RankConfig(data=RankDataConfig(source="online", pristine=str(tmp_path), val=str(made[0].folder)))
    with pytest.raises(InputError, match=r"shares 1 pristine photos with .*\(data\.val\)"):
        split_ranks(config)
    (tmp_path / "mine.bmp").unlink()
    train, val = split_ranks(config)
    assert train.references == ("other.bmp",) and val.references == made[0].references


def test_without_a_folder_it_takes_the_builtin_photos(photos):
    online = OnlineSet.find()
    assert online.references == builtin_photos.PHOTOS and online.distortions == ("GB", "GN", "JPEG", "JP2K")
    assert (online.image("chelsea.png", "GB", 0) == photos["chelsea.png"]).all()


def test_what_cannot_be_used_is_named(online, photo_folder, monkeypatch):
    for arguments, words in (
        ((photo_folder / "none",), "none: no such folder"),
        ((photo_folder, "GB,XY"), "unknown distortion 'XY'"),
        ((photo_folder, "live", "mild"), "mild: no such level table"),
        ((photo_folder, "live", "psnr"), "make the ranked set on disk with make_ranks"),
    ):
        with pytest.raises(InputError, match=words):
            OnlineSet.find(*arguments)
    with pytest.raises(InputError, match=r"x\.png: the image of 112×96 px is smaller than the crop of 100"):
        online.crop("x.png", "GB", 1, 100, np.random.default_rng(0))
    for item, words in ((("x.png", "GB", 6), "no GB level 6"), (("x.png", "CA", 1), "no CA level 1")):
        with pytest.raises(InputError, match=words):
            online.image(*item)
    with pytest.raises(InputError, match=r"no photo 'y\.png'"):
        online.select(["y.png"])
    Image.open(photo_folder / "x.png").convert("L").save(photo_folder / "x.png")
    with pytest.raises(InputError, match=r"x\.png: is greyscale; allow its conversion or .* \(convert=True\)"):
        _ = OnlineSet.find(photo_folder).photos
    assert len(OnlineSet.find(photo_folder, convert=True).photos) == 3
    (photo_folder / "a" / "x.png").write_bytes(b"no image")
    for threads in (1, 8):  # the same photo is named, whichever is read first
        monkeypatch.setattr(photo_files.os, "cpu_count", lambda threads=threads: threads)
        with pytest.raises(InputError, match=r"a/x\.png"):
            _ = OnlineSet.find(photo_folder).photos


@pytest.fixture
def continuous(photo_folder):
    return OnlineSet.find(photo_folder, TYPES, seed=7, continuous=True)


def test_continuous_levels_are_drawn_evenly_over_the_whole_scale_and_stay_in_order(continuous):
    reference = continuous.references[0]
    draws = np.array([[continuous.draw_level(reference, "GB", k, seed) for k in range(6)] for seed in range(400)])
    assert (draws[:, 0] == 0).all()
    assert (np.diff(draws, axis=1) > 0).all()
    t = np.sort((draws[:, 1:] - 1).ravel()) / 4  # on [0, 1], each fifth of it with a fifth of the draws
    assert np.abs(t - np.linspace(0, 1, len(t))).max() < 0.02
    assert len(np.unique(draws[:, 1:])) == 2000


def test_the_strength_of_a_continuous_level_is_that_of_its_place_on_the_scale(continuous):
    photo = read_image(continuous.folder / "x.png")
    for name, level in (("GB", 2.5), ("GB", 3), ("MSL", 1.25)):
        strength = DISTORTIONS[name].at((level - 1) / (len(continuous.strengths[name]) - 1))
        made = DISTORTIONS[name](photo, strength, np.random.default_rng(0))
        crop = continuous.crop("x.png", name, level, 48, np.random.default_rng(level != 3), 1)
        top, left = random_place(photo, 48, np.random.default_rng(level != 3))
        assert np.abs(crop - made[top : top + 48, left : left + 48].astype(int)).max() <= 1


def test_whole_strengths_that_come_out_the_same_are_one_level(continuous):
    strengths = continuous.strengths["JPEG"]
    drawn = [continuous.draw_level("x.png", "JPEG", level, seed) for level in (3, 4, 5) for seed in range(60)]
    of_level = {level: continuous._strength("JPEG", level) for level in drawn}
    assert len(set(of_level.values())) == len(of_level) <= 10  # qualities 10 to 0
    assert all(strength == int(strength) and 0 <= strength <= 10 for strength in of_level.values())
    assert sorted(of_level, key=of_level.get, reverse=True) == sorted(of_level)
    assert strengths[-1] == 0


def test_strengths_of_one_image_are_one_level(photo_folder, tmp_path):
    levels = tmp_path / "levels.yaml"
    levels.write_text("JPEG420: [9, 0]\nAVIF: [30, 0]\n", encoding="utf-8")
    qualities = OnlineSet.find(photo_folder, "JPEG420,AVIF", str(levels), continuous=True)
    for name, expected in (("JPEG420", range(1, 10, 2)), ("AVIF", range(0, 31, 3))):
        draws = {qualities.draw_level("x.png", name, level, seed) for level in (1, 2) for seed in range(200)}
        assert sorted(qualities._strength(name, level) for level in draws) == list(expected)


def test_batches_of_continuous_strengths_depend_on_the_seed_alone(continuous):
    def batches(**options):
        return RankedBatches(continuous, sampler(continuous), 48, seed=3, **options)

    plain = list(load_batches(batches(), 0, 3, 0))
    for a, b in zip(plain, load_batches(batches(), 0, 3, 2), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)
    part = batches(rank=1, processes=2)[2]
    assert torch.equal(part["images"], plain[2]["images"][1::2])
    assert torch.equal(part["level"], plain[2]["level"])
    levels = [item.level for item in batches().sampler.batch(0)]
    drawn = plain[0]["level"]
    assert drawn.is_floating_point() and not torch.equal(drawn, plain[1]["level"])
    assert [level == 0 for level in levels] == (drawn == 0).tolist()
    # The same order within a photo and type, whatever was drawn; two qualities may come out the same.
    assert all(c <= d for a, b, c, d in zip(levels, levels[1:], drawn, drawn[1:], strict=False) if a < b)


def test_a_set_of_continuous_strengths_is_another_one_for_a_run(online, continuous):
    assert online.fingerprint != continuous.fingerprint
    assert continuous.select(continuous.references[:2]).continuous


def test_a_photo_that_a_codec_cannot_hold_is_named(photo_folder, monkeypatch):
    monkeypatch.setitem(LONGEST, "WEBP", 60)
    online = OnlineSet.find(photo_folder, "WEBP")
    with pytest.raises(InputError, match=r"x\.png: WEBP holds at most 60 pixels a side"):
        online.crop("x.png", "WEBP", 3, 96, np.random.default_rng(0))
