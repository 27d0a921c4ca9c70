"""Damaged manifests, rank lists, score lists and splits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rankiqa.compat.rank_list import ORDERS, check_ranks, read_list, write_manifest
from rankiqa.compat.score_list import KINDS, read_scores
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.splits import make_split, read_split, write_split
from rankiqa.errors import InputError
from rankiqa.ranks.manifest import MANIFEST, format_rows
from rankiqa.ranks.ranked_set import RankedSet
from tests.fuzz.damage import damaged_text
from tests.fuzz.harness import tries

PHOTOS, LEVELS = ("a", "b/c", "d e"), (1, 2)


def rows():
    for photo in PHOTOS:
        for level in (0, *LEVELS):
            kind = "GB" if level else "pristine"
            path = f"GB/{level}/{photo}.png" if level else f"pristine/{photo}.png"
            values = (path, f"{photo}.png", kind, level, 1.5 * level or None, 7 * level or None, "ab" * 32)
            yield dict(
                zip(("path", "reference", "distortion", "level", "strength", "seed", "sha256"), values, strict=True)
            )


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> Path:
    """A folder of ranked images, with a link in it that leads out of it, and one in a circle."""
    folder = tmp_path_factory.mktemp("ranks") / "set"
    for row in rows():
        (folder / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(folder / row["path"])
    (folder.parent / "secret.png").write_bytes(b"secret")
    os.symlink(folder.parent, folder / "out")
    os.symlink(folder.parent / "secret.png", folder / "GB" / "link.png")
    os.symlink("circle", folder / "circle")
    return folder


MANIFESTS = [format_rows(rows())]
MANIFESTS += [
    MANIFESTS[0].replace("GB/1/a.png", path) for path in ("out/secret.png", "GB/link.png", "circle/x", "../x")
]


def use(folder: Path) -> RankedSet:
    ranked = RankedSet.read(folder)
    assert set(ranked.levels) == set(ranked.distortions)
    for row in ranked.table.itertuples():
        try:
            path = ranked.row_path(row.reference, row.distortion, row.level)
        except InputError:
            continue
        assert os.path.realpath(path).startswith(f"{os.path.realpath(folder)}/"), "leads out of the folder"
    return ranked


@tries(2000)
@given(damaged_text(MANIFESTS))
def test_manifests(trial, ranks, data):
    (ranks / MANIFEST).write_bytes(data)
    trial(use, ranks)


RANKS = ["".join(f"{row['path']} {row['level']:6.2f}\n" for row in rows())]
RANKS += [RANKS[0].replace("GB/", "root/GB/GB"), RANKS[0].replace("GB/1/a.png", "out/GB/1/a.png").replace("\n", "\r\n")]


def adopt(file: Path, order: str, root: Path) -> Path:
    """What `make_rank_list --read` does."""
    (root / MANIFEST).unlink(missing_ok=True)
    written = write_manifest(root, check_ranks(file, read_list(file), order), file)
    use(root)
    return written


@tries(2000)
@given(damaged_text(RANKS, None), st.sampled_from(ORDERS))
def test_rank_lists(trial, ranks, data, order):
    file = ranks.parent / "ranks.txt"
    file.write_bytes(data)
    trial(adopt, file, order, ranks)


SCORES = [
    "".join(f"{row['path']} {row['level'] * 1.25}\n" for row in rows()),
    "".join(f"{row['level'] * 1.25} {Path(row['path']).name}\n" for row in rows()),
    "name,mos,reference\n" + "".join(f"{row['path']},{row['level']},{row['reference']}\n" for row in rows()),
    "path,dmos\n" + "".join(f"{row['path']},{row['level']}\n" for row in rows()),
    "file_name label\n" + "".join(f'"{row["path"]}" {row["level"]}\n' for row in rows()),
    "name," + ",".join(f"vote{k}" for k in range(1, 11)) + "\n" + f"GB/1/a.png{',1' * 10}\nGB/2/a.png{',2' * 10}\n",
]


@tries(2000)
@given(damaged_text(SCORES), st.sampled_from((".csv", ".txt")), st.sampled_from((None, *KINDS)))
def test_score_lists(trial, ranks, data, suffix, kind):
    file = ranks.parent / f"scores{suffix}"
    file.write_bytes(data)
    found = trial(read_scores, file, ranks, kind)
    if not isinstance(found, InputError):
        assert found.kind in KINDS and all(np.isfinite(score) for _, score, _ in found.rows)
        assert all((ranks / path).is_file() for path, *_ in found.rows)


@pytest.fixture(scope="module")
def scored(ranks):
    labels = ranks.parent / "labels.csv"
    labels.write_text(SCORES[2])
    return open_dataset("csv", ranks, labels=labels)


@pytest.fixture(scope="module")
def splits(scored, ranks) -> list[str]:
    file = ranks.parent / "good.csv"
    write_split(make_split(scored, "random"), scored, file)
    return [file.read_text()]


@tries(1500)
@given(st.data())
def test_splits(trial, scored, splits, ranks, data):
    file = ranks.parent / "split.csv"
    file.write_bytes(data.draw(damaged_text(splits)))
    found = trial(read_split, file, scored)
    if not isinstance(found, InputError):
        assert len(found.parts) == len(found.groups) == len(scored) and all(found.groups)
