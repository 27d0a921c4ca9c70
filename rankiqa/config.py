"""The settings of a ranking run, typed: what a YAML file or a flag may say, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from rankiqa.errors import InputError

SOURCES = ("ranks", "online")
SAMPLERS = ("efficient", "random_pairs", "hard_negatives")


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
class RankConfig:
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
        val_patches: crops of each image in a validation.
        checkpoint_every: steps between two checkpoints.
        keep_checkpoints: the newest to keep.
        resume: go on from the newest checkpoint in `out`.
        overwrite: start anew although `out` holds a run; it is moved aside, not deleted.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    steps: int = 50_000
    out: str = "results/demo/run"
    seed: int = 0
    precision: str | None = None
    log_every: int = 10
    val_every: int = 1000
    val_patches: int = 3
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    resume: bool = False
    overwrite: bool = False

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no run can have; before anything is read."""

        def one_of(key: str, value: str | None, allowed: tuple) -> None:
            if value not in allowed:
                names = ", ".join("none" if a is None else a for a in allowed)
                raise InputError(f"{key} must be one of {names}; got {value!r}")

        one_of("data.source", self.data.source, SOURCES)
        one_of("batch.sampler", self.batch.sampler, SAMPLERS)
        one_of("loss.reduction", self.loss.reduction, ("pairs", "images"))
        one_of("optim.schedule", self.optim.schedule, ("step", "cosine", "constant"))
        one_of("precision", self.precision, (None, "no", "bf16", "fp16"))
        if self.batch.sampler == "hard_negatives" and self.loss.reduction != "pairs":
            raise InputError("loss.reduction must be pairs with batch.sampler hard_negatives")
        for key, value, least in (
            ("steps", self.steps, 1),
            ("log_every", self.log_every, 1),
            ("val_every", self.val_every, 1),
            ("val_patches", self.val_patches, 1),
            ("checkpoint_every", self.checkpoint_every, 1),
            ("keep_checkpoints", self.keep_checkpoints, 1),
            ("data.workers", self.data.workers, 0),
            ("data.holdout", self.data.holdout, 0),
            ("batch.images", self.batch.images, 1),
            ("batch.pairs", self.batch.pairs, 1),
            ("optim.step_size", self.optim.step_size, 1),
            ("optim.warmup", self.optim.warmup, 0),
            ("loss.margin", self.loss.margin, 0),
            ("optim.momentum", self.optim.momentum, 0),
            ("optim.weight_decay", self.optim.weight_decay, 0),
        ):
            if not value >= least:
                raise InputError(f"{key} must be at least {least}, got {value}")
        if not self.optim.lr > 0:
            raise InputError(f"optim.lr must be above 0, got {self.optim.lr}")
        if self.optim.clip is not None and not self.optim.clip > 0:
            raise InputError(f"optim.clip must be above 0, got {self.optim.clip}")
        if self.data.val and (self.data.holdout or self.data.holdout_names):
            raise InputError("data.val and data.holdout exclude each other: give the one or the other")
        if self.resume and self.overwrite:
            raise InputError("resume and overwrite exclude each other: give the one or the other")
