"""The data sets by name alone, and whether one may lie in a folder: known before anything that reads them is there."""

from __future__ import annotations

import os
from pathlib import Path

from rankiqa.errors import InputError

# Those of rankiqa.datasets.registry and, of pairs, rankiqa.datasets.paired.
SCORED_SETS = (
    *("tid2013", "live", "csiq", "kadid10k", "ava", "biq2021", "koniq10k", "spaq", "clive", "flive", "flive_patches"),
    *("tid2008", "pipal", "agiqa3k", "csv"),
)
PAIRED_SETS = ("pieapp", "bapps")


def check_place(name: str, root: str | os.PathLike[str], own: tuple[str, ...] = ()) -> None:
    """Raise `InputError` for a data set that is none with scores, nor of `own`, or a folder that is not there."""
    if name in PAIRED_SETS:
        raise InputError(f"dataset: {name} has pairs of images and no scores; with scores: {', '.join(SCORED_SETS)}")
    if name not in (*SCORED_SETS, *own):
        raise InputError(f"dataset: unknown {name!r}; known: {', '.join((*SCORED_SETS, *own))}")
    if not Path(root).is_dir():
        raise InputError("no such folder", path=root, cure=f"give that of the data set {name}", options=("root",))
