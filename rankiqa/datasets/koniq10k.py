"""KonIQ-10k: 10,073 photos with real distortions and no references, MOS 1–100.

Hosu, Lin, Sziranyi, Saupe, "KonIQ-10k: An ecologically valid database for deep learning of blind image quality
assessment", IEEE TIP 29, 2020.
"""

from __future__ import annotations

from pathlib import Path

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, read_columns
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (1.0, 100.0)
SETS, SCORES = "koniq10k_distributions_sets.csv", "koniq10k_scores_and_distributions.csv"
PLACES = ("1024x768", "512x384", "images", ".")  # of the photos; the first that holds one is read
PARTS = {"training": "train", "validation": "val", "test": "test"}


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read the scores and `1024x768/`, or `512x384/` where that is not there.

    `koniq10k_distributions_sets.csv` (image_name, …, MOS, set) has the scores and the authors' split, "official", of
    7,058 photos to train on, 1,000 to validate on and 2,015 to test on. Without it
    `koniq10k_scores_and_distributions.csv` is read, which has no split; its column MOS is the mean of the votes from 1
    to 5, so that its column MOS_zscore, the other file's MOS, is the score.

    Raises:
        InputError: a file is missing, a row is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    files = Files(root)
    labels = files.require(SETS, f"metadata/{SETS}", SCORES)
    with_sets = labels.name.lower() == SETS
    score_column = "mos" if with_sets else "mos_zscore"
    rows = read_columns(labels, ("image_name", score_column, *(["set"] if with_sets else [])))
    folder = next((p for p in PLACES if any(files(_join(p, cells["image_name"])) for _, cells in rows)), PLACES[0])
    listed: list[LabelRow] = []
    parts: dict[str, str] = {}
    for line, cells in rows:
        name = cells["image_name"]
        if not name:
            raise InputError("no name of an image", path=labels, line=line, cure="correct or remove the row")
        path = files(_join(folder, name))
        score = finite_number(cells[score_column], f"the {score_column.upper()} of {name}", labels, line)
        listed.append(LabelRow(line, name, path, score))
        if with_sets and cells["set"] not in PARTS:
            why = f"the set of {name} must be {', '.join(PARTS)}, not {cells['set']!r}"
            raise InputError(why, path=labels, line=line)
        if with_sets and path:
            parts[path] = PARTS[cells["set"]]
    table, left_out = make_table(labels, root, listed, missing)
    splits = {"official": parts} if parts else {}
    return ScoredSet("koniq10k", root, SCORE_RANGE, True, table, splits=splits, left_out=left_out)


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"
