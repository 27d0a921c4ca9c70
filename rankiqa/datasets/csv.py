"""Human scores of one's own images: a CSV file beside a folder."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path, PurePosixPath

import pandas as pd

from rankiqa.errors import InputError

NAME_COLUMNS = ("name", "path", "image")
SCORE_COLUMNS = {"mos": "higher", "dmos": "lower", "score": None}  # which is better; None: must be said
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
        labels: CSV with a header and one row an image, UTF-8 with or without BOM, any line ends. Columns, in
            any case: the image (name, path or image), its score (mos, dmos or score), and maybe `type` (of
            distortion) and `reference`; others are passed over.
        images: folder in which the names are looked up; a name may hold folders, but not lead outside.
        name_column, score_column: columns of other names.
        direction: which scores are better, "higher" or "lower". None: higher for mos and lower for dmos;
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
    header, rows = _read_rows(labels)
    name_at = _column(labels, header, name_column, NAME_COLUMNS, "--name-column")
    score_at = _column(labels, header, score_column, tuple(SCORE_COLUMNS), "--score-column")
    direction = direction or SCORE_COLUMNS.get(header[score_at].lower())
    if direction not in DIRECTIONS:
        raise InputError(
            f"{labels}: is a higher {header[score_at]} better? say --direction higher or --direction lower"
        )
    sign = 1.0 if direction == "higher" else -1.0
    known = {column.lower(): k for k, column in enumerate(header)}
    extra = [known.get(column) for column in ("reference", "type")]
    table, first_line, absent = [], {}, []
    for line, row in rows:
        name = row[name_at]
        where = f"{labels}, line {line}"
        pure = PurePosixPath(name)
        if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
            raise InputError(f"{where}: the name {name!r} must be a path inside the folder of images, with /")
        if pure in first_line:
            raise InputError(f"{where}: {name} is there twice, first in line {first_line[pure]}; keep one")
        first_line[pure] = line
        truth = sign * _number(row[score_at], f"{where}: the {header[score_at]} of {name}")
        if not (images / pure).is_file():
            absent.append(name)
        table.append([name, images / pure, *("" if k is None else row[k] for k in extra), pd.NA, truth])
    if absent:
        raise InputError(
            f"{labels}: {len(absent)} of {len(table)} images are not in {images}, the first is {absent[0]}; "
            "give the folder that the names start from"
        )
    if not table:
        raise InputError(f"{labels}: no rows below the header")
    frame = pd.DataFrame(table, columns=["path", "file", "reference", "distortion", "level", "truth"])
    return frame.astype({"level": "Int64", "truth": "float64"})


def _read_rows(labels: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and (line number, cells) of each row that is not blank, cells without spaces around them."""
    rows = []
    try:
        with open(labels, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                cells = [cell.strip() for cell in cells]
                if any(cells):
                    rows.append((reader.line_num, cells))
    except OSError as error:
        raise InputError(f"{labels}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{labels}: not UTF-8 text; save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{labels}, line {reader.line_num}: not CSV ({error})") from error
    if not rows:
        raise InputError(f"{labels}: empty; a header and one row an image are needed")
    (_, header), *rows = rows
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(f"{labels}, line {line}: {len(cells)} cells, but the header has {len(header)}")
    return header, rows


def _column(labels: Path, header: list[str], wanted: str | None, known: tuple[str, ...], option: str) -> int:
    names = [column.lower() for column in header]
    candidates = [wanted.lower()] if wanted else list(known)
    found = [k for k, name in enumerate(names) if name in candidates]
    if len(found) == 1:
        return found[0]
    if found:
        both = " and ".join(header[k] for k in found)
        raise InputError(f"{labels}: has the columns {both}; say which one with {option}")
    raise InputError(f"{labels}: no column {' or '.join(candidates)}, only {', '.join(header)}; name it with {option}")


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{what} is {text or 'empty'}, not a finite number; correct or remove the row")
    return value
