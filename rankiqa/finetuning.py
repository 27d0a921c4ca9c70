"""The fine-tuning stage: one branch learns people's scores by the mean squared error."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from rankiqa.config import FinetuneConfig
from rankiqa.datasets.leakage import check_leakage
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split, make_split, write_split
from rankiqa.errors import InputError
from rankiqa.metrics import agreement, srocc
from rankiqa.models import RankModel, build_model, load_model
from rankiqa.ranked_set import Photo, read_photos
from rankiqa.scored_batches import ScoredBatches
from rankiqa.scoring import score_files
from rankiqa.seeding import derive_seed, generator
from rankiqa.training import Batch, Rows, Trainer

HEAD_IMAGES, HEAD_PATCHES = 256, 3  # what the last layer is fitted to
# Below this correlation on the training images a ranking model is taken for one that was trained the other way round.
UPSIDE_DOWN = -0.15


def open_scores(config: FinetuneConfig) -> tuple[ScoredSet, dict[str, Photo]]:
    """The data set with what can be decoded of it, and the size and hash of each image by its path.

    `InputError` for a missing or corrupt image, unless they are to be recorded.
    """
    data = config.data
    dataset = open_dataset(
        config.dataset,
        config.root,
        missing=data.missing,
        labels=data.labels,
        name_column=data.name_column,
        score_column=data.score_column,
        direction=data.direction,
        score_range=tuple(data.score_range) if data.score_range else None,
        pristine=data.pristine,
    )
    table = dataset.table
    photos = read_photos(dict(zip(table["path"], table["file"], strict=True)), data.convert)
    broken = {path: photo for path, photo in photos.items() if isinstance(photo, InputError)}
    # AVA is known to hold images that cannot be decoded.
    if broken and data.missing == "error" and dataset.name != "ava":
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise InputError(f"{next(iter(broken.values()))}{more}; go on without them with --data.missing record")
    left_out = [*dataset.left_out, *({"path": path, "reason": str(why)} for path, why in broken.items())]
    if left_out:
        first = left_out[0]
        print(
            f"warning: left out {len(left_out)} images, the first: {first['path']}: {first['reason']}", file=sys.stderr
        )
    kept = dataset.select(~table["path"].isin(broken)) if broken else dataset
    return kept, {path: photo for path, photo in photos.items() if path not in broken}


def divide(config: FinetuneConfig, dataset: ScoredSet) -> Split:
    """The parts to train on, to validate on and to test on; `InputError` where there is nothing to train on."""
    data = config.data
    split = make_split(
        dataset,
        config.split,
        seed=data.split_seed,
        repeat=data.repeat,
        test_fraction=data.test_fraction,
        val_fraction=data.val_fraction,
    )
    train = split.mask("train")
    if train.sum() < config.batch.images:
        raise InputError(
            f"split {config.split}: {train.sum()} images of {dataset.name} to train on, but a batch has "
            f"{config.batch.images}; give another --split or a smaller --batch.images"
        )
    scores = dataset.table["score"].to_numpy()[train]
    if scores.min() == scores.max():
        raise InputError(
            f"{dataset.name}: all {len(scores)} training images have the score {scores[0]:g}: no scale to learn"
        )
    return split


def open_branch(config: FinetuneConfig) -> tuple[RankModel, dict[str, Any]]:
    """One branch of the ranking run, or the network of the baseline; and the config of the run's model."""
    m = config.model
    if not config.init:
        return build_model(m.name, m.weights, m.preprocessing, m.crop, m.dropout), {}
    model, origin = load_model(config.init)
    given = build_model(m.name or model.name, "none", m.preprocessing, m.crop, m.dropout)
    for key, wanted, found in (
        ("name", m.name, model.name),
        ("crop", m.crop, model.crop),
        ("preprocessing", m.preprocessing and given.preprocessing.config(), model.preprocessing.config()),
    ):
        if wanted is not None and wanted != found:
            raise InputError(
                f"model.{key} is {getattr(m, key)}, but {config.init} has {found}; leave it out with --init"
            )
    if m.dropout is not None:
        given.backbone.load_state_dict(model.backbone.state_dict())
        given.preprocessing, given.crop = model.preprocessing, model.crop
        model = given
    return model, origin


def fit_head(model: RankModel, scores: np.ndarray, target: np.ndarray) -> None:
    """Scale and shift the last layer so that `scores` come as near to `target` as a rising line can bring them.

    The network's scores of the same images become slope · score + offset. A score that hardly goes with the target, as
    that of a new layer, keeps a tenth of the target's spread: the slope stays positive.
    """
    spread = scores.std()
    slope = max(np.corrcoef(scores, target)[0, 1], 0.1) * target.std() / spread if spread > 0 else 1.0
    offset = target.mean() - slope * scores.mean()
    head = model.backbone.get_submodule(model.head)
    with torch.no_grad():
        head.weight.mul_(slope)
        head.bias.mul_(slope).add_(offset)


class FineTuner(Trainer):
    """The fine-tuning stage; see `rankiqa.training.Trainer`."""

    stage = "finetune"
    train_columns = ()
    val_columns = ("srocc", "lcc", "krocc", "rmse")
    free_keys = ("root", "init", "data.labels")

    def __init__(self, config: FinetuneConfig) -> None:
        config.check()
        self.config = config
        torch.manual_seed(derive_seed(config.seed, "weights"))
        # The cheapest faults first: the run's model, the labels, the images.
        model, self.origin = open_branch(config)
        self.dataset, photos = open_scores(config)
        self.split = divide(config, self.dataset)
        self._check_sizes(model, photos)
        trained = self.origin.get("training_photos")
        accelerator = Accelerator(mixed_precision=config.precision)
        for line in check_leakage(self.dataset, self.split, photos=photos, trained_photos=trained):
            if accelerator.is_main_process:
                print(f"warning: {line}", file=sys.stderr)
        self.target = self.dataset.quality(config.loss.low, config.loss.high)
        self.validates = bool(self.split.count("val"))
        if not config.resume:
            self._start(model, accelerator.device)
        super().__init__(config, accelerator, model, self._fingerprint())
        if accelerator.is_main_process:
            write_split(self.split, self.dataset, Path(config.out) / "split.csv")

    def _check_sizes(self, model: RankModel, photos: dict[str, Photo]) -> None:
        used = [
            p for p, part in zip(self.dataset.table["path"], self.split.parts, strict=True) if part in ("train", "val")
        ]
        small = [path for path in used if min(photos[path].width, photos[path].height) < model.crop]
        if small and self.config.data.small == "error":
            photo = photos[small[0]]
            raise InputError(
                f"{self.dataset.root}: {small[0]}: {photo.width}×{photo.height} px is smaller than the crop of "
                f"{model.crop} px ({len(small)} such images); give --data.small reflect or resize"
            )

    def _start(self, model: RankModel, device: torch.device) -> None:
        """Look at how the branch scores some training images; refuse it upside down, and fit its last layer."""
        rows = np.flatnonzero(self.split.mask("train"))
        rows = np.sort(generator(self.config.seed, "head").permutation(rows)[:HEAD_IMAGES])
        scores = self._score(model, rows, HEAD_PATCHES, device)
        found = srocc(scores, self.target[rows])
        if self.config.init and found < UPSIDE_DOWN and len(rows) >= 30:
            raise InputError(
                f"{self.config.init}: its scores run against the human scores of {self.dataset.name} (SROCC "
                f"{found:.2f} on {len(rows)} training images): the model, or the scores, have the other direction; "
                "correct --data.direction, or train the model on ranks whose higher level is worse"
            )
        if self.config.loss.head == "fit":
            fit_head(model, scores, self.target[rows])

    def _score(self, model: RankModel, rows: np.ndarray, patches: int, device: torch.device) -> np.ndarray:
        files = [self.dataset.table["file"].iloc[row] for row in rows]
        data, found = self.config.data, []
        options = {"patches": patches, "seed": self.config.seed, "small": data.small, "convert": data.convert}
        for result in score_files(model, files, device=device, **options):
            if isinstance(result, InputError):
                raise result
            found.append(result.mean)
        return np.array(found)

    def _fingerprint(self) -> dict[str, str]:
        """What must be the same for a run to go on: the images, their scores and their parts."""
        table = self.dataset.table
        lines = zip(table["path"], table["score"].map(repr), self.split.parts, strict=True)
        return {"labels": hashlib.sha256("\n".join(map("\t".join, lines)).encode()).hexdigest()}

    def batches(self) -> ScoredBatches:
        train = self.split.mask("train")
        place = self.accelerator.process_index, self.accelerator.num_processes
        return ScoredBatches(
            list(self.dataset.table["file"][train]), self.target[train], self.config, self.model.crop, *place
        )

    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        mse = torch.nn.functional.mse_loss(scores, batch["target"])
        return mse / 2 if self.config.loss.kind == "euclidean" else mse

    def statistics(self, scores: torch.Tensor, batch: Batch) -> dict[str, float]:
        return {}

    def validate(self) -> Rows:
        """Agreement over the held-out part; the RMSE is of the scores as they are, in the unit of the human scores."""
        accelerator = self.accelerator
        rows = np.flatnonzero(self.split.mask("val"))
        mine = np.arange(len(rows))[accelerator.process_index :: accelerator.num_processes]
        scores = torch.zeros(len(rows), dtype=torch.float64, device=accelerator.device)
        if len(mine):
            values = self._score(self.model, rows[mine], self.config.val_patches, accelerator.device)
            scores[mine] = torch.as_tensor(values, dtype=torch.float64, device=scores.device)
        scores = accelerator.reduce(scores, "sum").cpu().numpy()
        target = self.target[rows]
        numbers = agreement(scores, target)
        unit = np.ptp(self.dataset.score_range) / (self.config.loss.high - self.config.loss.low)
        numbers["rmse"] = float(np.sqrt(np.mean((scores - target) ** 2)) * unit)
        return {"ALL": {key: numbers[key] for key in self.val_columns}}

    def describe(self, row: dict[str, float]) -> str:
        return f"SROCC {row['srocc']:.3f}, LCC {row['lcc']:.3f}, RMSE {row['rmse']:.4g}"

    def explain_other_data(self, key: str) -> str:
        return f"root: the images, scores or split of {self.config.root} are not what the run began with"

    def model_files(self) -> dict[str, Any]:
        seen = self.split.mask("train") | self.split.mask("val")
        dataset = self.dataset
        return {
            "training_photos": self.origin.get("training_photos"),
            "score_range": (self.config.loss.low, self.config.loss.high),
            "finetuned_on": {
                "dataset": dataset.name,
                "groups": sorted({g for g, s in zip(self.split.groups, seen, strict=True) if s}),
                "paths": list(dataset.table["path"][seen]),
                "native_range": list(dataset.score_range),
                "native_higher_is_better": dataset.higher_is_better,
            },
            "provenance": self.provenance() | {"init": self.origin.get("weights_sha256")},
        }
