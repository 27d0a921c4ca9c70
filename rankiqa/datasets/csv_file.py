"""Human scores or votes of one's own images: a CSV file beside a folder.

Siamese NIMA's own files, "file_name label" with a space between, are read too.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from rankiqa.datasets.label_file import Entry, make_table, number, read_csv_rows
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError
from rankiqa.votes import VOTE_COLUMNS, VOTES, mean_of, normalise

NAME_COLUMNS = ("name", "path", "image", "file_name")
# Which is better; None: must be said. A label is that of Siamese NIMA's files.
SCORE_COLUMNS = {"mos": "higher", "dmos": "lower", "score": None, "label": "higher"}
DIRECTIONS = ("higher", "lower")
PARTS = {"train": "train", "val": "test", "test": "test"}


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
        name_column, score_column: columns of other names.
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
        raise InputError(f"{images}: no such folder of images")
    direction, entries, *_ = _read(labels, images, name_column, score_column, direction)
    if absent := [entry.name for entry in entries if entry.path is None]:
        raise InputError(
            f"{labels}: {len(absent)} of {len(entries)} images are not in {images}, the first is {absent[0]}; "
            "give the folder that the names start from"
        )
    sign = 1.0 if direction == "higher" else -1.0
    table = [(e.name, images / e.path, e.reference, e.distortion, pd.NA, sign * e.score) for e in entries]
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
    """Images under `root` with the scores in the file `labels`; the further arguments as for `read_labels`.

    Columns `group` or `block` (kept whole by splits) and `split` (train, test, or val, which is tested on: the split
    "column") are taken too. `score_range` is the declared scale; None takes the lowest and the highest score, or 1 and
    10 of scores that are means of votes. Votes stay in the table: vote1 … vote10.
    """
    if labels is None:
        raise InputError("the data set csv needs the file with the scores: --labels FILE")
    labels = Path(labels)
    direction, entries, parts, votes = _read(labels, root, name_column, score_column, direction)
    table, left_out = make_table(labels, root, entries, missing)
    scores = table["score"]
    if votes:
        counts = np.array([votes[path] for path in table["path"]])
        table[list(VOTE_COLUMNS)] = counts
        if score_range is None and np.array_equal(scores, mean_of(normalise(counts))):
            score_range = (1.0, float(VOTES))
    if score_range is None:
        if scores.min() == scores.max():
            raise InputError(
                f"{labels}: every score is {scores[0]:g}; without a spread there is nothing to learn or test"
            )
        score_range = (float(scores.min()), float(scores.max()))
    parts = {path: part for path, part in parts.items() if path in set(table["path"])}
    splits = {"column": parts} if parts else {}
    return ScoredSet("csv", root, score_range, direction == "higher", table, splits=splits, left_out=left_out)


def _read(
    labels: Path, images: Path, name_column: str | None, score_column: str | None, direction: str | None
) -> tuple[str, list[Entry], dict[str, str], dict[str, np.ndarray]]:
    """The direction, an entry a row, path → part of the column `split`, and path → counts of votes."""
    header, rows = read_csv_rows(labels, spaces=True)
    name_at = _column(labels, header, name_column, NAME_COLUMNS, "--name-column")
    known = {column.lower(): k for k, column in enumerate(header)}
    votes_at = _vote_columns(labels, known)
    if votes_at and score_column is None and not set(SCORE_COLUMNS) & set(known):
        score_at, score_name, direction = None, "mean vote", direction or "higher"
    else:
        score_at = _column(labels, header, score_column, tuple(SCORE_COLUMNS), "--score-column")
        score_name = header[score_at]
        direction = direction or SCORE_COLUMNS.get(score_name.lower())
    if direction not in DIRECTIONS:
        raise InputError(f"{labels}: is a higher {score_name} better? say --direction higher or --direction lower")
    entries, parts, votes, first_line = [], {}, {}, {}
    for line, row in rows:
        name = row[name_at]
        where = f"{labels}, line {line}"
        pure = PurePosixPath(name)
        if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
            raise InputError(f"{where}: the name {name!r} must be a path inside the folder of images, with /")
        if pure in first_line:
            raise InputError(f"{where}: {name} is there twice, first in line {first_line[pure]}; keep one")
        first_line[pure] = line
        if votes_at:
            counts = [number(row[k], f"{where}: {header[k]} of {name}") for k in votes_at]
            with np.errstate(over="ignore"):  # then they are refused, as not finite
                shares = normalise(np.array([counts]), f"{where}: the votes of {name}")
            votes[pure.as_posix()] = np.array(counts)
        if score_at is None:
            score = float(mean_of(shares)[0])
        else:
            score = number(row[score_at], f"{where}: the {score_name} of {name}")
        path = pure.as_posix() if os.path.isfile(images / pure) else None  # Path.is_file fails for a name too long
        cell = {
            key: row[known[key]] if key in known else "" for key in ("reference", "type", "group", "block", "split")
        }
        entries.append(
            Entry(line, name, path, score, cell["reference"], cell["type"], group=cell["group"] or cell["block"])
        )
        if cell["split"] not in ("", *PARTS):
            raise InputError(f"{where}: the split must be {', '.join(PARTS)}, not {cell['split']!r}")
        if cell["split"]:
            parts[pure.as_posix()] = PARTS[cell["split"]]
    if not entries:
        raise InputError(f"{labels}: no rows below the header")
    return direction, entries, parts, votes


def _vote_columns(labels: Path, known: dict[str, int]) -> list[int]:
    """Where vote1 … vote10 are; [] for a file without votes."""
    given = [name for name in known if name.startswith("vote") and name[4:].isdigit()]
    if not given:
        return []
    if set(given) != set(VOTE_COLUMNS):
        raise InputError(
            f"{labels}: {len(given)} columns of votes ({', '.join(given)}); the votes need {VOTES}, "
            f"{VOTE_COLUMNS[0]} … {VOTE_COLUMNS[-1]}"
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
        raise InputError(f"{labels}: has the columns {both}; say which one with {option}")
    raise InputError(f"{labels}: no column {' or '.join(candidates)}, only {', '.join(header)}; name it with {option}")
