"""Files of human scores: text in, checked rows out, every fault named by its line."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rankiqa.errors import InputError


class Entry(NamedTuple):
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
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_of(data, error.start)
        raise InputError(f"{path}, line {line}: not UTF-8 text; save it as UTF-8") from error
    if (place := data.find(0)) >= 0:  # UTF-16 without a byte order mark
        line = _line_of(data, place)
        raise InputError(f"{path}, line {line}: not UTF-8 text (it has zero bytes); save it as UTF-8")
    return text


def _line_of(data: bytes, place: int) -> int:
    """The line, from 1, of the byte at `place`."""
    return len(data[:place].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))


def read_lines(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    r"""(number, text) of each line that is not blank; \n, \r\n and \r end one. `InputError` for an empty file."""
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise InputError(f"{path}: empty; a line an image is needed")
    return lines


def read_csv_rows(path: str | os.PathLike[str], spaces: bool = False) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a CSV file and (line, cells) of each row that is not blank, cells without spaces around them.

    With `spaces`, a file whose header has no comma is divided at its spaces; a name that holds one stands in quotes.
    Columns at the right end that have neither name nor values are dropped. `InputError` for an empty file and a row of
    another length than the header.
    """
    rows, text = [], read_text(path)
    options = {}
    if spaces and "," not in text.lstrip().split("\n", 1)[0]:
        options = {"delimiter": " ", "skipinitialspace": True}
        text = "\n".join(line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, **options)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not CSV ({error})") from error
    if not rows:
        raise InputError(f"{path}: empty; a header and one row an image are needed")
    (_, header), *rows = rows
    while header and not header[-1]:
        header.pop()
    for k, (line, cells) in enumerate(rows):
        if any(cells[len(header) :]) or len(cells) < len(header):
            raise InputError(f"{path}, line {line}: {len(cells)} cells, but the header has {len(header)}")
        rows[k] = line, cells[: len(header)]
    return header, rows


def number(text: Any, what: str) -> float:
    """A finite number; `InputError` that begins with `what` for anything else."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        empty = text is None or not str(text).strip()
        raise InputError(f"{what} is {'empty' if empty else text}, not a finite number; correct or remove the row")
    return value


class Files:
    """The files of a folder, found whatever the case of their letters: label files and disks differ in it."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.paths: dict[str, str] = {}
        for folder, folders, names in os.walk(self.root, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            prefix = Path(folder).relative_to(self.root).as_posix()
            prefix = "" if prefix == "." else f"{prefix}/"
            for name in names:
                self.paths[f"{prefix}{name}".lower()] = f"{prefix}{name}"

    def __call__(self, *places: str) -> str | None:
        """The first of `places` (paths under the root) that is there, as the disk spells it."""
        return next((self.paths[place.lower()] for place in places if place.lower() in self.paths), None)

    def require(self, *places: str) -> Path:
        """The same as a full path; `InputError` that names the first place if none is there."""
        if (found := self(*places)) is None:
            others = f" (nor {', '.join(places[1:])})" if len(places) > 1 else ""
            raise InputError(
                f"{self.root / places[0]}: no such file{others}; give the folder of the data set as --root"
            )
        return self.root / found

    def under(self, folder: str) -> list[str]:
        """The files directly in a folder, as the disk spells them, sorted."""
        prefix = f"{folder.lower().rstrip('/')}/"
        return sorted(
            path for key, path in self.paths.items() if key.startswith(prefix) and "/" not in key[len(prefix) :]
        )


def make_table(
    labels: str | os.PathLike[str], root: Path, entries: Iterable[Entry], missing: str = "error"
) -> tuple[pd.DataFrame, tuple[Mapping[str, str], ...]]:
    """The table of a `ScoredSet` from checked entries, and what is left out of it.

    Raises `InputError` for an image that is listed twice, for none at all, and, unless `missing` is "record", for
    images that are not there.
    """
    rows, lines, absent = [], {}, []
    for entry in entries:
        key = (entry.path or entry.name).lower()
        if key in lines:
            raise InputError(
                f"{labels}, line {entry.line}: {entry.name} is there twice, first in line {lines[key]}; keep one"
            )
        lines[key] = entry.line
        if entry.path is None:
            absent.append(entry.name)
            continue
        group = entry.group or entry.reference
        rows.append((entry.path, root / entry.path, entry.reference, group, entry.distortion, entry.level, entry.score))
    if absent and missing != "record":
        raise InputError(
            f"{labels}: {len(absent)} of {len(lines)} images are not in {root}, the first is {absent[0]}; "
            "complete the data set, or go on without them (--missing record)"
        )
    if not rows:
        raise InputError(f"{labels}: none of its {len(lines)} images is in {root}; give the folder of the data set")
    table = pd.DataFrame(rows, columns=["path", "file", "reference", "group", "distortion", "level", "score"])
    table = table.astype({"level": "Int64", "score": "float64"})
    return table, tuple({"path": name, "reason": "no such file"} for name in absent)


def split_by(paths: Iterable[str], references: Iterable[str], test: Iterable[str], neither: Iterable[str] = ()) -> dict:
    """A published split by reference: path → "train" or "test"; images of `neither` are in no part."""
    test, neither = set(test), set(neither)
    pairs = zip(paths, references, strict=True)
    return {path: "test" if name in test else "train" for path, name in pairs if name not in neither}
