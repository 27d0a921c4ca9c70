"""The data sets of pairs by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rankiqa.datasets import bapps, pieapp
from rankiqa.datasets.paired_set import PairedSet
from rankiqa.errors import InputError


@dataclass(frozen=True)
class PairedSetInfo:
    """A data set of pairs: how it is read, and what a whole copy of it holds.

    Attributes:
        read: `read(root, missing)` of its module.
        title: Name and kind for readers.
        pairs: Part → how many pairs the label files list.
        references: How many pristine photos there are; None: each pair has its own.
        aside: Folders that hold no pairs: what lies there is not surplus.
        side: Of its images, in pixels, where all are squares too small for a usual crop; None: they are of many sizes.
    """

    read: Callable[..., PairedSet]
    title: str
    pairs: Mapping[str, int]
    references: int | None = None
    aside: tuple[str, ...] = ()
    side: int | None = None


PAIRED_SETS: dict[str, PairedSetInfo] = {
    "pieapp": PairedSetInfo(
        pieapp.read, "PieAPP, 40 people's preferences a pair", {"train": 67620, "val": 9660, "test": 4800}, 200
    ),
    "bapps": PairedSetInfo(
        bapps.read,
        "BAPPS, two or five people's choices a pair",
        {"train": 151400, "val": 36344},
        aside=("jnd",),
        side=bapps.SIDE,
    ),
}


def open_paired_set(name: str, root: str | os.PathLike[str], *, missing: str = "error") -> PairedSet:
    """Read a data set of pairs.

    Args:
        name: one of `PAIRED_SETS`.
        root: its folder, as it is distributed.
        missing: what becomes of a pair with an image that is not there: "error", or "record" (left out, and listed in
            `left_out`).

    Raises:
        InputError: an unknown name, a folder or file that is not there, a fault of a label file.
    """
    if name not in PAIRED_SETS:
        raise InputError(f"dataset: unknown {name!r}; of pairs there are {', '.join(PAIRED_SETS)}")
    if missing not in ("error", "record"):
        raise InputError(f"missing must be error or record, not {missing!r}")
    if not Path(root).is_dir():
        raise InputError("no such folder", path=root, cure=f"give that of the data set {name}", options=("root",))
    return PAIRED_SETS[name].read(Path(root), missing)
