"""Files of human scores: text in, checked rows out, every fault named by its line."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rankiqa.datasets.scored_set import SCORED_COLUMNS
from rankiqa.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

# What the column `split` of a file may hold → the part it is; what is for validation is tested on.
LISTED_PARTS = {"train": "train", "val": "test", "test": "test"}


class LabelRow(NamedTuple):
    """One image as its label file has it; `line` is where, `path` where it lies under the root (None: nowhere)."""

    line: int
    name: str
    path: str | None
    score: float
    reference: str = ""
    distortion: str = ""
    level: int | None = None
    group: str = ""


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file, with or without BOM. `InputError` names the line of what is not UTF-8."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError("no such file", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_of(data, error.start)
        raise InputError("not UTF-8 text", path=path, line=line, cure="save it as UTF-8") from error
    if (place := data.find(0)) >= 0:  # UTF-16 without a byte order mark
        line = _line_of(data, place)
        raise InputError("not UTF-8 text (it has zero bytes)", path=path, line=line, cure="save it as UTF-8")
    return text


def _line_of(data: bytes, place: int) -> int:
    """The line, from 1, of the byte at `place`."""
    return len(data[:place].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))


def read_lines(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    r"""(line, text) of each line that is not blank; \n, \r\n and \r end one. `InputError` for an empty file."""
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise InputError("empty; a line an image is needed", path=path)
    return lines


def read_csv_rows(path: str | os.PathLike[str], spaces: bool = False) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a CSV file and (line, cells) of each row that is not blank, cells without spaces around them.

    With `spaces`, a file whose header has no comma is divided at its spaces; a name that holds one stands in quotes.
    Columns at the right end that have neither name nor values are dropped.

    Raises:
        InputError: the file is missing, empty, not UTF-8 text or not CSV, or a row has another length than the header.
    """
    rows, text = [], read_text(path)
    by_spaces = spaces and "," not in text.lstrip().split("\n", 1)[0]
    if by_spaces:
        text = "\n".join(line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, strict=True, delimiter=" " if by_spaces else ",", skipinitialspace=by_spaces)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise InputError(f"not CSV ({error})", path=path, line=reader.line_num) from error
    if not rows:
        raise InputError("empty; a header and one row an image are needed", path=path)
    (_, header), *rows = rows
    while header and not header[-1]:
        header.pop()
    for k, (line, cells) in enumerate(rows):
        if any(cells[len(header) :]) or len(cells) < len(header):
            raise InputError(f"{len(cells)} cells, but the header has {len(header)}", path=path, line=line)
        rows[k] = line, cells[: len(header)]
    return header, rows


def read_columns(
    path: str | os.PathLike[str], needed: Sequence[str], optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """(line, column → cell) of each row of a CSV file. Columns are found whatever the case of their letters.

    Args:
        path: the file.
        needed: names of columns, in small letters.
        optional: names of columns that may be missing; their cells are "" then.

    Raises:
        InputError: as `read_csv_rows`, or a needed column is missing.
    """
    header, rows = read_csv_rows(path)
    names = [name.lower() for name in header]
    if absent := [name for name in needed if name not in names]:
        raise InputError(f"no column {absent[0]}, only {', '.join(header)}", path=path)
    at = {name: names.index(name) for name in (*needed, *optional) if name in names}
    return [(line, dict.fromkeys(optional, "") | {name: cells[k] for name, k in at.items()}) for line, cells in rows]


def finite_number(cell: Any, what: str, path: str | os.PathLike[str], line: int | None = None) -> float:
    """The finite number in a cell of the file `path`; `InputError` that calls it `what` for anything else."""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        empty = cell is None or not str(cell).strip()
        why = f"{what} is {'empty' if empty else cell}, not a finite number"
        raise InputError(why, path=path, line=line, cure="correct or remove the row")
    return value


def make_table(
    labels: str | os.PathLike[str], root: Path, rows: Iterable[LabelRow], missing: str = "error"
) -> tuple[pd.DataFrame, tuple[Mapping[str, str], ...]]:
    """The table of a `ScoredSet` from checked rows, and what is left out of it.

    Raises:
        InputError: an image is listed twice, there is none at all, or, unless `missing` is "record", images are not
            there.
    """
    cells, lines, absent = [], dict[str, int](), []
    for row in rows:
        key = (row.path or row.name).lower()
        if key in lines:
            why = f"{row.name} is there twice, first in line {lines[key]}"
            raise InputError(why, path=labels, line=row.line, cure="keep one")
        lines[key] = row.line
        if row.path is None:
            absent.append(row.name)
            continue
        group = row.group or row.reference
        cells.append((row.path, root / row.path, row.reference, group, row.distortion, row.level, row.score))
    if absent and missing != "record":
        raise InputError(
            f"{len(absent)} of {len(lines)} images are not in {root}, the first is {absent[0]}",
            path=labels,
            cure="complete the data set, or go on without them",
            options=("missing=record",),
        )
    if not cells:
        why = f"none of its {len(lines)} images is in {root}"
        raise InputError(why, path=labels, cure="give the folder of the data set", options=("root",))
    import pandas as pd  # which takes long, and a fault of the labels is told without it

    table = pd.DataFrame(cells, columns=list(SCORED_COLUMNS))
    table = table.astype({"level": "Int64", "score": "float64"})
    return table, tuple({"path": name, "reason": "no such file"} for name in absent)


def split_by(
    paths: Iterable[str], references: Iterable[str], test: Iterable[str], neither: Iterable[str] = ()
) -> dict[str, str]:
    """A published split by reference: path → "train" or "test"; images of `neither` are in no part."""
    test, neither = set(test), set(neither)
    pairs = zip(paths, references, strict=True)
    return {path: "test" if name in test else "train" for path, name in pairs if name not in neither}
