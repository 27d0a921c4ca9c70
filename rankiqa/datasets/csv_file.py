"""Human scores or votes of one's own images: a CSV file beside a folder.

Siamese NIMA's own files, "file_name label" with a space between, are read too.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from rankiqa.datasets.label_file import LISTED_PARTS, LabelRow, finite_number, make_table, read_csv_rows
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError
from rankiqa.votes import VOTE_COLUMNS, VOTES, mean_of, normalise

if TYPE_CHECKING:
    import pandas as pd

NAME_COLUMNS = ("name", "path", "image", "file_name")
# Which is better; None: must be said. A label is that of Siamese NIMA's files.
SCORE_COLUMNS = {"mos": "higher", "dmos": "lower", "score": None, "label": "higher"}
DIRECTIONS = ("higher", "lower")


def read_labels(
    labels: str | os.PathLike[str],
    images: str | os.PathLike[str],
    name_column: str | None = None,
    score_column: str | None = None,
    direction: str | None = None,
) -> pd.DataFrame:
    """Read a table of human scores and find its images.

    Args:
        labels: CSV with a header and one row an image, UTF-8 with or without BOM, any line ends; or the same with
            spaces for commas. Columns, in any case: the image (name, path, image or file_name), its score (mos, dmos,
            score or label; or ten counts of votes, vote1 … vote10, whose mean it then is), and maybe `type` (of
            distortion) and `reference`; others are passed over.
        images: folder in which the names are looked up; a name may hold folders, but not lead outside.
        name_column: column of the images, if it has another name.
        score_column: column of the scores, if it has another name.
        direction: which scores are better, "higher" or "lower". None: higher for mos, label and votes, lower for dmos;
            needed for any other column, and right where a file contradicts its own header (KADID-10k's dmos
            is a rating: higher).

    Returns:
        A table with columns path (as in the file), file (of the image), reference and distortion (empty where
        the file has none), level (all <NA>) and truth: **higher is better**, the negative of a score whose
        lower values are better.

    Raises:
        InputError: a missing file, folder or column, a row of another length than the header, a score that is
            no finite number, a name twice, outside the folder or without an image.
    """
    labels, images = Path(labels), Path(images)
    if not images.is_dir():
        raise InputError("no such folder of images", path=images)
    direction, listed, *_ = _read(labels, images, name_column, score_column, direction)
    found = [(row, images / row.path) for row in listed if row.path is not None]
    if absent := [row.name for row in listed if row.path is None]:
        raise InputError(
            f"{len(absent)} of {len(listed)} images are not in {images}, the first is {absent[0]}",
            path=labels,
            cure="give the folder that the names start from",
            options=("images",),
        )
    sign = 1.0 if direction == "higher" else -1.0
    import pandas as pd

    table = [(row.name, file, row.reference, row.distortion, pd.NA, sign * row.score) for row, file in found]
    frame = pd.DataFrame(table, columns=["path", "file", "reference", "distortion", "level", "truth"])
    return frame.astype({"level": "Int64", "truth": "float64"})


def read(
    root: Path,
    missing: str = "error",
    labels: str | os.PathLike[str] | None = None,
    name_column: str | None = None,
    score_column: str | None = None,
    direction: str | None = None,
    score_range: tuple[float, float] | None = None,
) -> ScoredSet:
    """Images under `root` with the scores in the file `labels`, which is that of `read_labels`.

    Columns `group` or `block` (kept whole by splits) and `split` (train, test, or val, which is tested on: the split
    "column") are taken too. Votes stay in the table: vote1 … vote10.

    Args:
        root: folder in which the names are looked up.
        missing: what becomes of an image that is not there: "error", or "record" (left out, and listed in `left_out`).
        labels: the file; it must be given.
        name_column: column of the images, if it has another name than those known.
        score_column: column of the scores, if it has another name than those known.
        direction: which scores are better, "higher" or "lower"; None: what the column's name says.
        score_range: the declared scale, (lowest, highest); None takes the lowest and the highest score, or 1 and 10 of
            scores that are means of votes.

    Raises:
        InputError: a fault of the file as for `read_labels`, no file, an unknown part, or the same score for all.
    """
    if labels is None:
        raise InputError("the data set csv needs the file with the scores", cure="name it", options=("labels",))
    labels = Path(labels)
    direction, listed, parts, votes = _read(labels, root, name_column, score_column, direction)
    table, left_out = make_table(labels, root, listed, missing)
    scores = table["score"]
    if votes:
        counts = np.array([votes[path] for path in table["path"]])
        table[list(VOTE_COLUMNS)] = counts
        if score_range is None and np.array_equal(scores, mean_of(normalise(counts))):
            score_range = (1.0, float(VOTES))
    if score_range is None:
        if scores.min() == scores.max():
            why = f"every score is {scores[0]:g}; without a spread there is nothing to learn or test"
            raise InputError(why, path=labels)
        score_range = (float(scores.min()), float(scores.max()))
    parts = {path: part for path, part in parts.items() if path in set(table["path"])}
    splits = {"column": parts} if parts else {}
    return ScoredSet("csv", root, score_range, direction == "higher", table, splits=splits, left_out=left_out)


def _read(
    labels: Path, images: Path, name_column: str | None, score_column: str | None, direction: str | None
) -> tuple[str, list[LabelRow], dict[str, str], dict[str, np.ndarray]]:
    """The direction, the rows, path → part of the column `split`, and path → counts of votes."""
    header, rows = read_csv_rows(labels, spaces=True)
    name_at = _column(labels, header, name_column, NAME_COLUMNS, "name_column")
    known = {column.lower(): k for k, column in enumerate(header)}
    votes_at = _vote_columns(labels, known)
    if votes_at and score_column is None and not set(SCORE_COLUMNS) & set(known):
        score_at, score_name, direction = None, "mean vote", direction or "higher"
    else:
        score_at = _column(labels, header, score_column, tuple(SCORE_COLUMNS), "score_column")
        score_name = header[score_at]
        direction = direction or SCORE_COLUMNS.get(score_name.lower())
    if direction not in DIRECTIONS:
        raise InputError(
            f"does not say whether a higher {score_name} is better",
            path=labels,
            cure="say it",
            options=tuple(f"direction={way}" for way in DIRECTIONS),
        )
    listed: list[LabelRow] = []
    parts: dict[str, str] = {}
    votes: dict[str, np.ndarray] = {}
    first_line: dict[PurePosixPath, int] = {}
    for line, row in rows:
        name = row[name_at]
        pure = PurePosixPath(name)
        if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
            why = f"the name {name!r} must be a path inside the folder of images, with /"
            raise InputError(why, path=labels, line=line)
        if pure in first_line:
            why = f"{name} is there twice, first in line {first_line[pure]}"
            raise InputError(why, path=labels, line=line, cure="keep one")
        first_line[pure] = line
        if votes_at:
            counts = [finite_number(row[k], f"{header[k]} of {name}", labels, line) for k in votes_at]
            try:
                with np.errstate(over="ignore"):  # then they are refused, as not finite
                    shares = normalise(np.array([counts]), f"the votes of {name}")
            except InputError as error:
                raise error.but(path=labels, line=line) from None
            votes[pure.as_posix()] = np.array(counts)
        if score_at is None:
            score = float(mean_of(shares)[0])
        else:
            score = finite_number(row[score_at], f"the {score_name} of {name}", labels, line)
        path = pure.as_posix() if os.path.isfile(images / pure) else None  # Path.is_file fails for a name too long
        cell = {
            key: row[known[key]] if key in known else "" for key in ("reference", "type", "group", "block", "split")
        }
        listed.append(
            LabelRow(line, name, path, score, cell["reference"], cell["type"], group=cell["group"] or cell["block"])
        )
        if cell["split"] not in ("", *LISTED_PARTS):
            why = f"the split must be {', '.join(LISTED_PARTS)}, not {cell['split']!r}"
            raise InputError(why, path=labels, line=line)
        if cell["split"]:
            parts[pure.as_posix()] = LISTED_PARTS[cell["split"]]
    if not listed:
        raise InputError("no rows below the header", path=labels)
    return direction, listed, parts, votes


def _vote_columns(labels: Path, known: dict[str, int]) -> list[int]:
    """Where vote1 … vote10 are; [] for a file without votes."""
    given = [name for name in known if name.startswith("vote") and name[4:].isdigit()]
    if not given:
        return []
    if set(given) != set(VOTE_COLUMNS):
        raise InputError(
            f"{len(given)} columns of votes ({', '.join(given)}); the votes need {VOTES}, "
            f"{VOTE_COLUMNS[0]} … {VOTE_COLUMNS[-1]}",
            path=labels,
        )
    return [known[name] for name in VOTE_COLUMNS]


def _column(labels: Path, header: list[str], wanted: str | None, known: tuple[str, ...], option: str) -> int:
    names = [column.lower() for column in header]
    # The last of the known is that of Siamese NIMA's files, and counts where none of the others is there.
    candidates = [wanted.lower()] if wanted else list(known[:-1])
    if not wanted and not set(candidates) & set(names):
        candidates = list(known)
    found = [k for k, name in enumerate(names) if name in candidates]
    if len(found) == 1:
        return found[0]
    if found:
        both = " and ".join(header[k] for k in found)
        raise InputError(f"has the columns {both}", path=labels, cure="say which one", options=(option,))
    why = f"no column {' or '.join(candidates)}, only {', '.join(header)}"
    raise InputError(why, path=labels, cure="name it", options=(option,))
