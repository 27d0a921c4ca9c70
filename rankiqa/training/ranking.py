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
from rankiqa.models.freezing import freeze_until, freeze_unused, keep_batch_norm
from rankiqa.models.reference import MOST, Reference
from rankiqa.ranks.online import OnlineSet
from rankiqa.ranks.protocol import Ranks
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.scoring.view import View
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.batches import Batch
from rankiqa.training.loop import Rows, Trainer
from rankiqa.training.rank_validation import NUMBERS, score_ranks, summarize, validation_items
from rankiqa.training.ranked_batches import RankedBatches
from rankiqa.training.samplers import make_sampler

with extra("train"):
    from accelerate import Accelerator


def open_ranks(config: RankConfig) -> Ranks:
    """All the images that the settings name."""
    data = config.data
    if data.source == "online":
        continuous = data.strengths == "continuous"
        what = data.pristine, data.distortions, data.levels
        return OnlineSet.find(*what, config.seed, data.convert, continuous, data.icc)
    return RankedSet.read(data.ranks)


def split_ranks(config: RankConfig) -> tuple[Ranks, Ranks | None]:
    """The sets to train on and to validate on, disjoint in photos; None: nothing is held out.

    Raises:
        InputError: the sets share a photo, no photo is left to train on, or one to hold out is not there.
    """
    ranks = open_ranks(config)
    data = config.data
    if data.val:
        val = RankedSet.read(data.val)
        shared = len(_hashes(ranks) & _hashes(val))
        if shared:
            raise InputError(
                f"shares {shared} pristine photos with {ranks.folder}",
                path=data.val,
                cure="validate on others",
                options=("data.val",),
            )
        return ranks, val
    held = set(data.holdout_names)
    if unknown := sorted(held - set(ranks.references)):
        raise InputError(f"data.holdout_names: {unknown[0]} is no reference of {ranks.folder}")
    rest = [reference for reference in ranks.references if reference not in held]
    if data.holdout >= len(rest):
        raise InputError(
            f"data.holdout is {data.holdout}, but {ranks.folder} has only {len(rest)} photos",
            cure="some must remain to train on",
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
    """The ranking stage: `run()` trains on ranked images, and validates on those of other photos.

    Args:
        config: the run's settings.

    Raises:
        InputError: settings that no run can have, or images that do not suit them; the run's folder is not touched.
    """

    stage = "rank"
    train_columns = ("ordered", "active", "pairs")
    val_columns = NUMBERS
    free_keys = ("data.ranks", "data.pristine", "data.val")
    config: RankConfig

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
        model = build_model(m.name, m.weights, m.preprocessing, m.crop, m.dropout, m.head_fields())
        if m.freeze_until is not None:
            freeze_until(model, m.freeze_until)
        if m.keeps_batch_norm:
            keep_batch_norm(model)
        if m.head == "statistics":
            freeze_unused(model)
        self._check_sizes(model)
        super().__init__(config, accelerator, model, self.prepare(model, accelerator))

    def prepare(self, model: RankModel, accelerator: Accelerator) -> dict[str, str]:
        """What must be the same for the run to go on, by name; a stage that learns more than ranks reads it here."""
        return self.train_set.fingerprint

    def _check_sizes(self, model: RankModel) -> None:
        """The pristine photos are enough: all levels of a photo have its size."""
        for ranks in filter(None, (self.train_set, self.val_set)):
            for reference, photo in ranks.photos.items():
                if min(photo.width, photo.height) < model.crop:
                    raise InputError(
                        f"{reference}: {photo.width}×{photo.height} px is smaller than the crop of {model.crop} px",
                        path=ranks.folder,
                        cure="leave it out, or give a smaller crop",
                        options=("model.crop",),
                    )

    def batches(self) -> RankedBatches:
        """The images that the sampler draws, a crop of each."""
        config, place = self.config, (self.accelerator.process_index, self.accelerator.num_processes)
        aligned = config.batch.aligned
        return RankedBatches(self.train_set, self.sampler, self.model.crop, config.seed, *place, aligned=aligned)

    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The hinge over the ordered pairs of the batch, or over the hardest of them."""
        config, group, level = self.config, batch["group"], batch["level"]
        if config.batch.sampler == "hard_negatives":
            return hardest_pairs_hinge(scores, group, level, config.loss.margin, config.batch.keep)
        return pairwise_hinge(scores, group, level, config.loss.margin, config.loss.reduction)

    def statistics(self, scores: torch.Tensor, batch: Batch) -> dict[str, float]:
        """The shares of pairs that are in order and that are nearer than the margin, and how many pairs there are."""
        found = pair_statistics(scores, batch["group"], batch["level"], self.config.loss.margin)
        return {"ordered": found.ordered, "active": found.active, "pairs": found.pairs}

    @property
    def view(self) -> View:
        """What the network is shown of the images of a validation."""
        return View(patches=self.config.val_patches, seed=self.config.seed)

    def validate(self) -> Rows:
        """Of each type and of ALL on average: SROCC and the shares of ordered pairs, of the held-out photos.

        The images are shared out to the processes. Higher is better; see `rankiqa.training.rank_validation.summarize`.
        """
        accelerator, ranks = self.accelerator, self.val_set
        assert ranks is not None  # `validates` says so
        items = validation_items(ranks)
        # A photo's images go to one process, so that its pristine one is scored once.
        names = ranks.references
        mine = set(names[accelerator.process_index :: accelerator.num_processes])
        places = [i for i, item in enumerate(items) if item[0] in mine]
        scores = torch.zeros(len(items), dtype=torch.float64, device=accelerator.device)
        if places:
            values = score_ranks(
                self.model,
                ranks,
                [items[i] for i in places],
                self.view,
                accelerator.device,
                accelerator.is_main_process,
            )
            scores[places] = torch.as_tensor(values, dtype=torch.float64, device=scores.device)
        found = accelerator.reduce(scores, "sum").cpu().numpy()
        self.reference = Reference.of_ranks(items, found, self._what(ranks, "held out"))
        return summarize(items, found)

    def measure_reference(self) -> Reference | None:
        """The scores of up to `MOST` images to train on, drawn with the seed."""
        items = validation_items(self.train_set)
        order = generator(self.config.seed, "reference").permutation(len(items))[:MOST]
        items = [items[i] for i in sorted(order)]
        device = self.accelerator.device
        scores = score_ranks(self.model, self.train_set, items, self.view, device)
        return Reference.of_ranks(items, scores, self._what(self.train_set, "trained on"))

    def _what(self, ranks: Ranks, how: str) -> str:
        types = len(ranks.distortions)
        return f"{len(ranks.references)} photos {how}, pristine and at every level of {types} types of distortion"

    def describe(self, row: dict[str, float]) -> str:
        """SROCC and the shares of ordered pairs."""
        return (
            f"SROCC {row['srocc']:.3f}, ordered pairs {row['ordered_within']:.2%} within a photo, "
            f"{row['ordered_across']:.2%} between photos"
        )

    def other_data(self, key: str) -> InputError:
        """The error for other photos, strengths or images."""
        online = self.config.data.source == "online"
        what = "photos or strengths differ" if online else "its manifest differs"
        return InputError(
            f"is not what the run began with ({what})",
            path=self.train_set.folder,
            cure="give that, or choose another place",
            options=("data.pristine" if online else "data.ranks", "out"),
        )

    def model_files(self) -> dict[str, Any]:
        """What config.json tells of the photos learned from, and of how the model was made."""
        photos = {photo.sha256: reference for reference, photo in self.train_set.photos.items()}
        return {"training_photos": photos, "score_range": None, "provenance": self.provenance()}
