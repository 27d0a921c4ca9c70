"""Votes in a CSV file, and Siamese NIMA's files with spaces."""

import numpy as np
import pytest
from PIL import Image

from rankiqa.datasets.registry import open_dataset
from rankiqa.errors import InputError

HEAD = "name," + ",".join(f"vote{k}" for k in range(1, 11))


@pytest.fixture
def images(tmp_path):
    for name in ("a.png", "b.png", "c d.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    return tmp_path


def read(images, text, **options):
    (images / "labels.csv").write_text(text)
    return open_dataset("csv", images, labels=images / "labels.csv", **options)


def test_the_score_is_the_mean_of_the_votes_on_their_scale(images):
    found = read(images, f"{HEAD}\na.png,1,0,0,0,0,0,0,0,0,3\nb.png,0,0,0,2,0,0,0,0,0,0\n")
    assert found.table["score"].tolist() == pytest.approx([(1 + 3 * 10) / 4, 4])
    assert (found.score_range, found.higher_is_better) == ((1, 10), True)
    assert found.table[[f"vote{k}" for k in (1, 4, 10)]].to_numpy().tolist() == [[1, 0, 3], [0, 2, 0]]


def test_a_score_beside_the_votes_stays_the_score(images):
    found = read(images, f"mos,{HEAD}\n40,a.png,1,0,0,0,0,0,0,0,0,0\n80,b.png,0,0,0,0,0,0,0,0,0,1\n")
    assert found.table["score"].tolist() == [40, 80]
    assert found.score_range == (40, 80)
    assert found.table["vote10"].tolist() == [0, 1]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_spaces_divide_as_commas_do(images, newline):
    text = newline.join(["file_name label ", "a.png 7", "", "b.png  3", '"c d.png" 5'])
    found = read(images, text)
    assert found.table["path"].tolist() == ["a.png", "b.png", "c d.png"]
    assert found.table["score"].tolist() == [7, 3, 5]
    assert found.higher_is_better
    assert found.truth.tolist() == [7, 3, 5]


def test_a_label_counts_only_where_no_other_score_is_there(images):
    found = read(images, "name,label,mos\na.png,portrait,1\nb.png,landscape,2\n")
    assert found.table["score"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.rsplit(",", 1)[0] + "\na.png" + ",1" * 9, r"9 columns of votes \(vote1, .*vote9\); the votes need 10"),
        (HEAD + ",vote11\na.png" + ",1" * 11, r"11 columns of votes .* need 10"),
        (HEAD + "\na.png" + ",0" * 10, r"line 2: the votes of a\.png: they sum to zero"),
        (HEAD + "\na.png,-1" + ",1" * 9, r"line 2: the votes of a\.png: a count is negative"),
        (HEAD + "\na.png,x" + ",1" * 9, r"line 2: vote1 of a\.png is x, not a finite number"),
        ("file_name label\na.png 1 2\n", r"line 2: 3 cells, but the header has 2"),
        ("file_name label\na.png one\n", r"line 2: the label of a\.png is one, not a finite number"),
    ],
)
def test_faults_are_named_by_their_line(images, text, message):
    with pytest.raises(InputError, match=message):
        read(images, text)


def test_votes_are_those_of_numpy(images):
    counts = np.random.default_rng(0).integers(0, 50, (3, 10))
    rows = [",".join([name, *map(str, row)]) for name, row in zip(("a.png", "b.png", "c d.png"), counts, strict=True)]
    found = read(images, "\n".join([HEAD, *rows]))
    for score, row in zip(found.table["score"], counts, strict=True):
        assert score == pytest.approx(np.repeat(np.arange(1, 11), row).mean())
