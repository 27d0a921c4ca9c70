"""Votes on pairs as a set to train on: its scores are the scale that the votes make, and the votes come along."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from rankiqa.config.scores import PAIRS
from rankiqa.datasets.neighbours import content_groups
from rankiqa.datasets.pairs import Pairs
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError
from rankiqa.study.choosing import DENSE, SPREAD
from rankiqa.study.pairs import open_pairs
from rankiqa.study.posterior import Votes, fit
from rankiqa.study.sparse_posterior import fit_sparse

_NONE = Pairs.of([])


@dataclass(frozen=True)
class VotedSet(ScoredSet):
    """Photos that people compared. A difference d of two scores means that σ(d) say the one is better.

    The scores serve to divide the photos, to validate and to give a scale; what is learned are the votes as they are.

    Attributes:
        pairs: the votes, over the rows of the table.
    """

    pairs: Pairs = field(default_factory=lambda: _NONE)

    @property
    def span(self) -> float:
        """From the lowest to the highest score, in logits."""
        return float(np.ptp(self.score_range))

    def select(self, keep: np.ndarray | pd.Series) -> VotedSet:
        """The same set with the rows where `keep` is true, and the votes on these alone."""
        found = super().select(keep)
        assert isinstance(found, VotedSet)
        keep = np.asarray(keep, bool)
        place = np.cumsum(keep) - 1
        inside = self.pairs.within(keep)
        photos = tuple(np.array(self.pairs.photos, object)[keep])
        pairs = replace(inside, photos=photos, better=place[inside.better], worse=place[inside.worse])
        return replace(found, pairs=pairs)

    def of_part(self, rows: np.ndarray) -> Pairs:
        """The votes between some rows, over these."""
        keep = np.zeros(len(self), bool)
        keep[rows] = True
        return self.select(keep).pairs

    def labels_sha256(self, *more: Iterable[str]) -> str:
        """SHA-256 of the paths and the votes; `more` as for any set."""
        columns = (self.pairs.better, self.pairs.worse, self.pairs.weight)
        votes = " ".join(f"{b}>{w}:{weight!r}" for b, w, weight in zip(*(c.tolist() for c in columns), strict=True))
        return super().labels_sha256(*more, [votes] * len(self))


def open_votes(root: str | os.PathLike[str], labels: str | os.PathLike[str] | None) -> VotedSet:
    """Read votes, and find what looks alike among their photos, so that a split keeps it together.

    Args:
        root: the folder of the photos.
        labels: votes.sqlite of a study, or a CSV file of pairs.

    Raises:
        InputError: as `open_pairs` does; no file was named, or the votes say nothing.
    """
    if labels is None:
        raise InputError("the votes are missing", cure="give votes.sqlite or a CSV file of pairs", options=("labels",))
    root = Path(root)
    pairs = open_pairs(labels, root)
    if pairs.tied.all():
        raise InputError(f"all {pairs.votes} votes are ties: nothing says which photo is better", path=labels)
    votes = Votes(pairs.better, pairs.worse, np.ones(len(pairs)), pairs.weight)
    fitted = fit_sparse if len(pairs.photos) > DENSE else fit
    scores = fitted(votes, np.zeros(len(pairs.photos)), SPREAD).mean
    files = [root / photo for photo in pairs.photos]
    table = pd.DataFrame(
        {
            "path": list(pairs.photos),
            "file": files,
            "reference": "",
            "group": list(content_groups(files)),
            "distortion": "",
            "level": pd.array([pd.NA] * len(files), "Int64"),
            "score": scores,
        }
    )
    return VotedSet(PAIRS, root, (float(scores.min()), float(scores.max())), True, table, pairs=pairs)


def check_part(dataset: VotedSet, rows: np.ndarray, part: str = "train") -> None:
    """Say how many votes lie inside a part, and raise `InputError` where none does."""
    inside = dataset.of_part(rows)
    if not len(inside):
        raise InputError(
            f"none of the {dataset.pairs.votes} votes lies between photos of the part {part}",
            path=dataset.pairs.source,
            cure="more votes are needed, or a smaller part held out",
        )
    many = f"{inside.votes} of {dataset.pairs.votes} votes are between photos of the part {part}"
    print(f"note: {many}; those that cross the split, or lie outside, are not learned from", file=sys.stderr)
