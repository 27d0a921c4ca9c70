"""rankiqa score --out: rows as they come, and the same command goes on with them."""

import csv
import json
import os

import pytest

from rankiqa.cli import main
from rankiqa.scoring.scorer import Scorer

ALL = ["a.png", "b.jpg", "sub/c.png", "sub/deep/d.png"]


def score(model, *arguments):
    return main(["score", "--model", str(model), "--patches", "2", *map(str, arguments)])


def rows(path="s.csv"):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def asked(monkeypatch):
    """The paths that were scored, in their order; `stop` after so many of a call ends it like Ctrl-C."""
    usual = Scorer.score_files

    class Asked(list):
        stop = 99

    found = Asked()

    def score_files(scorer, paths, *arguments, **options):
        for count, (path, one) in enumerate(zip(paths, usual(scorer, paths, *arguments, **options), strict=True)):
            if count == found.stop:
                raise KeyboardInterrupt
            found.append(path)
            yield one

    monkeypatch.setattr(Scorer, "score_files", score_files)
    return found


def test_the_rows_are_those_of_csv_and_no_table_is_shown(model, images, capsys):
    assert score(model, ".", "--csv", "known.csv") == 0
    capsys.readouterr()
    assert score(model, ".", "--out", "out/s.csv") == 0
    out, err = capsys.readouterr()
    assert (images / "out/s.csv").read_bytes() == (images / "known.csv").read_bytes()
    assert out.startswith("out/s.csv: 4 images scored\n\n") and "higher is better" in out and err == ""
    run = json.loads((images / "out/s.csv.run.json").read_text())
    assert (run["mode"], run["patches"], run["icc"]) == ("random", 2, "convert") and run["weights_sha256"]


def test_what_is_interrupted_goes_on_and_scores_nothing_twice(model, images, capsys, asked):
    assert score(model, ".", "--out", "known.csv") == 0
    asked.clear()
    asked.stop = 2
    for done in (2, 4):
        assert score(model, ".", "--out", "s.csv") == (130 if done == 2 else 0)
        assert [row["file"] for row in rows()] == ALL[:done] == asked
        asked.stop = 99
    err = capsys.readouterr().err
    assert err == "interrupted: 2 of 4 images are in s.csv; the same command goes on where it stopped\n"
    assert (images / "s.csv").read_bytes() == (images / "known.csv").read_bytes()
    assert score(model, ".", "--out", "s.csv") == 0 and asked == ALL


def test_a_photo_that_fails_is_a_row_with_its_reason_and_stays_one(model, images, capsys, asked):
    (images / "broken.png").write_bytes(b"no image")
    for _ in range(2):
        assert score(model, ".", "nothing*", "--out", "s.csv") == 1
        found = rows()
        assert [row["file"] for row in found] == ["a.png", "b.jpg", "broken.png", *ALL[2:]] == asked
        assert found[2]["note"].startswith("error: not an image") and found[2]["score"] == ""
        assert all(row["score"] and not row["note"] for row in found if row["file"] != "broken.png")
        out, err = capsys.readouterr()
        assert "s.csv: 4 images scored, 1 not" in out and "error: nothing*: matches no image" in err


def test_parquet_holds_the_same(model, images, capsys):
    pq = pytest.importorskip("pyarrow.parquet")
    assert score(model, ".", "--csv", "known.csv") == score(model, ".", "--out", "s.parquet") == 0
    known = rows("known.csv")
    found = pq.read_table("s.parquet").to_pylist()
    assert [(row["file"], row["score"], row["spread"]) for row in found] == [
        (row["file"], float(row["score"]), float(row["spread"])) for row in known
    ]
    assert not [name for name in os.listdir() if name.startswith("s.parquet.")]


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
def test_another_run_is_one_line_and_touches_nothing(model, images, capsys, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    assert score(model, "a.png", "--out", name) == 0
    before = (images / name).read_bytes()
    capsys.readouterr()
    for more, what in ((["--seed", 1], "seed was 0, and is 1"), (["--icc", "ignore"], "icc was convert")):
        assert score(model, "a.png", "--out", name, *more) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: {name}: has the scores of another run ({what}") and err.count("\n") == 1
        assert err.endswith("give another file, or remove this one (--out)\n")
    assert (images / name).read_bytes() == before


@pytest.mark.parametrize("arguments", [["--sort"], ["--csv", "x.csv"], ["--json", "-"]])
def test_options_that_do_not_go_with_it_are_status_2(model, images, capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        score(model, "a.png", "--out", "s.csv", *arguments)
    assert stop.value.code == 2 and not (images / "s.csv").exists()


@pytest.mark.parametrize("name", ["s.txt", "sub", "a.png", "-"])
def test_a_file_that_cannot_be_is_one_line(model, images, capsys, name):
    assert score(model, "b.jpg", "--out", name) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {name}: ") and err.count("\n") == 1
