"""Joint training: one network and one score learn from ranked images and from people, both in every batch.

Pairs are made inside a source, never across: of ranked images by their level (and judge), of photos of one set by how
surely people prefer one. So nothing pins the score's scale, and each set has a rising map of its own to people's.

Sources: Liu, van de Weijer, Bagdanov, "Exploiting unlabeled data in CNNs by self-supervised learning to rank", TPAMI
2019 (ranks and scores in one network); Zhang et al., "Uncertainty-aware blind image quality assessment in the
laboratory and wild" (UNIQUE), IEEE TIP 2021 (pairs inside each set).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.config import JointConfig
from rankiqa.datasets.leakage import check_leakage
from rankiqa.datasets.splits import write_split
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.losses import preference_loss, voted_loss
from rankiqa.metrics.correlation import agreement
from rankiqa.models import RankModel
from rankiqa.models.reference import MOST, Reference
from rankiqa.models.statistics import HumanScale, StageStatistics
from rankiqa.seeding import generator
from rankiqa.training.batches import Batch, own_places
from rankiqa.training.gathering import all_scores
from rankiqa.training.joint_sets import (
    HumanSet,
    JointBatches,
    check_between,
    check_roots,
    learned_scores,
    open_sets,
    say,
)
from rankiqa.training.loop import Rows
from rankiqa.training.monotone_map import MonotoneMap, fit_scale
from rankiqa.training.ranking import RankTrainer
from rankiqa.training.scored import share_out
from rankiqa.training.scored_data import score_rows
from rankiqa.training.voted_set import VotedSet

with extra("train"):
    from accelerate import Accelerator


class Learner(nn.Module):
    """The network and the maps of the sets, called once a step, so that several devices agree on their gradients.

    Args:
        model: the network.
        maps: one a set.
        through: of each set, whether its map passes the gradient on to the network.
        counts: how many images of each set this process has in a batch.
    """

    def __init__(
        self, model: RankModel, maps: Sequence[MonotoneMap], through: Sequence[bool], counts: Sequence[int]
    ) -> None:
        super().__init__()
        self.model, self.maps = model, nn.ModuleList(maps)
        self.through, self.counts = tuple(through), list(counts)

    def forward(self, ranked: Tensor, people: Tensor) -> tuple[Tensor, Tensor]:
        """Ranked images and photos, each (n, 3, H, W) of its own size → scores (n,); (n, 2) scores and mapped ones."""
        ranks, scores = self.model(ranked), self.model(people).float()
        parts = zip(self.maps, self.through, scores.split(self.counts), strict=True)
        mapped = [to_people(part if through else part.detach()) for to_people, through, part in parts]
        return ranks, torch.stack((scores, torch.cat(mapped)), 1)


class JointTrainer(RankTrainer):
    """The joint stage: `run()` trains on ranked images and human scores, and validates on both.

    Args:
        config: the run's settings.

    Raises:
        InputError: as `RankTrainer` does; sets that cannot be read or divided, images smaller than the crop, or test
            images that the ranks or another set are learned from. The run's folder is not touched.
    """

    stage = "joint"
    val_columns = ("srocc", "lcc", "ordered_within", "ordered_across")
    free_keys = (*RankTrainer.free_keys, "sets.root", "sets.labels")
    config: JointConfig

    def __init__(self, config: JointConfig) -> None:
        config.check()
        check_roots(config)
        self.config = config
        self._sums: dict[str, Tensor] = {}  # of the losses, since the last line of the log
        self._steps = 0
        self._fitted: dict[str, HumanScale] = {}  # by the name of the set, at the last validation
        super().__init__(config)
        if self.accelerator.is_main_process:
            self._write_splits(Path(config.out))

    def prepare(self, model: RankModel, accelerator: Accelerator) -> dict[str, str]:
        """Read the human scores, and refuse what would leak."""
        config = self.config
        self.crop = config.people.crop or model.crop
        self.sets = open_sets(config, self.crop)
        photos, held_out = self._pictures()
        warnings = check_between(self.sets, photos, held_out)
        for one in self.sets:
            warnings += check_leakage(one.dataset, one.split, photos=one.photos, trained_photos=photos)
        self.on_scale = isinstance(model.backbone, StageStatistics)
        if isinstance(model.backbone, StageStatistics):
            model.backbone.scale = None  # of the weights that it starts from: what learns is the score beneath
        if accelerator.is_main_process:
            say(warnings)
            if not self.on_scale:
                note = "a linear head has no map to people's scale: the model's score stays raw, its maps are in "
                say([f"{note}provenance.scales of config.json"], "note")
        self.validates = self.validates or any(one.split.count("val") for one in self.sets)
        maps = [MonotoneMap() for _ in self.sets]
        places = accelerator.process_index, accelerator.num_processes
        counts = [len(own_places(one.images, *places)) for one in config.sets]
        self._learner = Learner(model, maps, [one.loss == "mse" for one in config.sets], counts)
        names = [f"{one.name}_loss" for one in self.sets] if len(self.sets) > 1 else []
        self.train_columns = ("rank_loss", *self.train_columns, "people_loss", *names)
        return self.train_set.fingerprint | {f"scores.{one.name}": one.labels() for one in self.sets}

    def _pictures(self) -> tuple[dict[str, str], dict[str, str]]:
        """SHA-256 → name of the photos whose ranks are learned, and of those that they are validated on."""
        sets = (self.train_set.photos, self.val_set.photos if self.val_set is not None else {})
        learned, held_out = ({photo.sha256: name for name, photo in photos.items()} for photos in sets)
        return learned, held_out

    def _write_splits(self, out: Path) -> None:
        first, *others = self.sets
        write_split(first.split, first.dataset, out / "split.csv")
        for one in others:
            (out / "splits").mkdir(exist_ok=True)
            write_split(one.split, one.dataset, out / "splits" / f"{one.name}.csv")

    def learner(self) -> nn.Module:
        """The network and the maps."""
        return self._learner

    def make_optimizer(self) -> torch.optim.Optimizer:
        """The network's optimizer, and in it the maps with a learning rate of their own."""
        optimizer = super().make_optimizer()
        factor = self.config.people.map_lr / self.config.optim.lr
        maps = list(self._learner.maps.parameters())
        optimizer.add_param_group({"params": maps, "lr_factor": factor, "weight_decay": 0.0})
        return optimizer

    def more_tensors(self) -> dict[str, Tensor]:
        """The maps."""
        return dict(self._learner.maps.named_parameters())

    def batches(self) -> JointBatches:  # type: ignore[override]  # of ranked images and more
        """The ranked images that the sampler draws, and photos of each set."""
        places = self.accelerator.process_index, self.accelerator.num_processes
        people = [one.batches(self.config, k, self.crop, *places) for k, one in enumerate(self.sets)]
        return JointBatches(super().batches(), people)

    def batch_scores(self, batch: Batch) -> Tensor:
        """(N, 2): score and mapped score of the ranked images, where both are one, and then of the photos."""
        ranked, people = self.ready(batch.pop("images")), self.ready(batch.pop("people.images"))
        ranks, scored = self.network(ranked, people)
        ranks = all_scores(ranks.float(), len(batch["group"]), self.accelerator)
        parts = zip(scored.split(self._learner.counts), self.sets, strict=True)
        photos = [all_scores(part, one.config.images, self.accelerator) for part, one in parts]
        return torch.cat([torch.stack((ranks, ranks), 1), *photos])

    def loss(self, scores: Tensor, batch: Batch) -> Tensor:
        """The sum of the losses of the ranks and of each set, weighted; and the maps', which is not counted."""
        ranked = len(batch["group"])
        losses = {"rank_loss": super().loss(scores[:ranked, 0], batch)}
        total = self.config.rank_weight * losses["rank_loss"]
        people = scores.new_zeros(())
        sizes = [one.config.images for one in self.sets]
        weights = batch.get("people.weight", torch.ones_like(batch["people.target"]))
        columns = (scores[ranked:], batch["people.target"], weights)
        photos = zip(self.sets, *(column.split(sizes) for column in columns), strict=True)
        for one, part, target, weight in photos:
            error = F.mse_loss(part[:, 1], target) / one.spread**2
            if one.config.loss == "mse":
                loss = error
            else:
                voted = isinstance(one.dataset, VotedSet)
                loss = voted_loss(part[:, 0], weight) if voted else preference_loss(part[:, 0], target, one.deviation)
                total = total + (error - error.detach())
            losses[f"{one.name}_loss"] = loss
            people = people + one.config.weight * loss
        losses["people_loss"] = people
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()
        self._steps += 1
        return total + people

    def weight(self, batch: Batch) -> float:
        """One: the loss is a sum of means over ranks and over sets of the same size in every batch."""
        return 1.0

    def statistics(self, scores: Tensor, batch: Batch) -> dict[str, float]:
        """The losses of the ranks and of the sets, on average since the last line; and of the pairs what ranking tells.

        "people_loss" is weighted, as it enters the loss; those of the sets are not.
        """
        means = {name: float(value) / self._steps for name, value in self._sums.items()}
        self._sums, self._steps = {}, 0
        found = means | super().statistics(scores[: len(batch["group"]), 0], batch)
        return {name: found[name] for name in self.train_columns}

    def validate(self) -> Rows:
        """The rows of ranking, where photos are held out of that; and a row a set: SROCC and LCC of its val part.

        The LCC is that of the mapped score, with the map fitted to these images (two numbers).
        """
        rows = super().validate() if self.val_set is not None else {}
        self.reference = None
        for one in self.sets:
            if one.split.count("val"):
                scores, target = self._score(one, one.rows("val"))
                rows[one.name] = self._agreement(one, scores, target)
                if one is self.sets[0]:
                    self.reference = self._reference_of(scores, "held out")
        if self.reference is None:
            self.reference = self.measure_reference()
        return rows

    def _score(self, one: HumanSet, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the scores of some images of a set, shared out to the processes, and what people say."""
        found = share_out(self.accelerator, len(rows), lambda mine: self._means(one, rows[mine]))
        return found[:, 0], one.target[rows]

    def _means(self, one: HumanSet, rows: np.ndarray) -> list[float]:
        view = one.view(self.config.val_patches, self.config.seed)
        found = score_rows(one.dataset, rows, self.model, view, self.accelerator.device, one.config)
        return [result.mean for result in found]

    def _agreement(self, one: HumanSet, scores: np.ndarray, target: np.ndarray) -> dict[str, float]:
        if scale := fit_scale(scores, target):
            self._fitted[one.name] = scale
        mapped = self._scale(one)(torch.from_numpy(scores)).numpy()
        return {
            "srocc": float(agreement(scores, target)["srocc"]),
            "lcc": float(agreement(mapped, target)["lcc"]),
        }

    def _scale(self, one: HumanSet) -> HumanScale:
        """The map of a set: as it was fitted to the scores of a validation, or as it was learned."""
        learned: Any = self._learner.maps[self.sets.index(one)]
        return self._fitted.get(one.name) or learned.scale()

    def _reference_of(self, scores: np.ndarray, how: str) -> Reference | None:
        """Of images of the first set, on the scale of the model that is saved."""
        first = self.sets[0]
        if self.on_scale:
            scores = self._scale(first)(torch.from_numpy(scores)).numpy()
        return Reference.of_scores(scores, f"images of {first.name} {how}")

    def measure_reference(self) -> Reference | None:
        """The scores of up to `MOST` images of the first set to train on, drawn with the seed; fits its map to them."""
        first = self.sets[0]
        rows = first.rows("train")
        rows = np.sort(generator(self.config.seed, "reference").permutation(rows)[:MOST])
        scores = np.array(self._means(first, rows))
        if scale := fit_scale(scores, first.target[rows]):
            self._fitted[first.name] = scale
        return self._reference_of(scores, "trained on")

    def describe(self, row: dict[str, float]) -> str:
        """SROCC and LCC with people; of ranks as ranking says it."""
        return super().describe(row) if "lcc" not in row else f"SROCC {row['srocc']:.3f}, LCC {row['lcc']:.3f}"

    def summarise(self, rows: Rows) -> str:
        """The mean of the ranks, and each set."""
        names = {"ALL": "ranks"} | {one.name: one.name for one in self.sets}
        return "; ".join(f"{word} {self.describe(rows[name])}" for name, word in names.items() if name in rows)

    def other_data(self, key: str) -> InputError:
        """The error for other photos, or for other images, scores or parts of a set."""
        one = next((one for one in self.sets if key == f"scores.{one.name}"), None)
        if one is None:
            return super().other_data(key)
        return InputError(
            "its images, scores or split are not what the run began with",
            path=one.dataset.root,
            cure="give those, or choose another place",
            options=("out",),
        )

    @contextmanager
    def finished(self) -> Iterator[None]:
        """The network with its map to the scale of the first set, where its head has room for one."""
        backbone = self.model.backbone
        if not isinstance(backbone, StageStatistics):
            yield
            return
        backbone.scale = self._scale(self.sets[0])
        try:
            yield
        finally:
            backbone.scale = None

    def model_files(self) -> dict[str, Any]:
        """What ranking tells, and the scale of the first set's scores and all the human scores learned from."""
        scales = {one.name: asdict(self._scale(one)) for one in self.sets}
        return super().model_files() | {
            "score_range": (0.0, 1.0) if self.on_scale else None,
            "finetuned_on": learned_scores(self.sets),
            "provenance": self.provenance() | {"scales": scales},
        }
