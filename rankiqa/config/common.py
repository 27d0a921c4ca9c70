"""What the settings of all stages have in common: the optimizer, the length of a run, where it goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from rankiqa.errors import InputError

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
ICC = ("convert", "ignore")  # those of rankiqa.images.icc, which takes long to import
PREPROCESSING = ("imagenet", "inception", "raw_bgr", "caffe")  # those of rankiqa.models.preprocessing, likewise


def one_of(key: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    """Raise `InputError`, naming the key, for a value that is not `allowed`."""
    if value not in allowed:
        names = ", ".join("none" if a is None else a for a in allowed)
        raise InputError(f"{key} must be one of {names}; got {value!r}")


def at_least(key: str, value: float, least: float) -> None:
    """Raise `InputError`, naming the key, for a value below `least`, or NaN."""
    if not value >= least:
        raise InputError(f"{key} must be at least {least}, got {value}")


def check_network(preprocessing: str | None, dropout: float | None) -> None:
    """Raise `InputError` for a preprocessing by another name than there are, or a dropout that is no probability."""
    one_of("model.preprocessing", preprocessing, (None, *PREPROCESSING))
    check_dropout(dropout)


def check_dropout(dropout: float | None) -> None:
    """`InputError` unless `dropout` is None or a probability below 1."""
    if dropout is not None and not 0 <= dropout < 1:
        raise InputError(f"model.dropout must be in [0, 1), got {dropout}")


@dataclass
class OptimConfig:
    """The optimizer, and the course of its learning rate.

    Args:
        kind: sgd (mini-batch, with momentum) or adam.
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
        accumulate: batches that a step learns from, one after the other, by the gradient of all together: a larger
            batch in the memory of one. Pairs are made inside each.
        average: decay of a moving average of the weights, as 0.998, which is then what is validated and saved; none:
            the last weights are.
    """

    kind: str = "sgd"
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
    accumulate: int = 1
    average: float | None = None


@dataclass
class RunConfig(ABC):
    """What the runs of all stages have in common.

    The help of a command has the lines below from here: a stage's own tell what is its own.

    Args:
        optim: the optimizer.
        steps: how many updates, each from a batch (or `optim.accumulate` of them).
        out: folder of the run: config.yaml, log.csv, val.csv, curves.png, tensorboard/, checkpoints/, model/, and with
            human scores split.csv.
        seed: of weights, batches, crops and dropout.
        precision: fp32 (true float32 on every device), tf32 (NVIDIA GPUs: float32 whose products are rounded to 10 bits
            of mantissa), bf16 or fp16 (mixed: products in half precision, weights in float32); none: as accelerate was
            launched, which is fp32 if nothing else was said.
        compile: compile the network before the first step, which takes a minute or so and makes steps faster on a GPU;
            where nothing can be compiled it is left out, and said.
        log_every: steps between two lines of the log.
        val_every: steps between two validations; the last step has one too.
        val_first: also validate before the first step.
        checkpoint_every: steps between two checkpoints.
        keep_checkpoints: the newest to keep.
        resume: go on from the newest checkpoint in `out`.
        overwrite: start anew although `out` holds a run; it is moved aside, not deleted.
    """

    optim: OptimConfig = field(default_factory=OptimConfig)
    steps: int = 50_000
    out: str = "results/demo/run"
    seed: int = 0
    precision: str | None = None
    compile: bool = False
    log_every: int = 10
    val_every: int = 1000
    val_first: bool = False
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    resume: bool = False
    overwrite: bool = False

    workers_key: ClassVar[str] = "data.workers"
    least_steps: ClassVar[int] = 1

    @property
    @abstractmethod
    def loader_workers(self) -> int:
        """Processes that read beside each training process; 0: the process does it itself."""

    @property
    @abstractmethod
    def channels_last(self) -> bool:
        """Whether the network's memory has the channels last: faster for most convolutional networks."""

    def check(self) -> None:
        """Raise `InputError`, naming the key, for a value that no run can have; before anything is read."""
        one_of("optim.kind", self.optim.kind, ("sgd", "adam"))
        one_of("optim.schedule", self.optim.schedule, ("step", "cosine", "constant"))
        if self.precision == "no":
            raise InputError("precision no has the name fp32 now", cure="give", options=("precision=fp32",))
        one_of("precision", self.precision, (None, *PRECISIONS))
        for key, value, least in (
            ("steps", self.steps, self.least_steps),
            ("log_every", self.log_every, 1),
            ("val_every", self.val_every, 1),
            ("checkpoint_every", self.checkpoint_every, 1),
            ("keep_checkpoints", self.keep_checkpoints, 1),
            (self.workers_key, self.loader_workers, 0),
            ("optim.accumulate", self.optim.accumulate, 1),
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
        if self.optim.average is not None and not 0 < self.optim.average < 1:
            raise InputError(f"optim.average must be in (0, 1), got {self.optim.average}")
        if self.resume and self.overwrite:
            raise InputError("resume and overwrite exclude each other", cure="give the one or the other")

    def check_out(self) -> None:
        """Raise `InputError` where `out` holds a run that is neither to go on nor to be started anew."""
        if not self.resume and not self.overwrite and (Path(self.out) / "config.yaml").exists():
            raise InputError(
                "holds a run already",
                path=self.out,
                cure="go on with it, start anew, or choose another place",
                options=("resume", "overwrite", "out"),
            )
