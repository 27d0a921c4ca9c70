"""What the stages that learn from human scores share: the data set, its split, what must not leak, what is saved."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rankiqa.config import RunConfig, ScoresConfig
from rankiqa.datasets.leakage import check_leakage, learned_from
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split, make_split, write_split
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.images.photos import Photo, read_photos
from rankiqa.models import RankModel
from rankiqa.models.reference import MOST, Reference
from rankiqa.scoring.patches import PatchScores, score_files
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.loop import Trainer
from rankiqa.votes import VOTE_COLUMNS

with extra("train"):
    from accelerate import Accelerator


def open_scores(
    name: str, root: str, options: ScoresConfig, labels: str | None = None, record: str = "--data.missing record"
) -> tuple[ScoredSet, dict[str, Photo]]:
    """The data set with what can be decoded of it, and the size and hash of each image by its path.

    `InputError` for a missing or corrupt image, unless they are to be recorded; `record` tells how.
    """
    dataset = open_dataset(
        name,
        root,
        missing=options.missing,
        labels=labels,
        name_column=options.name_column,
        score_column=options.score_column,
        direction=options.direction,
        score_range=tuple(options.score_range) if options.score_range else None,
        pristine=options.pristine,
    )
    # AVA is known to hold images that cannot be decoded.
    strict = options.missing == "error" and dataset.name != "ava"
    return decodable(dataset, options.convert, f"; go on without them with {record}" if strict else None)


def decodable(dataset: ScoredSet, convert: bool, refuse: str | None = "") -> tuple[ScoredSet, dict[str, Photo]]:
    """The images that can be decoded, and the size and hash of each by its path.

    `refuse`: the end of the error for one that cannot; None: it is left out, with a warning.
    """
    table = dataset.table
    photos = read_photos(dict(zip(table["path"], table["file"], strict=True)), convert)
    broken = {path: photo for path, photo in photos.items() if isinstance(photo, InputError)}
    if broken and refuse is not None:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise InputError(f"{next(iter(broken.values()))}{more}{refuse}")
    left_out = [*dataset.left_out, *({"path": path, "reason": str(why)} for path, why in broken.items())]
    if left_out:
        first = left_out[0]
        print(
            f"warning: left out {len(left_out)} images, the first: {first['path']}: {first['reason']}", file=sys.stderr
        )
    kept = dataset.select(~table["path"].isin(broken)) if broken else dataset
    return kept, {path: photo for path, photo in photos.items() if path not in broken}


def divide(dataset: ScoredSet, spec: str, options: ScoresConfig, least: int = 1) -> Split:
    """The parts to train on, to validate on and to test on; `InputError` for fewer than `least` images to train on."""
    split = make_split(
        dataset,
        spec,
        seed=options.split_seed,
        repeat=options.repeat,
        test_fraction=options.test_fraction,
        val_fraction=options.val_fraction,
    )
    train = split.mask("train")
    if train.sum() < least:
        raise InputError(
            f"split {spec}: {train.sum()} images of {dataset.name} to train on, but a batch has "
            f"{least}; give another --split or a smaller batch"
        )
    scores = dataset.table["score"].to_numpy()[train]
    if scores.min() == scores.max():
        raise InputError(
            f"{dataset.name}: all {len(scores)} training images have the score {scores[0]:g}: no scale to learn"
        )
    return split


def tuned_on(dataset: ScoredSet, split: Split, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What config.json tells of the human scores that a model learned from; `before` is what its start tells of it.

    Images of the same data set that the start learned from count too: testing on them would leak. What it learned of
    other sets is in `earlier`.
    """
    seen = split.mask("train") | split.mask("val")
    groups, paths = {g for g, s in zip(split.groups, seen, strict=True) if s}, set(dataset.table["path"][seen])
    entries = [before, *(before.get("earlier") or ())] if before else []
    for entry in learned_from(before, dataset):
        groups |= set(entry.get("groups") or ())
        paths |= set(entry.get("paths") or ())
        entries.remove(entry)
    return {
        "dataset": dataset.name,
        "groups": sorted(groups),
        "paths": sorted(paths),
        "native_range": list(dataset.score_range),
        "native_higher_is_better": dataset.higher_is_better,
        "earlier": [{key: value for key, value in entry.items() if key != "earlier"} for entry in entries],
    }


class ScoredTrainer(Trainer):
    """A stage that learns from human scores; see `rankiqa.training.loop.Trainer`.

    A stage reads its settings with `open_model` and `open_data`, makes what it needs of the data in `prepare`, and may
    look at the network before the first step in `start`.
    """

    score_range: tuple[float, float]  # of the network's scores, lowest and highest
    free_keys = ("root", "init")

    def __init__(self, config: RunConfig) -> None:
        config.check()
        self.config = config
        torch.manual_seed(derive_seed(config.seed, "weights"))
        # The cheapest faults first: the folder, the run's model, the labels, the images.
        root = getattr(config, "root", None)
        if root and not Path(root).is_dir():
            raise InputError(f"{root}: no such folder; give that of the data set {config.dataset}")
        model, self.origin = self.open_model()
        self.dataset, self.split, self.photos = self.open_data()
        self._refuse_seen()
        self.prepare(model)
        accelerator = Accelerator(mixed_precision=config.precision)
        trained = self.origin.get("training_photos")
        for line in check_leakage(self.dataset, self.split, photos=self.photos, trained_photos=trained):
            if accelerator.is_main_process:
                print(f"warning: {line}", file=sys.stderr)
        self.validates = bool(self.split.count("val"))
        if not config.resume:
            self.start(model, accelerator.device)
        super().__init__(config, accelerator, model, self._fingerprint())
        if accelerator.is_main_process:
            write_split(self.split, self.dataset, Path(config.out) / "split.csv")

    def _refuse_seen(self) -> None:
        """Raise `InputError` for a split that tests on human scores which the network has learned already."""
        learned, test = learned_from(self.origin.get("finetuned_on"), self.dataset), self.split.mask("test")
        seen = {path for entry in learned for path in entry.get("paths") or ()}
        if found := [path for path in self.dataset.table["path"][test] if path in seen]:
            init = getattr(self.config, "init", None)
            raise InputError(
                f"split {self.config.split} leaks: {init} learned from {len(found)} of the {test.sum()} test images, "
                f"the first is {found[0]}; give --split {init}/split.csv, the split of that run"
            )

    @abstractmethod
    def open_model(self) -> tuple[RankModel, dict[str, Any]]:
        """The network to start from, and the config of the model that it is from ({} where it is from none)."""

    @abstractmethod
    def open_data(self) -> tuple[ScoredSet, Split, dict[str, Photo]]:
        """The images with their scores, their parts, and the size and hash of each image by its path."""

    def prepare(self, model: RankModel) -> None:
        """Check the data against the network, and make of it what the batches need."""

    def start(self, model: RankModel, device: torch.device) -> None:
        """Look at the network, or change it, before the first step of a new run."""

    def score(self, model: RankModel, rows: Sequence[int], device: torch.device, **options) -> list[PatchScores]:
        """The scores of some rows of the data set; `options` are those of `rankiqa.scoring.patches.score_files`."""
        files = [self.dataset.table["file"].iloc[row] for row in rows]
        found = []
        for result in score_files(model, files, device=device, seed=self.config.seed, **options):
            if isinstance(result, InputError):
                raise result
            found.append(result)
        return found

    def score_part(self, part: str, width: int = 1, **options) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the rows in a part, and (n, width) their mean scores, or votes where `width` is more than one.

        The images are shared out to the processes.
        """
        accelerator = self.accelerator
        rows = np.flatnonzero(self.split.mask(part))
        mine = np.arange(len(rows))[accelerator.process_index :: accelerator.num_processes]
        found = torch.zeros((len(rows), width), dtype=torch.float64, device=accelerator.device)
        if len(mine):
            results = self.score(self.model, rows[mine], accelerator.device, **options)
            values = [result.mean if width == 1 else result.votes[0] for result in results]
            found[mine] = torch.as_tensor(np.array(values), dtype=torch.float64, device=found.device).view(-1, width)
        return rows, accelerator.reduce(found, "sum").cpu().numpy()

    def keep_reference(self, scores: np.ndarray) -> None:
        """Remember the scores of a validation."""
        self.reference = Reference.of_scores(scores, f"images of {self.dataset.name} held out")

    def measure_reference(self) -> Reference | None:
        rows = np.flatnonzero(self.split.mask("train"))
        rows = np.sort(generator(self.config.seed, "reference").permutation(rows)[:MOST])
        found = self.score(self.model, rows, self.accelerator.device, **self.score_options)
        return Reference.of_scores([result.mean for result in found], f"images of {self.dataset.name} trained on")

    @property
    @abstractmethod
    def score_options(self) -> dict[str, Any]:
        """How the images of the data set are scored: arguments of `rankiqa.scoring.patches.score_files`."""

    def _fingerprint(self) -> dict[str, str]:
        """What must be the same for a run to go on: the start, the images, their scores, votes and parts."""
        votes = [self.dataset.table[name].map(repr) for name in VOTE_COLUMNS if name in self.dataset.table]
        labels = self.dataset.labels_sha256(self.split.parts, *votes)
        return {"labels": labels, "start": self.origin.get("weights_sha256", "")}

    def explain_other_data(self, key: str) -> str:
        if key == "start":
            return f"init: {self.config.init} is not the model that the run began with"
        return f"root: the images, scores or split of {self.dataset.root} are not what the run began with"

    def model_files(self) -> dict[str, Any]:
        return {
            "training_photos": self.origin.get("training_photos"),
            "score_range": self.score_range,
            "finetuned_on": tuned_on(self.dataset, self.split, self.origin.get("finetuned_on")),
            "provenance": self.provenance() | {"init": self.origin.get("weights_sha256")},
        }
