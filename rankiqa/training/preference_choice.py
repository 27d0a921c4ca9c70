"""How much may be learned from votes: chosen by votes on photos that were not learned from.

The photos are divided into folds, look-alikes together. What is learned from the pairs outside a fold is tried on the
pairs inside it; a pair that crosses the border is left out there, as one of its photos would be known. Several
divisions try more of the pairs. The first candidate, which changes nothing, is taken where its loss is within one
standard error of the best one's (so Breiman et al., "Classification and regression trees", 1984, choose among all): a
few dozen votes change nothing, unless they say plainly that something is to be changed. Of the others the best one is
taken: that rule among them too would take the weaker map, and has been measured to gain less (results/votes).
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
        of: which inputs of a head the features are, booleans; None where there are none.
    """

    name: str
    features: Features | None = None
    deviation: float = 0.0
    of: np.ndarray | None = None

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
        """The first candidate, if its loss is within one standard error of the least; otherwise the best one.

        Where nothing was tried, the first.
        """
        tried = np.isfinite(self.losses[0])
        if not tried.any():
            return 0
        held = pairs.select(tried)
        found = [mean_over_pairs(losses[tried], held.better, held.worse, held.weight, group) for losses in self.losses]
        best = min(range(len(found)), key=lambda number: found[number].value)
        return 0 if found[0].value <= found[best].value + found[best].error else best


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
        candidates: the first is the one that changes nothing.
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
            start, of = None, None
            for number, candidate in enumerate(candidates):
                start = candidate.fit(learned, known, start if candidate.features is of else None)
                of = candidate.features
                total[number, inside] += log_losses(start.scores(known, candidate.features), tried)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Validation(np.where(times > 0, total / times, np.nan))
