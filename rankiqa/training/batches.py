"""From the sampler's items to tensors: read or distort, crop, stack. One element of the data set is one whole batch."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from rankiqa.config import BatchConfig
from rankiqa.errors import InputError
from rankiqa.ranks.protocol import Ranks
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.samplers import EfficientGroups, HardNegatives, Item, RandomPairs, Sampler


def make_sampler(config: BatchConfig, ranks: Ranks, seed: int) -> Sampler:
    """The sampler that the settings ask for, over the photos and levels of `ranks`."""
    common = {"references": ranks.references, "levels": ranks.levels, "across": config.across, "seed": seed}
    if config.sampler == "efficient":
        return EfficientGroups(**common, groups=config.groups, images=config.images, n_levels=config.levels)
    if config.sampler == "random_pairs":
        return RandomPairs(**common, pairs=config.pairs)
    return HardNegatives(**common, pairs=config.pairs, keep=config.keep)


class RankedBatches(Dataset):
    """Batch `step` of a ranked set: images (n, 3, crop, crop) uint8 of this process, group and level of all (N,).

    Every image has a crop of its own place, drawn from the seed, the step and its place in the batch; `aligned`, all
    levels of a photo and a type have one place. An online set distorts anew at each step; what it draws depends on the
    seed, the step and the image. With `processes` devices, process `rank` reads every `processes`-th image; the pairs
    are made over all of them (see `rankiqa.training.loop`).
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

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        items = self.sampler.batch(step)
        mine = [(i, items[i]) for i in range(self.rank, len(items), self.processes)]
        images = np.stack([self._crop(step, place, item) for place, item in mine]) if mine else None
        if images is None:
            raise InputError(f"a batch of {len(items)} images is too small for {self.processes} processes")
        return {
            "images": torch.from_numpy(images.transpose(0, 3, 1, 2)),
            "group": torch.tensor([item.group for item in items]),
            "level": torch.tensor([item.level for item in items]),
        }

    def _crop(self, step: int, place: int, item: Item) -> np.ndarray:
        what = (item.reference, item.distortion) if self.aligned else (place,)
        rng, seed = generator(self.seed, "crop", step, *what), derive_seed(self.seed, "distort", step)
        return self.ranks.crop(item.reference, item.distortion, item.level, self.crop, rng, seed)


def make_loader(batches: RankedBatches, first: int, last: int, workers: int) -> DataLoader:
    """Batches `first` … `last` − 1 in order, read ahead by `workers` processes."""
    if workers:
        import cv2

        # Here and not in the workers: OpenCV's threads do not outlive a fork, and a worker that touches their pool, if
        # only to set its size, may wait for ever.
        cv2.setNumThreads(1)
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_one_thread if workers else None,
    )


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
