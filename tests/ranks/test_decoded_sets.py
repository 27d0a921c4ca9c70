"""A folder of decoded images changes no pixel of a set, whatever is in it."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from rankiqa.cli.make_ranks import main as make_ranks
from rankiqa.distortions import DISTORTIONS
from rankiqa.errors import InputError
from rankiqa.images.decoded import Decoded
from rankiqa.images.reading import read_image
from rankiqa.images.writing import write_image
from rankiqa.ranks import online
from rankiqa.ranks.online import OnlineSet
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.training.batches import load_batches
from rankiqa.training.ranked_batches import RankedBatches
from rankiqa.training.samplers import EfficientGroups

TYPES = "GN,JPEG"


@pytest.fixture(scope="module")
def made(_small_photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("set") / "ranks"
    args = ["--pristine", str(_small_photos), "--out", str(out), "--distortions", TYPES]
    assert make_ranks([*args, "--min-side", "64", "--workers", "1"]) == 0
    return RankedSet.read(out), OnlineSet.find(_small_photos, TYPES)


@pytest.fixture
def folder(tmp_path):
    return Decoded.open(tmp_path / "decoded", 10**8)


def kept(folder):
    return sorted(path.name[: -len(".rgb")] for path in folder.folder.glob("*.rgb"))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("online", [False, True])
def test_batches_are_the_same_bits_with_and_without(made, folder, online, workers):
    plain = made[online]
    data = dataclasses.replace(plain, decoded=folder)
    _ = data.photos  # as a training does before its first batch
    sampler = EfficientGroups(plain.references, plain.levels, images=2)
    wanted, first, again = (
        list(load_batches(RankedBatches(ranks, sampler, 48, seed=3), 0, 3, workers)) for ranks in (plain, data, data)
    )
    for batches in (first, again):
        assert all(torch.equal(a[key], b[key]) for a, b in zip(wanted, batches, strict=True) for key in a)
    assert len(kept(folder)) == (3 if online else 3 + 3 * (5 + 5))
    name = plain.references[0]
    assert isinstance(data.image(name, "GN", 0).base, np.ndarray)  # mapped
    for level in (0, 2):
        np.testing.assert_array_equal(data.image(name, "GN", level), plain.image(name, "GN", level))
    part = data.select([name])
    assert part.decoded is folder


def test_an_image_of_another_set_is_not_taken(made, folder, tmp_path):
    data = dataclasses.replace(made[0], decoded=folder)
    name = data.references[0]
    data.image(name, "GN", 1)
    other = RankedSet.read(shutil.copytree(data.folder, tmp_path / "other"))
    path = other.row_path(name, "GN", 1)
    write_image(path, 255 - read_image(path), "png")
    # Its manifest says what it said: the file is not what is listed, and is not kept under its name.
    (entry,) = kept(folder)
    (folder.folder / f"{entry}.rgb").unlink()
    other = dataclasses.replace(other, decoded=folder)
    np.testing.assert_array_equal(other.image(name, "GN", 1), read_image(path))
    assert kept(folder) == []
    np.testing.assert_array_equal(data.image(name, "GN", 1), 255 - read_image(path))


def test_a_photo_that_changes_while_training_is_not_kept(photo_folder, folder):
    data = dataclasses.replace(OnlineSet.find(photo_folder, TYPES), decoded=folder)
    name = data.references[0]
    photo = data.photos[name]
    write_image(photo_folder / name, 255 - read_image(photo_folder / name), "png")
    data.image(name, "GN", 1)
    assert kept(folder) == []
    data.image(data.references[1], "GN", 1)
    assert kept(folder) == [f"pixels-{data.photos[data.references[1]].sha256}"] and photo.sha256 not in kept(folder)[0]


def test_what_is_made_of_whole_photos_without_drawing_is_made_once(photo_folder, folder, monkeypatch):
    plain = OnlineSet.find(photo_folder, "JP2K,NEPN,GB")  # the second draws, the third needs no whole photo
    data = dataclasses.replace(plain, decoded=folder)
    sampler = EfficientGroups(plain.references, plain.levels, images=1)
    wanted = RankedBatches(plain, sampler, 48, seed=3)
    for step in (0, 0, 1):
        assert torch.equal(RankedBatches(data, sampler, 48, seed=3)[step]["images"], wanted[step]["images"])
    items = [item for step in (0, 1) for item in sampler.batch(step) if item.distortion == "JP2K"]
    made = [name for name in kept(folder) if name.startswith("made-")]
    assert len(made) == len({(item.reference, item.level) for item in items if item.level})
    first = items[1]
    assert first.level == 1
    asked = first.reference, "JP2K", 1, 48

    def fails(image, strength, rng):
        raise RuntimeError("made again")

    monkeypatch.setitem(DISTORTIONS, "JP2K", dataclasses.replace(DISTORTIONS["JP2K"], function=fails))
    assert data.crop(*asked, np.random.default_rng(0)).shape == (48, 48, 3)
    # Another strength, or another version of what makes it, is another image.
    other = dataclasses.replace(data, strengths={"JP2K": (1.01 * data.strengths["JP2K"][0],)})
    with pytest.raises(RuntimeError, match="made again"):
        other.crop(*asked, np.random.default_rng(0))
    monkeypatch.setattr(online, "distorting_code", lambda: "newer")
    with pytest.raises(RuntimeError, match="made again"):
        data.crop(*asked, np.random.default_rng(0))


def test_errors_name_the_file_as_without(made, folder):
    data = dataclasses.replace(made[0], decoded=folder)
    path = data.row_path(data.references[0], "GN", 1)
    for _ in range(2):  # decoded, and mapped
        with pytest.raises(InputError, match=r"112×96 px is smaller than the crop") as caught:
            data.crop(data.references[0], "GN", 1, 200, np.random.default_rng(0))
        assert caught.value.path == str(path)
    with pytest.raises(InputError, match="no image of"):
        data.image(data.references[0], "GN", 9)
