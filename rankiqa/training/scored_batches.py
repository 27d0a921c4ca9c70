"""Batches of images with human scores or votes: one random crop an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rankiqa.config import FinetuneConfig, NimaConfig, ScoredDataConfig
from rankiqa.datasets.pairs import Pairs
from rankiqa.images.crops import enlarge, random_crop, squeeze
from rankiqa.images.reading import read_image
from rankiqa.seeding import generator
from rankiqa.training.batches import Batch, own_places


def drawn(seed: int, step: int, size: int, count: int) -> list[int]:
    """Which of `count` things are in batch `step` of `size`: each once in an epoch, in an order of its own."""
    places = range(step * size, (step + 1) * size)
    epochs = {place // count for place in places}
    order = {epoch: generator(seed, "epoch", epoch).permutation(count) for epoch in epochs}
    return [int(order[place // count][place % count]) for place in places]


class ScoredBatches:
    """Batch `step`: images (n, 3, crop, crop) uint8 of this process, and target (N, …) float32 of the whole batch.

    Every image comes once in an epoch, in an order of its own; a batch that the end of an epoch cuts is filled from the
    next. What is drawn depends on the seed, the step and the place in the batch alone.

    Args:
        files: (M,) images to train on.
        target: (M,) what the network should say, higher is better; or (M, 10) the shares of the votes.
        config: the run's settings.
        crop: side of the square crop, pixels.
        rank: of this process.
        processes: how many there are; each reads every `processes`-th image.
        resize: None: crops are parts of an image as it is. Or the side of the square that it becomes before, whatever
            its shape: NIMA judges the picture.
    """

    def __init__(
        self,
        files: Sequence[Path],
        target: np.ndarray,
        config: FinetuneConfig | NimaConfig,
        crop: int,
        rank: int = 0,
        processes: int = 1,
        resize: int | None = None,
    ) -> None:
        self.files, self.target, self.config, self.crop, self.resize = files, target, config, crop, resize
        self.rank, self.processes = rank, processes

    def rows(self, step: int) -> list[int]:
        """Which of the images are in the batch."""
        return drawn(self.config.seed, step, self.config.batch.images, len(self.files))

    def __getitem__(self, step: int) -> Batch:
        rows = self.rows(step)
        mine = own_places(len(rows), self.rank, self.processes)
        images = np.stack([self._crop(step, place, self.files[rows[place]]) for place in mine])
        return {
            "images": torch.from_numpy(images.transpose(0, 3, 1, 2)),
            "target": torch.from_numpy(self.target[rows].astype(np.float32)),
        }

    def _crop(self, step: int, place: int, file: Path) -> np.ndarray:
        data = self.config.data
        rng = generator(self.config.seed, "crop", step, place)
        image = read_image(file, data.convert, icc=data.icc)
        if self.resize is not None:
            image = squeeze(image, self.resize)
        elif isinstance(data, ScoredDataConfig) and data.small != "error" and min(image.shape[:2]) < self.crop:
            image = enlarge(image, self.crop, data.small)
        crop = random_crop(image, self.crop, rng)
        return crop[:, ::-1] if self.config.batch.flip and rng.random() < 0.5 else crop


class PairBatches(ScoredBatches):
    """Batches of the images of votes: of each vote the better image, then the worse one; "weight" is the vote's, twice.

    Every row of the votes comes once in an epoch.

    Args:
        pairs: over the `files`; the rest as for `ScoredBatches`.
    """

    def __init__(
        self,
        pairs: Pairs,
        files: Sequence[Path],
        target: np.ndarray,
        config: FinetuneConfig | NimaConfig,
        crop: int,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(files, target, config, crop, rank, processes)
        self.pairs = pairs

    def rows(self, step: int) -> list[int]:
        """Which of the images are in the batch."""
        pairs = self._pairs(step)
        return np.stack([self.pairs.better[pairs], self.pairs.worse[pairs]], 1).ravel().tolist()

    def __getitem__(self, step: int) -> Batch:
        weight = self.pairs.weight[self._pairs(step)].repeat(2)
        return super().__getitem__(step) | {"weight": torch.from_numpy(weight.astype(np.float32))}

    def _pairs(self, step: int) -> list[int]:
        return drawn(self.config.seed, step, self.config.batch.images // 2, len(self.pairs))
