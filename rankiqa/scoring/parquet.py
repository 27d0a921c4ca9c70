"""Files of scores in Parquet: the columns of CSV with their types, written and read some rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError, explain_os_error
from rankiqa.extras import extra
from rankiqa.files import replacing
from rankiqa.scoring.score_table import HEADER, RESULT_COLUMNS, csv_row

with extra("parquet"):
    import pyarrow as pa
    from pyarrow import parquet as pq

GROUP = 50_000  # rows of a row group: some MB
_RUN = b"rankiqa"  # the key of the file's metadata that tells its run
_TYPES = {"file": pa.string(), "patches": pa.int64(), "note": pa.string()}
_SCHEMA = pa.schema([(name, _TYPES.get(name, pa.float64())) for name in RESULT_COLUMNS])


def write_parquet(path: Path, rows: Iterable[list[str]], run: dict[str, Any]) -> None:
    """Write rows of text, in the order of `RESULT_COLUMNS`, to a file that is whole or not there.

    Args:
        path: of the file.
        rows: a number that there is not is empty.
        run: what the scores are made with, for JSON; kept with the file.

    Raises:
        InputError: the system refuses, or a row has no numbers where they should be.
    """
    schema = _SCHEMA.with_metadata({_RUN: json.dumps(run).encode()})
    rows = iter(rows)
    try:
        with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            while some := list(islice(rows, GROUP)):
                columns = [
                    _column(kind, values) for kind, values in zip(schema.types, zip(*some, strict=True), strict=True)
                ]
                writer.write_table(pa.table(columns, schema=schema))
    except OSError as error:
        raise explain_os_error(error, path) from error


def parquet_run(path: Path) -> dict[str, Any] | None:
    """The run of a file that `write_parquet` wrote; None of any other file."""
    try:
        found = json.loads((pq.read_schema(path).metadata or {}).get(_RUN, b"null"))
    except (pa.ArrowInvalid, ValueError, OSError):
        return None
    return found if isinstance(found, dict) else None


def write_csv_of(path: Path, out: Path) -> None:
    """Write the rows of a file that `write_parquet` wrote as CSV, whole or not at all.

    Raises:
        InputError: it is damaged, or the system refuses.
    """
    try:
        with replacing(out) as temporary, pq.ParquetFile(path) as file, open(temporary, "wb") as text:
            text.write(HEADER)
            for batch in file.iter_batches(GROUP):
                text.writelines(map(csv_row, batch.to_pylist()))
    except pa.ArrowInvalid as error:
        raise InputError(f"is damaged ({' '.join(str(error).split())[:100]})", path=path) from error
    except OSError as error:
        raise explain_os_error(error, out) from error


def _column(kind: pa.DataType, values: Iterable[str]) -> pa.Array:
    if kind == pa.string():
        return pa.array(list(values), kind)
    number = int if kind == pa.int64() else float
    return pa.array([number(value) if value else None for value in values], kind)
