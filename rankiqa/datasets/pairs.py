"""People's answers to which of two photos is better, as they are: a list of pairs, each with a weight.

A file of them is CSV with the columns better, worse and weight. A tie is two rows in succession, both orders, at half a
weight each. People contradict each other and themselves, so one pair may be there as often as it was asked, either way.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from rankiqa.datasets.csv_file import finite_number, read_csv_rows
from rankiqa.errors import InputError

COLUMNS = ("better", "worse", "weight")


@dataclass(frozen=True)
class Pairs:
    """Answers to which of two photos is better; P rows over N photos.

    Attributes:
        photos: (N,) paths in the folder of the photos, with /.
        better: (P,) integers, the places in `photos` of the better ones.
        worse: (P,) integers, those of the worse ones.
        weight: (P,) > 0; an answer has 1 in all, if nothing else was said.
        vote: (P,) integers from 0, rising: the answer that a row is of; the two rows of a tie are of one.
        source: what they were read from, for messages.
        checks: answers that were left out, as what is known of their pair is the right answer (catch trials).
        gone: photos whose votes were left out, as they are not there any more.
    """

    photos: tuple[str, ...]
    better: np.ndarray
    worse: np.ndarray
    weight: np.ndarray
    vote: np.ndarray
    source: str = "pairs"
    checks: int = 0
    gone: tuple[str, ...] = ()

    @classmethod
    def of(cls, answers: Sequence[tuple[str, str, float, bool]], source: str = "pairs") -> Pairs:
        """From (better, worse, weight, tie) of each answer; the photos are those that are named, in this order."""
        number: dict[str, int] = {}
        rows: list[tuple[int, int, float, int]] = []
        for vote, (one, other, weight, tie) in enumerate(answers):
            i, j = (number.setdefault(name, len(number)) for name in (one, other))
            rows += [(i, j, weight / 2, vote), (j, i, weight / 2, vote)] if tie else [(i, j, weight, vote)]
        better, worse, weights, votes = zip(*rows, strict=True) if rows else ((), (), (), ())
        columns = (np.array(column, np.int64) for column in (better, worse, votes))
        first, second, third = columns
        return cls(tuple(number), first, second, np.array(weights, np.float64), third, source)

    def __len__(self) -> int:
        return len(self.better)

    @property
    def votes(self) -> int:
        """How many answers there are, by weight: one of weight 2 counts twice."""
        return round(float(self.weight.sum()))

    @property
    def tied(self) -> np.ndarray:
        """(P,) booleans: rows of a tie."""
        return np.bincount(self.vote, minlength=1)[self.vote] > 1

    def select(self, keep: np.ndarray) -> Pairs:
        """The rows where `keep`, (P,) booleans, is true; of the same photos."""
        kept = {name: getattr(self, name)[keep] for name in ("better", "worse", "weight", "vote")}
        return replace(self, **kept)

    def within(self, part: np.ndarray) -> Pairs:
        """The rows whose photos are both in a part, (N,) booleans."""
        return self.select(part[self.better] & part[self.worse])

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each two photos that were asked for more than once: the share of answers that agree, and how many.

        Returns:
            (Q,) shares [0, 1] of the pairs of answers that say the same, and (Q,) numbers of answers, ties left aside.
        """
        plain = self.select(~self.tied)
        n = len(self.photos)
        key = np.minimum(plain.better, plain.worse) * n + np.maximum(plain.better, plain.worse)
        _, where = np.unique(key, return_inverse=True)
        up = np.bincount(where, plain.better < plain.worse).astype(np.float64)
        count = np.bincount(where).astype(np.float64)
        more = count > 1
        up, count = up[more], count[more]
        down = count - up
        return (up * (up - 1) + down * (down - 1)) / (count * (count - 1)), count


def read_pairs(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> Pairs:
    """The pairs of a CSV file: columns better and worse, paths in the folder `root`, and maybe weight.

    Raises:
        InputError: the file cannot be read, has another column or lacks one; a row whose photo is not in the folder,
            whose photos are one, or whose weight is missing or not above 0. The line is named.
    """
    path, root = Path(path), Path(root)
    header, rows = read_csv_rows(path)
    names = [name.lower() for name in header]
    for name in names:
        if name not in COLUMNS or names.count(name) > 1:
            what = "is there twice" if name in COLUMNS else f"is unknown; known: {', '.join(COLUMNS)}"
            raise InputError(f"the column {name!r:.80} {what}", path=path, line=1)
    for name in COLUMNS[:2]:
        if name not in names:
            raise InputError(f"no column {name}, only {', '.join(header)}", path=path, line=1)
    found: list[tuple[str, str, float, bool]] = []
    for line, cells in rows:
        row = dict(zip(names, cells, strict=True))
        better, worse = (_photo(row[name], root, path, line) for name in COLUMNS[:2])
        if better == worse:
            raise InputError(f"a pair needs two photos, not {better} twice", path=path, line=line)
        weight = finite_number(row["weight"], "the weight", path, line) if "weight" in names else 1.0
        if not weight > 0:
            raise InputError(f"the weight is {weight:g}, and must be above 0", path=path, line=line)
        if weight == 0.5 and found and found[-1] == (worse, better, 0.5, False):
            found[-1] = (worse, better, 1.0, True)
        else:
            found.append((better, worse, weight, False))
    if not found:
        raise InputError("no rows below the header", path=path)
    return Pairs.of(found, str(path))


def _photo(name: str, root: Path, path: Path, line: int) -> str:
    """A name as a path in the folder."""
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
        raise InputError(f"the name {name!r} must be a path inside the folder of photos, with /", path=path, line=line)
    if not os.path.isfile(root / pure):  # Path.is_file fails for a name too long
        raise InputError(
            f"{name} is not in {root}",
            path=path,
            line=line,
            cure="give the folder of these photos",
            options=("images",),
        )
    return pure.as_posix()


def pairs_text(pairs: Pairs) -> str:
    """The pairs as `read_pairs` reads them."""
    import csv
    import io

    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for better, worse, weight in zip(pairs.better, pairs.worse, pairs.weight, strict=True):
        table.writerow((pairs.photos[better], pairs.photos[worse], f"{weight:.12g}"))
    return stream.getvalue()
