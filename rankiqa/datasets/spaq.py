"""SPAQ: 11,125 photos of 66 smartphones, no references, MOS 0–100.

Fang, Zhu, Zeng, Ma, Wang, "Perceptual quality assessment of smartphone photography", CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rankiqa.datasets.excel_file import read_sheet
from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, read_columns
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (0.0, 100.0)
TABLE = "MOS and Image attribute scores"
NEEDED = ("image name", "mos")


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read `Annotations/MOS and Image attribute scores.xlsx` (Image name, MOS, …) and `TestImage/` (00001.jpg, …).

    The table may lie beside TestImage, and a copy of it with the ending .csv is taken where the Excel file is not
    there. No published split is known.

    Raises:
        InputError: a file is missing, a row is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    files = Files(root)
    labels = files.require(*(f"{folder}{TABLE}{end}" for end in (".xlsx", ".csv") for folder in ("Annotations/", "")))
    listed = []
    for line, name_cell, score_cell in _rows(labels):
        name = "" if name_cell is None else str(name_cell).strip()
        if not name:
            raise InputError("no name of an image", path=labels, line=line, cure="correct or remove the row")
        score = finite_number(score_cell, f"the MOS of {name}", labels, line)
        listed.append(LabelRow(line, name, files(f"TestImage/{name}", f"Dataset/TestImage/{name}", name), score))
    table, left_out = make_table(labels, root, listed, missing)
    return ScoredSet("spaq", root, SCORE_RANGE, True, table, left_out=left_out)


def _rows(labels: Path) -> Iterator[tuple]:
    if labels.suffix.lower() == ".xlsx":
        yield from read_sheet(labels, NEEDED)
    else:
        for line, cells in read_columns(labels, NEEDED):
            yield line, *(cells[name] for name in NEEDED)
