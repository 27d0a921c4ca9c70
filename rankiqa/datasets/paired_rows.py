"""From checked rows of a label file to a `PairedSet`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rankiqa.datasets.paired_set import NO_FILE, PAIRED_COLUMNS, PairedSet
from rankiqa.errors import InputError

Place = tuple[str, str | None]  # where an image should lie, and where it lies (None: nowhere)


class PairRow(NamedTuple):
    """One pair as its label file has it; a `reason` says why nothing is known of it."""

    first: Place
    second: Place
    reference: Place
    share: float = 0.5
    votes: int | None = None
    part: str = ""
    distortion: str = ""
    reason: str = ""


def make_paired_set(name: str, labels: Path, root: Path, rows: Sequence[PairRow], missing: str = "error") -> PairedSet:
    """The set of these rows, without those whose images are not there.

    A reference that is not there leaves its pair in: the pair says which of its two images is better all the same.

    Raises:
        InputError: no pair is left, or, unless `missing` is "record", images are not there.
    """
    cells, left_out, absent = [], [], dict[str, None]()
    for row in rows:
        gone = [place for place, path in (row.first, row.second) if path is None]
        if row.reason or gone:
            path, reason = (gone[0], NO_FILE) if gone else (row.first[0], row.reason)
            left_out.append({"path": path, "reason": reason, "part": row.part})
            absent |= dict.fromkeys(gone)
            continue
        reference = row.reference[1] or row.reference[0]
        of_pair = (row.first[1], row.second[1], reference, reference, row.distortion, row.share, row.votes, row.part)
        cells.append(of_pair)
    if absent and missing != "record":
        raise InputError(
            f"{len(absent)} images of its pairs are not in {root}, the first is {next(iter(absent))}",
            path=labels,
            cure="complete the data set, or go on without them",
            options=("missing=record",),
        )
    if not cells:
        why = f"none of its {len(rows)} pairs is in {root}"
        raise InputError(why, path=labels, cure="give the folder of the data set", options=("root",))
    import pandas as pd

    table = pd.DataFrame(cells, columns=list(PAIRED_COLUMNS)).astype({"votes": "Int64", "share": "float64"})
    return PairedSet(name, root, table, tuple(left_out))
