"""The settings of a joint training: ranks and human scores in every batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from rankiqa.config.common import at_least, one_of
from rankiqa.config.ranking import RankConfig, RankDataConfig
from rankiqa.config.scores import PAIRS, ScoresConfig, check_scores, named
from rankiqa.errors import InputError

LOSSES = ("pairs", "mse")


@dataclass
class JointSetConfig(ScoresConfig):
    """One set of images with human scores, and its part in a batch.

    Args:
        dataset: tid2013, live, csiq, kadid10k, ava, biq2021, koniq10k, spaq, clive, flive, flive_patches, tid2008,
            pipal, agiqa3k, csv or pairs (votes on which of two photos is better).
        root: folder of the data set, as it is distributed.
        labels: csv: the file with the scores; pairs: votes.sqlite of a study, or a CSV file with better, worse and
            weight; `root` is the folder of its images.
        split: random (by reference), none (train on all), a published one by its name (rankiqa, official, column), or a
            split.csv file.
        images: how many of its images are in a batch, one random crop of each.
        loss: pairs (which of two images people prefer, and how surely; the score has no scale of its own; of votes as
            they are) or mse (the squared error of the score, carried to the set's scale by its map, as a share of the
            scores' variance; of votes the scale that they make).
        weight: of its loss.
        deviation: pairs of scores: the standard deviation of the difference of two ratings, in standard deviations of
            the scores to train on. The smaller, the surer are people.
        small: images smaller than the crop: error, reflect (mirror them at their borders) or resize (enlarge them).
    """

    dataset: str | None = None
    root: str | None = None
    labels: str | None = None
    split: str = "random"
    images: int = 16
    loss: str = "pairs"
    weight: float = 1.0
    deviation: float = 0.5
    small: str = "error"


@dataclass
class PeopleConfig:
    """What the images with human scores have in common.

    Args:
        crop: side of their square crop in pixels, which may be larger than the ranked images'; none: `model.crop`.
        flip: mirror half of the crops left to right.
        map_lr: learning rate of the maps from the score to the scales of the sets, at the highest of the schedule.
    """

    crop: int | None = None
    flip: bool = True
    map_lr: float = 0.02


@dataclass
class JointConfig(RankConfig):
    """A joint training: one network and one score, from ranked images and human scores in every batch.

    Args:
        data: the ranked images.
        model: the network.
        batch: the sampler of the ranked images.
        loss: the loss of the ranked images.
        sets: the sets of human scores, a group of settings each (`--sets.help` tells them); in a file a list, on the
            command line as many `--sets+ '{dataset: NAME, root: DIR}'`. Of a file with one set, `--sets.root DIR` and
            the like change that.
        people: the images with human scores.
        rank_weight: of the loss of the ranked images, beside those of the sets.
        val_patches: crops of each image in a validation.
    """

    data: RankDataConfig = field(default_factory=lambda: RankDataConfig(ranks=None))
    sets: list[JointSetConfig] = field(default_factory=list)
    people: PeopleConfig = field(default_factory=PeopleConfig)
    rank_weight: float = 1.0
    out: str = "runs/joint"

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no joint training can have."""
        if not self.sets:
            raise InputError(
                "sets is missing: joint training takes human scores beside the ranks",
                cure="give a set, or train on ranks alone with train/train_rank.sh",
                options=("sets=[{dataset: NAME, root: DIR}]",),
            )
        if self.data.source == "ranks" and not self.data.ranks:
            raise InputError(
                "data.ranks is missing: joint training takes ranked images beside the human scores",
                cure="give a ranked set, or photos to distort while it trains; train on human scores alone with "
                "train/finetune.sh",
                options=("data.ranks=DIR", "data.source=online"),
            )
        super().check()
        for number, one in enumerate(self.sets, 1):
            self._check_set(one, f"sets.{number}")
        if self.people.crop is not None:
            at_least("people.crop", self.people.crop, 1)
        for key, value in (("rank_weight", self.rank_weight), ("people.map_lr", self.people.map_lr)):
            if not value > 0:
                raise InputError(f"{key} must be above 0, got {value}")

    @staticmethod
    def _check_set(one: JointSetConfig, key: str) -> None:
        try:
            named(one.dataset, one.root)
        except InputError as error:
            options = [f"sets.{option}" for option in error.options]
            raise error.but(reason=f"{key}: {error.reason}", options=options) from None
        check_scores(one, key)
        one_of(f"{key}.loss", one.loss, LOSSES)
        one_of(f"{key}.small", one.small, ("error", "reflect", "resize"))
        at_least(f"{key}.images", one.images, 2 if one.loss == "pairs" else 1)
        if one.dataset == PAIRS and one.images % 2:
            raise InputError(f"{key}.images must be even, two for each vote, got {one.images}")
        for name, value in (("weight", one.weight), ("deviation", one.deviation)):
            if not value > 0:
                raise InputError(f"{key}.{name} must be above 0, got {value}")
