"""Lists of pairs: what is read, what is refused, and in which line."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from rankiqa.datasets.pairs import Pairs, pairs_text, read_pairs
from rankiqa.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"")
    return tmp_path / "photos"


def written(root: Path, text: str) -> Path:
    path = root.parent / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_pairs_are_read(root: Path):
    text = "better,worse,weight\na.jpg,sub/c.jpg,2\nb.jpg,a.jpg,.5\na.jpg,b.jpg,.5\nsub/c.jpg,a.jpg,1\n"
    pairs = read_pairs(written(root, text), root)
    assert pairs.photos == ("a.jpg", "sub/c.jpg", "b.jpg")
    assert pairs.better.tolist() == [0, 2, 0, 1] and pairs.worse.tolist() == [1, 0, 2, 0]
    assert pairs.weight.tolist() == [2, 0.5, 0.5, 1]
    assert (
        pairs.votes == 4 and pairs.select(pairs.tied).votes == 1 and pairs.tied.tolist() == [False, True, True, False]
    )  # contradictions are no ties
    again = read_pairs(written(root, pairs_text(pairs)), root)
    assert again.photos == pairs.photos and (again.vote == pairs.vote).all() and (again.weight == pairs.weight).all()


def test_a_weight_may_be_left_out_for_all(root: Path):
    pairs = read_pairs(written(root, "worse,better\na.jpg,b.jpg\n"), root)
    assert pairs.photos == ("b.jpg", "a.jpg") and pairs.weight.tolist() == [1.0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("better,worse,rater\na.jpg,b.jpg,Bo\n", "line 1: the column 'rater' is unknown"),
        ("better,better\na.jpg,b.jpg\n", "line 1: the column 'better' is there twice"),
        ("better,weight\na.jpg,1\n", "line 1: no column worse"),
        ("better,worse\na.jpg,b.jpg\na.jpg,gone.jpg\n", r"line 3: gone\.jpg is not in"),
        ("better,worse\na.jpg,../a.jpg\n", "line 2: the name '../a.jpg' must be a path inside"),
        ("better,worse\na.jpg,a.jpg\n", "line 2: a pair needs two photos, not a.jpg twice"),
        ("better,worse,weight\na.jpg,b.jpg,-1\n", "line 2: the weight is -1, and must be above 0"),
        ("better,worse,weight\na.jpg,b.jpg,\n", "line 2: the weight is empty"),
        ("better,worse,weight\na.jpg,b.jpg,nan\n", "line 2: the weight is nan"),
        ("better,worse,weight\na.jpg,b.jpg\n", "line 2: 2 cells, but the header has 3"),
        ("better,worse\n", "no rows"),
        ("", "empty"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(root: Path, text: str, what: str):
    with pytest.raises(InputError, match=what):
        read_pairs(written(root, text), root)


def test_agreement_is_that_of_all_pairs_of_answers():
    rng = np.random.default_rng(0)
    drawn = [sorted(rng.choice(4, 2, replace=False))[:: rng.choice([1, -1])] for _ in range(40)]
    answers = [(f"{one}", f"{other}", 1.0, rng.random() < 0.2) for one, other in drawn]
    pairs = Pairs.of(answers)
    plain = [(one, other) for one, other, _, tie in answers if not tie]
    expected = {}
    for key in {frozenset(pair) for pair in plain}:
        same = [first == second for first, second in combinations([p for p in plain if frozenset(p) == key], 2)]
        if same:
            expected[key] = np.mean(same)
    shares, counts = pairs.shares()
    assert sorted(shares) == pytest.approx(sorted(expected.values()))
    assert len(counts) == len(expected)


def test_a_part_has_the_pairs_inside_it():
    pairs = Pairs.of([("a", "b", 1, False), ("b", "c", 1, True), ("c", "d", 1, False)])
    inside = pairs.within(np.array([False, True, True, False]))
    assert len(inside) == 2 and inside.votes == 1 and inside.tied.all() and inside.photos == pairs.photos
