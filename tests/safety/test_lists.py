"""Lists of images name nothing outside of their folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankiqa.compat.rank_list import LOWER, check_ranks, read_list, write_manifest
from rankiqa.datasets.registry import open_dataset
from rankiqa.errors import InputError
from rankiqa.ranks.manifest import MANIFEST, format_rows
from rankiqa.ranks.ranked_set import RankedSet
from tests.datasets import layouts


@pytest.fixture
def ranks(tmp_path):
    folder = tmp_path / "set"
    for path in ("pristine/a.png", "GB/1/a.png"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(folder / path)
    (tmp_path / "secret.png").write_bytes(b"secret")
    os.symlink(tmp_path, folder / "out")
    os.symlink(tmp_path / "secret.png", folder / "GB" / "1" / "link.png")
    os.symlink("circle", folder / "circle")
    return folder


def manifest(folder, path):
    first = {"path": "pristine/a.png", "reference": "a", "distortion": "pristine", "level": 0, "strength": None}
    rows = [first | {"seed": None, "sha256": "0"}]
    rows.append(
        {"path": path, "reference": "a", "distortion": "GB", "level": 1, "strength": 1, "seed": 1, "sha256": "0"}
    )
    (folder / MANIFEST).write_text(format_rows(rows))


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "/etc/passwd",
        "GB/../../secret.png",
        "out/secret.png",
        "GB/1/link.png",
        "",
        ".",
        "./",
        "a\0b",
        "out/../x",
    ],
)
def test_a_row_of_a_manifest_does_not_lead_out_of_its_folder(ranks, path):
    manifest(ranks, path)
    with pytest.raises(InputError, match=r"manifest\.csv: .*(leads out of the folder|that leads out)"):
        RankedSet.read(ranks).row_path("a", "GB", 1)


def test_backslashes_and_odd_names_stay_in_the_folder(ranks):
    for path in ("..\\..\\secret.png", "GB\\1\\a.png", "circle/x.png", "GB/1/\u202egnp.png", "~/x", "$HOME/x"):
        manifest(ranks, path)
        found = RankedSet.read(ranks).row_path("a", "GB", 1)
        assert os.path.realpath(found).startswith(f"{os.path.realpath(ranks)}/")


@pytest.mark.parametrize(
    "path",
    ["../out/GB/1/a.png", "/etc/GB/1/a.png", "out/GB/1/a.png", "GB/1/link.png", "circle/GB/1/a.png", "GB/1/a\0.png"],
)
def test_a_rank_list_adopts_nothing_outside_of_its_folder(ranks, path):
    (ranks.parent / "GB" / "1").mkdir(parents=True)
    (ranks.parent / "GB" / "1" / "a.png").write_bytes(b"secret")
    photo = Path(path).name
    (ranks / "pristine" / photo.replace("\0", "")).write_bytes(b"")
    file = ranks.parent / "list.txt"
    file.write_text(f"pristine/{photo} 0\n{path} 1\n")
    with pytest.raises(InputError, match="line"):
        write_manifest(ranks, check_ranks(file, read_list(file), LOWER), file)
    assert not (ranks / MANIFEST).exists()


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "a/../../secret.png", "a\\b.png", "a\0b.png", "x" * 5000]
)
def test_a_label_file_names_nothing_outside_of_its_folder(tmp_path, name):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "good.png").write_bytes(b"")
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "labels.csv").write_text(f"name,mos\ngood.png,1\n{name},2\n")
    with pytest.raises(InputError, match=r"labels\.csv"):
        open_dataset("csv", tmp_path / "images", labels=tmp_path / "labels.csv")


@pytest.mark.parametrize("name", ["../secret.bmp", "/etc/passwd", "..\\secret.bmp", "../distorted_images/i04_01_1.bmp"])
def test_the_files_of_a_data_set_are_those_of_its_folder(tmp_path, name):
    layouts.biq2021(tmp_path / "set")
    (tmp_path / "secret.bmp").write_bytes(b"")
    labels = tmp_path / "set" / "Train (Images and MOS).csv"
    labels.write_text(f"Image Name,MOS\n{name},0.5\nss01 (1).jpg,0.5\n")
    found = open_dataset("biq2021", tmp_path / "set", missing="record")
    assert all(file.is_relative_to(tmp_path / "set") for file in found.table["file"])
    assert name in [entry["path"] for entry in found.left_out]
