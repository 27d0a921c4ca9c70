"""AVA: 255,530 photos with 78 to 549 votes each, from 1 to 10; no references.

Murray, Marchesotti, Perronnin, "AVA: A large-scale database for aesthetic visual analysis", CVPR 2012.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from rankiqa.datasets.label_file import read_lines
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (1.0, 10.0)
NUMBER_OF_COLUMNS = 15  # index, image id, ten counts of votes, two tags, challenge
LISTS = {"official": "generic_ls_train.jpgl", "official-small": "generic_ss_train.jpgl"}
TEST_LIST = "generic_test.jpgl"
PLACES = ("images", "images/images", "image", ".")
WHOLE = re.compile(r"[+-]?[0-9]{1,9}")


def read(root: Path, missing: str = "record") -> ScoredSet:
    """Read `AVA.txt`, `images/ID.jpg` and, where they are there, the lists in `aesthetics_image_lists/`.

    The score is the mean of the votes; the table has their counts, vote1 … vote10, and their standard deviation, std,
    too. AVA.txt lists photos that no copy has: they are always recorded in `left_out`, whatever `missing` says. The
    split "official" trains on the large list of the generic task and tests on its test list, "official-small" trains
    on the small one.

    Raises:
        InputError: a file or the folder of photos is missing, or a line is not as it should be.
    """
    labels = next((root / name for name in ("AVA.txt", "ava.txt") if (root / name).is_file()), root / "AVA.txt")
    lines = read_lines(labels)
    rows = []
    for line, text in lines:
        parts = text.split()
        if len(parts) != NUMBER_OF_COLUMNS:
            why = f"{len(parts)} columns, but AVA has {NUMBER_OF_COLUMNS}"
            raise InputError(why, path=labels, line=line)
        if not all(WHOLE.fullmatch(part) for part in parts[1:12]):
            raise InputError("the image and its ten votes must be whole numbers", path=labels, line=line)
        rows.append([int(part) for part in parts[1:12]])
    values = np.array(rows, dtype=np.int64)
    ids, votes = values[:, 0], values[:, 1:]
    _check(labels, [line for line, _ in lines], ids, votes)
    folder = next((place for place in PLACES if _has_photos(root / place)), None)
    if folder is None:
        why = f"no photos (ID.jpg) in {', '.join(PLACES[:3])}"
        raise InputError(why, path=root, cure="give the folder of AVA.txt", options=("root",))
    prefix = "" if folder == "." else f"{folder}/"
    # One look at the folder in place of 255,530 questions.
    names = {entry.name.lower(): entry.name for entry in (root / folder).iterdir()}
    found = [names.get(f"{number}.jpg") for number in ids.tolist()]
    there = np.array([name is not None for name in found])
    if not there.any():
        why = f"none of its {len(ids)} images is in {root / folder}"
        raise InputError(why, path=labels, cure="give the folder of the data set", options=("root",))
    import pandas as pd

    scale = np.arange(1, 11)
    count = votes.sum(1)
    mean = votes @ scale / count
    std = np.sqrt(np.maximum(votes @ scale**2 / count - mean**2, 0))
    paths = [f"{prefix}{name}" for name in found if name]
    table = pd.DataFrame({"path": paths, "file": [root / path for path in paths], "reference": "", "group": ""})
    table["distortion"] = ""
    table["level"] = pd.array([pd.NA] * len(table), dtype="Int64")
    table["score"], table["std"] = mean[there], std[there]
    for k in range(10):
        table[f"vote{k + 1}"] = votes[there, k]
    left_out = tuple({"path": f"{prefix}{i}.jpg", "reason": "no such file"} for i in ids[~there].tolist())
    splits = _splits(root, dict(zip(ids[there].tolist(), paths, strict=True)))
    return ScoredSet("ava", root, SCORE_RANGE, True, table, splits=splits, left_out=left_out)


def _check(labels: Path, lines: list[int], ids: np.ndarray, votes: np.ndarray) -> None:
    if (bad := np.flatnonzero((votes < 0).any(1) | (votes.sum(1) == 0))).size:
        why = f"image {ids[bad[0]]} has no votes, or a negative count"
        raise InputError(why, path=labels, line=lines[bad[0]])
    first: dict[int, int] = {}
    for line, number in zip(lines, ids.tolist(), strict=True):
        if number in first:
            why = f"{number} is there twice, first in line {first[number]}"
            raise InputError(why, path=labels, line=line, cure="keep one")
        first[number] = line


def _has_photos(folder: Path) -> bool:
    return folder.is_dir() and any(entry.suffix.lower() == ".jpg" for entry in folder.iterdir())


def _splits(root: Path, paths: dict[int, str]) -> dict[str, dict[str, str]]:
    folder = next((p for p in (root / "aesthetics_image_lists", root) if (p / TEST_LIST).is_file()), None)
    if folder is None:
        return {}
    test = _list(folder / TEST_LIST)
    splits = {}
    for name, file in LISTS.items():
        if (folder / file).is_file():
            train = _list(folder / file)
            if both := train & test:
                why = f"{len(both)} photos are in {TEST_LIST} too, the first is {min(both)}"
                raise InputError(why, path=folder / file)
            splits[name] = {paths[i]: "train" for i in train if i in paths} | {
                paths[i]: "test" for i in test if i in paths
            }
    return splits


def _list(path: Path) -> set[int]:
    numbers = set()
    for line, text in read_lines(path):
        if not WHOLE.fullmatch(text):
            raise InputError(f"must be the number of a photo, not {text[:80]!r}", path=path, line=line)
        numbers.add(int(text))
    return numbers
