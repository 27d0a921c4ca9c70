"""The settings of NIMA's training on votes, and of the Siamese stage after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from rankiqa.config.common import OptimConfig, RunConfig, at_least, check_network, one_of
from rankiqa.config.scores import ScoredBatchConfig, ScoresConfig, check_scores, named
from rankiqa.errors import InputError

LOSSES = ("ranking", "contrastive")


@dataclass
class NimaModelConfig:
    """The network: convolutions, mean over the places, dropout, ten votes.

    Args:
        name: inception_resnet_v2, vgg16, mobilenet, squeezenet1_1, alexnet, shallow, or any backbone of timm; none:
            that of `init`, or inception_resnet_v2.
        weights: without `init`: imagenet (a download), none, or the path of a .safetensors file.
        preprocessing: imagenet, inception, raw_bgr, caffe; none: that of `init`, or the network's own.
        crop: side of the square input in pixels; none: that of `init`, or 224.
        resize: side of the square that an image is resized to before it is cropped; none: that of `init`, or 256.
        dropout: probability; none: that of `init`, or 0.75.
        channels_last: memory layout, faster for most convolutional networks.
    """

    name: str | None = None
    weights: str = "imagenet"
    preprocessing: str | None = None
    crop: int | None = None
    resize: int | None = None
    dropout: float | None = None
    channels_last: bool = True


@dataclass
class VotesConfig(ScoresConfig):
    """How the images with votes are read and divided.

    Args:
        labels: csv: the file with the votes (vote1 … vote10) or scores; `root` is the folder of its images.
        vote_std: where a data set has scores and no votes: the standard deviation of the votes that are made of a
            score, 1–10; none: whatever gives the most even votes.
        workers: processes that read and crop beside each training process; 0: the process does it itself.
    """

    labels: str | None = None
    vote_std: float | None = None
    workers: int = 1


@dataclass
class EmdConfig:
    """The earth mover's distance.

    Args:
        r: exponent; the paper trains with 2.
    """

    r: float = 2.0


@dataclass
class NimaConfig(RunConfig):
    """A training of NIMA on the distribution of votes.

    Args:
        init: NIMA model, or run, to go on from; none: start from `model.weights`.
        dataset: ava, csv (with columns vote1 … vote10), or any other; votes that a set lacks are made of its scores.
        root: folder of the data set, as it is distributed.
        split: random (by reference), none (train on all), a published one by its name (official), or a split.csv file.
        data: how the images with votes are read and divided.
        model: the network.
        batch: the batch.
        loss: the earth mover's distance.
        steps: how many batches; 0: as many as `epochs` takes.
        epochs: passes over the training images, where `steps` is 0.
    """

    init: str | None = None
    dataset: str | None = None
    root: str | None = None
    split: str = "random"
    data: VotesConfig = field(default_factory=VotesConfig)
    model: NimaModelConfig = field(default_factory=NimaModelConfig)
    batch: ScoredBatchConfig = field(default_factory=ScoredBatchConfig)
    loss: EmdConfig = field(default_factory=EmdConfig)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(lr=3e-7, gamma=0.95, weight_decay=0.0, bias_lr=1.0, head_bias_lr=10.0)
    )
    steps: int = 0
    epochs: int = 10
    out: str = "runs/nima"

    least_steps: ClassVar[int] = 0

    @property
    def loader_workers(self) -> int:
        """Processes that read and crop: `data.workers`."""
        return self.data.workers

    @property
    def channels_last(self) -> bool:
        """As `model.channels_last` says."""
        return self.model.channels_last

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no training of NIMA can have."""
        named(self.dataset, self.root)
        check_scores(self.data)
        at_least("batch.images", self.batch.images, 1)
        super().check()
        check_network(self.model.preprocessing, self.model.dropout)
        if not 1 <= self.loss.r < float("inf"):
            raise InputError(f"loss.r must be at least 1 and finite, got {self.loss.r}")
        if self.data.vote_std is not None and not 0 < self.data.vote_std <= 4.5:
            raise InputError(f"data.vote_std must be above 0 and at most 4.5, got {self.data.vote_std}")
        at_least("epochs", self.epochs, 1)


@dataclass
class PairBatchConfig:
    """Pairs of images from buckets of scores; drawn anew in each epoch, each image of a batch passes the network once.

    Args:
        pairs: in a batch, over all devices together; about half of them in one bucket, half in two.
        buckets: how many, with about equally many images each; equal scores share one. Where there are no more
            different scores than this, each score is a bucket.
        edges: where a bucket ends and the next begins, in the unit of the scores, in place of `buckets`.
        flip: mirror half of the images left to right.
    """

    pairs: int = 64
    buckets: int = 5
    edges: list[float] | None = None
    flip: bool = False


@dataclass
class PairLossConfig:
    """The loss of the mean votes.

    Args:
        kind: ranking (hinge over all pairs of the batch whose buckets differ: the better one should be ahead by the
            margin) or contrastive (Siamese NIMA's: pairs of one bucket near each other, others a margin apart).
        margin: in votes.
    """

    kind: str = "ranking"
    margin: float = 1.0


@dataclass
class SiameseNimaConfig(RunConfig):
    """A Siamese stage: a NIMA learns to tell images of different scores apart, and which of them is better.

    Args:
        init: NIMA model, or run, to start from; none: start from `model.weights`, as the original allows.
        data: file of scores: CSV, or "file_name label" with a space between, as the original reads.
        images: folder that the names in `data` start from.
        dataset: in place of both: ava, biq2021, koniq10k, spaq, clive, flive, flive_patches, tid2013, tid2008, live,
            csiq, kadid10k, pipal or agiqa3k.
        root: folder of the data set, as it is distributed.
        split: none (train on all), random (by reference), a published one by its name (official, column), or a
            split.csv file.
        scores: how the scores are read and divided.
        model: the network, without `init`.
        batch: buckets and pairs.
        loss: what is learned from the pairs.
        freeze_until: the first layer that learns, by its name; or how many of Keras's layers do not, of
            inception_resnet_v2; none: all learn; auto: 618 for inception_resnet_v2 with `init`, as the original, else
            none.
        steps: how many batches; 0: as many as `epochs` takes.
        epochs: draws of the pairs, where `steps` is 0; in one, each image is the first of two pairs.
        workers: processes that read beside each training process; 0: the process does it itself.
    """

    init: str | None = None
    data: str | None = None
    images: str | None = None
    dataset: str | None = None
    root: str | None = None
    split: str = "none"
    scores: ScoresConfig = field(default_factory=lambda: ScoresConfig(val_fraction=0.0))
    model: NimaModelConfig = field(default_factory=NimaModelConfig)
    batch: PairBatchConfig = field(default_factory=PairBatchConfig)
    loss: PairLossConfig = field(default_factory=PairLossConfig)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(
            kind="adam", lr=1e-3, schedule="constant", weight_decay=0.0, bias_lr=1.0, head_lr=1.0, head_bias_lr=1.0
        )
    )
    freeze_until: str | int = "auto"
    steps: int = 0
    epochs: int = 20
    workers: int = 1
    out: str = "runs/siamese_nima"
    val_first: bool = True

    workers_key: ClassVar[str] = "workers"
    least_steps: ClassVar[int] = 0

    @property
    def loader_workers(self) -> int:
        """Processes that read: `workers`."""
        return self.workers

    @property
    def channels_last(self) -> bool:
        """As `model.channels_last` says."""
        return self.model.channels_last

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no Siamese stage can have."""
        of_file, of_set = ("data=FILE", "images=DIR"), ("dataset=NAME", "root=DIR")
        if (self.data is None) != (self.images is None):
            raise InputError("data and images go together", cure="give both", options=of_file)
        if (self.data is None) == (self.dataset is None):
            what = "data and dataset exclude each other" if self.data is not None else "there is nothing to train on"
            cure = "give either a file of scores and the folder of its images, or a data set and its folder"
            raise InputError(what, cure=cure, options=of_file + of_set)
        if self.data is not None and self.root is not None:
            raise InputError(
                "root is the folder of a dataset, and data is given",
                cure="give the folder of the images alone",
                options=("images=DIR",),
            )
        if self.dataset is not None:
            named(self.dataset, self.root)
        check_scores(self.scores, "scores")
        one_of("loss.kind", self.loss.kind, LOSSES)
        super().check()
        check_network(self.model.preprocessing, self.model.dropout)
        at_least("batch.pairs", self.batch.pairs, 1)
        at_least("batch.buckets", self.batch.buckets, 2)
        at_least("loss.margin", self.loss.margin, 0)
        edges = self.batch.edges
        if edges is not None and (not edges or any(not a < b for a, b in pairwise(edges))):
            raise InputError(f"batch.edges must be rising numbers, got {edges}")
        at_least("epochs", self.epochs, 1)
