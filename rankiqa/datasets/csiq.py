"""CSIQ: 30 references, six types, DMOS 0–1, lower is better.

Larson, Chandler, "Most apparent distortion", Journal of Electronic Imaging 19(1), 2010.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rankiqa.datasets.excel_file import read_sheet
from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, read_columns, read_lines
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (0.0, 1.0)
SHEET = "all_by_image"
# As the table calls a type → type, folder; a file is called IMAGE.TYPE.LEVEL.png.
TYPES = {
    "noise": ("AWGN", "awgn"),
    "awgn": ("AWGN", "awgn"),
    "blur": ("BLUR", "blur"),
    "contrast": ("CONTRAST", "contrast"),
    "fnoise": ("FNOISE", "fnoise"),
    "jpeg": ("JPEG", "jpeg"),
    "jpeg2000": ("JPEG2000", "jpeg2000"),
    "jp2k": ("JPEG2000", "jpeg2000"),
}
NEEDED = ("image", "dst_type", "dst_lev", "dmos")


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read the table `csiq.DMOS.xlsx` (its sheet all_by_image), `dst_imgs/` and `src_imgs/`.

    A copy of the table as csiq.DMOS.csv, with the sheet's columns, or as csiq_label.txt ("1600.AWGN.1.png 0.062", with
    or without ".png") is taken where the Excel file is not there. The images lie in a folder a type, or all in dst_imgs
    or dst_imgs_all.

    Raises:
        InputError: a file is missing, a row is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    files = Files(root)
    labels = files.require("csiq.DMOS.xlsx", "csiq.DMOS.csv", "csiq_label.txt")
    rows = {".xlsx": _from_excel, ".csv": _from_csv, ".txt": _from_list}[labels.suffix.lower()](labels)
    listed = []
    for line, image, kind, level_cell, score_cell in rows:
        key = str(kind).lower().replace(" ", "").replace("_", "")
        if key not in TYPES:
            raise InputError(f"unknown type {str(kind)!r}; known: {', '.join(TYPES)}", path=labels, line=line)
        name, folder = TYPES[key]
        if image is None or not str(image).strip():
            raise InputError("no image", path=labels, line=line, cure="correct or remove the row")
        # A number in an Excel cell may come as 1600.0.
        reference = str(image).strip().removesuffix(".0")
        if (value := finite_number(level_cell, "the level", labels, line)) != (level := int(value)):
            raise InputError(f"the level {value:g} is no whole number", path=labels, line=line)
        score = finite_number(score_cell, "the DMOS", labels, line)
        file = f"{reference}.{name}.{level}.png"
        path = files(f"dst_imgs/{folder}/{file}", f"dst_imgs/{file}", f"dst_imgs_all/{file}", f"{folder}/{file}")
        listed.append(LabelRow(line, file, path, score, reference, name, level))
    table, left_out = make_table(labels, root, listed, missing)
    references = {Path(path).stem: root / path for path in files.under("src_imgs") if path.lower().endswith(".png")}
    return ScoredSet("csiq", root, SCORE_RANGE, False, table, references, left_out=left_out)


def _from_excel(labels: Path) -> Iterator[tuple]:
    return read_sheet(labels, NEEDED, SHEET)


def _from_csv(labels: Path) -> Iterator[tuple]:
    for line, cells in read_columns(labels, NEEDED):
        yield line, *(cells[name] for name in NEEDED)


def _from_list(labels: Path) -> Iterator[tuple]:
    for line, text in read_lines(labels):
        parts = text.split()
        name = re.sub(r"\.png$", "", Path(parts[0]).name, flags=re.IGNORECASE).split(".")
        if len(parts) != 2 or len(name) != 3:
            why = f"must be IMAGE.TYPE.LEVEL.png and a score, not {text[:80]!r}"
            raise InputError(why, path=labels, line=line)
        yield line, name[0], name[1], name[2], parts[1]
