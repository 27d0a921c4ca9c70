"""LIVE release 2: 29 references, five types, DMOS 0–100, lower is better.

Sheikh, Sabir, Bovik, "A statistical evaluation of recent full reference image quality assessment algorithms", IEEE TIP
15(11), 2006.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, split_by
from rankiqa.datasets.matlab_file import read_variable
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError
from rankiqa.images.photos import PRISTINE

SCORE_RANGE = (0.0, 100.0)
# Folder → type as the paper calls it, and images; in the order of the score files.
FOLDERS = {
    "jp2k": ("JP2K", 227),
    "jpeg": ("JPEG", 233),
    "wn": ("GN", 174),
    "gblur": ("GB", 174),
    "fastfading": ("FF", 174),
}
TEST_REFERENCES = ("lighthouse", "sailing1", "sailing3", "statue", "stream", "woman")  # of RankIQA's released lists


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read `dmos.mat`, `refnames_all.mat`, the five folders of img1.bmp …, and `refimgs/`.

    Where `dmos_realigned.mat` is there, its scores are taken (of the database's second study, which its authors
    recommend), otherwise those of dmos.mat; a realigned score may lie outside of 0–100. The 982 images hold 203
    undistorted copies of the references (`orgs`): they are kept as distortion "pristine"; 779 remain without them. The
    split "rankiqa" tests on lighthouse, sailing1, sailing3, statue, stream and woman.

    Raises:
        InputError: a file is missing or damaged, the files do not go together, or, unless `missing` is "record", images
            are not there.
    """
    files = Files(root)
    labels, names_file = files.require("dmos.mat"), files.require("refnames_all.mat")
    scores, copies = read_variable(labels, "dmos", np.ndarray), read_variable(labels, "orgs", np.ndarray)
    if realigned := files("dmos_realigned.mat"):
        labels = root / realigned
        scores, copies = read_variable(labels, "dmos_new", np.ndarray), read_variable(labels, "orgs", np.ndarray)
    names = read_variable(names_file, "refnames_all", list)
    if not len(scores) == len(copies) == len(names):
        why = f"{len(scores)} scores and {len(copies)} orgs, but {names_file.name} has {len(names)} names"
        raise InputError(why, path=labels)
    listed = []
    for place, (folder, index) in enumerate(_images(files, len(scores), labels)):
        name = f"{folder}/img{index}.bmp"
        score = finite_number(scores[place], f"number {place + 1}, the DMOS of {name},", labels)
        kind = PRISTINE if copies[place] else FOLDERS[folder][0]
        listed.append(LabelRow(place + 1, name, files(name), score, Path(names[place]).stem.lower(), kind))
    table, left_out = make_table(labels, root, listed, missing)
    references = {Path(p).stem.lower(): root / p for p in files.under("refimgs") if p.lower().endswith(".bmp")}
    split = split_by(table["path"], table["reference"], TEST_REFERENCES)
    return ScoredSet("live", root, SCORE_RANGE, False, table, references, {"rankiqa": split}, left_out)


def _images(files: Files, total: int, labels: Path) -> list[tuple[str, int]]:
    """(folder, number) of each score. A part of the database has as many images as its folders' highest numbers say."""
    counts = {folder: count for folder, (_, count) in FOLDERS.items()}
    if total != sum(counts.values()):
        for folder in counts:
            found = (re.fullmatch(r"img(\d+)\.bmp", Path(path).name, re.IGNORECASE) for path in files.under(folder))
            counts[folder] = max((int(match[1]) for match in found if match), default=0)
        if total != sum(counts.values()):
            folders = ", ".join(f"{folder} {count}" for folder, count in counts.items())
            why = f"{total} scores, but the folders hold {sum(counts.values())} images ({folders})"
            raise InputError(why, path=labels)
    return [(folder, index) for folder, count in counts.items() for index in range(1, count + 1)]
