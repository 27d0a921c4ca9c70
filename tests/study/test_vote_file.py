"""The file of votes: what is kept, what counts once, what is refused."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from rankiqa.errors import InputError
from rankiqa.study.vote_file import Comparison, Order, Photo, Rating, VoteFile

PHOTOS = [Photo(f"a/{name}.jpg", name * 64, 640, 480) for name in "abcd"]
A, B, C, D = (photo.path for photo in PHOTOS)
NAME = "Ada “O'Hara\" 😀"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    VoteFile.create(tmp_path / "votes.sqlite", PHOTOS).close()
    return tmp_path / "votes.sqlite"


def test_votes_come_back_as_they_were_given(path: Path):
    given = [
        Comparison("1", NAME, "ask", 1.5, "2026-01-01T00:00:00+00:00", A, B, "left"),
        Rating("2", "Bo", "repeat", None, "2026-01-01T00:00:01+00:00", C, 4),
        Order("3", NAME, "catch", 9.0, "2026-01-01T00:00:02+00:00", (D, A, B)),
        Comparison("4", "Bo", "ask", 0.5, "2026-01-01T00:00:03+00:00", B, A, "skip"),
    ]
    with VoteFile(path) as votes:
        assert [votes.add(vote) for vote in given] == [True] * 4
    with VoteFile(path) as votes:
        assert votes.photos == tuple(PHOTOS)
        assert votes.comparisons() == [given[0], given[3]]
        assert votes.ratings() == [given[1]]
        assert votes.orders() == [given[2]]
        assert votes.raters() == [NAME, "Bo"]


def test_a_vote_sent_twice_counts_once(path: Path):
    with VoteFile(path) as votes:
        assert votes.add(Comparison("1", "Bo", left=A, right=B, answer="left"))
        assert not votes.add(Comparison("1", "Bo", left=A, right=B, answer="right"))
        assert [vote.answer for vote in votes.comparisons()] == ["left"]


def test_undo_takes_back_the_last_vote_of_this_rater(path: Path):
    with VoteFile(path) as votes:
        for uid, rater in (("1", "Ada"), ("2", "Ada"), ("3", "Bo")):
            votes.add(Comparison(uid, rater, left=A, right=B, answer="left"))
        undone = [votes.undo("Ada"), votes.undo("Ada"), votes.undo("Ada"), votes.undo("nobody")]
        assert [vote and vote.uid for vote in undone] == ["2", "1", None, None]
        assert [vote.uid for vote in votes.comparisons()] == ["3"]
        # A vote that was taken back stays known: sent once more, it does not come back.
        assert not votes.add(Comparison("2", "Ada", left=A, right=B, answer="left"))


def test_undo_of_a_vote_by_its_identifier_is_done_once(path: Path):
    with VoteFile(path) as votes:
        for uid, rater in (("1", "Ada"), ("2", "Ada"), ("3", "Bo")):
            votes.add(Comparison(uid, rater, left=A, right=B, answer="left"))
        undone = [votes.undo(*asked) for asked in (("Ada", "1"), ("Ada", "1"), ("Ada", "3"), ("Ada", "4"))]
        assert [vote and vote.uid for vote in undone] == ["1", "1", None, None]
        assert [vote.uid for vote in votes.comparisons()] == ["2", "3"]


def test_hashes_can_come_later_and_stay(tmp_path: Path):
    photos = [Photo(name, sha256, 4, 3) for name, sha256 in (("a", ""), ("b", "b0"), ("c", ""))]
    with VoteFile.create(tmp_path / "votes.sqlite", photos) as votes:
        votes.set_hashes({"a": "a1", "b": "b1"})
        assert [photo.sha256 for photo in votes.photos] == ["a1", "b0", ""]
    with VoteFile(tmp_path / "votes.sqlite") as votes:
        assert [photo.sha256 for photo in votes.photos] == ["a1", "b0", ""]


@pytest.mark.parametrize(
    ("vote", "what"),
    [
        (Comparison("1", "Bo", left=A, right="gone.jpg"), "has no photo 'gone.jpg'"),
        (Comparison("1", "Bo", left=A, right=A), "photos that differ"),
        (Comparison("1", "Bo", left=A, right=B, answer="both"), "answer must be one of"),  # type: ignore[arg-type]
        (Comparison("1", "Bo", "joke", left=A, right=B), "purpose must be one of"),  # type: ignore[arg-type]
        (Comparison("1", "  ", left=A, right=B), "name of its rater"),
        (Rating("1", "Bo", photo=A, score=6), "from 1 to 5"),
        (Order("1", "Bo", photos=(A,)), "two photos or more"),
        (Order("1", "Bo", photos=(A, B, A)), "photos that differ"),
    ],
)
def test_a_vote_that_cannot_be_is_refused(path: Path, vote: Comparison | Rating | Order, what: str):
    with VoteFile(path) as votes:
        with pytest.raises(InputError, match=what):
            votes.add(vote)
        assert not votes.comparisons() and not votes.ratings() and not votes.orders() and not votes.raters()


def test_files_that_are_not_of_votes(tmp_path: Path, path: Path):
    with pytest.raises(InputError, match="no such file"):
        VoteFile(tmp_path / "gone.sqlite")
    with pytest.raises(InputError, match="is a folder, not a file of votes; rankiqa label makes such a file"):
        VoteFile(tmp_path)
    with pytest.raises(InputError, match="is there already"):
        VoteFile.create(path, PHOTOS)
    with pytest.raises(InputError, match="two photos have one path"):
        VoteFile.create(tmp_path / "new.sqlite", PHOTOS + PHOTOS[:1])
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE photo (id INTEGER)")
    other.close()
    with pytest.raises(InputError, match="another program made it"):
        VoteFile(tmp_path / "other.sqlite")
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(InputError, match=r"empty\.sqlite: is empty, not a file of votes; remove it, or give another"):
        VoteFile(tmp_path / "empty.sqlite")
    (tmp_path / "text.sqlite").write_text("no database, but long enough to look at " * 30)
    with pytest.raises(InputError, match=r"text\.sqlite: is not a file of votes"):
        VoteFile(tmp_path / "text.sqlite")
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 9")
    later.close()
    with pytest.raises(InputError, match="version 9"):
        VoteFile(path)
    assert sorted(p.name for p in tmp_path.glob("*.new")) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE vote SET photos = '[0, 9]'", "damaged: the vote '1' is none"),
        ("UPDATE vote SET photos = '[0]'", "damaged: the vote '1' is none"),
        ("UPDATE vote SET photos = '{'", "damaged: the vote '1' is none"),
        ("UPDATE vote SET answer = 'both'", "damaged: the vote '1' is none"),
        ("UPDATE photo SET path = '../../secret.png' WHERE id = 3", "outside the folder of its study, '../../secret"),
        ("UPDATE photo SET path = '/secret.png' WHERE id = 3", "outside the folder of its study, '/secret.png'"),
    ],
)
def test_rows_that_this_library_never_wrote_are_refused(path: Path, change: str, says: str):
    with VoteFile(path) as votes:
        votes.add(Comparison("1", "Bo", left=A, right=B, answer="left"))
    other = sqlite3.connect(path)
    other.execute(change)
    other.commit()
    other.close()
    with pytest.raises(InputError, match=says), VoteFile(path) as votes:
        votes.comparisons()


def test_a_file_in_a_folder_that_cannot_be_written_to_says_what_to_do(path: Path, monkeypatch: pytest.MonkeyPatch):
    class Shut:
        """What SQLite says there, whoever runs the tests."""

        def execute(self, command: str) -> None:
            raise sqlite3.OperationalError("attempt to write a readonly database")

        def close(self) -> None: ...

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: Shut())
    with pytest.raises(
        InputError, match=r"readonly database; copy it, and votes.sqlite-wal if it is there, to a folder"
    ):
        VoteFile(path)


def _vote(path: Path, first: int, ready: multiprocessing.SimpleQueue) -> None:
    with VoteFile(path) as votes:
        for k in range(first, first + 10_000):
            votes.add(Comparison(str(k), f"rater {first}", left=A, right=B, answer="left"))
            ready.put(k)


def test_a_killed_process_loses_nothing_that_was_acknowledged(path: Path):
    """Two processes vote at once, and one is killed in the middle."""
    context = multiprocessing.get_context("spawn")
    acknowledged: list[set[int]] = []
    queues = [context.SimpleQueue() for _ in range(2)]
    writers = [context.Process(target=_vote, args=(path, k * 100_000, queue)) for k, queue in enumerate(queues)]
    for writer in writers:
        writer.start()
    for queue, writer in zip(queues, writers, strict=True):
        acknowledged.append({queue.get() for _ in range(30)})
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    with VoteFile(path) as votes:
        kept = [int(vote.uid) for vote in votes.comparisons()]
    assert len(set(kept)) == len(kept)
    assert acknowledged[0] | acknowledged[1] <= set(kept)
