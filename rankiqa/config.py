"""The settings of a ranking run, typed: what a YAML file or a flag may say, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from rankiqa.errors import InputError

SOURCES = ("ranks", "online")
SAMPLERS = ("efficient", "random_pairs", "hard_negatives")


def one_of(key: str, value: str | None, allowed: tuple) -> None:
    """Raise `InputError`, naming the key, for a value that is not `allowed`."""
    if value not in allowed:
        names = ", ".join("none" if a is None else a for a in allowed)
        raise InputError(f"{key} must be one of {names}; got {value!r}")


def at_least(key: str, value: float, least: float) -> None:
    """Raise `InputError`, naming the key, for a value below `least`, or NaN."""
    if not value >= least:
        raise InputError(f"{key} must be at least {least}, got {value}")


@dataclass
class DataConfig:
    """Where the ranked images come from.

    Args:
        source: ranks (the images of a ranked set on disk) or online (pristine photos, distorted for each batch: no
            space on disk, new noise at every step, more work for the processor).
        ranks: ranks: folder of a ranked set (data_gen/make_ranks.py) to train on.
        pristine: online: folder of photos; none: the five photographs of scikit-image.
        distortions: online: a set (live, tid2013, tid2013-24, kadid10k, mlive) or names of types with commas.
        levels: online: paper (the published strengths), or a YAML file with the strengths of some types.
        convert: online: take greyscale, transparent, CMYK and 16-bit photos too, converted to RGB.
        val: folder of another ranked set to validate on; none: photos to train on are held out.
        holdout: how many photos to hold out where there is no `val`; drawn with the seed.
        holdout_names: these photos (their paths in the photos' folder) in place of a draw.
        workers: processes that read, distort and crop beside each training process; 0: the process does it itself.
    """

    source: str = "ranks"
    ranks: str = "results/demo/ranks"
    pristine: str | None = None
    distortions: str = "live"
    levels: str = "paper"
    convert: bool = False
    val: str | None = None
    holdout: int = 0
    holdout_names: list[str] = field(default_factory=list)
    workers: int = 1


@dataclass
class ModelConfig:
    """The network.

    Args:
        name: shallow, alexnet, vgg16, squeezenet1_1, or any backbone of timm.
        weights: imagenet (a download), none, or the path of a .safetensors file.
        preprocessing: imagenet, inception, raw_bgr (the original's), caffe; none: the network's own.
        crop: side of the square crop in pixels; none: the network's own (224 or 227).
        dropout: probability; none: the network's own.
        channels_last: memory layout, faster for most convolutional networks.
    """

    name: str = "shallow"
    weights: str = "none"
    preprocessing: str | None = None
    crop: int | None = None
    dropout: float | None = None
    channels_last: bool = True


@dataclass
class BatchConfig:
    """Which images make a batch, over all devices together.

    Args:
        sampler: efficient (all ordered pairs of groups × levels × images), random_pairs (standard Siamese) or
            hard_negatives (the `keep` hardest of random pairs).
        groups: efficient: distortion types in a batch; none: all.
        levels: efficient: levels drawn of each type; none: all.
        images: efficient: photos of each type.
        across: also compare different photos of one type.
        pairs: random_pairs, hard_negatives: pairs in a batch.
        keep: hard_negatives: pairs that are learned from.
    """

    sampler: str = "efficient"
    groups: int | None = None
    levels: int | None = None
    images: int = 2
    across: bool = True
    pairs: int = 24
    keep: int = 8


@dataclass
class LossConfig:
    """The pairwise hinge.

    Args:
        margin: how far apart two scores should be.
        reduction: pairs (mean over the ordered pairs) or images (the original: their sum over the number of images).
    """

    margin: float = 1.0
    reduction: str = "pairs"


@dataclass
class OptimConfig:
    """Mini-batch SGD with momentum.

    Args:
        lr: learning rate of the backbone's weights.
        schedule: step (× gamma every step_size steps), cosine (to zero at the last step) or constant.
        step_size: steps between two decays.
        gamma: factor of a decay.
        warmup: steps over which the learning rate rises linearly from zero.
        momentum: of SGD.
        weight_decay: of weights; biases have none.
        bias_lr: factor on the learning rate of biases.
        head_lr: factor on the learning rate of the new last layer's weights.
        head_bias_lr: factor on the learning rate of the new last layer's bias.
        clip: largest gradient norm; none: no clipping.
    """

    lr: float = 1e-4
    schedule: str = "step"
    step_size: int = 10_000
    gamma: float = 0.1
    warmup: int = 0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    bias_lr: float = 2.0
    head_lr: float = 10.0
    head_bias_lr: float = 20.0
    clip: float | None = None


@dataclass
class RunConfig:
    """What the runs of all stages have in common; see those of a stage for the meaning."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    steps: int = 50_000
    out: str = "results/demo/run"
    seed: int = 0
    precision: str | None = None
    log_every: int = 10
    val_every: int = 1000
    val_first: bool = False
    val_patches: int = 3
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    resume: bool = False
    overwrite: bool = False

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no run can have; before anything is read."""
        one_of("optim.schedule", self.optim.schedule, ("step", "cosine", "constant"))
        one_of("precision", self.precision, (None, "no", "bf16", "fp16"))
        for key, value, least in (
            ("steps", self.steps, 1),
            ("log_every", self.log_every, 1),
            ("val_every", self.val_every, 1),
            ("val_patches", self.val_patches, 1),
            ("checkpoint_every", self.checkpoint_every, 1),
            ("keep_checkpoints", self.keep_checkpoints, 1),
            ("data.workers", self.data.workers, 0),
            ("optim.step_size", self.optim.step_size, 1),
            ("optim.warmup", self.optim.warmup, 0),
            ("optim.momentum", self.optim.momentum, 0),
            ("optim.weight_decay", self.optim.weight_decay, 0),
        ):
            at_least(key, value, least)
        if not self.optim.lr > 0:
            raise InputError(f"optim.lr must be above 0, got {self.optim.lr}")
        if self.optim.clip is not None and not self.optim.clip > 0:
            raise InputError(f"optim.clip must be above 0, got {self.optim.clip}")
        if self.resume and self.overwrite:
            raise InputError("resume and overwrite exclude each other: give the one or the other")


@dataclass
class RankConfig(RunConfig):
    """A ranking run.

    Args:
        data: the images.
        model: the network.
        batch: the sampler.
        loss: the hinge.
        optim: the optimizer.
        steps: how many batches.
        out: folder of the run: config.yaml, log.csv, val.csv, curves.png, tensorboard/, checkpoints/, model/.
        seed: of weights, batches, crops and dropout.
        precision: no, bf16 or fp16; none: as accelerate was launched.
        log_every: steps between two lines of the log.
        val_every: steps between two validations; the last step has one too.
        val_first: also validate before the first step.
        val_patches: crops of each image in a validation.
        checkpoint_every: steps between two checkpoints.
        keep_checkpoints: the newest to keep.
        resume: go on from the newest checkpoint in `out`.
        overwrite: start anew although `out` holds a run; it is moved aside, not deleted.
    """

    batch: BatchConfig = field(default_factory=BatchConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    def check(self) -> None:
        one_of("data.source", self.data.source, SOURCES)
        one_of("batch.sampler", self.batch.sampler, SAMPLERS)
        one_of("loss.reduction", self.loss.reduction, ("pairs", "images"))
        super().check()
        if self.batch.sampler == "hard_negatives" and self.loss.reduction != "pairs":
            raise InputError("loss.reduction must be pairs with batch.sampler hard_negatives")
        at_least("data.holdout", self.data.holdout, 0)
        at_least("batch.images", self.batch.images, 1)
        at_least("batch.pairs", self.batch.pairs, 1)
        at_least("loss.margin", self.loss.margin, 0)
        if self.data.val and (self.data.holdout or self.data.holdout_names):
            raise InputError("data.val and data.holdout exclude each other: give the one or the other")


@dataclass
class ScoredDataConfig:
    """How the images with human scores are read and divided.

    Args:
        labels: csv: the file with the scores; `root` is the folder of its images.
        name_column: csv: column with the names of the images, if not name, path or image.
        score_column: csv: column with the human scores, if not mos, dmos or score.
        direction: csv: higher or lower, whichever scores are better; needed for a column that is neither mos nor dmos.
        score_range: csv: lowest and highest score of the scale; none: those of the file.
        missing: error, or record (go on without images that are missing or cannot be decoded, and list them).
        pristine: keep the undistorted copies that a data set scores too (LIVE's).
        split_seed: random: of the draw of the references.
        repeat: random: which of the repeated draws.
        test_fraction: random: share of the references to test on.
        val_fraction: share of the training references to hold out for the validation while it trains.
        small: images smaller than the crop: error, reflect (mirror them at their borders) or resize (enlarge them).
        convert: take greyscale, transparent, CMYK and 16-bit images too, converted to RGB.
        workers: processes that read and crop beside each training process; 0: the process does it itself.
    """

    labels: str | None = None
    name_column: str | None = None
    score_column: str | None = None
    direction: str | None = None
    score_range: list[float] | None = None
    missing: str = "error"
    pristine: bool = True
    split_seed: int = 0
    repeat: int = 0
    test_fraction: float = 0.2
    val_fraction: float = 0.1
    small: str = "error"
    convert: bool = False
    workers: int = 1


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
class ScoredBatchConfig:
    """A batch, over all devices together.

    Args:
        images: how many images, one random crop of each.
        flip: mirror half of the crops left to right.
    """

    images: int = 32
    flip: bool = True


@dataclass
class RegressionConfig:
    """The loss of one branch against the human scores.

    Args:
        kind: mse (mean of the squared differences) or euclidean (half of it, as Caffe's layer).
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
        dataset: tid2013, live, csiq, kadid10k, ava, biq2021 or csv.
        root: folder of the data set, as it is distributed.
        split: random (by reference), a published one by its name (rankiqa, official, column), or a split.csv file.
        data: how the images with human scores are read and divided.
        model: the network, without `init`.
        batch: the batch.
        loss: the loss, and the scale of the network's scores.
        optim: the optimizer.
        steps: how many batches.
        out: folder of the run: as a ranking run's, and split.csv.
        seed: of weights, batches, crops and dropout.
        precision: no, bf16 or fp16; none: as accelerate was launched.
        log_every: steps between two lines of the log.
        val_every: steps between two validations; the last step has one too.
        val_first: also validate before the first step.
        val_patches: crops of each image in a validation.
        checkpoint_every: steps between two checkpoints.
        keep_checkpoints: the newest to keep.
        resume: go on from the newest checkpoint in `out`.
        overwrite: start anew although `out` holds a run; it is moved aside, not deleted.
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

    def check(self) -> None:
        for key, value in (("dataset", self.dataset), ("root", self.root)):
            if not value:
                raise InputError(f"{key} is missing: give --dataset NAME and --root DIR, the folder of the data set")
        one_of("data.missing", self.data.missing, ("error", "record"))
        one_of("data.small", self.data.small, ("error", "reflect", "resize"))
        one_of("loss.kind", self.loss.kind, ("mse", "euclidean"))
        one_of("loss.head", self.loss.head, ("fit", "keep"))
        super().check()
        at_least("batch.images", self.batch.images, 1)
        at_least("data.repeat", self.data.repeat, 0)
        if not self.loss.low < self.loss.high:
            raise InputError(f"loss.low must be below loss.high, got {self.loss.low} and {self.loss.high}")
        if not 0 <= self.data.val_fraction < 1:
            raise InputError(f"data.val_fraction must be in [0, 1), got {self.data.val_fraction}")
        if not self.init and not self.model.name:
            raise InputError("give --init RUN, a ranking run to take the branch from, or --model.name for the baseline")
        if self.data.score_range is not None and len(self.data.score_range) != 2:
            raise InputError(f"data.score_range must be two numbers, lowest and highest, got {self.data.score_range}")
