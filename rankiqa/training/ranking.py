"""The ranking stage: a network learns the order of distorted images, without any human score."""

from __future__ import annotations

import sys
from typing import Any

import torch

from rankiqa.config import RankConfig
from rankiqa.distortions.sets import stand_ins
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.losses import hardest_pairs_hinge, pair_statistics, pairwise_hinge
from rankiqa.models import RankModel, build_model
from rankiqa.models.reference import MOST, Reference
from rankiqa.ranks.online import OnlineSet
from rankiqa.ranks.protocol import Ranks
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.batches import RankedBatches, make_sampler
from rankiqa.training.loop import Batch, Rows, Trainer
from rankiqa.training.validation import NUMBERS, score_items, summarize, validation_items

with extra("train"):
    from accelerate import Accelerator


def open_ranks(config: RankConfig) -> Ranks:
    """All the images that the settings name."""
    data = config.data
    if data.source == "online":
        return OnlineSet.find(data.pristine, data.distortions, data.levels, config.seed, data.convert)
    return RankedSet.read(data.ranks)


def split_ranks(config: RankConfig) -> tuple[Ranks, Ranks | None]:
    """The sets to train on and to validate on; disjoint in photos. `InputError` if one has none."""
    ranks = open_ranks(config)
    data = config.data
    if data.val:
        val = RankedSet.read(data.val)
        shared = len(_hashes(ranks) & _hashes(val))
        if shared:
            raise InputError(
                f"data.val: {data.val} shares {shared} pristine photos with {ranks.folder}; validate on others"
            )
        return ranks, val
    held = set(data.holdout_names)
    if unknown := sorted(held - set(ranks.references)):
        raise InputError(f"data.holdout_names: {unknown[0]} is no reference of {ranks.folder}")
    rest = [reference for reference in ranks.references if reference not in held]
    if data.holdout >= len(rest):
        raise InputError(
            f"data.holdout is {data.holdout}, but {ranks.folder} has only {len(rest)} photos; "
            "some must remain to train on"
        )
    order = generator(config.seed, "holdout").permutation(len(rest))
    held |= {rest[i] for i in order[: data.holdout]}
    if not held:
        return ranks, None
    training = [reference for reference in ranks.references if reference not in held]
    if not training:
        raise InputError(f"data.holdout_names: no photo of {ranks.folder} is left to train on")
    return ranks.select(training), ranks.select(sorted(held))


def _hashes(ranks: Ranks) -> set[str]:
    return {photo.sha256 for photo in ranks.photos.values()}


class RankTrainer(Trainer):
    """The ranking stage; see `rankiqa.training.loop.Trainer`."""

    stage = "rank"
    train_columns = ("ordered", "active", "pairs")
    val_columns = NUMBERS
    free_keys = ("data.ranks", "data.pristine", "data.val")

    def __init__(self, config: RankConfig) -> None:
        config.check()
        self.train_set, self.val_set = split_ranks(config)
        self.validates = self.val_set is not None
        self.sampler = make_sampler(config.batch, self.train_set, config.seed)
        accelerator = Accelerator(mixed_precision=config.precision)
        if config.data.source == "online" and accelerator.is_main_process:
            for line in stand_ins(self.train_set.distortions, config.data.distortions):
                print(f"note: {line}", file=sys.stderr)
        torch.manual_seed(derive_seed(config.seed, "weights"))
        m = config.model
        model = build_model(m.name, m.weights, m.preprocessing, m.crop, m.dropout)
        self._check_sizes(model)
        super().__init__(config, accelerator, model, self.train_set.fingerprint)

    def _check_sizes(self, model: RankModel) -> None:
        """The pristine photos are enough: all levels of a photo have its size."""
        for ranks in filter(None, (self.train_set, self.val_set)):
            for reference, photo in ranks.photos.items():
                if min(photo.width, photo.height) < model.crop:
                    raise InputError(
                        f"{ranks.folder}: {reference}: {photo.width}×{photo.height} px is smaller than the crop of "
                        f"{model.crop} px; leave it out, or give a smaller --model.crop"
                    )

    def batches(self) -> RankedBatches:
        config, place = self.config, (self.accelerator.process_index, self.accelerator.num_processes)
        aligned = config.batch.aligned
        return RankedBatches(self.train_set, self.sampler, self.model.crop, config.seed, *place, aligned=aligned)

    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        config, group, level = self.config, batch["group"], batch["level"]
        if config.batch.sampler == "hard_negatives":
            return hardest_pairs_hinge(scores, group, level, config.loss.margin, config.batch.keep)
        return pairwise_hinge(scores, group, level, config.loss.margin, config.loss.reduction)

    def statistics(self, scores: torch.Tensor, batch: Batch) -> dict[str, float]:
        found = pair_statistics(scores, batch["group"], batch["level"], self.config.loss.margin)
        return {"ordered": found.ordered, "active": found.active, "pairs": found.pairs}

    def validate(self) -> Rows:
        """See `rankiqa.training.validation.summarize`; the images are shared out to the processes."""
        accelerator = self.accelerator
        items = validation_items(self.val_set)
        # A photo's images go to one process, so that its pristine one is scored once.
        names = self.val_set.references
        mine = set(names[accelerator.process_index :: accelerator.num_processes])
        places = [i for i, item in enumerate(items) if item[0] in mine]
        scores = torch.zeros(len(items), dtype=torch.float64, device=accelerator.device)
        if places:
            values = score_items(
                self.model,
                self.val_set,
                [items[i] for i in places],
                self.config.val_patches,
                self.config.seed,
                accelerator.device,
                accelerator.is_main_process,
            )
            scores[places] = torch.as_tensor(values, dtype=torch.float64, device=scores.device)
        scores = accelerator.reduce(scores, "sum").cpu().numpy()
        self.reference = Reference.of_ranks(items, scores, self._what(self.val_set, "held out"))
        return summarize(items, scores)

    def measure_reference(self) -> Reference | None:
        items = validation_items(self.train_set)
        order = generator(self.config.seed, "reference").permutation(len(items))[:MOST]
        items = [items[i] for i in sorted(order)]
        config, device = self.config, self.accelerator.device
        scores = score_items(self.model, self.train_set, items, config.val_patches, config.seed, device)
        return Reference.of_ranks(items, scores, self._what(self.train_set, "trained on"))

    def _what(self, ranks: Ranks, how: str) -> str:
        types = len(ranks.distortions)
        return f"{len(ranks.references)} photos {how}, pristine and at every level of {types} types of distortion"

    def describe(self, row: dict[str, float]) -> str:
        return describe(row)

    def explain_other_data(self, key: str) -> str:
        online = self.config.data.source == "online"
        what = "photos or strengths differ" if online else "its manifest differs"
        return (
            f"data.{'pristine' if online else 'ranks'}: {self.train_set.folder} is not what the run began with ({what})"
        )

    def model_files(self) -> dict[str, Any]:
        photos = {photo.sha256: reference for reference, photo in self.train_set.photos.items()}
        return {"training_photos": photos, "score_range": None, "provenance": self.provenance()}


def describe(row: dict[str, float]) -> str:
    return (
        f"SROCC {row['srocc']:.3f}, ordered pairs {row['ordered_within']:.2%} within a photo, "
        f"{row['ordered_across']:.2%} between photos"
    )
