"""All that a model and a data set come to, found out before the long work: which images, which splits, no leak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rankiqa.datasets.leakage import check_leakage, learned_from, seen_in_test
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split, make_split
from rankiqa.errors import InputError
from rankiqa.evaluation.items import leave_out_training, ranked_items, scored_items
from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.evaluation.source import Source
from rankiqa.ranks.ranked_set import RankedSet

REPEAT = "{repeat}"  # in the name of a model's folder: one model for each split

Load = Callable[[str], Mapping[str, Any]]  # a model's folder → its config


@dataclass(frozen=True)
class Job:
    """Images that one model scores.

    Attributes:
        folder: of the model.
        config: its config.json.
        items: as `rankiqa.evaluation.items.ranked_items` or `scored_items` give them.
        repeat: where each split has a model of its own, which.
    """

    folder: str
    config: Mapping[str, Any]
    items: pd.DataFrame
    repeat: int | None = None


@dataclass(frozen=True)
class Plan:
    """All that a pair of a model and a data set comes to.

    Attributes:
        jobs: the images of each model; one, or one a split.
        data: what the summary tells of the data.
        training: what it tells of the training images.
        tests: the paths of each test part where one model is measured over several splits, else empty.
        warnings: lines for the user.
    """

    jobs: tuple[Job, ...]
    data: dict[str, Any]
    training: dict[str, Any]
    tests: tuple[frozenset[str], ...] = ()
    warnings: tuple[str, ...] = ()


def own_split(folder: str | Path) -> Path | None:
    """split.csv of the run that a model is from: beside the model, or up to two folders above it."""
    folder = Path(folder)
    places = [folder]
    if folder.resolve().name == "model" or folder.resolve().parent.name == "checkpoints":
        places += [folder.resolve().parent, folder.resolve().parent.parent]
    return next((place / "split.csv" for place in places if (place / "split.csv").is_file()), None)


def was_tuned_on(config: Mapping[str, Any], dataset: ScoredSet | None) -> bool:
    """Whether a model learned human scores of this very data set."""
    if dataset is None:
        return False
    return bool(learned_from(config.get("finetuned_on"), dataset))


def make_plan(folder: str, source: Source, load: Load, options: EvaluationOptions) -> Plan:
    """What a model, or the model of each repeat, has to score.

    Args:
        folder: the model's; with {repeat} in it, one for each repeat.
        source: what is scored, and against what.
        load: gives the config of a model.
        options: of the splits.

    Raises:
        InputError: a missing model, an unknown split, and one that tests on what the model was fine-tuned on, unless
            `options.all_references`.
    """
    repeats = options.repeats
    if source.dataset is None:
        if REPEAT in folder or (repeats or 1) > 1:
            raise InputError(
                "repeats, and {repeat} in the name of a model, divide a data set of human scores; a ranked set has no "
                "splits",
                options=("repeats",),
            )
        return _plan_ranks(folder, source, load(folder), options.all_references)
    draw = _Draw(source, source.dataset, options)
    if REPEAT in folder:
        return _plan_models(folder, source, load, repeats or _count_models(folder), draw)
    config = load(folder)
    spec = source.split or _default_split(folder, config, source.dataset)
    if (repeats or 1) > 1 and spec != "random":
        raise InputError(f"{repeats} repeats need random splits; {spec} is one split", options=("split=random",))
    splits = [draw(folder, config, spec, repeat) for repeat in range(repeats or 1)]
    tests = [split.mask("test") for split in splits]
    items = scored_items(source.dataset, splits[0], np.any(tests, axis=0))
    paths = source.dataset.table["path"].to_numpy()
    described: dict[str, Any] = {"spec": spec, "seed": splits[0].seed, "repeats": repeats or 1}
    if spec == "random":
        described["test_fraction"] = options.test_fraction
    return Plan(
        (Job(folder, config, items),),
        {**source.data, "split": described},
        draw.training(config),
        tuple(frozenset(paths[test]) for test in tests) if len(tests) > 1 else (),
        tuple(dict.fromkeys(draw.warnings)),
    )


def _plan_ranks(folder: str, source: Source, config: Mapping[str, Any], all_references: bool) -> Plan:
    assert source.ranks is not None
    ranks = RankedSet.read(source.ranks)
    left_out: list[str] = []
    doubt: list[str] = []
    warnings: list[str] = []
    knows = any(config.get(key) is not None for key in ("training_photos", "training_references"))
    if not all_references:
        count = len(ranks.references)
        ranks, left_out, doubt = leave_out_training(ranks, config)
        if len(left_out) == count:
            raise InputError(
                f"{folder} was trained on all of its {count} photos",
                path=source.ranks,
                cure="make a ranked set from other photos, or score them all the same",
                options=("all_references=True",),
            )
    if doubt:
        warnings.append(
            f"{len(doubt)} photos bear the name of a training photo but are other files, "
            f"the first is {doubt[0]}; if they are the same pictures the numbers are too good"
        )
    if not knows:
        warnings.append("the model does not say what it was trained on; no photo is left out")
    training = {"known": knows, "left_out": len(left_out), "same_name": doubt, "all_references": all_references}
    return Plan((Job(folder, config, ranked_items(ranks)),), source.data, training, warnings=tuple(warnings))


def _plan_models(folder: str, source: Source, load: Load, repeats: int, draw: _Draw) -> Plan:
    jobs = []
    for repeat in range(repeats):
        place = folder.replace(REPEAT, str(repeat))
        config = load(place)
        spec = source.split or own_split(place)
        if spec is None:
            raise InputError(
                "no split.csv in it",
                path=place,
                cure="give the folder of a fine-tuning run, or a split",
                options=("split",),
            )
        split = draw(place, config, str(spec), repeat)
        jobs.append(Job(place, config, scored_items(draw.dataset, split, split.mask("test")), repeat))
    described = {"spec": source.split or "split.csv of each run", "repeats": repeats}
    data = {**source.data, "split": described}
    return Plan(tuple(jobs), data, draw.training(jobs[0].config), (), tuple(dict.fromkeys(draw.warnings)))


class _Draw:
    """Makes the splits of a source, and refuses those that leak."""

    def __init__(self, source: Source, dataset: ScoredSet, options: EvaluationOptions) -> None:
        self.source, self.dataset, self.options = source, dataset, options
        self.warnings: list[str] = []

    def __call__(self, folder: str, config: Mapping[str, Any], spec: str, repeat: int) -> Split:
        dataset, seed, share = self.dataset, self.options.split_seed, self.options.test_fraction
        key, known = (spec, seed, repeat, share), self.source.known_splits
        if key not in known:
            known[key] = make_split(dataset, spec, seed=seed, repeat=repeat, test_fraction=share)
        split = known[key]
        test = split.mask("test")
        if not test.any():
            raise InputError(
                f"split {spec}: no image of {dataset.name} ({dataset.root}) is in its test part",
                cure="give another",
                options=("split",),
            )
        if not self.options.all_references:
            _refuse_leak(folder, config, dataset, split, spec)
            self.warnings += check_leakage(dataset, split, trained_photos=config.get("training_photos"))
        return split

    def training(self, config: Mapping[str, Any]) -> dict[str, Any]:
        known = any(config.get(key) is not None for key in ("training_photos", "finetuned_on"))
        lenient, same = self.options.all_references, was_tuned_on(config, self.dataset)
        return {"known": known, "left_out": 0, "same_name": [], "all_references": lenient, "same_set": same}


def _refuse_leak(folder: str, config: Mapping[str, Any], dataset: ScoredSet, split: Split, spec: str) -> None:
    # Published lists are known to divide scenes; there, and in the run's own list, the very images decide.
    own = own_split(folder)
    groups = spec not in dataset.splits and not (own and Path(spec) == own)
    if leaking := seen_in_test(config.get("finetuned_on"), dataset, split, groups=groups):
        other = not was_tuned_on(config, dataset)  # but on another set of the same references
        cure = "a split that tests on other references" if other else "the split.csv of its run"
        raise InputError(
            f"split {spec} leaks: {folder} was fine-tuned on {len(leaking)} of the {split.count('test')} test images "
            f"of {dataset.name} or on their groups, the first is {leaking[0]}",
            cure=f"give {cure}, or score them all the same",
            options=("split", "all_references=True"),
        )


def _default_split(folder: str, config: Mapping[str, Any], dataset: ScoredSet) -> str:
    own = own_split(folder)
    return str(own) if own and was_tuned_on(config, dataset) else "all"


def _count_models(pattern: str) -> int:
    """How many folders there are: of repeats 0, 1, 2 and so on."""
    count = 0
    while Path(pattern.replace(REPEAT, str(count))).is_dir():
        count += 1
    if not count:
        raise InputError(f"there is no {pattern.replace(REPEAT, '0')}", path=pattern, cure="repeats count from 0")
    return count


def default_split(models: Sequence[tuple[str, Mapping[str, Any]]], dataset: ScoredSet) -> str | None:
    """The split on which all of several (folder, config) are compared: the first one's that was fine-tuned on the set.

    None where none was: then each takes all images.
    """
    for folder, config in models:
        if (own := own_split(folder)) and was_tuned_on(config, dataset):
            return str(own)
    return None
