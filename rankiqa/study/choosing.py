"""Which pair of photos to ask for next: the one whose answer is expected to tell most about the order.

SROCC falls with the squared errors of the ranks. With the posterior of the scores so far, an answer is expected to take
away a certain part of their variance, and the pair with the largest is asked for. To choose by the information about
the difference of the two alone (Hybrid-MST, ASAP) is there too: `by="information"`; results/votes compares both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rankiqa.errors import InputError
from rankiqa.seeding import generator
from rankiqa.study.posterior import JOD, Posterior, Votes, expected_curvature, fit, information, with_vote
from rankiqa.study.sparse_posterior import SparsePosterior, fit_sparse
from rankiqa.study.vote_file import ANSWERS, PURPOSES, Answer, Purpose

SPREAD = 2 * JOD  # standard deviation of the scores before any vote
TRUST = 0.6  # correlation that a model's scores are taken to have with people's
REPEAT_EACH, CATCH_EACH = 12, 20  # questions of one rater, of which one is a repeat or a catch
REPEAT_AFTER = 6  # questions of this rater between a pair and its repeat
OBVIOUS = 0.95  # share of answers that would be the better one, of a pair that catches
CERTAIN = 0.9  # the certainty at which there are votes enough: of normal scores, SROCC is about .95 there
_ALL_PAIRS = 200  # photos of which every pair is looked at; of more, pairs that may well be neighbours
_EXACT = 300  # photos up to which every vote refits all
DENSE = 2000  # photos up to which all covariances are known, 32 MB; of more, the variances alone
_USUAL, _FALL = 1.1, 1.75  # of 30 and 100 photos and simulated raters
_NEIGHBOURS, _FINALISTS, _SAMPLE, _FEW = 6, 400, 200, 30
By = Literal["ranks", "information"]
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
        by: what a pair is worth: "ranks", the squared error of ranks that goes; or "information" about the two.
        checks: whether some questions are repeats and catch trials, which measure raters.

    Raises:
        InputError: fewer than two photos, a prior of another length or one that is not finite.
    """

    def __init__(
        self,
        photos: int,
        *,
        prior: Sequence[float] | None = None,
        seed: int = 0,
        by: By = "ranks",
        checks: bool = True,
    ) -> None:
        if photos < 2:
            raise InputError(f"comparisons need two photos or more, not {photos}")
        self._photos, self._seed = photos, seed
        self._prior, self._deviation = _prior(photos, prior)
        self._by, self._checks = by, checks
        self._told: list[_Told] = []
        self._posterior: Posterior | SparsePosterior | None = None
        self._fitted_to = 0  # votes that the posterior knows, without those that were skipped

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

    def undone(self, rater: str, left: int, right: int) -> bool:
        """Take back the last vote of a rater on these photos, in this place; False: there is none."""
        for k in range(len(self._told) - 1, -1, -1):
            vote = self._told[k]
            if (vote.rater, vote.left, vote.right) == (rater, left, right):
                del self._told[k]
                self._posterior, self._fitted_to = None, 0
                return True
        return False

    def question(self, rater: str, waiting: Collection[tuple[int, int]] = ()) -> Question | None:
        """What to ask this rater next; None: he has had all pairs, those that he skipped too.

        Args:
            rater: who asks for it.
            waiting: pairs that are on screens, in any order; they are asked for where there is nothing else.
        """
        own = [vote for vote in self._told if vote.rater == rater]
        draw = generator(self._seed, "question", rater, len(own), len(self._told))
        found = self._pair(own, {(min(p), max(p)) for p in waiting}, draw)
        if found is None:
            return None
        pair, purpose = found
        left, right = pair if draw.random() < 0.5 else pair[::-1]
        return Question(left, right, purpose)

    def progress(self) -> Progress:
        """How far the study is."""
        given = sum(vote.answer != "skip" for vote in self._told)
        left, right = self._sample_of_pairs()
        certainty = float(self._known().in_order(left, right).mean())
        # Errors of scores fall with the root of the votes, and so do pairs in the wrong order: a power of 2, at length.
        usual = _USUAL * self._photos * np.log2(self._photos)
        wanted = given * ((1 - certainty) / (1 - CERTAIN)) ** _FALL if given > self._photos else usual
        return Progress(given, max(given, int(np.ceil(wanted))), certainty)

    def _sample_of_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        if self._photos <= _EXACT:
            return np.triu_indices(self._photos, 1)
        draw = generator(self._seed, "pairs")
        left = draw.integers(0, self._photos, 20_000)
        return left, (left + draw.integers(1, self._photos, len(left))) % self._photos

    def _known(self) -> Posterior | SparsePosterior:
        """The posterior of all votes; of more than `_EXACT` photos, the covariance is that of the votes' own times.

        Of more than `DENSE` it has no covariances, whose memory and time would grow with the square and the cube.
        """
        counted = [vote for vote in self._told if vote.answer != "skip"]
        new = len(counted) - self._fitted_to
        if self._posterior is not None and not new:
            return self._posterior
        votes = Votes(
            np.array([vote.left for vote in counted], dtype=int),
            np.array([vote.right for vote in counted], dtype=int),
            np.array([_BETTER[vote.answer] for vote in counted], dtype=float),
        )
        known = self._posterior
        if self._photos > DENSE:
            start = None if known is None else known.mean
            known = fit_sparse(votes, self._prior, self._deviation, _ties(votes), start)
        elif isinstance(known, Posterior) and self._photos > _EXACT and new <= _FEW:
            for k in range(len(counted) - new + 1, len(counted) + 1):
                known = with_vote(known, votes.first(k), self._prior, self._deviation)
        else:
            known = fit(votes, self._prior, self._deviation, _ties(votes))
        self._posterior = known
        self._fitted_to = len(counted)
        return known

    def _pair(
        self, own: list[_Told], waiting: set[tuple[int, int]], draw: np.random.Generator
    ) -> tuple[tuple[int, int], Purpose] | None:
        had = {vote.pair for vote in own}
        if len(had) == self._photos * (self._photos - 1) // 2:
            return None
        place = len(own) + 1
        if self._checks and place % CATCH_EACH == 0 and (catch := self._obvious(had | waiting, draw)):
            return catch, "catch"
        repeatable = _repeatable(own)
        if self._checks and place % REPEAT_EACH == 0 and repeatable:
            return repeatable[int(draw.integers(len(repeatable)))], "repeat"
        pair = self._telling(had, waiting, draw) or self._telling(had, set(), draw)
        return (pair, "ask") if pair else None

    def _telling(
        self, had: set[tuple[int, int]], waiting: set[tuple[int, int]], draw: np.random.Generator
    ) -> tuple[int, int] | None:
        """The pair that tells most of those that this rater has not had; one of photos that nobody looks at, if any."""
        left, right = self._candidates(draw)
        free = ~np.isin(left * self._photos + right, [a * self._photos + b for a, b in had | waiting])
        busy = np.isin(left, quiet := [photo for pair in waiting for photo in pair]) | np.isin(right, quiet)
        free &= ~busy if (free & ~busy).any() else True
        left, right = left[free], right[free]
        if not len(left):
            return None
        worth = self._worth(left, right)
        # The first of equals would always be the same photos.
        best = int(np.argmax(worth * (1 + 1e-6 * draw.random(len(worth)))))
        return int(left[best]), int(right[best])

    def _candidates(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """All pairs, or of many photos: neighbours in an order drawn from the posterior, and some at random."""
        n = self._photos
        if n <= _ALL_PAIRS:
            return np.triu_indices(n, 1)
        known = self._known()
        order = np.argsort(known.mean + np.sqrt(known.variance) * draw.standard_normal(n))
        near = [(order[:-k], order[k:]) for k in range(1, _NEIGHBOURS + 1)]
        far = draw.integers(0, n, n)
        near.append((far, (far + draw.integers(1, n, n)) % n))
        ends = np.concatenate(near, axis=1)
        return ends.min(0), ends.max(0)

    def _worth(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """What an answer to each pair is expected to tell; 0 for those that are plainly not the best."""
        known = self._known()
        mean, variance = known.difference(left, right)
        if self._by == "information":
            return information(mean, variance, known.ties)
        curvature = expected_curvature(mean, variance, known.ties)
        # An answer takes the variances of all scores down by curvature · (Σ x)² / (1 + curvature · variance), with the
        # covariance Σ and x, which is 1 at the left photo and −1 at the right; ranks follow scores by their slopes.
        slope, share = self._ranks_per_score(), curvature / (1 + curvature * variance)
        own = (slope * known.variance) ** 2  # as if no photos were joined, to find those that are worth a look
        if isinstance(known, SparsePosterior):
            return share * (own[left] + own[right])
        covariance = known.covariance
        if self._photos <= _ALL_PAIRS:
            squares = (covariance * slope**2) @ covariance
            return share * (squares[left, left] + squares[right, right] - 2 * squares[left, right])
        finalists = np.argsort(share * (own[left] + own[right]))[-_FINALISTS:]
        across = covariance[:, left[finalists]] - covariance[:, right[finalists]]
        worth = np.zeros(len(left))
        worth[finalists] = share[finalists] * np.sum((slope[:, None] * across) ** 2, axis=0)
        return worth

    def _ranks_per_score(self) -> np.ndarray:
        """(photos,) how many ranks a photo is expected to rise with its score, in some unit: the density around it."""
        known, n = self._known(), self._photos
        others = np.arange(0, n, -(-n // _SAMPLE))
        mean, variance = known.difference(np.arange(n)[:, None], others)
        variance = np.maximum(variance, 1e-9)
        slope = np.exp(-(mean**2) / (2 * variance)) / np.sqrt(variance)
        slope[others, np.arange(len(others))] = 0
        return slope.sum(1)

    def _obvious(self, had: set[tuple[int, int]], draw: np.random.Generator) -> tuple[int, int] | None:
        """A pair of which nearly everybody would say the same, if the votes know one."""
        known = self._known()
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


def _ties(votes: Votes) -> float:
    """Davidson's ν of pairs that are close, from the share of ties."""
    ties = int(np.sum(votes.better == 0))
    return 2 * ties / (len(votes.better) - ties + 1)


def _repeatable(own: list[_Told]) -> list[tuple[int, int]]:
    """Pairs that this rater answered a while ago, and once."""
    answered = Counter(vote.pair for vote in own if vote.answer != "skip")
    old = [vote.pair for vote in own[: max(0, len(own) - REPEAT_AFTER)] if vote.answer != "skip"]
    return [pair for pair in dict.fromkeys(old) if answered[pair] == 1]
