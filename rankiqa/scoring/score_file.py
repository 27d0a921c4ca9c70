"""A file of scores that is written as they come: a kill leaves whole rows, and the same run goes on with it.

The rows are lines of CSV, each written at once. Beside FILE lies FILE.run.json, which says what run they are of. A
Parquet file has no end that could be added to, so its rows are in FILE.rows.csv until the last one is there.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rankiqa.errors import InputError, explain_os_error
from rankiqa.files import write_atomically
from rankiqa.scoring.score_table import ERROR, HEADER, RESULT_COLUMNS, Result, cell, csv_line

CSV, PARQUET = ".csv", ".parquet"
SUFFIXES = (CSV, PARQUET)
# What makes scores other ones: with another value of these a file is of another run.
_SAME = ("rankiqa", "weights_sha256", "mode", "patches", "seed", "small", "icc", "precision")


class ScoreFile:
    """Rows of scores in a file, of one run; a context that holds the file for this process alone.

    Args:
        path: .csv or .parquet, that is not there, or that the same run has begun.
        run: what the scores are made with, as `rankiqa.scoring.score_table.about` gives it, for JSON.

    Attributes:
        path: as given.
        rows: the CSV file that rows are appended to: `path` itself, or what becomes of it in the end.
        failed: how many rows have a reason in place of a score.
        total: how many rows there are.

    Raises:
        InputError: another suffix; a file of another run, or of none; one that another process writes; the system
            refuses.
        MissingExtra: a Parquet file, and pyarrow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], run: dict[str, Any]) -> None:
        self.path, self.run = Path(path), run
        self.is_parquet = check_suffix(self.path) == PARQUET
        self.rows = self.path.with_name(f"{self.path.name}.rows.csv") if self.is_parquet else self.path
        self._about = self.path.with_name(f"{self.path.name}.run.json")
        self._done: Counter[str] = Counter()
        self.total = self.failed = 0
        self._file: int | None = None

    def __enter__(self) -> ScoreFile:
        if self.is_parquet and self.path.exists() and not self.rows.exists():
            self._unpack()
        elif self.rows.exists():
            self._check(self._begun_by())
        try:
            if not self.rows.exists():
                write_atomically(self._about, json.dumps(self.run, indent=1, ensure_ascii=False).encode())
            self._file = os.open(self.rows, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            _lock(self._file, self.rows)
            self._read()
        except OSError as error:
            self.close()
            raise explain_os_error(error, self.rows) from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; what is in it stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def left(self, paths: Sequence[str]) -> list[str]:
        """Those of `paths` that have no row yet, in their order; asked for once, before rows are added.

        Raises:
            InputError: the file has a row of a photo that is not among them.
        """
        done, self._done = self._done, Counter()
        found = []
        for path in paths:
            name = cell(path)
            if done[name] > 0:
                done[name] -= 1
            else:
                found.append(path)
        if strange := next((name for name, count in done.items() if count > 0), None):
            reason = f"has a row of {strange}, which is not among the photos given"
            raise InputError(reason, path=self.path, cure="give another file", options=("out",))
        return found

    def append(self, result: Result) -> None:
        """Write a row, all of it or, where the process is killed, a part that the next run takes away."""
        assert self._file is not None, "outside of the context"
        line = csv_line(result)
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            kept = "the rows before are kept, and the same command goes on with them"
            raise explain_os_error(error, self.rows, kept) from error
        self.total += 1
        self.failed += result.score is None

    def finish(self) -> None:
        """Say that all rows are there: those of a Parquet file become one."""
        if not self.is_parquet:
            return
        from rankiqa.scoring.parquet import write_parquet

        write_parquet(self.path, read_rows(self.rows), self.run)
        for file in (self.rows, self._about):
            file.unlink(missing_ok=True)

    def _unpack(self) -> None:
        """The rows of a Parquet file that was finished, so that more can be added."""
        from rankiqa.scoring.parquet import parquet_run, write_csv_of

        self._check(parquet_run(self.path))
        write_atomically(self._about, json.dumps(self.run, indent=1, ensure_ascii=False).encode())
        write_csv_of(self.path, self.rows)

    def _begun_by(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._about.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _check(self, begun_by: dict[str, Any] | None) -> None:
        if begun_by is None:
            reason = "is there already, and is not known to be of this run"
        elif key := next((key for key in _SAME if begun_by.get(key) != self.run.get(key)), None):
            was, now = (_short(run.get(key)) for run in (begun_by, self.run))
            reason = f"has the scores of another run ({key} was {was}, and is {now})"
        else:
            return
        cure = "give another file, or remove this one"
        raise InputError(reason, path=self.path, cure=cure, options=("out",))

    def _read(self) -> None:
        """Take away a half-written last line; note which photos have a row."""
        assert self._file is not None
        end = _whole_rows(self.rows)
        if end < os.fstat(self._file).st_size:
            os.ftruncate(self._file, end)
        if not end:
            os.write(self._file, HEADER)
        for row in read_rows(self.rows):
            self._done[row[0]] += 1
            self.total += 1
            self.failed += row[-1].startswith(ERROR)


def check_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of a file of scores, .csv or .parquet.

    Raises:
        InputError: another one.
        MissingExtra: .parquet, and pyarrow is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"must end in {' or '.join(SUFFIXES)}", path=path, options=("out",))
    if suffix == PARQUET:
        from rankiqa.extras import need

        need("parquet", "pyarrow")
    return suffix


def read_rows(path: Path) -> Iterator[list[str]]:
    """The rows of a CSV file of scores one by one, without its header.

    Raises:
        InputError: it is no such file, with the line.
    """
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        try:
            if next(reader, None) != list(RESULT_COLUMNS):
                raise InputError(f"does not begin with {','.join(RESULT_COLUMNS)}", path=path, line=1)
            for row in reader:
                if len(row) != len(RESULT_COLUMNS):
                    raise InputError("is no row of scores", path=path, line=reader.line_num)
                yield row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"is damaged ({error})", path=path, line=reader.line_num) from error


def _whole_rows(path: Path) -> int:
    """How many bytes of a CSV file are whole rows: up to the last line end that is not between quotes."""
    end = at = 0
    inside = False
    with open(path, "rb") as file:
        for line in file:
            at += len(line)
            inside ^= line.count(b'"') % 2 == 1
            if not inside and line.endswith(b"\n"):
                end = at
    return end


def _lock(file: int, path: Path) -> None:
    """Hold a file for this process; a system without such locks goes without."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError("another process is writing it", path=path, cure="wait for it") from error


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 16 else f"{text[:12]}…"
