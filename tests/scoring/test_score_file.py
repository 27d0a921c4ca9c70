"""A file of scores that is written row by row: what a kill leaves of it, and how it goes on."""

import csv
import json
import math
import os

import pytest

from rankiqa.errors import InputError
from rankiqa.scoring.score_file import ScoreFile
from rankiqa.scoring.score_table import RESULT_COLUMNS, Result
from rankiqa.scoring.scorer import Score

RUN = {"rankiqa": "1", "weights_sha256": "ab" * 32, "mode": "whole", "patches": 1, "seed": 0, "small": "reflect"}
RUN |= {"icc": "convert", "meaning": "of no weight"}
NAMES = ["a.png", "b,c.jpg", 'q"uote.png', "new\nline.png", "return\r.png", "=1+1.png", "latin\udce9.png", "ü.png"]


def result(name, value=0.25):
    if name == NAMES[1]:
        return Result(name, error=InputError("no such file", path=name))
    return Result(name, Score(value, math.nan, 33.3, 1 / 3, 1, "noted"))


def write(path, names, run=RUN, finish=True):
    """What a run does; returns the names that it scored."""
    with ScoreFile(path, run) as file:
        left = file.left(names)
        for name in left:
            file.append(result(name))
        if finish:
            file.finish()
    return left


def rows(path):
    if path.suffix == ".parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        return [list(row.values()) for row in pq.read_table(path).to_pylist()]
    with open(path, encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file)
    assert header == list(RESULT_COLUMNS)
    return found


def called(name):
    """How a file of scores calls a photo."""
    return {"=1+1.png": "./=1+1.png", "latin\udce9.png": "latin\\udce9.png"}.get(name, name)


def test_every_row_is_there_at_once_and_says_what_was_found(tmp_path):
    path = tmp_path / "s.csv"
    with ScoreFile(path, RUN) as file:
        for count, name in enumerate(file.left(NAMES), 1):
            file.append(result(name))
            assert [row[0] for row in rows(path)] == [called(name) for name in NAMES[:count]]
        assert (file.total, file.failed) == (8, 1)
    good, bad = rows(path)[:2]
    assert good[1:] == ["0.25", "", "33.3", repr(1 / 3), "1", "noted"]
    assert bad[1:] == ["", "", "", "", "", "error: no such file"]
    assert json.loads((tmp_path / "s.csv.run.json").read_text()) == RUN


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
def test_wherever_it_is_cut_it_goes_on_to_the_same_file(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    write(path, NAMES)
    expected = rows(path)
    whole = tmp_path / "whole.csv"
    write(whole, NAMES, finish=False)
    data = whole.read_bytes()
    lines = ScoreFile(path, RUN).rows
    for end in range(0, len(data), 3):
        path.unlink(missing_ok=True)
        (tmp_path / f"{name}.run.json").write_text(json.dumps(RUN))
        lines.write_bytes(data[:end])
        write(path, NAMES)
        assert rows(path) == expected, f"cut at byte {end}"
    left = {"s.csv": {"s.csv", "s.csv.run.json"}, "s.parquet": {"s.parquet"}}[name]
    assert set(os.listdir(tmp_path)) == left | {"whole.csv", "whole.csv.run.json"}


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
def test_a_finished_file_takes_the_photos_that_came_since(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    assert write(path, NAMES[:5]) == NAMES[:5]
    before = rows(path)
    assert write(path, NAMES[:5]) == [] and rows(path) == before
    assert write(path, NAMES) == NAMES[5:]
    assert [row[0] for row in rows(path)] == list(map(called, NAMES)) and rows(path)[:5] == before
    with ScoreFile(path, RUN) as file:
        assert (file.total, file.failed) == (8, 1)


def test_a_parquet_file_has_types_and_tells_its_run(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "s.parquet", NAMES)
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == list(RESULT_COLUMNS)
    assert list(map(str, table.schema.types)) == ["string", *["double"] * 4, "int64", "string"]
    assert table["score"].to_pylist()[:2] == [0.25, None] and table["unit"].null_count == 8
    assert json.loads(table.schema.metadata[b"rankiqa"]) == RUN


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
@pytest.mark.parametrize("finish", [True, False])
@pytest.mark.parametrize(
    "key, value", [("weights_sha256", "cd" * 32), ("mode", "random"), ("seed", 1), ("rankiqa", "2")]
)
def test_a_file_of_another_run_is_refused_and_left_alone(tmp_path, name, finish, key, value):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    write(tmp_path / name, NAMES, finish=finish)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(InputError) as caught:
        write(tmp_path / name, NAMES, RUN | {key: value})
    assert f"{name}: has the scores of another run ({key} was " in str(caught.value)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
def test_a_file_that_is_of_no_run_is_refused_and_left_alone(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text("somebody's")
    with pytest.raises(InputError, match="is not known to be of this run"):
        write(tmp_path / name, NAMES)
    assert (tmp_path / name).read_text() == "somebody's" and os.listdir(tmp_path) == [name]


def test_a_row_of_a_photo_that_is_not_given_is_refused(tmp_path):
    write(tmp_path / "s.csv", NAMES)
    with pytest.raises(InputError, match=r"has a row of a\.png, which is not among the photos given"):
        write(tmp_path / "s.csv", NAMES[1:])


def test_two_at_once_are_one_too_many(tmp_path):
    with ScoreFile(tmp_path / "s.csv", RUN), pytest.raises(InputError, match="another process is writing it"):
        write(tmp_path / "s.csv", NAMES)
    assert write(tmp_path / "s.csv", NAMES) == NAMES


def test_another_suffix_and_a_damaged_row_are_named(tmp_path):
    with pytest.raises(InputError, match=r"s\.txt: must end in \.csv or \.parquet"):
        ScoreFile(tmp_path / "s.txt", RUN)
    write(tmp_path / "s.csv", NAMES[:1])
    with open(tmp_path / "s.csv", "a") as file:
        file.write("b.png,1\n")
    with pytest.raises(InputError, match=r"s\.csv, line 3: is no row of scores"):
        write(tmp_path / "s.csv", NAMES)
