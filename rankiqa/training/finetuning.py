"""The fine-tuning stage: one branch learns people's scores by the mean squared error, or their votes by pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch

from rankiqa.config import FinetuneConfig
from rankiqa.config.scores import ScoresConfig, named
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split
from rankiqa.errors import InputError
from rankiqa.images.photos import Photo
from rankiqa.losses import voted_loss
from rankiqa.metrics.correlation import agreement, srocc
from rankiqa.models import RankModel, build_model
from rankiqa.models.statistics import StageStatistics
from rankiqa.scoring.view import View
from rankiqa.seeding import generator
from rankiqa.training.batches import Batch
from rankiqa.training.loop import Rows
from rankiqa.training.scored import ScoredTrainer, load_start
from rankiqa.training.scored_batches import PairBatches, ScoredBatches
from rankiqa.training.scored_data import check_sizes, divide, open_scores
from rankiqa.training.voted_set import VotedSet, check_part

HEAD_IMAGES, HEAD_PATCHES = 256, 3  # what the last layer is fitted to
# Below this correlation on the training images a ranking model is taken for one that was trained the other way round.
UPSIDE_DOWN = -0.15


def open_branch(config: FinetuneConfig) -> tuple[RankModel, dict[str, Any]]:
    """One branch of the ranking run, or the network of the baseline; and the config of the run's model.

    Raises:
        InputError: as `load_model` and `build_model` do; the run's model predicts votes, or the settings contradict it.
    """
    m = config.model
    if not config.init:
        assert m.name is not None  # `config.check` asks for one
        return build_model(m.name, m.weights, m.preprocessing, m.crop, m.dropout), {}
    model, origin = load_start(config.init)
    if model.votes is not None:
        raise InputError("is a NIMA, with ten votes", path=config.init, cure="train it on with train/train_nima.sh")
    head = model.backbone.head().config() if isinstance(model.backbone, StageStatistics) else "linear"
    given = build_model(m.name or model.name, "none", m.preprocessing, m.crop, m.dropout, head)
    for key, wanted, found in (
        ("name", m.name, model.name),
        ("crop", m.crop, model.crop),
        ("preprocessing", m.preprocessing and given.preprocessing.config(), model.preprocessing.config()),
    ):
        if wanted is not None and wanted != found:
            raise InputError(
                f"model.{key} is {getattr(m, key)}, but {config.init} has {found}",
                cure="leave the setting out",
                options=(f"model.{key}",),
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
        head.get_parameter("weight").mul_(slope)
        head.get_parameter("bias").mul_(slope).add_(offset)


class FineTuner(ScoredTrainer):
    """The fine-tuning stage: `run()` trains one branch by the squared error to human scores.

    Args:
        config: the run's settings.

    Raises:
        InputError: as every `ScoredTrainer` does; an image is smaller than the crop, or the model runs the other way.
    """

    stage = "finetune"
    train_columns = ()
    val_columns = ("srocc", "lcc", "krocc", "rmse")
    free_keys: ClassVar[tuple[str, ...]] = ("root", "init", "data.labels")
    config: FinetuneConfig

    def open_model(self) -> tuple[RankModel, dict[str, Any]]:
        """One branch of the ranking run, or the network of the baseline."""
        return open_branch(self.config)

    def open_data(self) -> tuple[ScoredSet, Split, dict[str, Photo]]:
        """The data set that the settings name, and its parts."""
        config = self.config
        dataset, photos = open_scores(*named(config.dataset, config.root), config.data, config.data.labels)
        return dataset, divide(dataset, config.split, config.data, config.batch.images), photos

    def prepare(self, model: RankModel) -> None:
        """Carry the human scores to the network's scale, the best end to its highest."""
        loss = self.config.loss
        self.score_range = (loss.low, loss.high)
        self.target = self.dataset.quality(loss.low, loss.high)
        used = self.split.mask("train") | self.split.mask("val")
        check_sizes(self.dataset, used, self.photos, model.crop, self.config.data.small)
        if isinstance(self.dataset, VotedSet):
            check_part(self.dataset, np.flatnonzero(self.split.mask("train")))

    def start(self, model: RankModel, device: torch.device) -> None:
        """Look at how the branch scores some training images; refuse it upside down, and fit its last layer."""
        rows = np.flatnonzero(self.split.mask("train"))
        rows = np.sort(generator(self.config.seed, "head").permutation(rows)[:HEAD_IMAGES])
        found = self.score(model, rows, device, replace(self.view, patches=HEAD_PATCHES))
        scores = np.array([result.mean for result in found])
        order = srocc(scores, self.target[rows])
        if self.config.init and order < UPSIDE_DOWN and len(rows) >= 30:
            raise InputError(
                f"its scores run against the human scores of {self.dataset.name} (SROCC {order:.2f} on {len(rows)} "
                "training images): the model, or the scores, have the other direction",
                path=self.config.init,
                cure="correct the direction, or train the model on ranks whose higher level is worse",
                options=("direction",),
            )
        if self.config.loss.head == "fit":
            fit_head(model, scores, self.target[rows])

    def batches(self) -> ScoredBatches:
        """The images to train on, a random crop of each; of votes two by two."""
        train = self.split.mask("train")
        place = self.accelerator.process_index, self.accelerator.num_processes
        files, target = list(self.dataset.table["file"][train]), self.target[train]
        if isinstance(self.dataset, VotedSet):
            pairs = self.dataset.of_part(np.flatnonzero(train))
            return PairBatches(pairs, files, target, self.config, self.model.crop, *place)
        return ScoredBatches(files, target, self.config, self.model.crop, *place)

    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean of the squared differences, or half of it; of votes the loss of their pairs, on the same scale."""
        if isinstance(self.dataset, VotedSet):
            steepness = self.dataset.span / (self.config.loss.high - self.config.loss.low)
            return voted_loss(scores, batch["weight"], steepness)
        mse = torch.nn.functional.mse_loss(scores, batch["target"])
        return mse / 2 if self.config.loss.kind == "euclidean" else mse

    def statistics(self, scores: torch.Tensor, batch: Batch) -> dict[str, float]:
        """None: the loss says it all."""
        return {}

    def validate(self) -> Rows:
        """Agreement over the held-out part; the RMSE is of the scores as they are, in the unit of the human scores."""
        rows, scores = self.score_part("val")
        scores, target = scores[:, 0], self.target[rows]
        self.keep_reference(scores)
        numbers = agreement(scores, target)
        unit = np.ptp(self.dataset.score_range) / (self.config.loss.high - self.config.loss.low)
        numbers["rmse"] = float(np.sqrt(np.mean((scores - target) ** 2)) * unit)
        return {"ALL": {key: float(numbers[key]) for key in self.val_columns}}

    @property
    def view(self) -> View:
        """The crops of a validation; a small image as the settings say."""
        return View(patches=self.config.val_patches, seed=self.config.seed, small=self.config.data.small)

    @property
    def reading(self) -> ScoresConfig:
        """As the settings say."""
        return self.config.data

    def describe(self, row: dict[str, float]) -> str:
        """SROCC, LCC and RMSE, in the unit of the human scores."""
        return f"SROCC {row['srocc']:.3f}, LCC {row['lcc']:.3f}, RMSE {row['rmse']:.4g}"
