"""Batches of ranked images: read or distort, crop, stack."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rankiqa.judge import ScaledJudge
from rankiqa.ranks.online import OnlineSet
from rankiqa.ranks.protocol import Ranks
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.batches import OWN_PRISTINE, OWN_QUALITY, Batch, own_places
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
        judge: says of each image of this process how good it is, "own_quality" (n,) in [0, 1], higher is better; None:
            there is no such entry.
        pristine: in place of a judge: the crop of the pristine photo beside each image of this process, "own_pristine"
            (n, 3, crop, crop) uint8. Of an online set alone.
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
        judge: ScaledJudge | None = None,
        pristine: bool = False,
    ) -> None:
        self.ranks, self.sampler, self.crop, self.seed, self.aligned = ranks, sampler, crop, seed, aligned
        self.rank, self.processes, self.judge, self.pristine = rank, processes, judge, pristine

    def __getitem__(self, step: int) -> Batch:
        items = self.sampler.batch(step)
        seed = derive_seed(self.seed, "distort", step)
        levels = [self.ranks.draw_level(item.reference, item.distortion, item.level, seed) for item in items]
        mine = own_places(len(items), self.rank, self.processes)
        crops = [self._crop(step, place, items[place], levels[place], seed) for place in mine]
        batch = {
            "images": _stack([image for image, _ in crops]),
            "group": torch.tensor([item.group for item in items]),
            "level": torch.tensor(levels),
        }
        if self.pristine:
            batch[OWN_PRISTINE] = _stack([beside for _, beside in crops])
        elif self.judge is not None:
            batch[OWN_QUALITY] = torch.tensor([quality for _, quality in crops], dtype=torch.float32)
        return batch

    def _crop(self, step: int, place: int, item: Item, level: float, seed: int) -> tuple[np.ndarray, Any]:
        """A crop, and what is asked for beside it: the pristine one, its quality, or nothing."""
        what: tuple[str | int, ...] = (item.reference, item.distortion) if self.aligned else (place,)
        wanted = item.reference, item.distortion, level, self.crop, generator(self.seed, "crop", step, *what), seed
        if self.pristine:
            assert isinstance(self.ranks, OnlineSet)  # as the settings' check says
            return self.ranks.crop_pair(*wanted)
        if self.judge is None:
            return self.ranks.crop(*wanted), None
        image, values = self.ranks.judged_crop(self.judge.judge, *wanted)
        return image, float(self.judge.scale.quality(values))


def _stack(images: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2))
