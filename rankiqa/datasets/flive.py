"""FLIVE, of the paper PaQ-2-PiQ: 39,810 photos and 119,430 patches of them, no references, MOS 0–100.

Ying, Niu, Gupta, Mahajan, Ghadiyaram, Bovik, "From patches to pictures (PaQ-2-PiQ): Mapping the perceptual space of
picture quality", CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, read_columns
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (0.0, 100.0)
PHOTOS = ("voc_emotic_ava", "blur_dataset", "EE371R")
IMAGES, PATCHES = "labels_image.csv", "labels_patch.csv"
SMALL, LARGE = "labels=640_padded.csv", "labels640.csv"  # up to 640 px with is_valid, and above, which is the test part
TRUTHS = {"true": True, "false": False, "1": True, "0": False}


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read the photos: `labels_image.csv` (name, mos) and the folders of the names (`voc_emotic_ava/`, …).

    All of it lies in the folder `database` of the repository, beside which the photos are collected. The split
    "official" is there where both lists of it are: photos in `labels640.csv` are tested on, those with is_valid in
    `labels=640_padded.csv` are validated on, and all others trained on.

    Raises:
        InputError: a file is missing, a row is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    return _read("flive", root, missing, IMAGES, lambda name: "", _photo)


def read_patches(root: Path, missing: str = "error") -> ScoredSet:
    """Read the patches: `labels_patch.csv` (name, mos) and `patches/` (photo.jpg_patch_1.jpg, …).

    A split does not divide the patches of a photo, and "official" gives them its part.

    Raises:
        InputError: as `read`.
    """
    return _read("flive_patches", root, missing, PATCHES, _photo, _photo)


def _photo(name: str) -> str:
    """The file name of the photo that a photo's or a patch's name tells: the lists have it in other folders."""
    return name.rpartition("/")[2].rpartition("_patch_")[0] or name.rpartition("/")[2]


def _read(
    dataset: str, root: Path, missing: str, file: str, group: Callable[[str], str], photo: Callable[[str], str]
) -> ScoredSet:
    files = Files(root)
    labels = files.require(file)
    listed = []
    for line, cells in read_columns(labels, ("name", "mos")):
        if not (name := cells["name"]):
            raise InputError("no name of an image", path=labels, line=line, cure="correct or remove the row")
        score = finite_number(cells["mos"], f"the MOS of {name}", labels, line)
        listed.append(LabelRow(line, name, files(name), score, group=group(name)))
    table, left_out = make_table(labels, root, listed, missing)
    splits = {}
    if files(SMALL) and files(LARGE):
        test, val = _lists(root / str(files(LARGE)), root / str(files(SMALL)))
        part = {**dict.fromkeys(val, "val"), **dict.fromkeys(test, "test")}
        splits = {"official": {path: part.get(photo(path).lower(), "train") for path in table["path"]}}
    return ScoredSet(dataset, root, SCORE_RANGE, True, table, splits=splits, left_out=left_out)


def _lists(large: Path, small: Path) -> tuple[set[str], set[str]]:
    """The file names, in small letters, of the photos to test on and to validate on."""
    test = {_photo(cells["name_image"]).lower() for _, cells in read_columns(large, ("name_image",))}
    val = set()
    for line, cells in read_columns(small, ("name_image", "is_valid")):
        name, valid = cells["name_image"], TRUTHS.get(cells["is_valid"].lower())
        if valid is None:
            why = f"is_valid of {name} must be True or False, not {cells['is_valid']!r}"
            raise InputError(why, path=small, line=line)
        if valid:
            if (key := _photo(name).lower()) in test:
                raise InputError(f"{name} is in {large.name} too, which is tested on", path=small, line=line)
            val.add(key)
    return test, val
