"""Faults of CSIQ's table, as an Excel file and as its copies."""

import pytest
from openpyxl import load_workbook

from rankiqa.datasets.registry import open_dataset
from rankiqa.errors import InputError
from tests.datasets import layouts


@pytest.fixture
def root(tmp_path):
    layouts.csiq(tmp_path)
    return tmp_path


def change(root, cell, value):
    book = load_workbook(root / "csiq.DMOS.xlsx")
    book["all_by_image"][cell] = value
    book.save(root / "csiq.DMOS.xlsx")


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("I7", None, "line 7: the DMOS is empty, not a finite number"),
        ("I7", "n/a", "line 7: the DMOS is n/a, not a finite number"),
        ("F7", "noize", "line 7: unknown type 'noize'; known: noise"),
        ("G7", 1.5, "line 7: the level 1.5 is no whole number"),
        ("D7", None, "line 7: no image"),
        ("G6", 1, r"line 6: 1600\.AWGN\.1\.png is there twice, first in line 5"),
        ("I4", "score", "no row with the columns image, dst_type, dst_lev, dmos in the sheet all_by_image"),
    ],
)
def test_a_fault_in_the_sheet_is_named_by_its_row(cell, value, message, root):
    change(root, cell, value)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset("csiq", root)
    assert "csiq.DMOS.xlsx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_excel_file_that_cannot_be_read(root):
    data = (root / "csiq.DMOS.xlsx").read_bytes()
    (root / "csiq.DMOS.xlsx").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="not a readable Excel file"):
        open_dataset("csiq", root)


def test_the_table_as_csv_and_as_a_list_without_endings_gives_the_same_scores(root):
    before = open_dataset("csiq", root).table
    rows = list(
        load_workbook(root / "csiq.DMOS.xlsx")["all_by_image"].iter_rows(min_row=4, min_col=4, values_only=True)
    )
    (root / "csiq.DMOS.xlsx").unlink()
    (root / "csiq.DMOS.csv").write_text("".join(",".join(map(str, row)) + "\r\n" for row in rows), newline="")
    as_csv = open_dataset("csiq", root).table
    (root / "csiq.DMOS.csv").unlink()
    lines = zip(before["file"].map(lambda file: file.stem), before["score"], strict=True)
    (root / "csiq_label.txt").write_text("\ufeff" + "".join(f"{name} {score}\n" for name, score in lines), "utf-8")
    as_list = open_dataset("csiq", root).table
    for table in (as_csv, as_list):
        assert table[["path", "reference", "distortion", "level", "score"]].equals(
            before[["path", "reference", "distortion", "level", "score"]]
        )


def test_the_list_must_have_two_columns(root):
    (root / "csiq.DMOS.xlsx").unlink()
    (root / "csiq_label.txt").write_text("1600.AWGN.1.png 0.1\n1600.AWGN.5.png 0.1 0.2\n")
    with pytest.raises(InputError, match=r"csiq_label\.txt, line 2: must be IMAGE\.TYPE\.LEVEL\.png and a score"):
        open_dataset("csiq", root)
