"""The sets of human scores of a joint training, and batches that hold images of all of them beside ranked ones."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rankiqa.config import FinetuneConfig, JointConfig, JointSetConfig, ScoredBatchConfig, ScoredDataConfig
from rankiqa.config.scores import named
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split
from rankiqa.errors import InputError
from rankiqa.images.photos import Photo
from rankiqa.scoring.view import View
from rankiqa.seeding import derive_seed
from rankiqa.training.batches import Batch, Batches
from rankiqa.training.scored_batches import PairBatches, ScoredBatches
from rankiqa.training.scored_data import check_sizes, divide, open_scores, options_called, scores_learned_from
from rankiqa.training.voted_set import VotedSet, check_part

# Errors name the settings of a set as they are given here.
OPTIONS = {field.name: f"sets.{field.name}" for field in dataclasses.fields(JointSetConfig)}
OPTIONS |= {f"data.{name}": option for name, option in OPTIONS.items()} | {"batch.images": "sets.images"}


@dataclass(frozen=True)
class HumanSet:
    """Images with human scores, to learn from beside ranks.

    Attributes:
        name: of the data set, with a number where several have it.
        config: its settings.
        dataset: the images and their scores.
        split: their parts.
        photos: path → size and hash.
    """

    name: str
    config: JointSetConfig
    dataset: ScoredSet
    split: Split
    photos: Mapping[str, Photo]

    @cached_property
    def target(self) -> np.ndarray:
        """(n,) the scores from 0, the worst end of the set's scale, to 1, its best."""
        return self.dataset.quality(0.0, 1.0)

    @cached_property
    def spread(self) -> float:
        """The standard deviation of the targets to train on."""
        return float(self.target[self.split.mask("train")].std())

    @property
    def deviation(self) -> float:
        """Of the difference of two ratings, in the unit of the targets."""
        return self.config.deviation * self.spread

    def rows(self, part: str) -> np.ndarray:
        """(n,) the rows of the data set in a part."""
        return np.flatnonzero(self.split.mask(part))

    def view(self, patches: int, seed: int) -> View:
        """What the network is shown of an image when it is scored."""
        return View(patches=patches, seed=seed, small=self.config.small)

    def pictures(self, part: str) -> dict[str, str]:
        """SHA-256 of the pixels → path, of a part."""
        paths = self.dataset.table["path"].iloc[self.rows(part)]
        return {self.photos[path].sha256: path for path in paths if path in self.photos}

    def labels(self) -> str:
        """SHA-256 of the paths, scores and parts."""
        return self.dataset.labels_sha256(self.split.parts)

    def batches(self, config: JointConfig, number: int, crop: int, rank: int, processes: int) -> ScoredBatches:
        """Its part of the batches: random crops of the images to train on, of this process."""
        one = self.config
        settings = FinetuneConfig(
            data=ScoredDataConfig(convert=one.convert, icc=one.icc, small=one.small),
            batch=ScoredBatchConfig(images=one.images, flip=config.people.flip),
            seed=derive_seed(config.seed, "people", number),
        )
        rows = self.rows("train")
        files = [self.dataset.table["file"].iloc[row] for row in rows]
        if isinstance(self.dataset, VotedSet):
            return PairBatches(self.dataset.of_part(rows), files, self.target[rows], settings, crop, rank, processes)
        return ScoredBatches(files, self.target[rows], settings, crop, rank, processes)


def check_roots(config: JointConfig) -> None:
    """`InputError` for a folder that is not there: it costs nothing to know, and the images take long to read."""
    for one in config.sets:
        name, root = named(one.dataset, one.root)
        if not Path(root).is_dir():
            raise InputError(
                "no such folder", path=root, cure=f"give that of the data set {name}", options=("sets.root",)
            )


def open_sets(config: JointConfig, crop: int) -> tuple[HumanSet, ...]:
    """The sets that the settings name, divided, each fit for crops of `crop` pixels.

    Raises:
        InputError: as `open_scores`, `divide` and `check_sizes` do.
    """
    found: list[HumanSet] = []
    names: list[str] = []
    for one in config.sets:
        with options_called(OPTIONS):
            dataset, photos = open_scores(*named(one.dataset, one.root), one, one.labels)
            split = divide(dataset, one.split, one, one.images)
            check_sizes(dataset, split.mask("train"), photos, crop, one.small, "people.crop")
            if isinstance(dataset, VotedSet):
                check_part(dataset, np.flatnonzero(split.mask("train")))
        names.append(dataset.name)
        again = names.count(dataset.name)
        name = f"{dataset.name}-{again}" if again > 1 else dataset.name
        found.append(HumanSet(name, one, dataset, split, photos))
    return tuple(found)


def check_between(sets: Sequence[HumanSet], ranked: Mapping[str, str], held_out: Mapping[str, str]) -> list[str]:
    """Whether what one source is tested or validated on, another one learns from.

    The test images against the ranked photos are for `rankiqa.datasets.leakage.check_leakage`.

    Args:
        sets: of human scores.
        ranked: SHA-256 → name of the photos whose ranks are learned.
        held_out: likewise of those that ranks are validated on.

    Returns:
        Warnings, one line each, for validations that are not independent.

    Raises:
        InputError: a test picture of one set is learned from in another.
    """
    warnings = []
    for one in sets:
        for other in sets:
            if other is one:
                continue
            learned = other.pictures("val") | other.pictures("train")
            if both := _both(one.pictures("test"), learned):
                raise InputError(
                    f"{len(both)} of the test images of {one.name} are learned from in {other.name}, the first is "
                    f"{both[0][0]} (there {both[0][1]})",
                    cure="give splits that agree",
                    options=("sets.split",),
                )
            if both := _both(one.pictures("val"), other.pictures("train")):
                warnings.append(_seen(f"{one.name} is validated on", both, f"{other.name} trains on"))
        if both := _both(one.pictures("val"), ranked):
            warnings.append(_seen(f"{one.name} is validated on", both, "ranks are learned of"))
        if both := _both(held_out, one.pictures("train")):
            warnings.append(_seen("ranks are validated on", both, f"{one.name} trains on"))
    return warnings


def _both(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, second[sha]) for sha, name in first.items() if sha in second]


def _seen(what: str, both: list[tuple[str, str]], learned: str) -> str:
    name, there = both[0]
    return f"{what} {len(both)} pictures that {learned}, the first is {name} (there {there})"


def learned_scores(sets: Sequence[HumanSet]) -> dict[str, Any]:
    """What config.json tells of all the human scores (finetuned_on): the first set, and the others in "earlier"."""
    first, *others = (scores_learned_from(one.dataset, one.split, None) for one in sets)
    return first | {"earlier": [{key: value for key, value in one.items() if key != "earlier"} for one in others]}


class JointBatches:
    """Batch `step`: that of the ranked images, and beside it "people.images" and "people.target", set after set.

    Where a set is of votes, "people.weight" too; an image of a set of scores has 1.

    Args:
        ranked: the batches of the ranked images.
        people: those of the sets, with crops of one size.
    """

    def __init__(self, ranked: Batches, people: Sequence[ScoredBatches]) -> None:
        self.ranked, self.people = ranked, people

    def __getitem__(self, step: int) -> Batch:
        batch = self.ranked[step]
        with options_called(OPTIONS):
            parts = [batches[step] for batches in self.people]
        keys = ["images", "target"]
        if any("weight" in part for part in parts):
            keys.append("weight")
            parts = [{"weight": torch.ones(len(part["target"]))} | part for part in parts]
        return batch | {f"people.{key}": torch.cat([part[key] for part in parts]) for key in keys}


def say(lines: Sequence[str], kind: str = "warning") -> None:
    """Lines for whoever has started the run."""
    for line in lines:
        print(f"{kind}: {line}", file=sys.stderr)
