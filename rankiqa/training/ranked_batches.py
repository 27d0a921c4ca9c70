"""Batches of ranked images: read or distort, crop, stack."""

from __future__ import annotations

import numpy as np
import torch

from rankiqa.ranks.protocol import Ranks
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.batches import Batch, own_places
from rankiqa.training.samplers import Item, Sampler


class RankedBatches:
    """Batch `step` of a ranked set: images (n, 3, crop, crop) uint8 of this process, group and level of all (N,).

    Every image has a crop of its own place, drawn from the seed, the step and its place in the batch; `aligned`, all
    levels of a photo and a type have one place. An online set distorts anew at each step; what it draws depends on the
    seed, the step and the image. Levels of continuous strengths are fractions. The pairs are made over the images of
    all processes (see `rankiqa.training.loop`).

    Args:
        ranks: the images.
        sampler: which of them are in a batch.
        crop: side of the square crop, pixels.
        seed: of the places of the crops, and of the distortions of an online set.
        rank: of this process.
        processes: how many there are; each reads every `processes`-th image.
        aligned: one place for all levels of a photo and a type.
    """

    def __init__(
        self,
        ranks: Ranks,
        sampler: Sampler,
        crop: int,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        aligned: bool = False,
    ) -> None:
        self.ranks, self.sampler, self.crop, self.seed, self.aligned = ranks, sampler, crop, seed, aligned
        self.rank, self.processes = rank, processes

    def __getitem__(self, step: int) -> Batch:
        items = self.sampler.batch(step)
        seed = derive_seed(self.seed, "distort", step)
        levels = [self.ranks.draw_level(item.reference, item.distortion, item.level, seed) for item in items]
        mine = own_places(len(items), self.rank, self.processes)
        images = np.stack([self._crop(step, place, items[place], levels[place], seed) for place in mine])
        return {
            "images": torch.from_numpy(images.transpose(0, 3, 1, 2)),
            "group": torch.tensor([item.group for item in items]),
            "level": torch.tensor(levels),
        }

    def _crop(self, step: int, place: int, item: Item, level: float, seed: int) -> np.ndarray:
        what: tuple[str | int, ...] = (item.reference, item.distortion) if self.aligned else (place,)
        rng = generator(self.seed, "crop", step, *what)
        return self.ranks.crop(item.reference, item.distortion, level, self.crop, rng, seed)
