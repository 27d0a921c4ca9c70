"""Which images make a batch: the three ways of drawing pairs that the paper compares.

A sampler is a pure function of its seed and the step: `sampler.batch(step)` is the same in every process, and a
resumed run draws what the unbroken one would have drawn. There is no state to save.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from rankiqa.config import RankBatchConfig
from rankiqa.errors import InputError
from rankiqa.ranks.protocol import Ranks
from rankiqa.seeding import generator


class Item(NamedTuple):
    """One image of a batch: its place in the ranked set, and the group that it is compared in."""

    reference: str
    distortion: str
    level: int
    group: int


class Sampler(Protocol):
    """What the training loop needs of a way to draw batches."""

    def batch(self, step: int) -> list[Item]:
        """The images of the batch of `step`, of all processes together."""


def make_sampler(config: RankBatchConfig, ranks: Ranks, seed: int) -> Sampler:
    """The sampler that the settings ask for, over the photos and levels of `ranks`."""
    references, levels, across = ranks.references, ranks.levels, config.across
    if config.sampler == "efficient":
        return EfficientGroups(references, levels, config.groups, config.images, config.levels, across, seed)
    if config.sampler == "random_pairs":
        return RandomPairs(references, levels, config.pairs, across, seed)
    return HardNegatives(references, levels, config.pairs, across, seed, config.keep)


def _positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")


def _check_levels(levels: dict[str, tuple[int, ...]], references: tuple[str, ...]) -> None:
    if not references:
        raise InputError("there is no reference image to draw from")
    if not levels:
        raise InputError("there is no distortion type to draw from")
    for distortion, values in levels.items():
        if len(set(values)) < 2:
            raise InputError(f"distortion {distortion} has levels {values}: two are needed to make a pair")


@dataclass(frozen=True)
class EfficientGroups:
    """groups × levels × images: every ordered pair of the batch counts, each image passes the network once.

    A step draws `groups` of the distortion types; for each of them `images` photos; of each photo `n_levels` of
    the levels (all by default). TID2013's recipe is 9 × 5 × 1, LIVE's 4 × 6 × 2. Within a type the
    photos come in a shuffled order, each once in an epoch of `steps_per_epoch` steps; the last batch of an
    epoch holds what is left. Types are shuffled apart from each other, so a batch shows many photos.

    Args:
        references: the photos.
        levels: distortion → its levels, 0 (pristine) among them.
        groups: types in a batch; None takes all.
        images: photos of each type in a batch.
        n_levels: levels drawn of each type; None takes all.
        across: compare different photos of one type too (the original does); otherwise only one photo's
            own levels are compared.
        seed: of all draws.
    """

    references: tuple[str, ...]
    levels: dict[str, tuple[int, ...]]
    groups: int | None = None
    images: int = 1
    n_levels: int | None = None
    across: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        _check_levels(self.levels, self.references)
        _positive(images=self.images)
        if self.groups is not None and not 1 <= self.groups <= len(self.levels):
            raise InputError(
                f"batch.groups is {self.groups}, but the ranked set has {len(self.levels)} distortion types "
                f"({', '.join(self.levels)})",
                cure=f"give 1 to {len(self.levels)}, or a set with more types",
            )
        fewest = min(map(len, self.levels.values()))
        if self.n_levels is not None and not 2 <= self.n_levels <= fewest:
            raise InputError(f"batch.levels is {self.n_levels}, but must be 2 to {fewest}")

    @property
    def steps_per_epoch(self) -> int:
        """How many batches show each photo of a type once."""
        return -(-len(self.references) // self.images)

    def batch(self, step: int) -> list[Item]:
        """The images of the batch of `step`: groups × levels × images, or what the epoch has left."""
        epoch, place = divmod(step, self.steps_per_epoch)
        rng = generator(self.seed, "batch", step)
        types = list(self.levels)
        if self.groups is not None and self.groups < len(types):
            types = [types[i] for i in sorted(rng.choice(len(types), self.groups, replace=False))]
        items = []
        group = 0
        for distortion in types:
            order = generator(self.seed, "photos", distortion, epoch).permutation(len(self.references))
            for index in order[place * self.images : (place + 1) * self.images]:
                levels: Sequence[int] = self.levels[distortion]
                if self.n_levels is not None:
                    levels = sorted(rng.choice(levels, self.n_levels, replace=False).tolist())
                items += [Item(self.references[index], distortion, level, group) for level in levels]
                group += not self.across
            group += self.across
        return items


@dataclass(frozen=True)
class RandomPairs:
    """`pairs` independent pairs, two images each: the standard Siamese network.

    A pair is two images of one type and different levels, of one photo or (with `across`) of any two. Every pair is a
    group of its own, so that only the drawn pairs enter the loss.

    Args:
        references: the photos.
        levels: distortion → its levels, 0 (pristine) among them.
        pairs: in a batch.
        across: pairs of different photos too.
        seed: of all draws.
    """

    references: tuple[str, ...]
    levels: dict[str, tuple[int, ...]]
    pairs: int = 24
    across: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        _check_levels(self.levels, self.references)
        _positive(pairs=self.pairs)

    def batch(self, step: int) -> list[Item]:
        """The 2 · `pairs` images of the batch of `step`, those of a pair one after the other."""
        rng = generator(self.seed, "pairs", step)
        types = list(self.levels)
        items = []
        for group in range(self.pairs):
            distortion = types[rng.integers(len(types))]
            levels = rng.choice(self.levels[distortion], 2, replace=False).tolist()
            photos = rng.integers(len(self.references), size=2).tolist()
            if not self.across:
                photos[1] = photos[0]
            items += [
                Item(self.references[photo], distortion, level, group)
                for photo, level in zip(photos, levels, strict=True)
            ]
        return items


@dataclass(frozen=True)
class HardNegatives(RandomPairs):
    """`pairs` random candidates, of which the `keep` with the largest loss are learned from.

    The candidates are drawn as `RandomPairs` draws them; the choice is made after the forward pass, by
    `rankiqa.losses.hardest_pairs_hinge`.
    """

    keep: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.keep <= self.pairs:
            raise InputError(f"batch.keep is {self.keep}, but must be 1 to batch.pairs ({self.pairs})")
