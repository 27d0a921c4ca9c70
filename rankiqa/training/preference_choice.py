"""How much may be learned from votes: chosen by votes on photos that were not learned from.

The photos are divided into folds, look-alikes together. What is learned from the pairs outside a fold is tried on the
pairs inside it; a pair that crosses the border is left out there, as one of its photos would be known. Several
divisions try more of the pairs. Of the candidates, from the simplest to the richest, the simplest one is taken whose
loss is within one standard error of the best one's (Breiman et al., "Classification and regression trees", 1984): a few
dozen votes change nothing, unless they say plainly that something is to be changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankiqa.datasets.pairs import Pairs
from rankiqa.metrics.intervals import group_codes
from rankiqa.metrics.preferences import mean_over_pairs
from rankiqa.seeding import generator
from rankiqa.training.preference_fit import Features, PreferenceFit, fit_preferences, log_losses


@dataclass(frozen=True)
class Candidate:
    """What may be learned; see `rankiqa.training.preference_fit`.

    Attributes:
        name: in words.
        features: of the photos that are mapped; None: the slope alone is learned.
        deviation: how far the map may lead away from the known score, in logits.
    """

    name: str
    features: Features | None = None
    deviation: float = 0.0

    def fit(self, pairs: Pairs, known: np.ndarray, start: PreferenceFit | None = None) -> PreferenceFit:
        """What is learned from pairs."""
        return fit_preferences(pairs, known, self.features, self.deviation, start)


def divide_photos(group: Sequence[str], folds: int, seed: int, repeat: int) -> np.ndarray:
    """(N,) the fold of each photo, from 0; photos of one group are in one, and the folds are about equally large."""
    codes = group_codes(np.asarray(group), len(group))
    sizes = np.bincount(codes)
    of_group = np.zeros(len(sizes), np.int64)
    room = np.zeros(folds)
    order = generator(seed, "folds", repeat).permutation(len(sizes))
    for code in order[np.argsort(-sizes[order], kind="stable")]:
        of_group[code] = np.argmin(room)
        room[of_group[code]] += sizes[code]
    return of_group[codes]


@dataclass(frozen=True)
class Validation:
    """What candidates say of pairs that they did not learn from.

    Attributes:
        losses: (C, P) log losses, the mean over the divisions in which a row was held out; NaN where it never was.
    """

    losses: np.ndarray

    def choose(self, pairs: Pairs, group: Sequence[str]) -> int:
        """The simplest candidate whose loss is within one standard error of the best one's; untried, the first."""
        tried = np.isfinite(self.losses[0])
        if not tried.any():
            return 0
        held = pairs.select(tried)
        found = [mean_over_pairs(losses[tried], held.better, held.worse, held.weight, group) for losses in self.losses]
        best = min(found, key=lambda mean: mean.value)
        return next(number for number, mean in enumerate(found) if mean.value <= best.value + best.error)


def validate(
    candidates: Sequence[Candidate],
    pairs: Pairs,
    known: np.ndarray,
    group: Sequence[str],
    folds: int,
    repeats: int,
    seed: int,
) -> Validation:
    """Try each candidate on held-out pairs.

    Args:
        candidates: the simplest first.
        pairs: over the N photos.
        known: (N,) the score that is known.
        group: (N,) names of what shows the same.
        folds: of a division.
        repeats: how many divisions.
        seed: of them.
    """
    total, times = np.zeros((len(candidates), len(pairs))), np.zeros(len(pairs))
    for repeat in range(repeats):
        fold = divide_photos(group, folds, seed, repeat)
        for held in range(folds):
            inside = (fold[pairs.better] == held) & (fold[pairs.worse] == held)
            outside = (fold[pairs.better] != held) & (fold[pairs.worse] != held)
            if not inside.any() or not outside.any():
                continue
            learned, tried = pairs.select(outside), pairs.select(inside)
            times[inside] += 1
            start = None
            for number, candidate in enumerate(candidates):
                start = candidate.fit(learned, known, start)
                total[number, inside] += log_losses(start.scores(known, candidate.features), tried)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Validation(np.where(times > 0, total / times, np.nan))
