"""The data sets by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankiqa.datasets import (
    agiqa3k,
    ava,
    biq2021,
    clive,
    csiq,
    flive,
    kadid10k,
    koniq10k,
    live,
    pipal,
    spaq,
    tid2008,
    tid2013,
)
from rankiqa.datasets import csv_file as csv
from rankiqa.datasets.places import check_place
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError
from rankiqa.images.photos import PRISTINE


@dataclass(frozen=True)
class DataSetInfo:
    """A data set: how it is read, and what a whole copy of it holds (None: not known beforehand).

    Attributes:
        read: `read(root, missing, …)` of its module.
        title: Name, scores and scale for readers.
        score_range: (lowest, highest) of the scale, in its own unit.
        higher_is_better: Direction of the scores.
        images: How many the label file lists.
        references: How many pristine photos there are.
        aside: Folders of it without scores, or with those of another data set: what lies there is not surplus.
    """

    read: Callable[..., ScoredSet]
    title: str
    score_range: tuple[float, float] | None
    higher_is_better: bool | None
    images: int | None = None
    references: int | None = None
    aside: tuple[str, ...] = ()


DATASETS: dict[str, DataSetInfo] = {
    "tid2013": DataSetInfo(tid2013.read, "TID2013, MOS 0–9", tid2013.SCORE_RANGE, True, 3000, 25),
    "live": DataSetInfo(live.read, "LIVE release 2, DMOS 0–100, lower is better", live.SCORE_RANGE, False, 982, 29),
    "csiq": DataSetInfo(csiq.read, "CSIQ, DMOS 0–1, lower is better", csiq.SCORE_RANGE, False, 866, 30),
    "kadid10k": DataSetInfo(kadid10k.read, "KADID-10k, ratings 1–5", kadid10k.SCORE_RANGE, True, 10125, 81),
    "ava": DataSetInfo(ava.read, "AVA, mean of the votes 1–10", ava.SCORE_RANGE, True, 255530),
    "biq2021": DataSetInfo(biq2021.read, "BIQ2021, MOS 0–1", biq2021.SCORE_RANGE, True, 12000),
    "koniq10k": DataSetInfo(
        koniq10k.read, "KonIQ-10k, MOS 1–100", koniq10k.SCORE_RANGE, True, 10073, aside=("512x384",)
    ),
    "spaq": DataSetInfo(spaq.read, "SPAQ, MOS 0–100", spaq.SCORE_RANGE, True, 11125),
    "clive": DataSetInfo(
        clive.read, "LIVE in the Wild, MOS 0–100", clive.SCORE_RANGE, True, 1162, aside=("Images/trainingImages",)
    ),
    "flive": DataSetInfo(flive.read, "FLIVE, MOS 0–100", flive.SCORE_RANGE, True, 39810, aside=("patches",)),
    "flive_patches": DataSetInfo(
        flive.read_patches, "FLIVE's patches, MOS 0–100", flive.SCORE_RANGE, True, 119430, aside=flive.PHOTOS
    ),
    "tid2008": DataSetInfo(tid2008.read, "TID2008, MOS 0–9", tid2008.SCORE_RANGE, True, 1700, 25),
    "pipal": DataSetInfo(pipal.read, "PIPAL, Elo scores", pipal.SCORE_RANGE, True, 23200, 200),
    "agiqa3k": DataSetInfo(agiqa3k.read, "AGIQA-3K, MOS 0–5", agiqa3k.SCORE_RANGE, True, 2982),
    "csv": DataSetInfo(csv.read, "images of your own, scores in a CSV file", None, None),
}


def open_dataset(
    name: str,
    root: str | os.PathLike[str],
    *,
    missing: str = "error",
    labels: str | os.PathLike[str] | None = None,
    name_column: str | None = None,
    score_column: str | None = None,
    direction: str | None = None,
    score_range: tuple[float, float] | None = None,
    pristine: bool = True,
) -> ScoredSet:
    """Read a data set.

    Args:
        name: one of `DATASETS`.
        root: its folder, as it is distributed; of csv the folder of the images.
        missing: what becomes of an image that is listed but not there: "error", or "record" (left out, and listed in
            `left_out`). AVA's are always recorded.
        labels: of csv only: the file with the scores or votes.
        name_column: of csv only: the column of the images' names; None: name, path, image or file_name.
        score_column: of csv only: the column of the scores; None: mos, dmos, score or label, or the mean of votes.
        direction: of csv only: which scores are better, "higher" or "lower"; None: what the column's name says.
        score_range: of csv only: (lowest, highest) of the scale, rising; None: what the scores span, or 1 and 10 of
            votes.
        pristine: keep the undistorted copies.

    Raises:
        InputError: an unknown name, a folder or file that is not there, a fault of a label file, an option of csv for
            another data set.
    """
    check_place(name, root)
    if missing not in ("error", "record"):
        raise InputError(f"missing must be error or record, not {missing!r}")
    root = Path(root)
    own: dict[str, Any] = {"labels": labels, "name_column": name_column, "score_column": score_column}
    own |= {"direction": direction, "score_range": score_range}
    given = {key: value for key, value in own.items() if value is not None}
    if name != "csv" and given:
        first = next(iter(given))
        raise InputError(
            f"{first} is for the data set csv; {name} declares its own", cure="leave it out", options=(first,)
        )
    if score_range is not None and not score_range[0] < score_range[1]:
        raise InputError(f"score_range must rise, from the lowest score to the highest, not {list(score_range)}")
    dataset = DATASETS[name].read(root, missing, **given)
    return dataset if pristine else dataset.select(dataset.table["distortion"] != PRISTINE)
