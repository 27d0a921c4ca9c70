"""What raters are asked, three ways: which of two photos is better, how good one is, a few put in order.

Each has the same form, `Mode`: it knows the votes so far, says what to ask next, and makes a vote of an answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np

from rankiqa.seeding import generator
from rankiqa.study.choosing import REPEAT_AFTER, REPEAT_EACH, Chooser
from rankiqa.study.ratings import certainty
from rankiqa.study.vote_file import ANSWERS, WORDS, Comparison, Order, Purpose, Rating, Vote, VoteFile
from rankiqa.web.asked import Asked, Refused

MODES = ("compare", "rate", "sort")
LIMIT = 8  # photos that are sorted at once
_ANEW = 1.01  # times the ratings that it was found from, at which the certainty is found anew


class Mode(Protocol):
    """A way to ask.

    Attributes:
        name: one of `MODES`.
        least: photos that it needs.
    """

    name: str
    least: int

    def next(self, rater: str, waiting: Collection[tuple[int, ...]]) -> tuple[tuple[int, ...], Purpose] | None:
        """The photos to ask a rater about, and why; None: this rater has answered all there is.

        `waiting` are the photos of the questions that are on screens; the rater's own come last.
        """

    def vote(self, rater: str, asked: Asked, answer: Any, seconds: float | None) -> Any:
        """The vote that an answer is; `Refused` for one that it cannot be."""

    def told(self, vote: Any) -> None:
        """Take in a vote."""

    def undone(self, vote: Any) -> tuple[int, ...]:
        """Forget a vote that was told; its photos are returned."""

    def drop(self, number: int) -> None:
        """Ask for a photo no more."""

    def progress(self, rater: str) -> dict[str, Any]:
        """`given` and `wanted` votes; `sure`, the certainty of the order, or None; `own`: the rater's votes."""


def make_mode(name: str, votes: VoteFile, usable: Collection[int], prior: Sequence[float] | None, limit: int) -> Mode:
    """The mode of this name with all votes of the file told.

    Args:
        name: one of `MODES`.
        votes: of the study.
        usable: numbers of the photos that can be shown.
        prior: a score for each photo of the study, for comparisons.
        limit: photos that are sorted at once.
    """
    if name == "compare":
        return Compare(votes, usable, prior)
    return Rate(votes, usable) if name == "rate" else Sort(votes, usable, limit)


class Compare:
    """Pairs, which `rankiqa.study.choosing.Chooser` chooses; it counts the usable photos alone."""

    name, least = "compare", 2

    def __init__(self, votes: VoteFile, usable: Collection[int], prior: Sequence[float] | None) -> None:
        self._votes, self._prior = votes, prior
        self._usable = sorted(usable)
        self._number = {photo.path: number for number, photo in enumerate(votes.photos)}
        self._build(votes.comparisons())

    def _build(self, told: Sequence[Comparison]) -> None:
        """A chooser that knows these votes, as far as their photos can be shown."""
        self._place = {number: place for place, number in enumerate(self._usable)}
        prior = None if self._prior is None else [self._prior[number] for number in self._usable]
        self._chooser = Chooser(len(self._usable), prior=prior) if len(self._usable) >= 2 else None
        self._told: list[Comparison] = []
        self._own: Counter[str] = Counter()
        for vote in told:
            self.told(vote)

    def next(self, rater: str, waiting: Collection[tuple[int, ...]]) -> tuple[tuple[int, ...], Purpose] | None:
        """What the chooser says."""
        if self._chooser is None:
            return None
        places = [self._places(pair) for pair in waiting]
        question = self._chooser.question(rater, [pair for pair in places if pair is not None])
        if question is None:
            return None
        return (self._usable[question.left], self._usable[question.right]), question.purpose

    def vote(self, rater: str, asked: Asked, answer: Any, seconds: float | None) -> Comparison:
        """`answer` is one of `ANSWERS`."""
        if answer not in ANSWERS:
            raise Refused(f"an answer is one of {', '.join(ANSWERS)}")
        left, right = (self._votes.photos[number].path for number in asked.photos)
        return Comparison(asked.uid, rater, asked.purpose, seconds, "", left, right, answer)

    def told(self, vote: Comparison) -> None:
        """Tell the chooser."""
        self._told.append(vote)
        self._own[vote.rater] += 1
        places = self._places((self._number[vote.left], self._number[vote.right]))
        if self._chooser is not None and places is not None:
            self._chooser.told(vote.rater, *places, vote.answer, vote.purpose)

    def undone(self, vote: Comparison) -> tuple[int, ...]:
        """Let the chooser forget it."""
        photos = self._number[vote.left], self._number[vote.right]
        if any(told.uid == vote.uid for told in self._told):
            self._told = [told for told in self._told if told.uid != vote.uid]
            self._own[vote.rater] -= 1
            places = self._places(photos)
            if self._chooser is not None and places is not None:
                self._chooser.undone(vote.rater, *places)
        return photos

    def drop(self, number: int) -> None:
        """Begin anew without the photo."""
        if number in self._place:
            self._usable.remove(number)
            self._build(self._told)

    def progress(self, rater: str) -> dict[str, Any]:
        """What the chooser says."""
        if self._chooser is None:
            return {"given": len(self._told), "wanted": len(self._told), "sure": None, "own": self._own[rater]}
        found = self._chooser.progress()
        return {"given": found.given, "wanted": found.wanted, "sure": found.certainty, "own": self._own[rater]}

    def _places(self, photos: tuple[int, ...]) -> tuple[int, int] | None:
        left, right = photos
        if left in self._place and right in self._place:
            return self._place[left], self._place[right]
        return None


class _Once:
    """What raters see each photo once for: whose turn it is, and how far they are."""

    def __init__(self, votes: VoteFile, usable: Collection[int]) -> None:
        self._votes, self._usable = votes, sorted(usable)
        self._number = {photo.path: number for number, photo in enumerate(votes.photos)}
        self._seen: dict[str, Counter[int]] = {}  # by each rater
        self._all: Counter[int] = Counter()
        self._uids: set[str] = set()

    def drop(self, number: int) -> None:
        """Ask for a photo no more."""
        if number in self._usable:
            self._usable.remove(number)

    def _count(self, vote: Vote, photos: Sequence[int]) -> None:
        if vote.uid not in self._uids:
            self._uids.add(vote.uid)
            self._seen.setdefault(vote.rater, Counter()).update(photos)
            self._all.update(photos if vote.purpose != "repeat" else ())

    def _forget(self, vote: Vote, photos: tuple[int, ...]) -> tuple[int, ...]:
        if vote.uid in self._uids:
            self._uids.remove(vote.uid)
            self._seen[vote.rater].subtract(photos)
            self._all.subtract(photos if vote.purpose != "repeat" else ())
        return photos

    def _left(self, rater: str, waiting: Collection[tuple[int, ...]] = ()) -> list[int]:
        """What a rater has not seen, in the order to ask: first what few have seen, then by lot."""
        seen = self._seen.get(rater, Counter())
        busy = {photo for photos in waiting for photo in photos}
        lot = generator(0, "rate", rater).permutation(len(self._votes.photos))
        left = [number for number in self._usable if seen[number] <= 0 and number not in busy]
        return sorted(left, key=lambda number: (self._all[number], lot[number]))

    def _share(self, rater: str) -> dict[str, Any]:
        own = len(self._usable) - len(self._left(rater))
        return {"given": own, "wanted": len(self._usable), "sure": None, "own": own}


class Rate(_Once):
    """Each photo once, on the scale of five words of ITU-T P.910 (absolute category rating); some of them again."""

    name, least = "rate", 1

    def __init__(self, votes: VoteFile, usable: Collection[int]) -> None:
        super().__init__(votes, usable)
        self._told: dict[str, Rating] = {}
        self._sure: tuple[int, float | None] = 0, None  # of how many ratings
        for vote in votes.ratings():
            self.told(vote)

    def next(self, rater: str, waiting: Collection[tuple[int, ...]]) -> tuple[tuple[int, ...], Purpose] | None:
        """A photo that few have seen, and this rater not yet; now and then one that he rated a while ago."""
        left = self._left(rater, waiting)
        if not left:
            return None
        own = [self._number[vote.photo] for vote in self._told.values() if vote.rater == rater]
        if (len(own) + 1) % REPEAT_EACH == 0 and (again := self._repeatable(own, waiting)):
            return (again[int(generator(0, "repeat", rater, len(own)).integers(len(again)))],), "repeat"
        return (left[0],), "ask"

    def _repeatable(self, own: list[int], waiting: Collection[tuple[int, ...]]) -> list[int]:
        """Photos that a rater rated once, and a while ago."""
        times, free = Counter(own), set(self._usable) - {photo for photos in waiting for photo in photos}
        return [k for k in own[: max(0, len(own) - REPEAT_AFTER)] if times[k] == 1 and k in free]

    def vote(self, rater: str, asked: Asked, answer: Any, seconds: float | None) -> Rating:
        """`answer` is a number from 1 to 5."""
        if type(answer) is not int or answer not in WORDS:
            raise Refused("an answer is a whole number from 1 to 5")
        path = self._votes.photos[asked.photos[0]].path
        return Rating(asked.uid, rater, asked.purpose, seconds, "", path, answer)

    def told(self, vote: Rating) -> None:
        """Count it."""
        self._told[vote.uid] = vote
        self._count(vote, [self._number[vote.photo]])

    def undone(self, vote: Rating) -> tuple[int, ...]:
        """Count it no more."""
        self._told.pop(vote.uid, None)
        self._sure = 0, None
        return self._forget(vote, (self._number[vote.photo],))

    def progress(self, rater: str) -> dict[str, Any]:
        """How many of the photos this rater has rated, and how sure the order of all raters is."""
        return self._share(rater) | {"sure": self._certainty()}

    def _certainty(self) -> float | None:
        """See `rankiqa.study.ratings.certainty`; None while no two raters have a photo in common."""
        count, sure = self._sure
        if not count <= len(self._told) < count * _ANEW or not count:
            sure = None
            place, votes = {number: k for k, number in enumerate(self._usable)}, self._told.values()
            who = {name: k for k, name in enumerate(dict.fromkeys(vote.rater for vote in votes))}
            rows = [
                (place[number], who[vote.rater], vote.score)
                for vote in votes
                if (number := self._number[vote.photo]) in place
            ]
            if rows and max(self._all[number] for number in self._usable) > 1:
                photo, rater, score = np.array(rows).T
                sure = certainty(photo, rater, score.astype(float), len(place))
            self._sure = len(self._told), sure
        return sure


class Sort(_Once):
    """A few photos at once, until a rater has had each in an order.

    Args:
        votes: of the study.
        usable: numbers of the photos that can be shown.
        limit: how many at once; after the first ones, one of them or more was among those before: the orders of a rater
            have to hang together for a scale.
    """

    name, least = "sort", 2

    def __init__(self, votes: VoteFile, usable: Collection[int], limit: int) -> None:
        super().__init__(votes, usable)
        self._limit = limit
        for vote in votes.orders():
            self.told(vote)

    def next(self, rater: str, waiting: Collection[tuple[int, ...]]) -> tuple[tuple[int, ...], Purpose] | None:
        """Photos that this rater has not sorted, and one that he has; more of those beside the last ones."""
        left = self._left(rater, waiting)
        if not left or len(self._usable) < 2:
            return None
        new = set(left)
        others = [number for number in self._usable if number not in new]
        chosen = left[: self._limit - bool(others)]
        draw = generator(0, "fill", rater, left[0])
        chosen += [others[k] for k in draw.permutation(len(others))[: self._limit - len(chosen)]]
        return tuple(chosen), "ask"

    def vote(self, rater: str, asked: Asked, answer: Any, seconds: float | None) -> Order:
        """`answer` has the photos of the question, best first."""
        if not isinstance(answer, list) or sorted(map(repr, answer)) != sorted(map(repr, asked.photos)):
            raise Refused("an answer has each photo of the question once")
        paths = tuple(self._votes.photos[number].path for number in answer)
        return Order(asked.uid, rater, asked.purpose, seconds, "", paths)

    def told(self, vote: Order) -> None:
        """Count it."""
        self._count(vote, [self._number[path] for path in vote.photos])

    def undone(self, vote: Order) -> tuple[int, ...]:
        """Count it no more."""
        return self._forget(vote, tuple(self._number[path] for path in vote.photos))

    def progress(self, rater: str) -> dict[str, Any]:
        """How many of the photos this rater has sorted."""
        return self._share(rater)
