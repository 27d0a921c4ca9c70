"""BIQ2021: 12,000 photos with real distortions and no references, MOS 0–1.

Ahmed, Asif, "BIQ2021: a large-scale blind image quality assessment database", J. Electronic Imaging 31(5), 2022.
"""

from __future__ import annotations

from pathlib import Path

from rankiqa.datasets.label_file import Entry, Files, make_table, number, read_csv_rows
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (0.0, 1.0)
# The lists of the repository; its older Train.csv and Test.csv have another scale, with negative scores.
LISTS = {"train": "Train (Images and MOS).csv", "test": "Test (Images and MOS).csv"}
PARTS = {"train": "train", "test": "test", "val": "test"}


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read the two lists "Train (Images and MOS).csv" and "Test (Images and MOS).csv" and `Images/`.

    Or, for a part of the database, `labels.csv` with the columns name, mos, split (train, val or test; val and test are
    tested on) and block (a run of neighbouring pictures, kept whole by splits), and `images/`. The split "official" is
    that of the lists, or of the column.
    """
    files = Files(root)
    entries, parts = [], {}
    if labels := files("labels.csv"):
        labels = root / labels
        rows = _rows(labels, {"name": None, "mos": None, "split": "", "block": ""})
    else:
        lists = {part: files.require(name, "labels.csv") for part, name in LISTS.items()}
        labels = lists["train"]
        rows = [
            (file, line, {**cells, "split": part, "block": ""})
            for part, file in lists.items()
            for file, line, cells in _rows(file, {"image name": None, "mos": None})
        ]
    first: dict[str, str] = {}  # in either list
    for file, line, cells in rows:
        where = f"{file}, line {line}"
        name = cells.get("name") or cells.get("image name")
        if not name:
            raise InputError(f"{where}: no name of an image; correct or remove the row")
        if (before := first.setdefault(name.lower(), where)) is not where:
            raise InputError(f"{where}: {name} is there twice, first in {before.removeprefix(f'{file}, ')}; keep one")
        if cells["split"] not in ("", *PARTS):
            raise InputError(f"{where}: the split must be train, val or test, not {cells['split']!r}")
        path = files(f"images/{name}", name)
        score = number(cells["mos"], f"{where}: the MOS of {name}")
        entries.append(Entry(line, name, path, score, group=cells["block"]))
        if path and cells["split"]:
            parts[path] = PARTS[cells["split"]]
    table, left_out = make_table(labels, root, entries, missing)
    splits = {"official": parts} if parts else {}
    return ScoredSet("biq2021", root, SCORE_RANGE, True, table, splits=splits, left_out=left_out)


def is_part(root: Path) -> bool:
    """Whether `read` takes a part of the database, from labels.csv."""
    return Files(root)("labels.csv") is not None


def _rows(file: Path, columns: dict[str, str | None]) -> list[tuple[Path, int, dict[str, str]]]:
    """(file, line, column → cell); a column with a default may be missing."""
    header, rows = read_csv_rows(file)
    names = [name.lower() for name in header]
    for name, default in columns.items():
        if default is None and name not in names:
            raise InputError(f"{file}: no column {name}, only {', '.join(header)}")
    return [
        (file, line, {n: cells[names.index(n)] if n in names else default for n, default in columns.items()})
        for line, cells in rows
    ]
