"""Which pair of photos to ask for next: the one whose answer is expected to tell most."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from rankiqa.errors import InputError
from rankiqa.seeding import generator
from rankiqa.study.posterior import JOD, Posterior, Votes, fit, information
from rankiqa.study.vote_file import ANSWERS, PURPOSES, Answer, Purpose

SPREAD = 2 * JOD  # standard deviation of the scores before any vote
TRUST = 0.6  # correlation that a model's scores are taken to have with people's
REPEAT_EACH, CATCH_EACH = 12, 20  # questions of one rater, of which one is a repeat or a catch
REPEAT_AFTER = 6  # questions of this rater between a pair and its repeat
OBVIOUS = 0.98  # share of raters who would say the better one of a pair that catches
CERTAIN = 0.95  # the certainty at which there are votes enough
_BETTER = {"left": 1, "right": -1, "tie": 0}


@dataclass(frozen=True)
class Question:
    """Two photos, by number, and why they are asked for."""

    left: int
    right: int
    purpose: Purpose


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Attributes:
        given: votes so far, without those that were skipped.
        wanted: votes that will be needed in all, as far as can be told now; never below `given`.
        certainty: the probability that the scale has a pair in the right order, as the mean of all pairs: .5 to 1.
    """

    given: int
    wanted: int
    certainty: float


@dataclass(frozen=True)
class _Told:
    rater: str
    left: int
    right: int
    answer: Answer
    purpose: Purpose

    @property
    def pair(self) -> tuple[int, int]:
        return (min(self.left, self.right), max(self.left, self.right))


class Chooser:
    """Chooses pairs, from all votes that were told. The same seed and history give the same question.

    Args:
        photos: how many; they are numbered from 0.
        prior: (photos,) scores that a model gave, higher is better, in any unit; they count until votes say otherwise.
        seed: of what is drawn: sides, repeats, and the first pairs.

    Raises:
        InputError: fewer than two photos, a prior of another length or one that is not finite.
    """

    def __init__(self, photos: int, *, prior: Sequence[float] | None = None, seed: int = 0) -> None:
        if photos < 2:
            raise InputError(f"comparisons need two photos or more, not {photos}")
        self._photos, self._seed = photos, seed
        self._prior, self._deviation = _prior(photos, prior)
        self._told: list[_Told] = []
        self._posterior: Posterior | None = None

    def told(self, rater: str, left: int, right: int, answer: Answer, purpose: Purpose = "ask") -> None:
        """Take in a vote.

        Raises:
            InputError: a photo, answer or purpose that there is not.
        """
        if not (0 <= left < self._photos and 0 <= right < self._photos and left != right):
            raise InputError(f"no pair of the {self._photos} photos: {left} and {right}")
        if answer not in ANSWERS or purpose not in PURPOSES:
            raise InputError(f"no vote: {answer!r} to {purpose!r}")
        self._told.append(_Told(rater, left, right, answer, purpose))
        self._posterior = None

    def undone(self, rater: str, left: int, right: int) -> bool:
        """Take back the last vote of a rater on these photos, in this place; False: there is none."""
        for k in range(len(self._told) - 1, -1, -1):
            vote = self._told[k]
            if (vote.rater, vote.left, vote.right) == (rater, left, right):
                del self._told[k]
                self._posterior = None
                return True
        return False

    def question(self, rater: str, waiting: Collection[tuple[int, int]] = ()) -> Question:
        """What to ask this rater next.

        Args:
            rater: who asks for it.
            waiting: pairs that are on other raters' screens, in any order.
        """
        own = [vote for vote in self._told if vote.rater == rater]
        draw = generator(self._seed, "question", rater, len(own), len(self._told))
        pair, purpose = self._pair(own, {(min(p), max(p)) for p in waiting}, draw)
        left, right = pair if draw.random() < 0.5 else pair[::-1]
        return Question(left, right, purpose)

    def progress(self) -> Progress:
        """How far the study is."""
        given = sum(vote.answer != "skip" for vote in self._told)
        left, right = np.triu_indices(self._photos, 1)
        certainty = float(self._fitted().in_order(left, right).mean())
        usual = self._photos * np.log2(self._photos)
        wanted = given * ((1 - certainty) / (1 - CERTAIN)) ** 2 if given > self._photos else usual
        return Progress(given, max(given, int(np.ceil(wanted))), certainty)

    def _fitted(self) -> Posterior:
        if self._posterior is None:
            counted = [vote for vote in self._told if vote.answer != "skip"]
            ties = sum(vote.answer == "tie" for vote in counted)
            votes = Votes(
                np.array([vote.left for vote in counted], dtype=int),
                np.array([vote.right for vote in counted], dtype=int),
                np.array([_BETTER[vote.answer] for vote in counted], dtype=float),
            )
            nu = 2 * ties / (len(counted) - ties + 1)
            self._posterior = fit(votes, self._prior, self._deviation, nu)
        return self._posterior

    def _pair(
        self, own: list[_Told], waiting: set[tuple[int, int]], draw: np.random.Generator
    ) -> tuple[tuple[int, int], Purpose]:
        had = {vote.pair for vote in own}
        place = len(own) + 1
        if place % CATCH_EACH == 0 and (catch := self._obvious(had | waiting, draw)):
            return catch, "catch"
        repeatable = _repeatable(own)
        if place % REPEAT_EACH == 0 and repeatable:
            return repeatable[int(draw.integers(len(repeatable)))], "repeat"
        if pair := self._telling(had, waiting, draw):
            return pair, "ask"
        return own[0].pair if own else (0, 1), "repeat" if own else "ask"

    def _telling(
        self, had: set[tuple[int, int]], waiting: set[tuple[int, int]], draw: np.random.Generator
    ) -> tuple[int, int] | None:
        """The pair that tells most of those that this rater has not had; one of photos that nobody looks at, if any."""
        left, right = np.triu_indices(self._photos, 1)
        known = self._fitted()
        worth = information(*known.difference(left, right), known.ties)
        worth *= 1 + 1e-6 * draw.random(len(worth))  # the first of equals would always be the same photos
        busy = np.zeros(self._photos, bool)
        busy[[photo for pair in waiting for photo in pair]] = True
        worth[busy[left] | busy[right]] *= 1e-3
        for a, b in had | waiting:
            worth[a * (2 * self._photos - a - 1) // 2 + b - a - 1] = -1
        best = int(np.argmax(worth))
        return None if worth[best] < 0 else (int(left[best]), int(right[best]))

    def _obvious(self, had: set[tuple[int, int]], draw: np.random.Generator) -> tuple[int, int] | None:
        """A pair of which nearly everybody would say the same, if the votes know one."""
        known = self._fitted()
        order = np.argsort(known.mean)
        reach = min(10, self._photos // 2)
        for _ in range(20):
            low, high = int(draw.choice(order[:reach])), int(draw.choice(order[-reach:]))
            mean, variance = known.difference(np.array([high]), np.array([low]))
            agreed = 1 / (1 + np.exp(-float(mean[0]) / np.sqrt(1 + np.pi * float(variance[0]) / 8)))
            pair = (min(low, high), max(low, high))
            if agreed >= OBVIOUS and pair not in had:
                return pair
        return None


def _prior(photos: int, prior: Sequence[float] | None) -> tuple[np.ndarray, float]:
    """Mean and standard deviation of the scores before any vote."""
    if prior is None:
        return np.zeros(photos), SPREAD
    scores = np.asarray(prior, dtype=np.float64)
    if scores.shape != (photos,) or not np.isfinite(scores).all():
        raise InputError(f"the prior needs a finite score for each of the {photos} photos")
    if scores.std() == 0:
        return np.zeros(photos), SPREAD
    return TRUST * SPREAD * (scores - scores.mean()) / scores.std(), SPREAD * float(np.sqrt(1 - TRUST**2))


def _repeatable(own: list[_Told]) -> list[tuple[int, int]]:
    """Pairs that this rater answered a while ago, and once."""
    answered = [vote.pair for vote in own if vote.answer != "skip"]
    old = [vote.pair for vote in own[: max(0, len(own) - REPEAT_AFTER)] if vote.answer != "skip"]
    return [pair for pair in dict.fromkeys(old) if answered.count(pair) == 1]
