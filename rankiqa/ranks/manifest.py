"""`manifest.csv`, which lists the images of a ranked set: a row an image."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from rankiqa.errors import InputError
from rankiqa.judge import PERFECT

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.csv"
JOURNAL = "manifest.csv.part"  # rows of an unfinished set, as they come
MANIFEST_COLUMNS = ("path", "reference", "distortion", "level", "strength", "seed", "sha256")
RECIPE = "recipe"  # one column more, where an image has one
JUDGED = "judge_"  # and a metric's name: one column more each, where judges were asked
_JUDGED = re.compile(JUDGED + "[a-z0-9_]{1,40}")
_ANEW = "make the set anew with make_ranks"


def check_manifest(folder: str | os.PathLike[str]) -> None:
    """Raise `InputError` where a folder holds no manifest.csv, and say how it would come there."""
    manifest = Path(folder) / MANIFEST
    if not manifest.is_file():
        cure = "make the set with make_ranks"
        if manifest.with_name(JOURNAL).exists():
            cure = "its making is unfinished: run the same make_ranks command again"
        raise InputError("no such file", path=manifest, cure=cure)


def read_manifest(folder: Path) -> pd.DataFrame:
    """The checked rows of `folder`/manifest.csv, in its order; the image files are not looked at.

    Returns:
        A row an image: path (relative to `folder`), reference, distortion ("pristine" at level 0, and only there),
        level (int, from 0), strength (float; NaN for pristine), seed (Int64; <NA> for pristine), sha256 of the file,
        recipe (the steps of a chain, or the version of the encoder; "" for other types). Then a column a metric of
        `rankiqa.judge` that was asked, such as judge_mdsi: float, higher is better, at most 1.0; NaN where it was not.

    Raises:
        InputError: there is no manifest, or it has other columns, a value out of range, a path that leads out of the
            folder, the same row twice, or a reference without its pristine image.
    """
    check_manifest(folder)
    manifest = folder / MANIFEST
    try:
        table = parse_rows(manifest.read_text(encoding="utf-8"))
    except InputError as error:
        raise error.but(path=manifest, cure=_ANEW) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(" ".join(str(error).split()), path=manifest, cure=_ANEW) from error
    _check(manifest, table)
    return table


def format_rows(rows: Iterable[Mapping[str, Any]], header: bool = True) -> str:
    """CSV of manifest rows; strengths are written so that they read back as the same number.

    The recipes have a column if a row has one, and so has each judge: a set without any is the same file as it was
    before there were recipes. Without a header, as in a journal, whose rows come from several commands, a row that was
    judged has a recipe, be it empty, and then says of each judge's value which it is: judge_mdsi=0.71.
    """
    rows = list(rows)
    judges = sorted({name for row in rows for name in row if _JUDGED.fullmatch(name) and is_number(row[name])})
    recipes = [RECIPE] if any(row.get(RECIPE) for row in rows) or (judges and not header) else []
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow([*MANIFEST_COLUMNS, *recipes, *judges])
    for row in rows:
        strength = "" if row["strength"] is None else repr(float(row["strength"]))
        cells = [{**row, "strength": strength}.get(name, "") for name in (*MANIFEST_COLUMNS, *recipes)]
        values = {name: repr(float(row[name])) if is_number(row.get(name)) else "" for name in judges}
        writer.writerow(cells + (list(values.values()) if header else [f"{k}={v}" for k, v in values.items() if v]))
    return buffer.getvalue()


def is_number(value: Any) -> bool:
    """Whether a judge's value is there: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def parse_rows(text: str, header: bool = True) -> pd.DataFrame:
    """The table of `read_manifest` from the CSV of `format_rows`.

    Raises:
        InputError: other columns, a row of another length, or a cell that is no number where it must be; with the
            line, and without a path, which the caller knows.
    """
    import numpy as np
    import pandas as pd

    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, judged, lines = [], [], []
    columns: list[str] | None = None
    try:
        if header:
            columns = next(reader, [])
            _check_columns(columns)
        for row in filter(None, reader):
            named = _named(row, columns)
            if named is None:
                raise InputError(
                    f"{len(row)} cells in place of {len(columns or MANIFEST_COLUMNS)}", line=reader.line_num
                )
            rows.append([named.pop(name, "") for name in (*MANIFEST_COLUMNS, RECIPE)])
            judged.append(named)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"is not CSV ({error})", line=reader.line_num) from error
    table = pd.DataFrame(rows, columns=[*MANIFEST_COLUMNS, RECIPE], dtype=str)
    for name in dict.fromkeys([*filter(_JUDGED.fullmatch, columns or []), *(name for row in judged for name in row)]):
        table[name] = np.array(_converted(_judgement, [row.get(name, "") for row in judged], lines), dtype=float)
    table["level"] = np.array(_converted(_level, table["level"], lines), dtype=np.int64)
    table["strength"] = np.array(_converted(_strength, table["strength"], lines), dtype=float)
    table["seed"] = pd.array(_converted(_seed, table["seed"], lines), dtype="Int64")
    return table


def _check_columns(names: list[str]) -> None:
    """Raise `InputError` unless the header has the columns, a recipe or not, and then judges, none twice."""
    more = names[len(MANIFEST_COLUMNS) :]
    judges = more[1:] if more[:1] == [RECIPE] else more
    known = tuple(names[: len(MANIFEST_COLUMNS)]) == MANIFEST_COLUMNS
    if not known or len(set(judges)) < len(judges) or not all(map(_JUDGED.fullmatch, judges)):
        raise InputError(f"has the columns {', '.join(names)} in place of {', '.join(MANIFEST_COLUMNS)}")


def _named(row: list[str], columns: list[str] | None) -> dict[str, str] | None:
    """The cells by name, as the header or, without one, a journal says; None for other cells than there must be."""
    if columns is not None:
        return dict(zip(columns, row, strict=True)) if len(row) == len(columns) else None
    base, more = row[: len(MANIFEST_COLUMNS) + 1], row[len(MANIFEST_COLUMNS) + 1 :]
    if len(base) < len(MANIFEST_COLUMNS):
        return None
    judged = [cell.partition("=") for cell in more]
    if not all(_JUDGED.fullmatch(name) for name, _, _ in judged):
        return None
    return dict(zip((*MANIFEST_COLUMNS, RECIPE), base, strict=False)) | {name: value for name, _, value in judged}


def _converted(convert: Callable[[str], Any], cells: Iterable[str], lines: Iterable[int]) -> list[Any]:
    """The values of a column; an error names the line."""
    values = []
    for cell, line in zip(cells, lines, strict=True):
        try:
            values.append(convert(cell))
        except InputError as error:
            raise error.but(line=line) from error
    return values


def _whole(text: str, what: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or abs(int(text)) >= 2**63:
        raise InputError(f"the {what} {text[:40]!r} is no whole number of 63 bits")
    return int(text)


def _level(text: str) -> int:
    return _whole(text, "level")


def _strength(text: str) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        raise InputError(f"the strength {text[:40]!r} is no number") from None


def _judgement(text: str) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        value = math.inf
    if value > PERFECT or value == -math.inf:
        raise InputError(f"the judge's value {text[:40]!r} is no number of at most {PERFECT}")
    return value


def _seed(text: str) -> Any:
    import pandas as pd

    if text and (seed := _whole(text, "seed")) < 0:
        raise InputError(f"the seed {seed} is negative")
    return seed if text else pd.NA


def _check(manifest: Path, table: pd.DataFrame) -> None:
    """Raise `InputError` for rows that do not go together, or paths that lead out of the folder."""
    from rankiqa.images.photos import PRISTINE  # with what decodes, which a look for the file needs not

    if table.empty:
        raise InputError("lists no images", path=manifest, cure="make the set with make_ranks")
    if (table["level"] < 0).any():
        row = table[table["level"] < 0].iloc[0]
        raise InputError(f"{row.path} has the negative level {row.level}; levels start at 0", path=manifest)
    wrong = (table["distortion"] == PRISTINE) != (table["level"] == 0)
    if wrong.any():
        row = table[wrong].iloc[0]
        why = f"{row.path} is {row.distortion} at level {row.level}; level 0, and only it, is {PRISTINE}"
        raise InputError(why, path=manifest)
    for key in (["reference", "distortion", "level"], ["path"]):
        if (twice := table.duplicated(key)).any():
            raise InputError(f"{table[twice].iloc[0].path} has two rows", path=manifest, cure="make the set anew")
    pristine = set(table.loc[table["level"] == 0, "reference"])
    if missing := set(table["reference"]) - pristine:
        why = f"{min(missing)} has no pristine image"
        raise InputError(why, path=manifest, cure="run the same make_ranks again")
    root = os.path.realpath(manifest.parent)
    folders = set()
    for path in table["path"]:
        pure = PurePath(path)
        if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in path:
            raise InputError(f"the path {path!r} leads out of the folder; paths must stay in it", path=manifest)
        folders.add(pure.parent)
    for parent in sorted(folders):  # the files themselves are resolved when they are asked for
        if not is_inside(manifest.parent / parent, root):
            raise InputError(f"{parent} is a link that leads out of the folder", path=manifest)


def is_inside(path: Path, root: str) -> bool:
    """Whether `path`, its links followed, lies in the folder `root`, a real path."""
    real = os.path.realpath(path)
    return real == root or real.startswith(os.path.join(root, ""))
