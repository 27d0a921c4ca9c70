"""What the votes say of each rater: noise, bias, whether he agrees with himself, and whether he looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.special import expit
from scipy.stats import binom

from rankiqa.study.vote_file import Comparison, Order, Rating

_SLIPS = 0.1  # share of catch trials that a careful rater may get wrong
_UNLIKELY = 0.05  # chance of so many slips, below which a rater is careless
_LEAST_SLIPS = 2
_ONE_SIDED = 0.75  # share of equal pairs from which on the same side is odd
_NOISY = 2.5  # noise from which on comparisons tell little


@dataclass(frozen=True)
class RaterReport:
    """One rater. None: there are no such votes.

    Attributes:
        name: as given.
        votes: those that count, and skipped those that do not.
        seconds: median time of an answer.
        noise: of his comparisons, 1 is that of the mean rater, 2 twice that.
        left: share of pairs of equal photos in which he would say the left one.
        same, repeats: comparisons and orders that he answered the same again, of those that he was asked for again.
        wrong, catches: answers against the scale to pairs that are plain, of those that he had.
        bias: what he adds to every rating.
        inconsistency: standard deviation of his ratings around it.
        retest: standard deviation of his ratings of one photo, from repeats: the root mean square of their differences
            from the rating before, by √2. It has no part of what he sees otherwise than others do.
        screened: whether ITU-R BT.500 rejects his ratings.
        remarks: what is odd, in words; the first of a careless rater is "careless".
    """

    name: str
    votes: int
    skipped: int
    seconds: float | None
    noise: float | None
    left: float | None
    same: int
    repeats: int
    wrong: int
    catches: int
    bias: float | None
    inconsistency: float | None
    retest: float | None
    screened: bool
    remarks: tuple[str, ...]

    @property
    def careless(self) -> bool:
        """Whether the catch trials say so."""
        return "careless" in self.remarks


@dataclass(frozen=True)
class RaterFit:
    """What the models found of one rater; None where he gave no such votes."""

    slope: float | None = None
    pull: float | None = None
    bias: float | None = None
    inconsistency: float | None = None
    screened: bool = False


def report_on(
    name: str,
    votes: Sequence[Comparison | Rating | Order],
    fit: RaterFit,
    scores: Mapping[str, float],
) -> RaterReport:
    """One rater, of his votes and what the models found; `scores` are those of the scale, by the path of a photo."""
    answered = [vote for vote in votes if not (isinstance(vote, Comparison) and vote.answer == "skip")]
    times = [vote.seconds for vote in answered if vote.seconds is not None]
    same, repeats = repeated([vote for vote in answered if not isinstance(vote, Rating)])
    catches = [v for v in answered if isinstance(v, Comparison) and v.purpose == "catch"]
    wrong = sum(v.answer != ("left" if scores[v.left] > scores[v.right] else "right") for v in catches)
    left = None if fit.pull is None else float(expit(fit.pull))
    remarks = []
    if wrong >= _LEAST_SLIPS and binom.sf(wrong - 1, len(catches), _SLIPS) < _UNLIKELY:
        remarks.append("careless")
    if fit.screened:
        remarks.append("rejected by BT.500")
    if fit.slope is not None and fit.slope < 1 / _NOISY:
        remarks.append("answers near chance")
    if left is not None and not 1 - _ONE_SIDED < left < _ONE_SIDED:
        remarks.append(f"prefers the {'left' if left > 0.5 else 'right'} side")
    return RaterReport(
        name,
        len(answered),
        len(votes) - len(answered),
        median(times) if times else None,
        None if fit.slope is None else 1 / fit.slope,
        left,
        same,
        repeats,
        wrong,
        len(catches),
        fit.bias,
        fit.inconsistency,
        retest([vote for vote in answered if isinstance(vote, Rating)]),
        fit.screened,
        tuple(remarks),
    )


def retest(ratings: Sequence[Rating]) -> float | None:
    """The standard deviation of one rater's ratings of the same photo, from his repeats; None: there are none."""
    before: dict[str, int] = {}
    apart = []
    for vote in ratings:
        if vote.purpose == "repeat" and vote.photo in before:
            apart.append(vote.score - before[vote.photo])
        before[vote.photo] = vote.score
    return float(np.sqrt(np.mean(np.square(apart)) / 2)) if apart else None


def repeated(votes: Sequence[Comparison | Order]) -> tuple[int, int]:
    """How many repeats have the answer of the vote before on the same photos, of how many repeats."""
    before: dict[tuple[str, ...], object] = {}
    same = number = 0
    for vote in votes:
        key, answer = _answer(vote)
        if vote.purpose == "repeat" and key in before:
            same, number = same + (before[key] == answer), number + 1
        before[key] = answer
    return same, number


def _answer(vote: Comparison | Order) -> tuple[tuple[str, ...], object]:
    """The photos, in one order whatever side they were on, and the answer."""
    if isinstance(vote, Comparison):
        return tuple(sorted((vote.left, vote.right))), {"left": vote.left, "right": vote.right}.get(vote.answer)
    return ("", *sorted(vote.photos)), vote.photos


@dataclass(frozen=True)
class Split:
    """A pair that people do not agree on: how many said the better one of the scale, neither, and the other one."""

    better: str
    worse: str
    agree: int
    tie: int
    against: int


def splits(comparisons: Sequence[Comparison], scores: Mapping[str, float]) -> list[Split]:
    """Pairs with votes against the scale, those with the most first; of as many, those that are farther apart."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for vote in comparisons:
        if vote.answer != "skip":
            left_up = scores[vote.left] >= scores[vote.right]
            pair = (vote.left, vote.right) if left_up else (vote.right, vote.left)
            place = 1 if vote.answer == "tie" else 0 if (vote.answer == "left") == left_up else 2
            counts[pair][place] += 1
    found = [Split(*pair, *count) for pair, count in counts.items() if count[2]]
    return sorted(found, key=lambda s: (-s.against, s.agree, scores[s.worse] - scores[s.better]))


def agreement_units(comparisons: Sequence[Comparison]) -> tuple[np.ndarray, np.ndarray]:
    """What `rankiqa.study.agreement.alpha` takes: the pair, and the photo that was said to be better, of every vote.

    One vote of a rater on a pair counts, his first: repeats are agreement with himself.
    """
    first: dict[tuple[str, str, str], int] = {}
    for vote in comparisons:
        a, b = sorted((vote.left, vote.right))
        if vote.answer != "skip":
            sign = {"left": 1, "right": -1, "tie": 0}[vote.answer] * (1 if vote.left == a else -1)
            first.setdefault((vote.rater, a, b), sign)
    pairs = {pair: k for k, pair in enumerate(dict.fromkeys(key[1:] for key in first))}
    return np.array([pairs[key[1:]] for key in first], dtype=int), np.array([*first.values()], dtype=int)
