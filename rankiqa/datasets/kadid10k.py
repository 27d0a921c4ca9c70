"""KADID-10k: 81 references × 25 types × 5 levels. What it calls DMOS is a rating from 1 to 5: higher is better.

Lin, Hosu, Saupe, "KADID-10k: A large-scale artificially distorted IQA database", QoMEX 2019.
"""

from __future__ import annotations

import re
from pathlib import Path

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, read_columns
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

    Raises:
        InputError: a file is missing, a row is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    files = Files(root)
    labels = files.require("dmos.csv")
    listed = []
    for line, cells in read_columns(labels, ("dist_img", "ref_img", "dmos")):
        name, reference = cells["dist_img"], cells["ref_img"]
        found = re.fullmatch(r"(i\d\d)_(\d\d)_(\d\d)\.png", name, re.IGNORECASE)
        if not found or not 1 <= int(found[2]) <= len(TYPES) or Path(reference).stem.upper() != found[1].upper():
            why = f"{name} of {reference} is no name of KADID-10k, such as I01_01_01.png of I01.png"
            raise InputError(why, path=labels, line=line)
        score = finite_number(cells["dmos"], f"the score of {name}", labels, line)
        path = files(f"images/{name}")
        listed.append(LabelRow(line, name, path, score, found[1].upper(), found[2], int(found[3])))
    table, left_out = make_table(labels, root, listed, missing)
    photos = (path for path in files.under("images") if re.fullmatch(r"i\d\d\.png", Path(path).name, re.IGNORECASE))
    references = {Path(path).stem.upper(): root / path for path in photos}
    types = {f"{k:02d}": name for k, name in enumerate(TYPES, start=1)}
    return ScoredSet("kadid10k", root, SCORE_RANGE, True, table, references, {}, left_out, types)
