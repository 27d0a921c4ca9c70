"""A folder with everything that the pages name, so that their commands run in it as they stand."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankiqa.study.vote_file import Comparison, Photo, VoteFile
from tests.datasets import layouts
from tests.docs.pages import REPOSITORY

SIDES = (288, 256)  # height and width; a crop of the networks has 224 or 227
SMALL_COPIES = (
    ("LIVE", layouts.live, {}),
    ("TID2013", layouts.tid2013, {"references": ("I04", "I05", "I11", "I25")}),  # two for testing, and two others
    ("PIEAPP", layouts.pieapp, {}),
    ("AVA", layouts.ava, {"train": (101, 102, 104, 106)}),  # enough for two buckets of two
)


@pytest.fixture(scope="session")
def _material(photos, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("material")
    parts = [_part(photo, k) for photo in photos.values() for k in range(6)]
    for name, part in zip(("photo.jpg", "a.jpg", "b.jpg", "c.jpg", "more/deep/x.png"), parts[0::6], strict=True):
        _write(root / name, part)
    for k, part in enumerate(parts[1::6]):
        _write(root / "photos" / f"{k}.jpg", part)
    for k, part in enumerate(parts[2::6]):
        _write(root / "WATERLOO" / f"{k:05d}.bmp", part)

    scored = [part for k in (3, 4, 5) for part in parts[k::6]]
    for k, part in enumerate(scored):
        _write(root / "scored" / f"{k}.png", part)
    rows = [f"{k}.png,{1 + 0.2 * k:.1f}" for k in range(len(scored))]
    (root / "scored" / "scores.csv").write_text("\n".join(["name,mos", *rows]) + "\n")

    for name, make, options in SMALL_COPIES:
        (root / name).mkdir()
        make(root / name, **options)
        for path in root.joinpath(name).rglob("*"):
            if path.suffix.lower() in (".bmp", ".jpg"):  # as large as a crop, at least
                Image.open(path).resize(SIDES[::-1]).save(path)
    _write(root / "AVA" / "images" / "104.jpg", parts[0])  # the layout lacks it, for the tests of that
    _vote(root / "votes.sqlite", [f"{k}.jpg" for k in range(len(parts[1::6]))])
    for name in ("data_gen", "train", "eval"):
        (root / name).symlink_to(REPOSITORY / name)
    return root


@pytest.fixture
def workspace(_material, tmp_path, monkeypatch) -> Path:
    """The current folder of a test: a fresh one, in which the material is linked."""
    for path in _material.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _vote(path: Path, names: list[str]) -> None:
    """A study of photos/ in which the first photo beats the second, and so on."""
    with VoteFile.create(path, [Photo(name, "", *SIDES[::-1]) for name in names]) as votes:
        for k, (better, worse) in enumerate(combinations(names, 2)):
            votes.add(Comparison(str(k), "Ada", left=better, right=worse, answer="left"))


def _part(photo: np.ndarray, k: int) -> np.ndarray:
    """One of six parts of a photo, which show different things."""
    top, left = ((n - side) * step for n, side, step in zip(photo.shape, SIDES, (k % 2, k // 2 / 2), strict=False))
    return photo[int(top) : int(top) + SIDES[0], int(left) : int(left) + SIDES[1]]


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
