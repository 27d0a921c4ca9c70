"""The ranking stage: a network learns the order of distorted images, without any human score."""

from __future__ import annotations

import dataclasses
import sys
from math import isnan
from typing import Any, ClassVar

import torch

from rankiqa.config import RankConfig
from rankiqa.distortions.sets import stand_ins
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.images.decoded import GB, Decoded
from rankiqa.judge import PERFECT, Judge, JudgeScale, ScaledJudge
from rankiqa.losses import hardest_pairs_hinge, ordered_pairs, pair_statistics, pairwise_hinge, pairwise_logistic
from rankiqa.models import RankModel, build_model
from rankiqa.models.freezing import freeze_until, freeze_unused, keep_batch_norm
from rankiqa.models.reference import MOST, Reference
from rankiqa.precision import at_float64
from rankiqa.ranks.online import OnlineSet
from rankiqa.ranks.protocol import Ranks
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.scoring.view import View
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.batches import OWN_PRISTINE, OWN_QUALITY, Batch
from rankiqa.training.judging import measure_scale
from rankiqa.training.loop import Rows, Trainer
from rankiqa.training.precision import make_accelerator
from rankiqa.training.rank_validation import NUMBERS, score_ranks, summarize, validation_items
from rankiqa.training.ranked_batches import RankedBatches
from rankiqa.training.samplers import make_sampler

with extra("train"):
    from accelerate import Accelerator
    from accelerate.utils import broadcast_object_list


def open_ranks(config: RankConfig) -> Ranks:
    """All the images that the settings name."""
    data = config.data
    ranks: OnlineSet | RankedSet
    if data.source == "online":
        continuous = data.strengths == "continuous"
        what = data.pristine, data.distortions, data.levels
        ranks = OnlineSet.find(*what, config.seed, data.convert, continuous, data.icc)
    else:
        ranks = RankedSet.read(data.ranks or "")
    if data.decoded is None:
        return ranks
    return dataclasses.replace(ranks, decoded=Decoded.open(data.decoded, int(data.decoded_gb * GB)))


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
    train_columns: tuple[str, ...] = ("ordered", "active", "pairs")
    val_columns: tuple[str, ...] = NUMBERS
    free_keys: ClassVar[tuple[str, ...]] = ("data.ranks", "data.pristine", "data.val")
    config: RankConfig
    judge: ScaledJudge | None = None  # of the images to train on

    def __init__(self, config: RankConfig) -> None:
        config.check()
        self.train_set, self.val_set = split_ranks(config)
        judge = config.judge.open()
        if judge is not None:
            self.train_columns = (*self.train_columns, "judged")
            self.train_set.check_judge(judge)
        self.validates = self.val_set is not None
        self.sampler = make_sampler(config.batch, self.train_set, config.seed)
        accelerator = make_accelerator(config.precision)
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
        fingerprint = self.prepare(model, accelerator)
        if judge is not None and not config.resume:  # a checkpoint has the scale
            self.judge = self._measure(judge, model.crop, config, accelerator)
        super().__init__(config, accelerator, model, fingerprint)

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

    def _measure(self, judge: Judge, crop: int, config: RankConfig, accelerator: Accelerator) -> ScaledJudge:
        """The judge with its scale, measured on the main process."""
        found: list[Any] = [None]
        if accelerator.is_main_process:
            found = [measure_scale(self.train_set, judge, crop, config.seed, config.judge.sample, progress=True)]
        return ScaledJudge(judge, broadcast_object_list(found)[0])

    def measured(self) -> dict[str, Any]:
        """The judge's scale, which must not move while a run goes on."""
        return {} if self.judge is None else {"judge_scale": self.judge.scale.config()}

    def restore(self, state: dict[str, Any]) -> None:
        """The judge's scale, as it was measured when the run began."""
        judge = self.config.judge.open()
        if judge is not None:
            self.judge = ScaledJudge(judge, JudgeScale.from_config(state["judge_scale"]))

    def provenance(self) -> dict[str, Any]:
        """As of all stages, and what judged the pairs."""
        return super().provenance() | ({} if self.judge is None else {"judge": self.judge.config()})

    def batches(self) -> RankedBatches:
        """The images that the sampler draws, a crop of each."""
        config, place = self.config, (self.accelerator.process_index, self.accelerator.num_processes)
        aligned, judge = config.batch.aligned, self.judge
        on_device = judge is not None and config.judge.where == "device"
        given = self.train_set, self.sampler, self.model.crop, config.seed
        return RankedBatches(*given, *place, aligned, None if on_device else judge, on_device)

    def complete(self, batch: Batch) -> Batch:
        """The judge's qualities, of all images of this process in one batch, where it is asked on the device."""
        if (pristine := batch.pop(OWN_PRISTINE, None)) is not None:
            assert self.judge is not None
            values = self.judge.judge.values(batch["images"].float() / 255, pristine.float() / 255)
            # As the loader has it: equal images are told without a computation, and its rounding.
            values[(batch["images"] == pristine).flatten(1).all(1)] = PERFECT
            quality = self.judge.scale.quality(values.cpu().double().numpy())
            batch[OWN_QUALITY] = torch.from_numpy(quality).to(values)
        return batch

    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss over the ordered pairs of the batch, or over the hardest of them; see `rankiqa.losses`."""
        loss, gap = self.config.loss, self.config.judge.gap
        group, level, quality = batch["group"], batch["level"], batch.get("quality")
        if self.config.batch.sampler == "hard_negatives":
            return hardest_pairs_hinge(scores, group, level, loss.margin, self.config.batch.keep, quality, gap)
        if loss.kind == "logistic":
            return pairwise_logistic(scores, group, level, quality, gap, loss.steepness, loss.reduction)
        return pairwise_hinge(scores, group, level, loss.margin, loss.reduction, quality, gap)

    def weight(self, batch: Batch) -> float | torch.Tensor:
        """The ordered pairs of the batch, or those that are kept of them; or its images, as `loss.reduction` says."""
        config = self.config
        if config.loss.reduction == "images":
            return super().weight(batch)
        pairs = ordered_pairs(batch["group"], batch["level"], batch.get("quality"), config.judge.gap).sum()
        return pairs.clamp(1, config.batch.keep if config.batch.sampler == "hard_negatives" else None)

    def statistics(self, scores: torch.Tensor, batch: Batch) -> dict[str, float]:
        """The shares of pairs that are in order and that have a loss, how many there are, and the judge's share."""
        loss, quality = self.config.loss, batch.get("quality")
        margin = loss.margin if loss.kind == "hinge" else float("inf")
        found = pair_statistics(scores, batch["group"], batch["level"], margin, quality, self.config.judge.gap)
        numbers: dict[str, float] = {"ordered": found.ordered, "active": found.active, "pairs": found.pairs}
        return numbers if quality is None else numbers | {"judged": found.judged}

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
        scores = torch.zeros(len(items), dtype=torch.float64, device=at_float64(accelerator.device))
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
        """SROCC and the shares of ordered pairs; between photos there are none where one photo is held out."""
        across = row["ordered_across"]
        return (
            f"SROCC {row['srocc']:.3f}, ordered pairs {row['ordered_within']:.2%} within a photo, "
            f"{'none' if isnan(across) else f'{across:.2%}'} between photos"
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
