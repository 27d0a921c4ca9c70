"""LIVE in the Wild (the ChallengeDB release): 1,162 photos of mobile cameras, no references, MOS 0–100.

Ghadiyaram, Bovik, "Massive online crowdsourced study of subjective and objective picture quality", IEEE TIP 25(1),
2016.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table
from rankiqa.datasets.matlab_file import read_variable
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (0.0, 100.0)
EXAMPLES = re.compile(r"t[1-7]\.bmp", re.IGNORECASE)  # shown to the people before they voted


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read `Data/AllMOS_release.mat`, `Data/AllImages_release.mat` and `Images/`.

    The files list seven more photos, t1.bmp to t7.bmp of `Images/trainingImages/`, by which people were shown how to
    vote. They are left out, as everywhere. No published split is known.

    Raises:
        InputError: a file is missing or damaged, the two do not go together, or, unless `missing` is "record", images
            are not there.
    """
    files = Files(root)
    labels = files.require("Data/AllMOS_release.mat", "AllMOS_release.mat")
    names_file = files.require("Data/AllImages_release.mat", "AllImages_release.mat")
    scores = read_variable(labels, "AllMOS_release", np.ndarray)
    names = read_variable(names_file, "AllImages_release", list)
    if len(scores) != len(names):
        raise InputError(f"{len(scores)} scores, but {names_file.name} has {len(names)} names", path=labels)
    listed = []
    for place, name in enumerate(map(str.strip, names), start=1):
        if EXAMPLES.fullmatch(name):
            continue
        score = finite_number(scores[place - 1], f"number {place}, the MOS of {name},", labels)
        listed.append(LabelRow(place, name, files(f"Images/{name}", name), score))
    table, left_out = make_table(labels, root, listed, missing)
    return ScoredSet("clive", root, SCORE_RANGE, True, table, left_out=left_out)
