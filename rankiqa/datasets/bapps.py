"""BAPPS: 187,744 pairs of distorted patches of 64 × 64, of which people chose the one nearer to a reference.

Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
2018. Its second part, of just noticeable differences, is not read: it says nothing of which image is better.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from rankiqa.datasets.folder import Files
from rankiqa.datasets.paired_rows import PairRow, make_paired_set
from rankiqa.datasets.paired_set import PairedSet
from rankiqa.errors import InputError

VOTES = {"train": 2, "val": 5}
IMAGES = ("ref", "p0", "p1")
KINDS = ("traditional", "cnn", "mix", "superres", "deblur", "color", "frameinterp")
SIDE = 64  # of its patches, in pixels
MOST_BYTES = 4096  # of a file with one number


def read(root: Path, missing: str = "error") -> PairedSet:
    """Read `2afc/train/KIND/` and `2afc/val/KIND/`, each with `judge/000000.npy`, `p0/`, `p1/` and `ref/` (000000.png).

    The kinds are traditional, cnn, mix, superres, deblur, color and frameinterp. A judge file holds the share of people
    that found p1, the second, nearer to the reference: two people of the part train, five of val. The group is the
    reference patch; which patches are of one photo is not known.

    Raises:
        InputError: no judge file is there, one is damaged, or, unless `missing` is "record", images are not there.
    """
    files = Files(root)
    base = "2afc/" if any(files.under(f"2afc/{part}/{kind}/judge") for part in VOTES for kind in KINDS) else ""
    rows = []
    for part, votes in VOTES.items():
        for kind in KINDS:
            folder = f"{base}{part}/{kind}"
            for judge in files.under(f"{folder}/judge"):
                if judge.lower().endswith(".npy"):
                    name = f"{Path(judge).stem}.png"
                    ref, p0, p1 = ((place, files(place)) for place in (f"{folder}/{f}/{name}" for f in IMAGES))
                    rows.append(PairRow(p0, p1, ref, _share(root / judge), votes, part, kind))
    if not rows:
        first, *signs = (f"2afc/{part}/{kind}/judge/000000.npy" for part in VOTES for kind in KINDS)
        files.require(first, signs=signs)  # which tells where it may be
    return make_paired_set("bapps", root / base, root, rows, missing)


def _share(file: Path) -> float:
    """The number of a judge file: data alone, no object is made of it."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES)
        share = float(np.load(io.BytesIO(data), allow_pickle=False).item())
    except Exception as error:  # NumPy raises whatever it met in a damaged file
        raise InputError(
            f"not a readable judgement ({error})".split("\n")[0], path=file, cure="copy it again"
        ) from error
    if not 0 <= share <= 1:
        raise InputError(f"the judgement is {share:g}, not from 0 to 1", path=file, cure="copy it again")
    return share
