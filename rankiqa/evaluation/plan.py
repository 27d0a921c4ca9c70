"""What an evaluation scores and against what: a ranked set, or the test part of a data set of human scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError
from rankiqa.votes import VOTE_COLUMNS

if TYPE_CHECKING:
    from rankiqa.datasets.splits import Split
    from rankiqa.ranks.ranked_set import RankedSet

SHARE_COLUMNS = tuple(f"p{k}" for k in range(1, len(VOTE_COLUMNS) + 1))  # predicted shares of the votes
VOTED = (*VOTE_COLUMNS, "votes_std", *SHARE_COLUMNS)  # columns of scores.csv where people, or the model, voted
REPEAT = "{repeat}"  # in the name of a model's folder: one model for each split


@dataclass(frozen=True)
class Source:
    """Images with something to measure against: a folder of ranks, or a `ScoredSet`.

    `data` goes into the summary: kind ("ranks" or "labels"), label (what tables call the set) and where it is from.
    """

    label: str
    data: dict
    ranks: Path | None = None
    dataset: ScoredSet | None = None
    split: str | None = None  # None: the model's own, or all
    known_splits: dict = field(default_factory=dict)  # grouping may read every image: each is drawn once


@dataclass(frozen=True)
class Job:
    """Images that one model scores; `repeat` where each split has a model of its own."""

    folder: str
    config: Mapping[str, Any]
    items: pd.DataFrame
    repeat: int | None = None


@dataclass(frozen=True)
class Plan:
    """All that a pair of a model and a data set comes to, found out before the long work.

    `tests` are the paths of each test part where one model is measured over several splits, else empty.
    """

    jobs: tuple[Job, ...]
    data: dict
    training: dict
    tests: tuple[frozenset[str], ...] = ()
    warnings: tuple[str, ...] = ()


def open_source(
    ranks: str | Path | None = None,
    dataset: str | ScoredSet | None = None,
    root: str | Path | None = None,
    split: str | None = None,
    labels: str | Path | None = None,
    label: str | None = None,
    **options,
) -> Source:
    """Open a ranked set, or a data set of human scores.

    `dataset` is a `ScoredSet`, or a name that goes with `root` and, for "csv", with `labels`; `options` are the
    further arguments of `rankiqa.datasets.registry.open_dataset`. `label` is the name in tables.
    """
    if ranks is not None:
        data = {"kind": "ranks", "ranks": str(ranks), "manifest_sha256": _sha256(Path(ranks) / "manifest.csv")}
        label = label or Path(ranks).resolve().name
        return Source(label, {**data, "label": label}, ranks=Path(ranks))
    if isinstance(dataset, str):
        from rankiqa.datasets.registry import open_dataset

        if root is None:
            raise InputError(f"--dataset {dataset} needs the folder that it lies in: --root")
        if (labels is not None) != (dataset == "csv"):
            raise InputError("--dataset csv needs --labels, and no other data set takes it")
        dataset = open_dataset(dataset, root, labels=labels, **options)
    label = label or dataset.name
    data = {
        "kind": "labels",
        "label": label,
        "dataset": dataset.name,
        "images": str(dataset.root),
        **({"labels": str(labels)} if labels is not None else {}),
        "labels_sha256": _sha256(Path(labels)) if labels is not None else dataset.labels_sha256(),
        "score_range": list(dataset.score_range),
        "higher_is_better": dataset.higher_is_better,
        "type_names": dict(dataset.type_names),
        "left_out": {"count": len(dataset.left_out), "images": [dict(entry) for entry in dataset.left_out]},
    }
    return Source(label, data, dataset=dataset, split=split)


def ranked_items(ranks: RankedSet) -> pd.DataFrame:
    """The images of a ranked set, pristine ones included, each once.

    Columns path (in the folder), file, reference, group (the reference), distortion, level, native (NaN: nobody
    scored them), and truth = −level: higher is better.
    """
    table = ranks.table.reset_index(drop=True)
    rows = zip(table["reference"], table["distortion"], table["level"], strict=True)
    files = [ranks.row_path(*row) for row in rows]
    return pd.DataFrame(
        {
            "path": table["path"],
            "file": files,
            "reference": table["reference"],
            "group": table["reference"],
            "distortion": table["distortion"],
            "level": table["level"].astype("Int64"),
            "native": np.nan,
            "truth": -table["level"].astype("float64") + 0.0,  # + 0: no minus zero
        }
    )


def scored_items(dataset: ScoredSet, split: Split, keep: np.ndarray) -> pd.DataFrame:
    """The images of a scored set where `keep`, with the columns of `ranked_items`.

    native is the score as distributed, truth the same with higher for better, group what `split` keeps whole. Where
    people voted there are vote1 … vote10 too; a higher vote is better.
    """
    table = dataset.table.assign(group=list(split.groups), native=dataset.table["score"], truth=dataset.truth)
    columns = ["path", "file", "reference", "group", "distortion", "level", "native", "truth"]
    if set(VOTE_COLUMNS) <= set(table):
        columns += VOTE_COLUMNS
    return table.loc[keep, columns].reset_index(drop=True)


def leave_out_training(ranks: RankedSet, config: Mapping[str, Any]) -> tuple[RankedSet, list[str], list[str]]:
    """The part of `ranks` that a model was not trained on, the references left out, and those to doubt.

    `config` is the model's. Its training_photos (SHA-256 of the pixels → name) tell a photo whatever kind of file it is
    in. An older model has training_references (SHA-256 of the pristine file → name), which miss a photo that was
    stored anew. In doubt is a reference that only has the name of a training photo: another picture of that name,
    the same at another size or, with an older model, the same in another file. A pristine photo that cannot be read is
    told by its name only.
    """
    from rankiqa.images.photos import Photo, read_photos

    photos, files = config.get("training_photos") or {}, config.get("training_references") or {}
    known = set()
    if photos:
        found = read_photos(ranks.pristine_paths)
        known = {name for name, photo in found.items() if isinstance(photo, Photo) and photo.sha256 in photos}
    out = [name for name in ranks.references if name in known or ranks.pristine_sha256(name) in files]
    rest = [name for name in ranks.references if name not in set(out)]
    doubt = [name for name in rest if name in {*photos.values(), *files.values()}]
    return (ranks.select(rest) if out and rest else ranks), out, doubt


def own_split(folder: str | Path) -> Path | None:
    """split.csv of the run that a model is from: beside the model, or up to two folders above it."""
    folder = Path(folder)
    places = [folder]
    if folder.resolve().name == "model" or folder.resolve().parent.name == "checkpoints":
        places += [folder.resolve().parent, folder.resolve().parent.parent]
    return next((place / "split.csv" for place in places if (place / "split.csv").is_file()), None)


def tuned_on(config: Mapping[str, Any], dataset: ScoredSet) -> bool:
    """Whether a model learned human scores of this very data set."""
    from rankiqa.datasets.leakage import learned_from

    return bool(learned_from(config.get("finetuned_on"), dataset))


def make_plan(
    folder: str,
    source: Source,
    load,
    *,
    split_seed: int = 0,
    repeats: int | None = None,
    test_fraction: float = 0.2,
    all_references: bool = False,
) -> Plan:
    """What `folder`'s model, or with {repeat} in it the model of each repeat, has to score of `source`.

    `load(folder)` gives the config of a model. Raises `InputError` for a missing model, an unknown split, and one that
    tests on what the model was fine-tuned on, unless `all_references`.
    """
    if source.dataset is None:
        if REPEAT in folder or (repeats or 1) > 1:
            raise InputError("--repeats and {repeat} divide a data set of human scores; a ranked set has no splits")
        return _plan_ranks(folder, source, load(folder), all_references)
    if repeats is not None and repeats < 1:
        raise InputError(f"repeats must be at least 1, not {repeats}")
    draw = _Draw(source, split_seed, test_fraction, all_references)
    if REPEAT in folder:
        return _plan_models(folder, source, load, repeats or _count_models(folder), draw)
    config = load(folder)
    spec = source.split or _default_split(folder, config, source.dataset)
    if (repeats or 1) > 1 and spec != "random":
        raise InputError(f"--repeats {repeats} needs --split random; {spec} is one split")
    splits = [draw(folder, config, spec, repeat) for repeat in range(repeats or 1)]
    tests = [split.mask("test") for split in splits]
    items = scored_items(source.dataset, splits[0], np.any(tests, axis=0))
    paths = source.dataset.table["path"].to_numpy()
    described = {"spec": spec, "seed": splits[0].seed, "repeats": repeats or 1}
    if spec == "random":
        described["test_fraction"] = test_fraction
    return Plan(
        (Job(folder, config, items),),
        {**source.data, "split": described},
        draw.training(config),
        tuple(frozenset(paths[test]) for test in tests) if len(tests) > 1 else (),
        tuple(dict.fromkeys(draw.warnings)),
    )


def _plan_ranks(folder: str, source: Source, config: Mapping[str, Any], all_references: bool) -> Plan:
    from rankiqa.ranks.ranked_set import RankedSet

    ranks, left_out, doubt, warnings = RankedSet.read(source.ranks), [], [], []
    knows = any(config.get(key) is not None for key in ("training_photos", "training_references"))
    if not all_references:
        count = len(ranks.references)
        ranks, left_out, doubt = leave_out_training(ranks, config)
        if len(left_out) == count:
            raise InputError(
                f"{source.ranks}: {folder} was trained on all of its {count} photos; make a ranked "
                "set from other photos (data_gen/make_ranks.py), or score them all the same with --all-references"
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


def _plan_models(folder: str, source: Source, load, repeats: int, draw: _Draw) -> Plan:
    jobs = []
    for repeat in range(repeats):
        place = folder.replace(REPEAT, str(repeat))
        config = load(place)
        spec = source.split or own_split(place)
        if spec is None:
            raise InputError(f"{place}: no split.csv in it; give the folder of a fine-tuning run, or --split")
        split = draw(place, config, str(spec), repeat)
        jobs.append(Job(place, config, scored_items(source.dataset, split, split.mask("test")), repeat))
    described = {"spec": source.split or "split.csv of each run", "repeats": repeats}
    data = {**source.data, "split": described}
    return Plan(tuple(jobs), data, draw.training(jobs[0].config), (), tuple(dict.fromkeys(draw.warnings)))


class _Draw:
    """Makes the splits of a source, and refuses those that leak."""

    def __init__(self, source: Source, seed: int, test_fraction: float, all_references: bool) -> None:
        self.source, self.seed, self.test_fraction, self.lenient = source, seed, test_fraction, all_references
        self.warnings: list[str] = []

    def __call__(self, folder: str, config: Mapping[str, Any], spec: str, repeat: int) -> Split:
        from rankiqa.datasets.leakage import check_leakage
        from rankiqa.datasets.splits import make_split

        dataset, key = self.source.dataset, (spec, self.seed, repeat, self.test_fraction)
        if key not in self.source.known_splits:
            self.source.known_splits[key] = make_split(
                dataset, spec, seed=self.seed, repeat=repeat, test_fraction=self.test_fraction
            )
        split = self.source.known_splits[key]
        test = split.mask("test")
        if not test.any():
            raise InputError(
                f"split {spec}: no image of {dataset.name} ({dataset.root}) is in its test part; give another --split"
            )
        if not self.lenient:
            _refuse_leak(folder, config, dataset, split, spec)
            self.warnings += check_leakage(dataset, split, trained_photos=config.get("training_photos"))
        return split

    def training(self, config: Mapping[str, Any]) -> dict:
        known = any(config.get(key) is not None for key in ("training_photos", "finetuned_on"))
        same = tuned_on(config, self.source.dataset)
        return {"known": known, "left_out": 0, "same_name": [], "all_references": self.lenient, "same_set": same}


def _refuse_leak(folder: str, config: Mapping[str, Any], dataset: ScoredSet, split: Split, spec: str) -> None:
    from rankiqa.datasets.leakage import learned_from

    learned, test = learned_from(config.get("finetuned_on"), dataset), split.mask("test")
    if not learned:
        return
    seen = dataset.table["path"].isin([path for entry in learned for path in entry.get("paths") or ()]).to_numpy()
    # Published lists are known to divide scenes; there, and in the run's own list, the very images decide.
    own = own_split(folder)
    if spec not in dataset.splits and not (own and Path(spec) == own):
        groups = [group for entry in learned for group in entry.get("groups") or ()]
        seen = seen | pd.Series(split.groups).isin(groups).to_numpy()
    leaking = dataset.table["path"][seen & test]
    if len(leaking):
        raise InputError(
            f"split {spec} leaks: {folder} was fine-tuned on {len(leaking)} of the {test.sum()} test images of "
            f"{dataset.name} or on their groups, the first is {leaking.iloc[0]}; give --split the split.csv of its "
            "run, or score them all the same with --all-references"
        )


def _default_split(folder: str, config: Mapping[str, Any], dataset: ScoredSet) -> str:
    own = own_split(folder)
    return str(own) if own and tuned_on(config, dataset) else "all"


def _count_models(pattern: str) -> int:
    """How many folders there are for repeats 0, 1, 2, …"""
    count = 0
    while Path(pattern.replace(REPEAT, str(count))).is_dir():
        count += 1
    if not count:
        raise InputError(f"{pattern}: there is no {pattern.replace(REPEAT, '0')}; repeats count from 0")
    return count


def default_splits(models: Sequence[tuple[str, Mapping[str, Any]]], source: Source) -> str | None:
    """The split on which all of several (folder, config) are compared: the first one's that was fine-tuned on the set.

    None where none was: then each takes all images.
    """
    for folder, config in models:
        if (own := own_split(folder)) and tuned_on(config, source.dataset):
            return str(own)
    return None


def _sha256(path: Path) -> str | None:
    # whatever is wrong with the file is said by what reads it
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
