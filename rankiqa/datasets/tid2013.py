"""TID2013: 25 references × 24 types × 5 levels, MOS 0–9.

Ponomarenko et al., "Image database TID2013", Signal Processing: Image Communication 30, 2015.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, read_lines, split_by
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (0.0, 9.0)
TYPES = (
    "additive Gaussian noise",
    "noise in colour components",
    "spatially correlated noise",
    "masked noise",
    "high-frequency noise",
    "impulse noise",
    "quantization noise",
    "Gaussian blur",
    "image denoising",
    "JPEG",
    "JPEG 2000",
    "JPEG transmission errors",
    "JPEG 2000 transmission errors",
    "non-eccentricity pattern noise",
    "local block-wise distortions",
    "mean shift",
    "contrast change",
    "colour saturation",
    "multiplicative Gaussian noise",
    "comfort noise",
    "lossy compression of noisy images",
    "colour quantization with dither",
    "chromatic aberrations",
    "sparse sampling and reconstruction",
)
LEVELS = 5
# Of RankIQA's released lists, which have neither part of I25, the synthetic image.
TEST_REFERENCES, NEITHER = ("I04", "I11", "I13", "I17", "I19"), ("I25",)


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read `mos_with_names.txt` ("5.51429 I01_01_1.bmp"), `distorted_images/` and `reference_images/`.

    The names' letters may differ in case from the file's. Types are "01"…"24", levels 1…5 as in the names; they are no
    ranks in the types 15, 16 and 17. The split "rankiqa" tests on I04, I11, I13, I17 and I19.

    Raises:
        InputError: a file is missing, a line is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    dataset = read_layout("tid2013", root, missing, TYPES, LEVELS)
    split = split_by(dataset.table["path"], dataset.table["reference"], TEST_REFERENCES, NEITHER)
    return replace(dataset, splits={"rankiqa": split})


def read_layout(dataset: str, root: Path, missing: str, types: Sequence[str], levels: int) -> ScoredSet:
    """What TID2008 and TID2013 have in common: all but the number of types and levels, and the split."""
    files = Files(root)
    labels = files.require("mos_with_names.txt")
    listed = []
    for line, text in read_lines(labels):
        parts = text.split()
        if len(parts) != 2:
            why = f"{len(parts)} columns, but a score and a name are needed: {text[:80]!r}"
            raise InputError(why, path=labels, line=line)
        score = finite_number(parts[0], f"the MOS of {parts[1]}", labels, line)
        found = re.fullmatch(r"(i\d\d)_(\d\d)_(\d)\.bmp", parts[1], re.IGNORECASE)
        if not found or not 1 <= int(found[2]) <= len(types) or not 1 <= int(found[3]) <= levels:
            why = f"{parts[1]} is no name of {dataset.upper()}, such as I01_01_1.bmp"
            raise InputError(why, path=labels, line=line)
        path = files(f"distorted_images/{parts[1]}")
        listed.append(LabelRow(line, parts[1], path, score, found[1].upper(), found[2], int(found[3])))
    table, left_out = make_table(labels, root, listed, missing)
    references = {Path(p).stem.upper(): root / p for p in files.under("reference_images") if p.lower().endswith(".bmp")}
    names = {f"{k:02d}": name for k, name in enumerate(types, start=1)}
    return ScoredSet(dataset, root, SCORE_RANGE, True, table, references, {}, left_out, names)
