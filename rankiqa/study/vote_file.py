"""The file of a study: its photos, its raters, and each vote as it was given; SQLite, so that a kill loses nothing.

A vote is on the disk when `VoteFile.add` returns. Nothing is ever deleted: a vote that was taken back is marked. Each
vote has an identifier of the page that asked for it, so that one that is sent twice counts once.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Literal, TypeVar, get_args

from rankiqa.errors import InputError

Answer = Literal["left", "right", "tie", "skip"]
Purpose = Literal["ask", "repeat", "catch"]  # to learn, to see whether a rater agrees with himself, or looks at all
ANSWERS, PURPOSES = get_args(Answer), get_args(Purpose)
WORDS = {5: "excellent", 4: "good", 3: "fair", 2: "poor", 1: "bad"}  # ITU-T P.910, absolute category rating

_APPLICATION = 0x52494B51  # RIKQ, in the header of the file: whose it is
_VERSION = 1
_BUSY = 30.0  # seconds to wait for another process
_SCHEMA = """\
CREATE TABLE photo (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL
);
CREATE TABLE rater (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE vote (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    rater INTEGER NOT NULL REFERENCES rater(id),
    kind TEXT NOT NULL CHECK (kind IN ('comparison', 'rating', 'order')),
    purpose TEXT NOT NULL CHECK (purpose IN ('ask', 'repeat', 'catch')),
    photos TEXT NOT NULL,  -- JSON, numbers of photos: left and right; the one rated; best first
    answer TEXT NOT NULL,  -- left, right, tie, skip; 1 to 5; empty
    seconds REAL,          -- from the pair on the screen to the key
    at TEXT NOT NULL,      -- UTC
    undone INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True)
class Photo:
    """A photo of a study: its path relative to the study's folder, with /, the hash of its file and its size.

    The hash is "" until the file was read as a whole: a study begins before that. See `VoteFile.set_hashes`.
    """

    path: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Vote:
    """What every vote has.

    Attributes:
        uid: of the question, made by who asks it; a vote with one that is known already is not counted again.
        rater: the name that the rater gave.
        purpose: "ask"; "repeat" of a question that this rater had; "catch", whose answer is known.
        seconds: from the question on the screen to the answer; None: not known.
        at: when, UTC, in ISO 8601; "": now.
    """

    uid: str
    rater: str
    purpose: Purpose = "ask"
    seconds: float | None = None
    at: str = ""


@dataclass(frozen=True)
class Comparison(Vote):
    """Which of two photos is better: the left one, the right one, neither, or no answer (skip)."""

    left: str = ""
    right: str = ""
    answer: Answer = "tie"


@dataclass(frozen=True)
class Rating(Vote):
    """How good one photo is, from 1 (bad) to 5 (excellent): see `WORDS`."""

    photo: str = ""
    score: int = 3


@dataclass(frozen=True)
class Order(Vote):
    """Photos that a rater put in order, **best first**."""

    photos: tuple[str, ...] = ()


_Kind = TypeVar("_Kind", Comparison, Rating, Order)


class VoteFile:
    """The votes of a study; a context that closes the file. Threads may share one; so may processes one file.

    Args:
        path: of the file, as `create` made it.

    Attributes:
        path: as given.
        photos: of the study, by number: the place in this tuple is what stands for a photo everywhere.

    Raises:
        InputError: no such file, one of another program or of a later version, one that is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            why = "is a folder, not a file of votes" if self.path.is_dir() else "no such file"
            raise InputError(why, path=path, cure="rankiqa label makes such a file")
        self._lock = threading.RLock()
        with self._explained():
            self._file = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
            try:
                self._check()
                # A vote is on the disk when the transaction ends, not sometime later.
                self._file.execute("PRAGMA journal_mode = WAL")
                self._file.execute("PRAGMA synchronous = FULL")
                rows = self._file.execute("SELECT path, sha256, width, height FROM photo ORDER BY id")
                self.photos = tuple(Photo(*row) for row in rows)
                for photo in self.photos:
                    if not _is_inside(photo.path):
                        raise InputError(
                            f"names a photo outside the folder of its study, {photo.path!r:.200}", path=path
                        )
            except BaseException:
                self._file.close()
                raise
        self._numbers = {photo.path: number for number, photo in enumerate(self.photos)}

    @classmethod
    def create(cls, path: str | os.PathLike[str], photos: Sequence[Photo]) -> VoteFile:
        """A new file for these photos.

        Raises:
            InputError: there is a file already, two photos with one path, or the system refuses.
        """
        path = Path(path)
        if len({photo.path for photo in photos}) < len(photos):
            raise InputError("two photos have one path", path=path)
        new = path.with_name(f"{path.name}.new")  # the name is there when all photos are
        new.unlink(missing_ok=True)
        if path.exists():
            raise InputError("is there already", path=path)
        try:
            file = sqlite3.connect(new, isolation_level=None)
            try:
                file.executescript(_SCHEMA)
                rows = [(k, p.path, p.sha256, p.width, p.height) for k, p in enumerate(photos)]
                file.execute("BEGIN")
                file.executemany("INSERT INTO photo VALUES (?, ?, ?, ?, ?)", rows)
                file.execute("COMMIT")
                file.execute(f"PRAGMA application_id = {_APPLICATION}")
                file.execute(f"PRAGMA user_version = {_VERSION}")
            finally:
                file.close()
            os.link(new, path)  # fails where another process was quicker
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"cannot be written: {error}", path=path) from error
        finally:
            new.unlink(missing_ok=True)
        return cls(path)

    def __enter__(self) -> VoteFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.close()

    def add(self, vote: Comparison | Rating | Order) -> bool:
        """Keep a vote; when this returns it is on the disk. False: one with this uid is there already.

        Raises:
            InputError: a photo that is not of the study, compared with itself or twice in an order; an answer, score or
                purpose that there is not; no name; or the system refuses.
        """
        kind, photos, answer = _row_of(vote)
        for photo in photos:
            if photo not in self._numbers:
                raise InputError(f"has no photo {photo!r}", path=self.path)
        if len(set(photos)) < len(photos):
            raise InputError(f"a vote needs photos that differ, not {photos[0]!r} twice", path=self.path)
        if not vote.rater.strip():
            raise InputError("a vote needs the name of its rater", path=self.path)
        if vote.purpose not in PURPOSES:
            raise InputError(f"purpose must be one of {', '.join(PURPOSES)}, not {vote.purpose!r}", path=self.path)
        numbers = json.dumps([self._numbers[photo] for photo in photos])
        at = vote.at or datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        with self._transaction():
            self._file.execute("INSERT OR IGNORE INTO rater (name) VALUES (?)", (vote.rater,))
            done = self._file.execute(
                "INSERT OR IGNORE INTO vote (uid, rater, kind, purpose, photos, answer, seconds, at)"
                " SELECT ?, id, ?, ?, ?, ?, ?, ? FROM rater WHERE name = ?",
                (vote.uid, kind, vote.purpose, numbers, answer, vote.seconds, at, vote.rater),
            )
            return done.rowcount == 1

    def undo(self, rater: str, uid: str | None = None) -> Comparison | Rating | Order | None:
        """Take back the last vote of a rater that stands, and return it; None where there is none.

        With a `uid` it is the vote of this rater that has it, which is returned too if it was taken back before:
        whoever asks a second time, as no answer came, takes back no other.
        """
        with self._transaction():
            if uid is None:
                rows = list(self._votes("NOT undone AND rater.name = ? ORDER BY vote.id DESC LIMIT 1", rater))
            else:
                rows = list(self._votes("rater.name = ? AND uid = ?", rater, uid))
            for vote in rows:
                self._file.execute("UPDATE vote SET undone = 1 WHERE uid = ?", (vote.uid,))
            return rows[0] if rows else None

    def set_hashes(self, hashes: Mapping[str, str]) -> None:
        """Keep the SHA-256 of photos, by path, that were not read when the study began; what is known stays."""
        with self._transaction():
            rows = [(sha256, self._numbers[path]) for path, sha256 in hashes.items()]
            self._file.executemany("UPDATE photo SET sha256 = ? WHERE id = ? AND sha256 = ''", rows)
            self.photos = tuple(
                photo if photo.sha256 else replace(photo, sha256=hashes.get(photo.path, "")) for photo in self.photos
            )

    def comparisons(self) -> list[Comparison]:
        """All that stand, in the order in which they came; skipped ones too."""
        return self._of(Comparison)

    def ratings(self) -> list[Rating]:
        """All that stand, in the order in which they came."""
        return self._of(Rating)

    def orders(self) -> list[Order]:
        """All that stand, in the order in which they came."""
        return self._of(Order)

    def raters(self) -> list[str]:
        """The names of who voted, those whose votes were all taken back too, in the order of their first vote."""
        with self._explained():
            return [name for (name,) in self._file.execute("SELECT name FROM rater ORDER BY id")]

    def _of(self, kind: type[_Kind]) -> list[_Kind]:
        with self._explained():
            name = kind.__name__.lower()
            votes = self._votes("NOT undone AND vote.kind = ? ORDER BY vote.id", name)
            return [vote for vote in votes if isinstance(vote, kind)]

    def _votes(self, where: str, *values: object) -> Iterator[Comparison | Rating | Order]:
        rows = self._file.execute(
            "SELECT uid, rater.name, purpose, seconds, at, kind, photos, answer FROM vote JOIN rater"
            f" ON rater.id = vote.rater WHERE {where}",
            values,
        )
        for uid, rater, purpose, seconds, at, kind, photos, answer in rows:
            try:
                paths = tuple(self.photos[number].path for number in json.loads(photos))
                vote: Comparison | Rating | Order
                if kind == "comparison":
                    left, right = paths
                    vote = Comparison(uid, rater, purpose, seconds, at, left, right, answer)
                elif kind == "rating":
                    (photo,) = paths
                    vote = Rating(uid, rater, purpose, seconds, at, photo, int(answer))
                else:
                    vote = Order(uid, rater, purpose, seconds, at, paths)
                _row_of(vote)
            except (ValueError, TypeError, LookupError) as error:
                raise InputError(f"is damaged: the vote {uid!r:.80} is none", path=self.path) from error
            yield vote

    def _check(self) -> None:
        (application,) = self._file.execute("PRAGMA application_id").fetchone()
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        if not self.path.stat().st_size:
            raise InputError("is empty, not a file of votes", path=self.path, cure="remove it, or give another")
        if application != _APPLICATION:
            raise InputError("is not a file of votes: another program made it", path=self.path)
        if version != _VERSION:
            reason = f"is a file of votes of version {version}; this one reads version {_VERSION}"
            raise InputError(reason, path=self.path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """One thread at a time, and what SQLite says as an error of the file."""
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                other = "not a database" in str(error)
                why = "is not a file of votes, as rankiqa label makes it" if other else f"cannot be used: {error}"
                # SQLite writes beside a file even to read it.
                shut = "readonly" in str(error) or "unable to open" in str(error)
                cure = f"copy it, and {self.path.name}-wal if it is there, to a folder that you may write to"
                raise InputError(why, path=self.path, cure=cure if shut else "") from error


def _is_inside(name: object) -> bool:
    """Whether a path stays in the folder that it starts from."""
    return isinstance(name, str) and not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts


def _row_of(vote: Comparison | Rating | Order) -> tuple[str, tuple[str, ...], str]:
    """Kind, photos and answer."""
    if isinstance(vote, Comparison):
        if vote.answer not in ANSWERS:
            raise InputError(f"answer must be one of {', '.join(ANSWERS)}, not {vote.answer!r}")
        return "comparison", (vote.left, vote.right), vote.answer
    if isinstance(vote, Rating):
        if vote.score not in WORDS:
            raise InputError(f"a rating is a whole number from 1 to 5, not {vote.score!r}")
        return "rating", (vote.photo,), str(int(vote.score))
    if len(vote.photos) < 2:
        raise InputError("an order needs two photos or more")
    return "order", vote.photos, ""
