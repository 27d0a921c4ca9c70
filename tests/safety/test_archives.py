"""Files that unpack to much more than they are."""

from __future__ import annotations

import zipfile

import pytest

from rankiqa.datasets.registry import open_dataset
from rankiqa.errors import InputError
from tests.datasets import layouts


def test_an_excel_file_that_unpacks_to_a_gigabyte_is_refused(tmp_path):
    layouts.csiq(tmp_path)
    file = tmp_path / "csiq.DMOS.xlsx"
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as parts, parts.open("xl/media/x.bin", "w") as part:
        for _ in range(65):
            part.write(bytes(1 << 20))
    assert file.stat().st_size < 200_000
    with pytest.raises(InputError, match=r"xlsx: not a readable Excel file \(it unpacks to more than"):
        open_dataset("csiq", tmp_path)


def test_an_excel_file_of_a_million_empty_rows_is_refused(tmp_path):
    layouts.csiq(tmp_path)
    file = tmp_path / "csiq.DMOS.xlsx"
    with zipfile.ZipFile(file) as parts:
        content = {name: parts.read(name) for name in parts.namelist()}
    sheet = next(
        name for name in content if b"dst_type" in content[name] or b"AWGN" in content[name] or "sheet2" in name
    )
    last = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    content[sheet] = content[sheet].replace(b"</sheetData>", last)
    with zipfile.ZipFile(file, "w") as parts:
        for name, data in content.items():
            parts.writestr(name, data)
    with pytest.raises(InputError, match=r"xlsx: not a readable Excel file \(more than 20000 rows"):
        open_dataset("csiq", tmp_path)
