"""The settings of a ranking run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rankiqa.config.common import ICC, RunConfig, at_least, check_network, one_of
from rankiqa.errors import InputError
from rankiqa.judge import Judge

SOURCES = ("ranks", "online")
STRENGTHS = ("levels", "continuous")
HEADS = ("linear", "statistics")
LOSSES = ("hinge", "logistic")
JUDGING = ("loader", "device")
SAMPLERS = ("efficient", "random_pairs", "hard_negatives")


@dataclass
class RankDataConfig:
    """Where the ranked images come from.

    Args:
        source: ranks (the images of a ranked set on disk) or online (pristine photos, distorted for each batch: no
            space on disk, new noise at every step, more work for the processor).
        ranks: ranks: folder of a ranked set (data_gen/make_ranks.py) to train on.
        pristine: online: folder of photos; none: the five photographs of scikit-image.
        distortions: online: sets (live, tid2013, tid2013-24, kadid10k, mlive, all, camera, codecs, photo) and names of
            types, with commas.
        levels: online: paper (the published strengths), even:N (N of each type, evenly spread), or a YAML file with the
            strengths of some types.
        strengths: online: levels (those) or continuous (drawn anew for each image, anywhere between the mildest and the
            strongest; the order of what was drawn is the rank).
        convert: online: take greyscale, transparent, CMYK and 16-bit photos too, converted to RGB.
        icc: online: embedded colour profiles, such as a phone's Display P3: convert (to sRGB) or ignore.
        val: folder of another ranked set to validate on; none: photos to train on are held out.
        holdout: how many photos to hold out where there is no `val`; drawn with the seed.
        holdout_names: these photos (their paths in the photos' folder) in place of a draw.
        workers: processes that read, distort and crop beside each training process; 0: the process does it itself.
        decoded: folder for decoded images (online: and for what is made of whole photos without noise, as by JPEG
            2000), so that a crop costs its own bytes alone: for a network that would wait for the loader. It may serve
            several runs and sets; none: each image is decoded whenever it is asked for.
        decoded_gb: how many gigabytes that folder may take; what has no room is decoded each time.
    """

    source: str = "ranks"
    ranks: str | None = "results/demo/ranks"
    pristine: str | None = None
    distortions: str = "live"
    levels: str = "paper"
    strengths: str = "levels"
    convert: bool = False
    icc: str = "convert"
    val: str | None = None
    holdout: int = 0
    holdout_names: list[str] = field(default_factory=list)
    workers: int = 1
    decoded: str | None = None
    decoded_gb: float = 50.0


@dataclass
class RankModelConfig:
    """The network.

    Args:
        name: shallow, alexnet, vgg16, squeezenet1_1, or any backbone of timm.
        weights: imagenet (a download), none, or the path of a .safetensors file.
        preprocessing: imagenet, inception, raw_bgr (the original's), caffe; none: the network's own.
        crop: side of the square crop in pixels; none: the network's own (224 or 227).
        dropout: probability; none: the network's own.
        head: linear (a new last layer) or statistics (mean and deviation of the maps of every stage, and a small head
            on them; for convolutional networks of timm).
        hidden: statistics: units of the head.
        drop_inputs: statistics: probability with which each statistic is left out in training.
        channels_last: memory layout, faster for most convolutional networks.
        freeze_until: the first layer of the backbone that learns, by its name, as features.6 (with a head of statistics
            net.blocks.3); none: all learn.
        keep_batch_norm: batch norms keep the statistics that came with the weights, while their scales learn; none:
            where a head of statistics is trained on weights that are there already.
    """

    name: str = "shallow"
    weights: str = "none"
    preprocessing: str | None = None
    crop: int | None = None
    dropout: float | None = None
    head: str = "linear"
    hidden: int = 128
    drop_inputs: float = 0.5
    channels_last: bool = True
    freeze_until: str | None = None
    keep_batch_norm: bool | None = None

    @property
    def keeps_batch_norm(self) -> bool:
        """What `keep_batch_norm` comes to."""
        if self.keep_batch_norm is None:
            return self.head == "statistics" and self.weights != "none"
        return self.keep_batch_norm

    def head_fields(self) -> dict[str, Any]:
        """What `rankiqa.models.build_model` takes for its head."""
        if self.head == "linear":
            return {"kind": "linear"}
        return {"kind": self.head, "hidden": self.hidden, "drop_inputs": self.drop_inputs}

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no network can have."""
        one_of("model.head", self.head, HEADS)
        check_network(self.preprocessing, self.dropout)
        at_least("model.hidden", self.hidden, 1)
        if not 0 <= self.drop_inputs < 1:
            raise InputError(f"model.drop_inputs must be in [0, 1), got {self.drop_inputs}")


@dataclass
class RankBatchConfig:
    """Which images make a batch, over all devices together.

    Args:
        sampler: efficient (all ordered pairs of groups × levels × images), random_pairs (standard Siamese) or
            hard_negatives (the `keep` hardest of random pairs).
        groups: efficient: distortion types in a batch; none: all.
        levels: efficient: levels drawn of each type; none: all.
        images: efficient: photos of each type.
        across: also compare different photos of one type.
        aligned: crop all levels of a photo at one place, so that a pair of them differs in its distortion alone; the
            paper crops each at a place of its own.
        pairs: random_pairs, hard_negatives: pairs in a batch.
        keep: hard_negatives: pairs that are learned from.
    """

    sampler: str = "efficient"
    groups: int | None = None
    levels: int | None = None
    images: int = 2
    across: bool = True
    aligned: bool = False
    pairs: int = 24
    keep: int = 8


@dataclass
class JudgeConfig:
    """A judge: full-reference metrics that order the images of a batch beside their levels, whatever their types.

    Args:
        kind: none (pairs inside a type alone: RankIQA as published), mdsi, haarpsi, vsi, several with commas, or mean
            (all three): each gives an image its rank among a sample of the images to train on, and the mean is its
            quality. On disk the set must have been judged (data_gen/make_ranks.py --judge).
        where: online: loader (its processes ask, each image by itself) or device (one batch beside the network: for a
            GPU that would wait for the loader).
        gap: how far apart two qualities, from 0 to 1, must be to order a pair; inside a type the levels order it.
        sample: how many images the ranks are measured on, before the first step.
    """

    kind: str = "none"
    where: str = "loader"
    gap: float = 0.03
    sample: int = 300

    def open(self) -> Judge | None:
        """The judge; `InputError`, naming the key, for a value that none can have."""
        try:
            judge = Judge.parse(self.kind)
        except InputError as error:
            raise error.but(reason=f"judge.kind: {error.reason}") from None
        one_of("judge.where", self.where, JUDGING)
        if not 0 <= self.gap < 1:
            raise InputError(f"judge.gap must be in [0, 1), got {self.gap}")
        at_least("judge.sample", self.sample, 2)
        return judge


@dataclass
class RankLossConfig:
    """The loss of the ordered pairs.

    Args:
        kind: hinge (the paper's: nothing beyond the margin) or logistic (RankNet's: the cross-entropy of a preference).
        margin: hinge: how far apart two scores should be.
        steepness: logistic: how sure of a pair's order the network is where its scores are 1 apart.
        reduction: pairs (mean over the ordered pairs) or images (the original: their sum over the number of images).
    """

    kind: str = "hinge"
    margin: float = 1.0
    steepness: float = 2.0
    reduction: str = "pairs"


@dataclass
class RankConfig(RunConfig):
    """A ranking run.

    Args:
        data: the images.
        model: the network.
        batch: the sampler.
        judge: what orders images of different types.
        loss: of the ordered pairs.
        val_patches: crops of each image in a validation.
    """

    data: RankDataConfig = field(default_factory=RankDataConfig)
    model: RankModelConfig = field(default_factory=RankModelConfig)
    batch: RankBatchConfig = field(default_factory=RankBatchConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    loss: RankLossConfig = field(default_factory=RankLossConfig)
    val_patches: int = 3

    @property
    def loader_workers(self) -> int:
        """Processes that read, distort and crop: `data.workers`."""
        return self.data.workers

    @property
    def channels_last(self) -> bool:
        """As `model.channels_last` says."""
        return self.model.channels_last

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no ranking run can have."""
        one_of("data.source", self.data.source, SOURCES)
        one_of("data.strengths", self.data.strengths, STRENGTHS)
        one_of("data.icc", self.data.icc, ICC)
        one_of("batch.sampler", self.batch.sampler, SAMPLERS)
        one_of("loss.kind", self.loss.kind, LOSSES)
        one_of("loss.reduction", self.loss.reduction, ("pairs", "images"))
        self.model.check()
        super().check()
        at_least("val_patches", self.val_patches, 1)
        if self.batch.sampler == "hard_negatives" and (self.loss.kind, self.loss.reduction) != ("hinge", "pairs"):
            raise InputError("batch.sampler hard_negatives needs loss.kind hinge and loss.reduction pairs")
        self.judge.open()
        at_least("data.holdout", self.data.holdout, 0)
        at_least("data.decoded_gb", self.data.decoded_gb, 0)
        at_least("batch.images", self.batch.images, 1)
        at_least("batch.pairs", self.batch.pairs, 1)
        at_least("loss.margin", self.loss.margin, 0)
        if not self.loss.steepness > 0:
            raise InputError(f"loss.steepness must be above 0, got {self.loss.steepness}")
        if self.data.strengths != "levels" and self.data.source != "online":
            raise InputError(
                "data.strengths continuous needs photos that are distorted while training",
                cure="give",
                options=("data.source=online",),
            )
        if self.judge.where == "device" and self.data.source != "online":
            raise InputError(
                "judge.where device needs the pristine photos beside what was made of them; a set on disk was judged",
                cure="give",
                options=("data.source=online",),
            )
        if self.data.val and (self.data.holdout or self.data.holdout_names):
            raise InputError("data.val and data.holdout exclude each other", cure="give the one or the other")
