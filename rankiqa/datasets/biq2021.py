"""BIQ2021: 12,000 photos with real distortions and no references, MOS 0–1.

Ahmed, Asif, "BIQ2021: a large-scale blind image quality assessment database", J. Electronic Imaging 31(5), 2022.
"""

from __future__ import annotations

from pathlib import Path

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LISTED_PARTS, LabelRow, finite_number, make_table, read_columns
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (0.0, 1.0)
# The lists of the repository; its older Train.csv and Test.csv have another scale, with negative scores.
LISTS = {"train": "Train (Images and MOS).csv", "test": "Test (Images and MOS).csv"}


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read the two lists "Train (Images and MOS).csv" and "Test (Images and MOS).csv" and `Images/`.

    Or, for a part of the database, `labels.csv` with the columns name, mos, split (train, val or test; val and test are
    tested on) and block (a run of neighbouring pictures, kept whole by splits), and `images/`. The split "official" is
    that of the lists, or of the column.

    Raises:
        InputError: a file is missing, a row is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    files = Files(root)
    listed: list[LabelRow] = []
    parts: dict[str, str] = {}
    if name := files("labels.csv"):
        labels = root / name
        rows = [(labels, *row) for row in read_columns(labels, ("name", "mos"), ("split", "block"))]
    else:
        lists = {part: files.require(name, "labels.csv") for part, name in LISTS.items()}
        labels = lists["train"]
        rows = [
            (file, line, {**cells, "split": part, "block": ""})
            for part, file in lists.items()
            for line, cells in read_columns(file, ("image name", "mos"))
        ]
    first: dict[str, tuple[Path, int]] = {}  # in either list
    for file, line, cells in rows:
        name = cells.get("name") or cells.get("image name")
        if not name:
            raise InputError("no name of an image", path=file, line=line, cure="correct or remove the row")
        before, place = first.setdefault(name.lower(), (file, line))
        if (before, place) != (file, line):
            where = f"line {place}" if before == file else f"{before}, line {place}"
            raise InputError(f"{name} is there twice, first in {where}", path=file, line=line, cure="keep one")
        if cells["split"] not in ("", *LISTED_PARTS):
            why = f"the split must be train, val or test, not {cells['split']!r}"
            raise InputError(why, path=file, line=line)
        path = files(f"images/{name}", name)
        score = finite_number(cells["mos"], f"the MOS of {name}", file, line)
        listed.append(LabelRow(line, name, path, score, group=cells["block"]))
        if path and cells["split"]:
            parts[path] = LISTED_PARTS[cells["split"]]
    table, left_out = make_table(labels, root, listed, missing)
    splits = {"official": parts} if parts else {}
    return ScoredSet("biq2021", root, SCORE_RANGE, True, table, splits=splits, left_out=left_out)


def is_part(root: Path) -> bool:
    """Whether `read` takes a part of the database, from labels.csv."""
    return Files(root)("labels.csv") is not None
