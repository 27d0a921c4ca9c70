"""The votes of a study as a list of pairs, to learn from and to measure against."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from rankiqa.datasets.pairs import Pairs, read_pairs
from rankiqa.errors import InputError
from rankiqa.files import sha256_of
from rankiqa.study.vote_file import Photo, Rating, VoteFile

NEAR = 50  # ratings; a rater's idea of what is good drifts, and millions of pairs would tell no more
_SQLITE = b"SQLite format 3\0"  # how such a file begins


def open_pairs(path: str | os.PathLike[str], root: str | os.PathLike[str], without_gone: bool = False) -> Pairs:
    """The pairs of a file of votes, or of a CSV file, of the photos in `root`; `without_gone`: as in `read_votes`.

    Raises:
        InputError: as `read_pairs` and `read_votes` do; no such folder.
    """
    if not Path(root).is_dir():
        raise InputError("no such folder", path=root)
    try:
        with open(path, "rb") as file:
            start = file.read(len(_SQLITE))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = "no such file" if missing else f"cannot be read: {error.strerror or error}"
        raise InputError(why, path=path) from error
    return read_votes(path, root, without_gone) if start == _SQLITE else read_pairs(path, root)


def read_votes(path: str | os.PathLike[str], root: str | os.PathLike[str], without_gone: bool = False) -> Pairs:
    """What the votes of a study say of two photos each.

    | a vote                                | is                                                        |
    |---------------------------------------|-----------------------------------------------------------|
    | the left one, the right one, neither  | a pair, or a tie                                          |
    | an order of n photos                  | its n(n − 1)/2 pairs at 2/n each: n − 1 answers' worth    |
    | one rater's ratings of n photos       | their pairs likewise; a tie where the ratings are equal.  |
    |                                       | Of many, each with the `NEAR` before it and behind it     |

    Skipped ones count nothing, nor do those whose answer is known (catch): they are of the rater, not of the photos.

    Args:
        path: the file of votes.
        root: the folder of the photos.
        without_gone: leave out what was said of photos that are not there any more, as long as half of them are;
            `Pairs.gone` names them.

    Raises:
        InputError: as `VoteFile` does; no vote in it; photos that were voted on are not in the folder, or are others
            than were voted on.
    """
    with VoteFile(path) as file:
        answers = [*_answers(file)]
        checks = sum(vote.purpose == "catch" and vote.answer != "skip" for vote in file.comparisons())
        photos = {photo.path: photo for photo in file.photos}
    if not answers:
        raise InputError("holds no vote that says anything of two photos", path=path)
    voted_on = sorted({name for first, second, *_ in answers for name in (first, second)})
    gone = [name for name in voted_on if not (Path(root) / name).is_file()] if without_gone else []
    if 2 * len(gone) > len(voted_on):
        gone = []  # another folder, rather: that is told below
    if gone:
        answers = [answer for answer in answers if answer[0] not in gone and answer[1] not in gone]
        if not answers:
            raise InputError("holds no vote on two photos that are there", path=path)
    pairs = replace(Pairs.of(answers, str(path)), checks=checks, gone=tuple(gone))
    _check_photos([photos[name] for name in pairs.photos], Path(root), path)
    return pairs


def _answers(file: VoteFile) -> Iterator[tuple[str, str, float, bool]]:
    for vote in file.comparisons():
        if vote.answer != "skip" and vote.purpose != "catch":
            left, right = vote.left, vote.right
            yield (right, left, 1.0, False) if vote.answer == "right" else (left, right, 1.0, vote.answer == "tie")
    for order in file.orders():
        if order.purpose != "catch":
            yield from ((a, b, 2 / len(order.photos), False) for a, b in combinations(order.photos, 2))
    of_rater: dict[str, list[Rating]] = {}
    for rating in file.ratings():
        if rating.purpose != "catch":
            of_rater.setdefault(rating.rater, []).append(rating)
    for ratings in of_rater.values():
        pairs = _near(len(ratings))
        for one, other in ((ratings[i], ratings[j]) for i, j in pairs):
            if one.photo != other.photo:
                best, rest = (one, other) if one.score >= other.score else (other, one)
                yield best.photo, rest.photo, (len(ratings) - 1) / len(pairs), one.score == other.score


def _near(count: int) -> list[tuple[int, int]]:
    """The pairs of so many things in a row: all, or, of very many, those that are not far from each other."""
    return [(i, j) for i in range(count) for j in range(i + 1, min(count, i + 1 + NEAR))]


def _check_photos(photos: Sequence[Photo], root: Path, votes: str | os.PathLike[str]) -> None:
    missing = [photo.path for photo in photos if not (root / photo.path).is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(photos)} photos that were voted on are not in {root}, the first is "
            f"{missing[0]}",
            path=votes,
            cure="give the folder of these votes",
            options=("images",),
        )
    with ThreadPoolExecutor(2) as pool:
        known = [photo for photo in photos if photo.sha256]  # of the others a kill came before the hash was written
        hashes = pool.map(lambda photo: sha256_of(root / photo.path), known)
        other = [photo.path for photo, found in zip(known, hashes, strict=True) if found != photo.sha256]
    if other:
        raise InputError(
            f"{len(other)} of the {len(photos)} photos that were voted on are other files in {root}, the first is "
            f"{other[0]} (SHA-256 differs)",
            path=votes,
            cure="give the photos as they were voted on",
            options=("images",),
        )
