"""KADID-10k: 81 references × 25 types × 5 levels. What it calls DMOS is a rating from 1 to 5: higher is better.

Lin, Hosu, Saupe, "KADID-10k: A large-scale artificially distorted IQA database", QoMEX 2019.
"""

from __future__ import annotations

import re
from pathlib import Path

from rankiqa.datasets.label_file import Entry, Files, make_table, number, read_csv_rows
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (1.0, 5.0)
TYPES = (
    "Gaussian blur",
    "lens blur",
    "motion blur",
    "colour diffusion",
    "colour shift",
    "colour quantization",
    "colour saturation (HSV)",
    "colour saturation (Lab)",
    "JPEG 2000",
    "JPEG",
    "white noise",
    "white noise in colour components",
    "impulse noise",
    "multiplicative noise",
    "denoising",
    "brighten",
    "darken",
    "mean shift",
    "jitter",
    "non-eccentricity patch",
    "pixelate",
    "quantization",
    "colour block",
    "high sharpen",
    "contrast change",
)


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read `dmos.csv` (dist_img, ref_img, dmos, var) and `images/` (I01_01_01.png; references I01.png).

    Types are "01"…"25", levels 1…5 as in the names; they are no ranks in the types 18 and 25.
    """
    files = Files(root)
    labels = files.require("dmos.csv")
    header, rows = read_csv_rows(labels)
    names = [name.lower() for name in header]
    if absent := [name for name in ("dist_img", "ref_img", "dmos") if name not in names]:
        raise InputError(f"{labels}: no column {absent[0]}, only {', '.join(header)}")
    at = [names.index(name) for name in ("dist_img", "ref_img", "dmos")]
    entries = []
    for line, cells in rows:
        name, reference, score = (cells[k] for k in at)
        where = f"{labels}, line {line}"
        found = re.fullmatch(r"(i\d\d)_(\d\d)_(\d\d)\.png", name, re.IGNORECASE)
        if not found or not 1 <= int(found[2]) <= len(TYPES) or Path(reference).stem.upper() != found[1].upper():
            raise InputError(
                f"{where}: {name} of {reference} is no name of KADID-10k, such as I01_01_01.png of I01.png"
            )
        score = number(score, f"{where}: the score of {name}")
        path = files(f"images/{name}")
        entries.append(Entry(line, name, path, score, found[1].upper(), found[2], int(found[3])))
    table, left_out = make_table(labels, root, entries, missing)
    found = (path for path in files.under("images") if re.fullmatch(r"i\d\d\.png", Path(path).name, re.IGNORECASE))
    references = {Path(path).stem.upper(): root / path for path in found}
    types = {f"{k:02d}": name for k, name in enumerate(TYPES, start=1)}
    return ScoredSet("kadid10k", root, SCORE_RANGE, True, table, references, {}, left_out, types)
