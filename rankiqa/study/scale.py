"""The scale that the votes of a study make, with its intervals, and how far it can be trusted."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rankiqa.errors import InputError
from rankiqa.seeding import generator
from rankiqa.study.agreement import alpha
from rankiqa.study.graph import check_connected
from rankiqa.study.joint import Joint, log_chances
from rankiqa.study.observations import Observations, Unknowns
from rankiqa.study.rater_slopes import rater_slopes
from rankiqa.study.raters import RaterFit, RaterReport, Split, agreement_units, report_on, splits
from rankiqa.study.ratings import USUAL, USUAL_RATINGS, SubjectModel, subject_model
from rankiqa.study.screening import screen
from rankiqa.study.vote_file import Comparison, Order, Rating, VoteFile

NORMAL = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations
_FOLDS, _LEAST_HELD_OUT = 5, 20
_SIGN = {"left": 1.0, "right": -1.0, "tie": 0.0}


@dataclass(frozen=True)
class Study:
    """All votes that stand; `photos` are paths, relative to the study's folder."""

    photos: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    ratings: tuple[Rating, ...]
    orders: tuple[Order, ...]

    @classmethod
    def of(cls, votes: VoteFile) -> Study:
        """Those of a file."""
        photos = tuple(photo.path for photo in votes.photos)
        return cls(photos, tuple(votes.comparisons()), tuple(votes.ratings()), tuple(votes.orders()))

    @property
    def answered(self) -> tuple[Comparison, ...]:
        """Comparisons without those that were skipped."""
        return tuple(vote for vote in self.comparisons if vote.answer != "skip")

    def voted_on(self) -> Study:
        """The study of the photos that have a vote alone."""
        seen = {path for vote in self.answered for path in (vote.left, vote.right)}
        seen |= {vote.photo for vote in self.ratings} | {path for vote in self.orders for path in vote.photos}
        return replace(self, photos=tuple(path for path in self.photos if path in seen))

    def without(self, raters: Sequence[str]) -> Study:
        """The study as if these had not voted."""
        kept = [
            tuple(v for v in part if v.rater not in raters) for part in (self.comparisons, self.ratings, self.orders)
        ]
        return Study(self.photos, *kept)  # type: ignore[arg-type]


@dataclass(frozen=True)
class HeldOut:
    """How well scales of four fifths of the compared pairs tell the votes on the others.

    Attributes:
        votes: that were told; ties are not among them.
        right: share of them whose photo of the higher score was said to be better.
        bits: what the scale tells about an answer, on average; 0 is a coin, 1 certainty.
    """

    votes: int
    right: float
    bits: float


@dataclass(frozen=True)
class Scale:
    """Scores of the photos that somebody voted on; higher is better.

    Attributes:
        photos: their paths, in the order of the study.
        unseen: paths of those without a vote, which have no score.
        score, low, high: (n,) with 95 % intervals.
        votes: (n,) how many votes are on each photo.
        unit: "rating", from 1 to 5, where there are ratings; else "JOD", around 0: at a difference of 1, 75 % of people
            say the better one.
        raters: in the order of their names.
        splits: pairs that raters disagree on, the most disputed first.
        alpha_comparisons, alpha_ratings: Krippendorff's alpha between raters; NaN where it cannot be known.
        held_out: None with fewer than 20 comparisons.
    """

    photos: tuple[str, ...]
    unseen: tuple[str, ...]
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    votes: np.ndarray
    unit: str
    raters: tuple[RaterReport, ...]
    splits: tuple[Split, ...]
    alpha_comparisons: float
    alpha_ratings: float
    held_out: HeldOut | None

    def csv(self) -> str:
        """The scores as text of a CSV file, best first, as `--dataset csv` reads it."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("name", "mos", "low", "high", "votes"))
        for k in self.order():
            numbers = (f"{value:.4f}" for value in (self.score[k], self.low[k], self.high[k]))
            writer.writerow((self.photos[k], *numbers, int(self.votes[k])))
        return text.getvalue()

    def order(self) -> list[int]:
        """Numbers of the photos, best first."""
        return [int(k) for k in np.argsort(-self.score, kind="stable")]


def make_scale(study: Study) -> Scale:
    """The scale of all votes.

    Raises:
        InputError: no votes, or none but skipped ones; votes that do not tell any photo from another; groups of photos
            that no votes join with each other (it says what to ask for).
    """
    whole, study = study, study.voted_on()
    _check(study)
    numbers = {path: k for k, path in enumerate(study.photos)}
    comparers = sorted({vote.rater for vote in (*study.answered, *study.orders)})
    rated = _rated(study.ratings, numbers) if study.ratings else None
    seen = _observations(study, numbers, comparers, rated)
    joint = Joint(seen, rater_slopes(seen))
    vector = joint.fit()
    score, error = joint.on_a_scale(vector)
    scores = dict(zip(study.photos, score.tolist(), strict=True))
    fits = _fits(joint.unknowns(vector), comparers, {vote.rater for vote in study.answered}, rated)
    everything: list[Comparison | Rating | Order] = [*study.comparisons, *study.ratings, *study.orders]
    names = sorted({vote.rater for vote in everything})
    return Scale(
        study.photos,
        tuple(path for path in whole.photos if path not in numbers),
        score,
        score - NORMAL * error,
        score + NORMAL * error,
        _counts(study, numbers),
        "rating" if study.ratings else "JOD",
        tuple(
            report_on(name, [vote for vote in everything if vote.rater == name], fits.get(name, RaterFit()), scores)
            for name in names
        ),
        tuple(splits(study.answered, scores)),
        alpha(*agreement_units(study.answered)) if study.answered else float("nan"),
        _alpha_of_ratings(study.ratings, numbers),
        _held_out(seen),
    )


def _check(study: Study) -> None:
    votes, skipped = len(study.comparisons) + len(study.ratings) + len(study.orders), len(study.comparisons)
    if not votes:
        raise InputError("holds no votes: there is nothing to make a scale of")
    if votes == skipped and not study.answered:
        what = "the only comparison was" if skipped == 1 else f"all {skipped} comparisons were"
        raise InputError(f"{what} skipped: there is nothing to make a scale of")
    different = study.orders or any(vote.answer != "tie" for vote in study.answered)
    if not different and len({vote.score for vote in study.ratings}) < 2:
        what = "comparisons are ties" if study.answered else f"ratings are {study.ratings[0].score}"
        raise InputError(f"all {len(study.answered) or votes} {what}: they tell no photo from another")
    numbers = {path: k for k, path in enumerate(study.photos)}
    chains: list[Sequence[str]] = [(vote.left, vote.right) for vote in study.answered]
    chains += [vote.photos for vote in study.orders]
    chains.append([vote.photo for vote in study.ratings])
    pairs = [(numbers[a], numbers[b]) for chain in chains for a, b in pairwise(chain)]
    check_connected(study.photos, pairs)


class _Rated(NamedTuple):
    """The ratings' subject model, whom BT.500 rejects, and the names of the raters."""

    model: SubjectModel
    rejected: np.ndarray
    who: list[str]


def _rated(ratings: Sequence[Rating], numbers: dict[str, int]) -> _Rated:
    who = sorted({vote.rater for vote in ratings})
    photo = np.array([numbers[vote.photo] for vote in ratings], dtype=int)
    rater = np.array([who.index(vote.rater) for vote in ratings], dtype=int)
    score = np.array([vote.score for vote in ratings], dtype=float)
    return _Rated(subject_model(photo, rater, score, USUAL, USUAL_RATINGS), screen(photo, rater, score).rejected, who)


def _fits(found: Unknowns, comparers: list[str], pairwise: set[str], rated: _Rated | None) -> dict[str, RaterFit]:
    """What the models found of each rater; those that only put photos in order have no left and right."""
    fits = {
        name: RaterFit(float(found.slope[k]), float(found.pull[k]) if name in pairwise else None)
        for k, name in enumerate(comparers)
    }
    if rated is None:
        return fits
    for k, name in enumerate(rated.who):
        own, bias, scatter = fits.get(name, RaterFit()), rated.model.bias[k], rated.model.inconsistency[k]
        fits[name] = RaterFit(own.slope, own.pull, float(bias), float(scatter), bool(rated.rejected[k]))
    return fits


def _observations(study: Study, numbers: dict[str, int], comparers: list[str], ratings: _Rated | None) -> Observations:
    by = {name: k for k, name in enumerate(comparers)}
    rows = [(numbers[v.left], numbers[v.right], _SIGN[v.answer], by[v.rater]) for v in study.answered]
    left, right, better, whose = np.array(rows, dtype=float).reshape(-1, 4).T
    quality, error = (ratings.model.quality, ratings.model.error) if ratings else (np.zeros(0), np.zeros(0))
    rated = np.flatnonzero(np.isfinite(quality))
    return Observations(
        len(study.photos),
        max(1, len(comparers)),
        left.astype(int),
        right.astype(int),
        better,
        whose.astype(int),
        [[numbers[path] for path in vote.photos] for vote in study.orders],
        np.array([by[vote.rater] for vote in study.orders], dtype=int),
        rated,
        quality[rated],
        error[rated],
    )


def _counts(study: Study, numbers: dict[str, int]) -> np.ndarray:
    """(n,) votes on each photo."""
    count = Counter(path for vote in study.answered for path in (vote.left, vote.right))
    count.update(vote.photo for vote in study.ratings)
    count.update(path for vote in study.orders for path in vote.photos)
    return np.array([count[path] for path in numbers], dtype=int)


def _alpha_of_ratings(ratings: Sequence[Rating], numbers: dict[str, int]) -> float:
    """Of the first rating that each rater gave a photo."""
    first: dict[tuple[str, int], int] = {}
    for vote in ratings:
        first.setdefault((vote.rater, numbers[vote.photo]), vote.score)
    if not first:
        return float("nan")
    return alpha(np.array([photo for _, photo in first]), np.array([*first.values()]), distance=True)


def _held_out(seen: Observations) -> HeldOut | None:
    """Fits without each fifth of the compared pairs, drawn at random, on whose votes they are tried."""
    number = len(seen.left)
    if number < _LEAST_HELD_OUT:
        return None
    ends = np.sort([seen.left, seen.right], axis=0)
    pairs, place = np.unique(ends[0] * seen.photos + ends[1], return_inverse=True)
    fold = (generator(0, "held out").permutation(len(pairs)) % _FOLDS)[place.reshape(-1)]
    right, bits = [], []
    for k in range(_FOLDS):
        kept, out = fold != k, (fold == k) & (seen.better != 0)
        learned = _kept(seen, kept)
        joint = Joint(learned, rater_slopes(learned))
        found = joint.unknowns(joint.fit())
        apart = found.scores[seen.left[out]] - found.scores[seen.right[out]]
        said = seen.better[out]
        chances = log_chances(found.slope[seen.by[out]] * apart + found.pull[seen.by[out]], 0.0)
        right += np.where(apart == 0, 0.5, np.sign(apart) == said).tolist()
        bits += (1 + np.where(said > 0, chances[0], chances[1]) / np.log(2)).tolist()
    return HeldOut(len(right), float(np.mean(right)), float(np.mean(bits))) if right else None


def _kept(seen: Observations, kept: np.ndarray) -> Observations:
    return replace(seen, left=seen.left[kept], right=seen.right[kept], better=seen.better[kept], by=seen.by[kept])
