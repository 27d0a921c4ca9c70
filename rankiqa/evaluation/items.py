"""The images of an evaluation as a table: a row an image, with its truth. Higher is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split
from rankiqa.images.photos import Photo, read_photos
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.votes import VOTE_COLUMNS

SHARE_COLUMNS = tuple(f"p{k}" for k in range(1, len(VOTE_COLUMNS) + 1))  # predicted shares of the votes
VOTED = (*VOTE_COLUMNS, "votes_std", *SHARE_COLUMNS)  # columns of scores.csv where people, or the model, voted


def ranked_items(ranks: RankedSet) -> pd.DataFrame:
    """The images of a ranked set, pristine ones included, each once.

    Columns path (in the folder), file, reference, group (the reference), distortion, level, native (NaN: nobody
    scored them), and truth = −level: higher is better.
    """
    table = ranks.table.reset_index(drop=True)
    rows = zip(table["reference"], table["distortion"], table["level"], strict=True)
    files = [ranks.row_path(*row) for row in rows]
    return pd.DataFrame(
        {
            "path": table["path"],
            "file": files,
            "reference": table["reference"],
            "group": table["reference"],
            "distortion": table["distortion"],
            "level": table["level"].astype("Int64"),
            "native": np.nan,
            "truth": -table["level"].astype("float64") + 0.0,  # + 0: no minus zero
        }
    )


def scored_items(dataset: ScoredSet, split: Split, keep: np.ndarray) -> pd.DataFrame:
    """The images of a scored set where `keep`, with the columns of `ranked_items`.

    native is the score as distributed, truth the same with higher for better, group what `split` keeps whole. Where
    people voted there are vote1 … vote10 too; a higher vote is better.
    """
    table = dataset.table.assign(group=list(split.groups), native=dataset.table["score"], truth=dataset.truth)
    columns = ["path", "file", "reference", "group", "distortion", "level", "native", "truth"]
    if set(VOTE_COLUMNS) <= set(table):
        columns += VOTE_COLUMNS
    return table.loc[keep, columns].reset_index(drop=True)


def leave_out_training(ranks: RankedSet, config: Mapping[str, Any]) -> tuple[RankedSet, list[str], list[str]]:
    """The part of `ranks` that a model was not trained on, the references left out, and those to doubt.

    `config` is the model's. Its training_photos (SHA-256 of the pixels → name) tell a photo whatever kind of file it is
    in. An older model has training_references (SHA-256 of the pristine file → name), which miss a photo that was
    stored anew. In doubt is a reference that only has the name of a training photo: another picture of that name,
    the same at another size or, with an older model, the same in another file. A pristine photo that cannot be read is
    told by its name only.
    """
    photos, files = config.get("training_photos") or {}, config.get("training_references") or {}
    known = set()
    if photos:
        found = read_photos(ranks.pristine_paths)
        known = {name for name, photo in found.items() if isinstance(photo, Photo) and photo.sha256 in photos}
    out = [name for name in ranks.references if name in known or ranks.pristine_sha256(name) in files]
    rest = [name for name in ranks.references if name not in set(out)]
    doubt = [name for name in rest if name in {*photos.values(), *files.values()}]
    return (ranks.select(rest) if out and rest else ranks), out, doubt
