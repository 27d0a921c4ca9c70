"""Buckets of scores, and pairs of images from one bucket or from two, drawn anew in each epoch.

So Siamese NIMA makes its pairs of the mean scores of AVA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rankiqa.errors import InputError
from rankiqa.seeding import generator


def make_buckets(scores: np.ndarray, buckets: int = 5, edges: Sequence[float] | None = None) -> np.ndarray:
    """(n,) the bucket of each of (n,) scores, 0 has the lowest.

    Args:
        scores: finite numbers.
        buckets: how many, with about n / `buckets` scores each. Equal scores share a bucket; where there are at most
            `buckets` different ones, each is a bucket.
        edges: in place of `buckets`: a score below the first edge is in bucket 0, one at or above the last in the last.

    Raises:
        InputError: fewer than two buckets with a score, or a bucket with a single one: it can make no pair.
    """
    scores = np.asarray(scores, dtype=np.float64)
    distinct = np.unique(scores)
    if edges is not None:
        found = np.searchsorted(np.asarray(edges, dtype=np.float64), scores, side="right")
    elif len(distinct) <= buckets:
        found = np.searchsorted(distinct, scores)
    else:
        # Where each of the distinct scores stands among all: ties stay together.
        below = np.searchsorted(np.sort(scores), distinct, side="left")
        middle = (below + np.searchsorted(np.sort(scores), distinct, side="right")) / 2
        found = (middle * buckets / len(scores)).astype(np.int64)[np.searchsorted(distinct, scores)]
    names, found = np.unique(found, return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"all {len(scores)} scores ({distinct[0]:g} to {distinct[-1]:g}) are in one bucket, and two are needed to "
            "make pairs",
            cure="give other edges or more buckets",
            options=("edges", "buckets"),
        )
    counts = np.bincount(found)
    if counts.min() < 2:
        alone = int(np.flatnonzero(counts < 2)[0])
        raise InputError(
            f"bucket {alone + 1} of {len(names)} has one image (score {scores[found == alone][0]:g}) and can make no "
            "pair",
            cure="give fewer buckets, or other edges",
            options=("buckets", "edges"),
        )
    return found


class Pairs(NamedTuple):
    """A batch: rows (N,) of the images, each once; first and second (P,) places among these; same (P,) 1 or 0."""

    rows: np.ndarray
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray


@dataclass(frozen=True)
class BucketPairs:
    """In an epoch every image is the first of two pairs: with another of its bucket, and with one of another bucket.

    Both partners are drawn, of another bucket after the bucket itself: small buckets come as often as large ones. The
    pairs are shuffled; a batch that the end of an epoch cuts is filled from the next. What is drawn depends on seed and
    step alone.

    Args:
        bucket: (n,) integers from 0, each at least twice; see `make_buckets`.
        pairs: in a batch.
        seed: of all draws.
    """

    bucket: np.ndarray
    pairs: int = 64
    seed: int = 0
    _epochs: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def steps(self, epochs: int) -> int:
        """How many batches hold all pairs of so many epochs."""
        return -(-2 * len(self.bucket) * epochs // self.pairs)

    def epoch(self, epoch: int) -> np.ndarray:
        """(2n, 3) first, second, same: the pairs of an epoch."""
        if epoch not in self._epochs:
            self._epochs.pop(epoch - 2, None)  # a batch may need two of them
            self._epochs[epoch] = self._draw(generator(self.seed, "pairs", epoch))
        return self._epochs[epoch]

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        bucket, n = self.bucket, len(self.bucket)
        order = np.argsort(bucket, kind="stable")
        size = np.bincount(bucket)
        start = np.cumsum(size) - size
        place = np.empty(n, dtype=np.int64)  # of each image in its bucket
        place[order] = np.arange(n) - start[bucket[order]]
        # One of the others in the bucket: step past oneself.
        step = 1 + rng.integers(size[bucket] - 1)
        mate = order[start[bucket] + (place + step) % size[bucket]]
        other = (bucket + 1 + rng.integers(len(size) - 1, size=n)) % len(size)
        stranger = order[start[other] + rng.integers(size[other])]
        everyone = np.arange(n)
        pairs = np.concatenate(
            [np.stack([everyone, mate, np.ones(n, int)], 1), np.stack([everyone, stranger, np.zeros(n, int)], 1)]
        )
        return rng.permutation(pairs)

    def batch(self, step: int) -> Pairs:
        """The pairs of the batch of `step`, and the rows of their images."""
        size = 2 * len(self.bucket)
        places = np.arange(step * self.pairs, (step + 1) * self.pairs)
        epochs = {number: self.epoch(number) for number in range(places[0] // size, places[-1] // size + 1)}
        chosen = np.array([epochs[place // size][place % size] for place in places.tolist()])
        rows, places = np.unique(chosen[:, :2], return_inverse=True)
        first, second = places.reshape(-1, 2).T
        return Pairs(rows, first, second, chosen[:, 2])
