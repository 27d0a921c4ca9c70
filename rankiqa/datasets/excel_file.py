"""Excel files of human scores, as data alone: the cells of a sheet."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError
from rankiqa.extras import extra

MOST_BYTES, MOST_ROWS, MOST_COLUMNS = 64 << 20, 20_000, 64  # of the file unpacked, and of the sheet


def read_sheet(path: Path, columns: Sequence[str], sheet: str | None = None) -> Iterator[tuple]:
    """(line, cell, …), the cells of `columns`, of each row below the one that names them; rows without any are skipped.

    Args:
        path: an .xlsx file.
        columns: names in small letters; those of the file may have others.
        sheet: its name; None: the first one.

    Raises:
        InputError: the file is missing, damaged or too large, or the sheet or a column is not in it.
    """
    with extra("report"):  # and train
        from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(path) as parts, warnings.catch_warnings():
            if sum(part.file_size for part in parts.infolist()) > MOST_BYTES:
                raise ValueError(f"it unpacks to more than {MOST_BYTES} bytes")
            warnings.simplefilter("ignore")  # of what openpyxl does not need to know
            book = load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever it met in a damaged file
        raise _unreadable(path, error) from error
    try:
        if not book.sheetnames or sheet not in (None, *book.sheetnames):
            raise InputError(f"no sheet {sheet or ''}, only {', '.join(book.sheetnames)}", path=path)
        sheet = sheet or book.sheetnames[0]
        places = None
        for line, cells in enumerate(_cells(path, book[sheet]), start=1):
            names = ["" if cell is None else str(cell).strip().lower() for cell in cells]
            if places is None:
                if set(columns) <= set(names):  # a title may stand above the header
                    places = [names.index(name) for name in columns]
            elif any(names[k] for k in places if k < len(names)):
                yield line, *(cells[k] if k < len(names) else None for k in places)
        if places is None:
            raise InputError(f"no row with the columns {', '.join(columns)} in the sheet {sheet}", path=path)
    finally:
        book.close()


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"not a readable Excel file ({error})", path=path, cure="copy it again")


def _cells(path: Path, sheet: Any) -> Iterator[tuple]:
    """The rows of a sheet, which openpyxl unpacks as they are asked for; a few bytes may claim a million empty ones."""
    try:
        sheet.reset_dimensions()  # what the file says of its width, which a row would be filled up to
        for line, cells in enumerate(sheet.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True)):
            if line == MOST_ROWS:
                raise ValueError(f"more than {MOST_ROWS} rows")
            yield cells
    except Exception as error:  # as above
        raise _unreadable(path, error) from error
