"""The training of NIMA: a network learns how people's votes are distributed, by the earth mover's distance."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from rankiqa.config import NimaConfig, NimaModelConfig
from rankiqa.config.scores import ScoresConfig, named
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split
from rankiqa.errors import InputError
from rankiqa.images.photos import Photo
from rankiqa.losses import emd
from rankiqa.metrics.correlation import agreement
from rankiqa.metrics.votes import vote_numbers
from rankiqa.models import Nima, RankModel, build_nima
from rankiqa.models.names import NIMA_ALIASES
from rankiqa.models.nima import DEFAULT
from rankiqa.training.batches import Batch
from rankiqa.training.loop import Rows
from rankiqa.training.scored import ScoredTrainer, load_start
from rankiqa.training.scored_batches import ScoredBatches
from rankiqa.training.scored_data import divide, open_scores
from rankiqa.votes import VOTE_COLUMNS, VOTES, maximum_entropy, mean_of, normalise


def open_nima(config: NimaModelConfig, init: str | None) -> tuple[Nima, dict[str, Any]]:
    """The NIMA of `init` and the config of it, or a new one.

    Raises:
        InputError: as `load_model` and `build_nima` do; `init` is no NIMA, or the settings contradict it.
    """
    if not init:
        new = config.name or DEFAULT
        return build_nima(new, config.weights, config.preprocessing, config.crop, config.dropout, config.resize), {}
    if Path(init).suffix.lower() in (".h5", ".hdf5"):
        raise InputError(
            "is a Keras file",
            path=init,
            cure="make a model of it first, with rankiqa import-weights keras, and give that",
            options=("init",),
        )
    model, origin = load_start(init)
    if not isinstance(model, Nima):
        raise InputError(
            "gives one score, not ten votes, so it is no NIMA",
            path=init,
            cure="train one with train/train_nima.sh, or bring one with rankiqa import-weights",
        )
    name = config.name and NIMA_ALIASES.get(config.name, config.name)
    for key, wanted, found in (
        ("name", name, model.name),
        ("crop", config.crop, model.crop),
        ("resize", config.resize, model.resize),
        ("preprocessing", config.preprocessing, None),
    ):
        if wanted is not None and wanted != found:
            has = f"has {found}" if found is not None else "has its own"
            raise InputError(
                f"model.{key} is {wanted}, but {init} {has}", cure="leave the setting out", options=(f"model.{key}",)
            )
    if config.dropout is not None and config.dropout != model.dropout:
        given = build_nima(model.name, "none", model.preprocessing.config(), model.crop, config.dropout, model.resize)
        given.backbone.load_state_dict(model.backbone.state_dict())
        model = given
    return model, origin


def has_votes(dataset: ScoredSet) -> bool:
    """Whether the table has counts of votes, vote1 … vote10."""
    return VOTE_COLUMNS[0] in dataset.table


def votes_of(dataset: ScoredSet, std: float | None = None) -> np.ndarray:
    """(n, 10) shares of the votes, a higher vote is better.

    Of a data set without votes, the most even ones whose mean is the score, carried from the data set's scale to 1–10,
    and whose standard deviation is `std` (None: whatever it comes to). See `rankiqa.votes.maximum_entropy`.
    """
    if has_votes(dataset):
        return normalise(dataset.table[list(VOTE_COLUMNS)].to_numpy(), dataset.name)
    return maximum_entropy(np.clip(dataset.quality(1, VOTES), 1, VOTES), std)


class NimaTrainer(ScoredTrainer):
    """The training of NIMA: `run()` trains ten outputs by the earth mover's distance to people's votes.

    Args:
        config: the run's settings; `steps` is set where it is 0.

    Raises:
        InputError: as every `ScoredTrainer` does.
    """

    stage = "nima"
    train_columns = ()
    free_keys: ClassVar[tuple[str, ...]] = ("root", "init", "data.labels")
    score_range = (1.0, float(VOTES))
    config: NimaConfig
    model: Nima

    def open_model(self) -> tuple[Nima, dict[str, Any]]:
        """The NIMA to go on from, or a new one."""
        return open_nima(self.config.model, self.config.init)

    def open_data(self) -> tuple[ScoredSet, Split, dict[str, Photo]]:
        """The data set that the settings name, and its parts."""
        config = self.config
        dataset, photos = open_scores(*named(config.dataset, config.root), config.data, config.data.labels)
        return dataset, divide(dataset, config.split, config.data, config.batch.images), photos

    def prepare(self, model: RankModel) -> None:
        """Take the votes, or make them of the scores; and count the steps of the epochs."""
        config = self.config
        self.target = votes_of(self.dataset, config.data.vote_std)
        self.voted = has_votes(self.dataset)
        self.val_columns = ("srocc", "lcc", "emd", *(("srocc_std", "lcc_std", "accuracy") if self.voted else ()))
        if not config.steps:
            config.steps = config.epochs * -(
                -self.split.count("train") // (config.batch.images * config.optim.accumulate)
            )

    def batches(self) -> ScoredBatches:
        """The images to train on: resized, and a random crop of each."""
        train = self.split.mask("train")
        place = self.accelerator.process_index, self.accelerator.num_processes
        files = list(self.dataset.table["file"][train])
        return ScoredBatches(files, self.target[train], self.config, self.model.crop, *place, resize=self.model.resize)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The shares of the votes, (n, 10)."""
        return self.network(images, distribution=True)

    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean earth mover's distance to people's votes."""
        return emd(scores, batch["target"], self.config.loss.r).mean()

    def statistics(self, scores: torch.Tensor, batch: Batch) -> dict[str, float]:
        """None: the loss says it all."""
        return {}

    def validate(self) -> Rows:
        """Of the held-out part: mean votes against the scores, the EMD with r = 1, and what real votes tell beside."""
        rows, votes = self.score_part("val", VOTES)
        self.keep_reference(mean_of(votes))
        if self.voted:
            numbers = vote_numbers(votes, self.target[rows])
        else:
            numbers = agreement(mean_of(votes), self.dataset.truth[rows])
            numbers["emd"] = float(emd(torch.as_tensor(votes), torch.as_tensor(self.target[rows]), r=1).mean())
        return {"ALL": {key: float(numbers[key]) for key in self.val_columns}}

    @property
    def reading(self) -> ScoresConfig:
        """As the settings say."""
        return self.config.data

    def describe(self, row: dict[str, float]) -> str:
        """SROCC, LCC and EMD; with real votes also what the standard deviation and the accuracy at 5 come to."""
        text = f"SROCC {row['srocc']:.3f}, LCC {row['lcc']:.3f}, EMD {row['emd']:.4f}"
        if self.voted:
            text += f"; of the standard deviation {row['srocc_std']:.3f}, {row['lcc_std']:.3f}"
            text += f"; accuracy at 5 {row['accuracy']:.2%}"
        return text
