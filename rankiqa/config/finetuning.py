"""The settings of a fine-tuning run."""

from __future__ import annotations

from dataclasses import dataclass, field

from rankiqa.config.common import RunConfig, at_least, check_network, one_of
from rankiqa.config.scores import PAIRS, ScoredBatchConfig, ScoredDataConfig, check_scores, named
from rankiqa.errors import InputError


@dataclass
class BranchConfig:
    """The network, where no ranking run is given; where one is, what is said here must be what it has.

    Args:
        name: shallow, alexnet, vgg16, squeezenet1_1, or any backbone of timm; none: that of `init`.
        weights: without `init`: imagenet (a download), none, or the path of a .safetensors file.
        preprocessing: imagenet, inception, raw_bgr (the original's), caffe; none: that of `init`, or the network's own.
        crop: side of the square crop in pixels; none: that of `init`, or the network's own (224 or 227).
        dropout: probability; none: that of `init`, or the network's own.
        channels_last: memory layout, faster for most convolutional networks.
    """

    name: str | None = None
    weights: str = "imagenet"
    preprocessing: str | None = None
    crop: int | None = None
    dropout: float | None = None
    channels_last: bool = True


@dataclass
class RegressionConfig:
    """The loss of one branch against the human scores.

    Args:
        kind: mse (mean of the squared differences) or euclidean (half of it, as Caffe's layer). Of votes (dataset
            pairs) the loss is that of their pairs, whatever is said here.
        low: where the worst end of the data set's scale lies in the network's output.
        high: where its best end lies; higher is better whatever the direction of the scores.
        head: fit (before the first step, scale and shift the last layer so that the scores of the training images lie
            as near to the human ones as a line can bring them) or keep (start from the layer as it is).
    """

    kind: str = "mse"
    low: float = 0.0
    high: float = 1.0
    head: str = "fit"


@dataclass
class FinetuneConfig(RunConfig):
    """A fine-tuning run: one branch, the mean squared error to human scores.

    Args:
        init: ranking run, or model, to take the branch from; none: start from `model.weights` (the paper's baseline).
        dataset: tid2013, live, csiq, kadid10k, ava, biq2021, koniq10k, spaq, clive, flive, flive_patches, tid2008,
            pipal, agiqa3k, csv or pairs (votes on which of two photos is better).
        root: folder of the data set, as it is distributed.
        split: random (by reference), a published one by its name (rankiqa, official, column), or a split.csv file.
        data: how the images with human scores are read and divided.
        model: the network, without `init`.
        batch: the batch.
        loss: the loss, and the scale of the network's scores.
        val_patches: crops of each image in a validation.
    """

    init: str | None = None
    dataset: str | None = None
    root: str | None = None
    split: str = "random"
    data: ScoredDataConfig = field(default_factory=ScoredDataConfig)
    model: BranchConfig = field(default_factory=BranchConfig)
    batch: ScoredBatchConfig = field(default_factory=ScoredBatchConfig)
    loss: RegressionConfig = field(default_factory=RegressionConfig)
    steps: int = 10_000
    out: str = "runs/finetune"
    val_first: bool = True
    val_patches: int = 3

    @property
    def loader_workers(self) -> int:
        """Processes that read and crop: `data.workers`."""
        return self.data.workers

    @property
    def channels_last(self) -> bool:
        """As `model.channels_last` says."""
        return self.model.channels_last

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no fine-tuning run can have."""
        named(self.dataset, self.root)
        check_scores(self.data)
        at_least("batch.images", self.batch.images, 1)
        one_of("data.small", self.data.small, ("error", "reflect", "resize"))
        one_of("loss.kind", self.loss.kind, ("mse", "euclidean"))
        one_of("loss.head", self.loss.head, ("fit", "keep"))
        if self.dataset == PAIRS and self.batch.images % 2:
            raise InputError(f"batch.images must be even, two for each vote, got {self.batch.images}")
        super().check()
        check_network(self.model.preprocessing, self.model.dropout)
        at_least("val_patches", self.val_patches, 1)
        if not self.loss.low < self.loss.high:
            raise InputError(f"loss.low must be below loss.high, got {self.loss.low} and {self.loss.high}")
        if not self.init and not self.model.name:
            raise InputError(
                "init is missing",
                cure="give a ranking run to take the branch from, or the network of the baseline",
                options=("init=RUN", "model.name=NAME"),
            )
