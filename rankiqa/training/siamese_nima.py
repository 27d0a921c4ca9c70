"""The Siamese stage: a NIMA learns to tell apart, and to order, images whose scores lie in different buckets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from rankiqa.config import SiameseNimaConfig
from rankiqa.config.scores import ScoresConfig, named
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split
from rankiqa.images.crops import squeeze
from rankiqa.images.photos import Photo
from rankiqa.images.reading import read_image
from rankiqa.losses import contrastive, distance, ordered_pairs, pair_statistics, pairwise_hinge
from rankiqa.metrics.close_pairs import close_pairs
from rankiqa.metrics.correlation import agreement
from rankiqa.models import Nima, RankModel
from rankiqa.models.freezing import freeze_until
from rankiqa.seeding import generator
from rankiqa.training.batches import Batch, own_places
from rankiqa.training.bucket_pairs import BucketPairs, make_buckets
from rankiqa.training.loop import Rows
from rankiqa.training.nima import open_nima
from rankiqa.training.scored import ScoredTrainer
from rankiqa.training.scored_data import divide, open_scores, options_called
from rankiqa.votes import VOTES

KERAS_FROZEN = "618"  # layers of Keras's inception_resnet_v2 that the original keeps
CLOSE = 0.1  # of the scale: pairs that a validation counts as close
SAME = 0.5  # of the original's accuracy: a pair nearer than this is taken for one of one bucket


class PairBatches:
    """Batch `step`: images (n, 3, crop, crop) uint8 of this process, and of the whole batch group, level, pairs.

    level (N,) is 0 in the best bucket and rises with the worse ones; group (N,) is one for all, so that all images of
    different buckets are compared. first, second, same (P,) are the drawn pairs, as places in the batch. An image is
    resized to the input, whatever its shape; none is cropped.

    Args:
        files: (M,) images to train on.
        pairs: which of them are in a batch, and in which pairs.
        side: of the network's square input, pixels.
        config: the run's settings.
        rank: of this process.
        processes: how many there are; each reads every `processes`-th image.
    """

    def __init__(
        self,
        files: list[Path],
        pairs: BucketPairs,
        side: int,
        config: SiameseNimaConfig,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.files, self.pairs, self.side, self.config = files, pairs, side, config
        self.rank, self.processes = rank, processes

    def __getitem__(self, step: int) -> Batch:
        found = self.pairs.batch(step)
        mine = own_places(len(found.rows), self.rank, self.processes)
        images = np.stack([self._read(step, place, self.files[found.rows[place]]) for place in mine])
        bucket = self.pairs.bucket
        return {
            "images": torch.from_numpy(images.transpose(0, 3, 1, 2)),
            "group": torch.zeros(len(found.rows), dtype=torch.long),
            "level": torch.from_numpy(bucket.max() - bucket[found.rows]),
            "first": torch.from_numpy(found.first),
            "second": torch.from_numpy(found.second),
            "same": torch.from_numpy(found.same),
        }

    def _read(self, step: int, place: int, file: Path) -> np.ndarray:
        scores = self.config.scores
        image = squeeze(read_image(file, scores.convert, icc=scores.icc), self.side)
        mirrored = self.config.batch.flip and generator(self.config.seed, "flip", step, place).random() < 0.5
        return image[:, ::-1] if mirrored else image


class SiameseNimaTrainer(ScoredTrainer):
    """The Siamese stage: `run()` trains a NIMA on pairs of images from buckets of scores.

    Args:
        config: the run's settings; `steps` is set where it is 0.
        scored: the images with their scores, their parts, and the size and hash of each image, for whoever has them at
            hand; None: the settings say where.
        start: the NIMA to start from and the config of the model that it is from; None: as the settings say.

    Raises:
        InputError: as every `ScoredTrainer` does; the scores make no pairs.
    """

    stage = "siamese_nima"
    train_columns = ("ordered", "active", "pairs", "accuracy")
    val_columns = ("srocc", "lcc", "krocc", "ordered_close")
    free_keys: ClassVar[tuple[str, ...]] = ("root", "init", "data", "images")
    score_range = (1.0, float(VOTES))
    config: SiameseNimaConfig

    def __init__(
        self,
        config: SiameseNimaConfig,
        scored: tuple[ScoredSet, Split, dict[str, Photo]] | None = None,
        start: tuple[Nima, dict[str, Any]] | None = None,
    ) -> None:
        self._scored, self._start = scored, start
        super().__init__(config)

    def open_model(self) -> tuple[RankModel, dict[str, Any]]:
        """The NIMA to start from, or a new one; what is not to learn is frozen."""
        config = self.config
        model, origin = self._start or open_nima(config.model, config.init)
        layer = str(config.freeze_until)
        if layer == "auto":
            layer = KERAS_FROZEN if config.init and model.name == "inception_resnet_v2" else "none"
        if layer != "none":
            freeze_until(model, layer)
        return model, origin

    def open_data(self) -> tuple[ScoredSet, Split, dict[str, Photo]]:
        """The file of scores or the data set that the settings name, and its parts."""
        if self._scored is not None:
            return self._scored
        config = self.config
        of_file = config.data is not None
        name, root = named("csv", config.images) if of_file else named(config.dataset, config.root)
        with options_called({"labels": "data", "root": "images"} if of_file else {}):
            dataset, photos = open_scores(name, root, config.scores, config.data)
        return dataset, divide(dataset, config.split, config.scores), photos

    def prepare(self, model: RankModel) -> None:
        """Divide the scores into buckets, and count the steps of the epochs."""
        config = self.config
        train = self.split.mask("train")
        edges = config.batch.edges
        if edges is not None and not self.dataset.higher_is_better:
            edges = [-edge for edge in reversed(edges)]
        bucket = make_buckets(self.dataset.truth[train], config.batch.buckets, edges)
        self.pairs = BucketPairs(bucket, config.batch.pairs, config.seed)
        if not config.steps:
            config.steps = -(-self.pairs.steps(config.epochs) // config.optim.accumulate)

    def batches(self) -> PairBatches:
        """The pairs of images to train on."""
        files = list(self.dataset.table["file"][self.split.mask("train")])
        place = self.accelerator.process_index, self.accelerator.num_processes
        return PairBatches(files, self.pairs, self.model.crop, self.config, *place)

    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The hinge over all images of different buckets, or the contrastive loss of the drawn pairs."""
        loss = self.config.loss
        if loss.kind == "contrastive":
            return contrastive(scores[batch["first"]], scores[batch["second"]], batch["same"], loss.margin)
        return pairwise_hinge(scores, batch["group"], batch["level"], loss.margin)

    def weight(self, batch: Batch) -> float | torch.Tensor:
        """The pairs of the loss."""
        if self.config.loss.kind == "contrastive":
            return len(batch["first"])
        return ordered_pairs(batch["group"], batch["level"]).sum().clamp(min=1)

    def statistics(self, scores: torch.Tensor, batch: Batch) -> dict[str, float]:
        """As in a ranking run, and the original's accuracy: how many pairs are told to be of one bucket, or of two."""
        found = pair_statistics(scores, batch["group"], batch["level"], self.config.loss.margin)
        near = distance(scores[batch["first"]], scores[batch["second"]]) < SAME
        accuracy = (near == batch["same"].bool()).float().mean().item()
        return {"ordered": found.ordered, "active": found.active, "pairs": found.pairs, "accuracy": accuracy}

    def validate(self) -> Rows:
        """Of the held-out part; ordered_close is the share in order of pairs nearer than a tenth of the scale."""
        rows, scores = self.score_part("val")
        self.keep_reference(scores[:, 0])
        truth = self.dataset.truth[rows]
        numbers = agreement(scores[:, 0], truth)
        edge = np.ptp(self.dataset.score_range) * CLOSE
        numbers["ordered_close"] = close_pairs(scores[:, 0], truth, edges=[edge])[0]["share"]
        return {"ALL": {key: float(numbers[key]) for key in self.val_columns}}

    @property
    def reading(self) -> ScoresConfig:
        """As the settings say."""
        return self.config.scores

    def describe(self, row: dict[str, float]) -> str:
        """SROCC, LCC and the share of close pairs in order."""
        return (
            f"SROCC {row['srocc']:.3f}, LCC {row['lcc']:.3f}, ordered pairs nearer than a tenth of the scale "
            f"{row['ordered_close']:.2%}"
        )
