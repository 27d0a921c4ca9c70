"""PIPAL: 200 references × 116 distortions, many of them results of restoration and super-resolution; Elo scores.

Gu, Cai, Chen, Ye, Ren, Dong, "PIPAL: a large-scale image quality assessment dataset for perceptual image restoration",
ECCV 2020.
"""

from __future__ import annotations

import re
from pathlib import Path

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, read_lines
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (900.0, 1850.0)  # an Elo score has no ends; the published ones lie within these
LABELS = ("Train_Label", "MOS_Scores_train")
DISTORTED = ("Train_Dist", "Dist_Imgs", "Distortion", *(f"Distortion_{k}" for k in range(1, 5)))
NESTED = tuple(f"{folder}/Distortion_{k}" for folder in ("Train_Dist", "Distortion") for k in range(1, 5))
REFERENCES = ("Train_Ref", "Reference_train")
NAME = re.compile(r"(a\d{4})_(\d\d)_\d\d\.bmp", re.IGNORECASE)


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read `Train_Label/` (A0001.txt: "A0001_00_00.bmp,1520.0648"), `Distortion_1/` … `Distortion_4/`, `Train_Ref/`.

    Other copies call them `MOS_Scores_train/`; `Train_Dist/`, `Dist_Imgs/` or `Distortion/`, which hold the distorted
    images or their four folders; `Reference_train/`. The types are "00"…"06" as in the names; the number behind it is
    one of a kind, no level. The training part alone is read, so there is no split.

    Raises:
        InputError: a file or folder is missing, a line is not as it should be, or, unless `missing` is "record", images
            are not there.
    """
    files = Files(root)
    folder = next((name for name in LABELS if files.under(name)), LABELS[0])
    labels = [path for path in files.under(folder) if path.lower().endswith(".txt")]
    if not labels:
        files.require(*(f"{name}/A0001.txt" for name in LABELS))  # which tells where it may be
    listed: list[LabelRow] = []
    for file in (root / path for path in labels):
        first: dict[str, int] = {}
        for line, text in read_lines(file):
            cells = [cell.strip() for cell in text.split(",")]
            if len(cells) != 2:
                why = f"{len(cells)} columns, but a name and a score are needed: {text[:80]!r}"
                raise InputError(why, path=file, line=line)
            name, score = cells[0], finite_number(cells[1], f"the score of {cells[0]}", file, line)
            found = NAME.fullmatch(name)
            if not found or found[1].lower() != file.stem.lower():
                why = f"{name} is no name of PIPAL in {file.name}, such as {file.stem}_00_00.bmp"
                raise InputError(why, path=file, line=line)
            if (place := first.setdefault(name.lower(), line)) != line:
                raise InputError(f"{name} is there twice, first in line {place}", path=file, line=line, cure="keep one")
            path = files(*(f"{place}/{name}" for place in (*DISTORTED, *NESTED)))
            listed.append(LabelRow(line, name, path, score, found[1].upper(), found[2]))
    table, left_out = make_table(root / folder, root, listed, missing)
    references = {
        Path(path).stem.upper(): root / path
        for folder in REFERENCES
        for path in files.under(folder)
        if path.lower().endswith(".bmp")
    }
    return ScoredSet("pipal", root, SCORE_RANGE, True, table, references, left_out=left_out)
