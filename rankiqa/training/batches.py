"""Batches of any stage: read ahead by other processes, in order, each error with its facts.

One element of a stage's data set is one whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from rankiqa.errors import InputError

Batch = dict[str, torch.Tensor]
# What a judge says of the images of this process, (n,); the loop gathers it to "quality", of all N images.
OWN_QUALITY = "own_quality"
# In its place, where the judge is asked on the device: the same part of the pristine photos, as "images" are.
OWN_PRISTINE = "own_pristine"


class Batches(Protocol):
    """What the loop needs of a stage's data set."""

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step: "images" (n, 3, crop, crop) uint8 of this process, the rest of all N images of the step.

        The first entry after "images" has N rows. `OWN_QUALITY` and `OWN_PRISTINE` are of this process's images too.
        """


def own_places(count: int, rank: int, processes: int) -> range:
    """Which of `count` images of a batch process `rank` reads: every `processes`-th; `InputError` for none."""
    if not (places := range(rank, count, processes)):
        raise InputError(f"a batch of {count} images is too small for {processes} processes")
    return places


class _WithErrors(Dataset[Batch | InputError]):
    """The same batches; an `InputError` is the element. Of one that is raised in a process torch makes a mere text."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Batch | InputError:
        try:
            return self.batches[step]
        except InputError as error:
            return error


def load_batches(batches: Batches, first: int, last: int, workers: int) -> Iterator[Batch]:
    """Batches `first` … `last` − 1 in order, read ahead by `workers` processes; 0: this one reads them.

    Raises:
        InputError: as `batches` does, when the turn of that batch has come; whatever process it was met in.
    """
    if workers:
        import cv2

        # Here and not in the workers: OpenCV's threads do not outlive a fork, and a worker that touches their pool, if
        # only to set its size, may wait for ever.
        cv2.setNumThreads(1)
    loader: DataLoader[Batch | InputError] = DataLoader(
        _WithErrors(batches),
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_one_thread if workers else None,
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield batch


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
