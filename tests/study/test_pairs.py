"""Votes of a study as pairs: what counts, what does not, and photos that are not those that were voted on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rankiqa.errors import InputError
from rankiqa.study.pairs import NEAR, open_pairs
from rankiqa.study.vote_file import Comparison, Order, Photo, Rating, VoteFile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.jpg").write_bytes(name.encode())
    return folder


@pytest.fixture
def study(root: Path) -> Path:
    photos = [Photo(p.name, hashlib.sha256(p.read_bytes()).hexdigest(), 64, 64) for p in sorted(root.iterdir())]
    VoteFile.create(root.parent / "votes.sqlite", photos).close()
    return root.parent / "votes.sqlite"


def rows(path: Path, root: Path) -> list[tuple[str, str, float]]:
    pairs = open_pairs(path, root)
    names = [Path(photo).stem for photo in pairs.photos]
    columns = zip(pairs.better, pairs.worse, pairs.weight, strict=True)
    return [(names[better], names[worse], weight) for better, worse, weight in columns]


def test_each_kind_of_vote(study: Path, root: Path):
    with VoteFile(study) as file:
        for k, answer in enumerate(("left", "right", "tie", "skip")):
            file.add(Comparison(f"{k}", "Bo", left="a.jpg", right="b.jpg", answer=answer))  # type: ignore[arg-type]
        file.add(Comparison("catch", "Bo", "catch", left="a.jpg", right="b.jpg", answer="left"))
        file.add(Comparison("again", "Bo", "repeat", left="a.jpg", right="b.jpg", answer="left"))
        file.add(Order("order", "Bo", photos=("d.jpg", "c.jpg", "a.jpg")))
        for photo, score in (("a.jpg", 2), ("b.jpg", 5), ("c.jpg", 2)):
            file.add(Rating(photo, "Bo", photo=photo, score=score))
        file.add(Rating("other", "Cy", photo="d.jpg", score=1))  # his ratings do not compare with Bo's
        file.add(Comparison("passed", "Bo", "catch", left="a.jpg", right="b.jpg", answer="skip"))
    third = pytest.approx(2 / 3)
    assert open_pairs(study, root).checks == 1
    assert rows(study, root) == [
        *[("a", "b", 1), ("b", "a", 1), ("a", "b", 0.5), ("b", "a", 0.5), ("a", "b", 1)],
        *[("d", "c", third), ("d", "a", third), ("c", "a", third)],
        *[("b", "a", third), ("a", "c", pytest.approx(1 / 3)), ("c", "a", pytest.approx(1 / 3)), ("b", "c", third)],
    ]


def test_of_many_ratings_the_near_ones_are_compared(study: Path, root: Path):
    with VoteFile(study) as file:
        for k in range(120):
            file.add(Rating(f"{k}", "Bo", photo=f"{'abcd'[k % 4]}.jpg", score=1 + k % 4))
    pairs = open_pairs(study, root)
    near = [(i, j) for i in range(120) for j in range(i + 1, 120) if j - i <= NEAR and i % 4 != j % 4]
    every = sum(1 for i in range(120) for j in range(i + 1, 120) if j - i <= NEAR)
    assert len(pairs) == len(near) and pairs.weight.sum() == pytest.approx(119 * len(near) / every)
    assert {(pairs.photos[b], pairs.photos[w]) for b, w in zip(pairs.better, pairs.worse, strict=True)} == {
        (f"{a}.jpg", f"{b}.jpg") for a, b in ("ba", "ca", "da", "cb", "db", "dc")
    }


def test_photos_that_are_not_those_that_were_voted_on(study: Path, root: Path):
    with pytest.raises(InputError, match="holds no vote"):
        open_pairs(study, root)
    with VoteFile(study) as file:
        file.add(Comparison("1", "Bo", left="a.jpg", right="b.jpg", answer="left"))
    (root / "d.jpg").unlink()  # nobody voted on it
    assert rows(study, root) == [("a", "b", 1)]
    (root / "b.jpg").write_bytes(b"another")
    with pytest.raises(InputError, match=r"1 of the 2 photos .* are other files .* the first is b\.jpg \(SHA-256"):
        open_pairs(study, root)
    (root / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of the 2 photos that were voted on are not in .* the first is b\.jpg"):
        open_pairs(study, root)


def test_votes_on_photos_that_are_gone_are_left_out_where_asked(study: Path, root: Path):
    with VoteFile(study) as file:
        file.add(Comparison("1", "Bo", left="a.jpg", right="b.jpg", answer="left"))
        file.add(Order("2", "Bo", photos=("d.jpg", "c.jpg", "b.jpg", "a.jpg")))
    (root / "c.jpg").unlink()
    pairs = open_pairs(study, root, without_gone=True)
    assert (pairs.gone, pairs.photos) == (("c.jpg",), ("a.jpg", "b.jpg", "d.jpg"))
    assert pairs.weight.tolist() == [1, 0.5, 0.5, 0.5]  # of an order of four, each pair as before
    with pytest.raises(InputError, match=r"1 of the 4 photos that were voted on are not in"):
        open_pairs(study, root)
    (root / "d.jpg").unlink()
    (root / "b.jpg").unlink()  # three of four: rather another folder
    with pytest.raises(InputError, match=r"3 of the 4 photos that were voted on are not in"):
        open_pairs(study, root, without_gone=True)


def test_photos_whose_hash_was_never_written_are_taken(root: Path):
    """A study that was killed before it had read them all."""
    path = root.parent / "killed.sqlite"
    with VoteFile.create(path, [Photo(f"{name}.jpg", "", 64, 64) for name in "ab"]) as file:
        file.add(Comparison("1", "Bo", left="a.jpg", right="b.jpg", answer="left"))
    assert rows(path, root) == [("a", "b", 1)]


def test_files_and_folders_that_are_not_there(root: Path):
    with pytest.raises(InputError, match="no such file"):
        open_pairs(root.parent / "gone.csv", root)
    with pytest.raises(InputError, match="no such folder"):
        open_pairs(root.parent / "gone.csv", root.parent / "gone")
    with pytest.raises(InputError, match="cannot be read"):
        open_pairs(root, root)
    (root.parent / "pairs.csv").write_text("better,worse\nd.jpg,a.jpg\n")
    assert rows(root.parent / "pairs.csv", root) == [("d", "a", 1)]
