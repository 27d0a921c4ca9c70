"""rankiqa scale: what it writes and says, and what it refuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankiqa.cli.scale import main
from rankiqa.datasets.csv_file import read
from rankiqa.study.vote_file import Comparison, Photo, Rating, VoteFile
from tests.cli.test_cold import TABLES, TORCH, answers, refusals

NAMES = ("a<b>.jpg", "sub/c, d.jpg", "e.jpg", "f.jpg")


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """A study whose last photo was never voted on, with its folder; Bo compares, Ada does all."""
    path = tmp_path / "votes.sqlite"
    for k, name in enumerate(NAMES[:3]):
        file = tmp_path / "photos" / name
        file.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(np.full((30, 40, 3), 60 * k, np.uint8)).save(file)
    with VoteFile.create(path, [Photo(name, "", 40, 30) for name in NAMES]) as file:
        pairs = [(0, 1), (1, 2), (0, 2), (0, 1), (2, 1)] * 6
        for k, (a, b) in enumerate(pairs):
            answer = "tie" if k % 7 == 3 else "left"
            file.add(
                Comparison(f"c{k}", ("Ada", "<Bo>")[k % 2], seconds=2.0, left=NAMES[a], right=NAMES[b], answer=answer)
            )
        for k in range(3):
            file.add(Rating(f"r{k}", "Ada", photo=NAMES[k], score=5 - k))
    return path


def test_scores_and_page_are_written(votes: Path, capsys: pytest.CaptureFixture[str]):
    out, page = votes.with_name("scores.csv"), votes.with_name("scale.html")
    given = [str(votes), "--out", str(out), "--html", str(page), "--photos", str(votes.with_name("photos"))]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "3 photos, 33 votes of 2 raters; scores as ratings, 1 to 5" in said
    assert "without a vote, and without a score: 1 photo (f.jpg)" in said
    table = read(votes.with_name("photos"), labels=out)
    assert table.higher_is_better and sorted(table.table["path"]) == sorted(NAMES[:3])
    html = page.read_text(encoding="utf-8")
    assert html.count("<img") >= 3 and "a&lt;b&gt;.jpg" in html and "&lt;Bo&gt;" in html and "a<b>" not in html
    assert "http:" not in html and "https:" not in html
    assert f"rankiqa tune {votes.with_name('photos')} {votes} --out models/mine" in said
    assert "without pictures" not in said
    assert main(given[:-2]) == 0 and "scale.html (without pictures; --photos DIR" in capsys.readouterr().out


def test_a_rater_can_be_left_out(votes: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(votes), "--out", "-", "--without", "Ada"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("name,mos,low,high,votes\n") and "of 1 rater; scores in JOD" in err
    assert "unknown, as there is one rater" in err
    assert main([str(votes), "--out", "-", "--without", "Cy"]) == 2
    assert "has no rater 'Cy', only Ada, <Bo>" in capsys.readouterr().err


def test_what_cannot_be_is_one_line(votes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    VoteFile.create(tmp_path / "new.sqlite", [Photo("a.jpg", "", 1, 1)]).close()
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE photo (id INTEGER)")
    other.close()
    before = votes.read_bytes()
    out = str(tmp_path / "scores.csv")
    refused = [
        ([str(tmp_path / "gone.sqlite"), "--out", out], "gone.sqlite: no such file"),
        ([str(tmp_path / "other.sqlite"), "--out", out], "other.sqlite: is not a file of votes"),
        ([str(tmp_path / "new.sqlite"), "--out", out], "new.sqlite: holds no votes"),
        ([str(votes), "--out", str(votes)], "votes.sqlite: is given twice; give files that differ"),
        ([str(votes), "--out", str(tmp_path / "scores.jpg")], "is the name of an image"),
        ([str(votes), "--out", str(tmp_path)], "is a folder"),
        ([str(votes), "--out", str(votes / "scores.csv")], "is not a folder that you may write to"),
        ([str(votes), "--out", out, "--photos", str(tmp_path / "gone")], "gone: no such folder"),
    ]
    for argv, what in refused:
        assert main(argv) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1 and what in said, said
    assert votes.read_bytes() == before and not Path(out).exists()


def test_it_answers_and_runs_without_torch(votes: Path):
    refusals(
        [*TORCH, *TABLES],
        {"scale gone --out new.csv": "gone: no such file", "scale votes.sqlite --out photos": "photos: is a folder"},
        votes.parent,
    )
    [(status, out, err)] = answers(TORCH, ["scale votes.sqlite --out new.csv --html new.html"], votes.parent).values()
    assert (status, err) == (0, "") and "3 photos, 33 votes" in out
