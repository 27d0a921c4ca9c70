"""The loop of every stage: one batch a step, on one device or many; checkpoints, exact resume, a log.

A stage says what its batches, its loss and its validation are: see `rankiqa.training.ranking` and
`rankiqa.training.scored`.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from tqdm import tqdm

from rankiqa.config import RunConfig
from rankiqa.errors import InputError
from rankiqa.extras import extra, need
from rankiqa.models import RankModel, save_model
from rankiqa.models.reference import Reference
from rankiqa.models.statistics import StageStatistics, fit_standardisation
from rankiqa.seeding import derive_seed
from rankiqa.training.average import WeightAverage
from rankiqa.training.batches import OWN_QUALITY, Batch, Batches, load_batches
from rankiqa.training.checkpoints import checkpoints, drop_old, load_checkpoint, read_state, save_checkpoint
from rankiqa.training.compiling import compiled
from rankiqa.training.curves import write_curves
from rankiqa.training.gathering import all_scores
from rankiqa.training.log import RunLog
from rankiqa.training.optim import learning_rate, make_optimizer, set_learning_rate
from rankiqa.training.precision import computing
from rankiqa.training.run_folder import open_run_folder
from rankiqa.training.throughput import ChipShare
from rankiqa.version import __version__

with extra("train"):
    from accelerate import Accelerator

STANDARDISED = 256  # images, at least, whose statistics are measured before the first step
Rows = dict[str, dict[str, float]]  # distortion, or ALL → the numbers of a validation


class Trainer(ABC):
    """What the steps of one run share, whatever the stage. `run()` does it all.

    A stage's `__init__` checks its settings and reads its data, and then calls this one's, which touches the run's
    folder: by then everything that can be wrong is known.

    Args:
        config: the run's settings.
        accelerator: the devices.
        model: the network to train.
        fingerprint: what must be the same for the run to go on, by name.

    Raises:
        InputError: as `open_run_folder` does; a checkpoint is damaged, or of a run with other data.
    """

    stage: ClassVar[str]
    train_columns: tuple[str, ...]  # of log.csv, between step and lr
    val_columns: tuple[str, ...]  # of val.csv
    free_keys: ClassVar[tuple[str, ...]] = ()  # settings that may differ when the run goes on
    validates: bool = False
    reference: Reference | None = None  # of the last validation

    def __init__(
        self, config: RunConfig, accelerator: Accelerator, model: RankModel, fingerprint: dict[str, str]
    ) -> None:
        need("train", "matplotlib", "tensorboard")  # for the log, and the curves at the end
        self.config, self.accelerator, self.model = config, accelerator, model
        self.fingerprint = fingerprint
        self.checkpoint = None
        if accelerator.is_main_process:
            self.checkpoint = open_run_folder(config, self.free_keys)
        accelerator.wait_for_everyone()
        if config.resume and self.checkpoint is None:
            self.checkpoint = checkpoints(Path(config.out) / "checkpoints")[-1]
        self.step = 0
        self.optimizer = self.make_optimizer()
        if config.channels_last:
            model.to(memory_format=torch.channels_last)
        decay = config.optim.average
        self.average = None if decay is None else WeightAverage(model, decay)
        scaler_state = None
        if self.checkpoint is not None:
            state = read_state(self.checkpoint)
            for key, value in fingerprint.items():
                # "start" came later: an older checkpoint does not know it.
                if state.get(key, value if key == "start" else None) != value:
                    raise self.other_data(key)
            load_checkpoint(self.checkpoint, model, self.optimizer, self.average)
            for name, tensor in self.more_tensors().items():
                tensor.data.copy_(torch.tensor(state["more"][name]))
            self.restore(state)
            self.step = state["step"]
            scaler_state = state.get("scaler")
        on_gpu = accelerator.device.type == "cuda" and torch.cuda.is_available()  # not one that tests pretend
        self.chip = ChipShare(model, accelerator.device, accelerator.mixed_precision) if on_gpu else None
        self.network, self.optimizer = accelerator.prepare(self.learner(), self.optimizer)
        if config.compile:
            self.network = compiled(self.network, accelerator.device, accelerator.is_main_process)
        if self.average is not None:
            self.average.to(accelerator.device)
        if accelerator.scaler is not None and scaler_state:
            accelerator.scaler.load_state_dict(scaler_state)

    @abstractmethod
    def batches(self) -> Batches:
        """From each step to its batch."""

    def learner(self) -> nn.Module:
        """What is called in a step, with all that learns in it: the network."""
        return self.model

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Over all that learns."""
        return make_optimizer(self.model, self.config.optim, fused=self.accelerator.device.type == "cuda")

    def more_tensors(self) -> dict[str, torch.Tensor]:
        """What learns beside the network, by name: a few numbers, which a checkpoint keeps too."""
        return {}

    def measured(self) -> dict[str, Any]:
        """What was measured before the first step and stays as it is, as JSON by name: a checkpoint keeps it."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027 - most stages measure nothing
        """Take back what `measured` gave, from the state of a checkpoint."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """What the loss is computed from, a row an image; the (n,) scores."""
        return self.network(images)

    def batch_scores(self, batch: Batch) -> torch.Tensor:
        """What `forward` gives of the whole batch, of all processes; takes the images out of it."""
        images = self.ready(batch.pop("images"))
        count = len(next(iter(batch.values())))
        return all_scores(self.forward(images).float(), count, self.accelerator)

    def complete(self, batch: Batch) -> Batch:
        """A batch on the device, with what its reader left to be computed there; most leave nothing."""
        return batch

    def ready(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 3, H, W) of a batch, uint8, as the network takes them: in [0, 1]."""
        if self.chip is not None:
            self.chip.add(images)
        images = images.float().div_(255)
        return images.contiguous(memory_format=torch.channels_last) if self.config.channels_last else images

    @abstractmethod
    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Of what `forward` gives, of the whole batch; a scalar."""

    def weight(self, batch: Batch) -> float | torch.Tensor:
        """How much the loss of a batch counts beside that of another one of the same step: what it is a mean over."""
        return len(next(iter(batch.values())))

    @abstractmethod
    def statistics(self, scores: torch.Tensor, batch: Batch) -> dict[str, float]:
        """What log.csv tells of a batch beside its loss: `train_columns` without it."""

    @abstractmethod
    def validate(self) -> Rows:
        """How well the network does on what it is not trained on; called on every process, where `validates`.

        It leaves the distribution of the scores in `reference`.
        """

    @abstractmethod
    def measure_reference(self) -> Reference | None:
        """The scores of some images to train on, for a run without a validation; called on the main process."""

    @abstractmethod
    def describe(self, row: dict[str, float]) -> str:
        """A row of a validation in words."""

    def summarise(self, rows: Rows) -> str:
        """A validation in words, on one line."""
        return self.describe(rows["ALL"])

    @abstractmethod
    def other_data(self, key: str) -> InputError:
        """The error for a run that is resumed with other data: `key` of the fingerprint differs."""

    @abstractmethod
    def model_files(self) -> dict[str, Any]:
        """The arguments of `rankiqa.models.save_model` beside model, folder and reference."""

    @contextmanager
    def finished(self) -> Iterator[None]:
        """The network as it is saved, for a while."""
        yield

    def _files(self) -> dict[str, Any]:
        return self.model_files() | {"reference": self.reference.config() if self.reference else None}

    def _forward(self, batch: Batch, draw: int) -> tuple[torch.Tensor, torch.Tensor, Batch]:
        """The loss, all scores and the batch on the device; `draw` numbers the batches of a run."""
        accelerator = self.accelerator
        # Dropout draws from the global generator; seeded by the step, it needs no state to resume.
        torch.manual_seed(derive_seed(self.config.seed, "dropout", draw, accelerator.process_index))
        batch = {key: value.to(accelerator.device, non_blocking=True) for key, value in batch.items()}
        batch = self.complete(batch)
        if OWN_QUALITY in batch:
            batch["quality"] = all_scores(batch.pop(OWN_QUALITY), len(batch["group"]), accelerator)
        scores = self.batch_scores(batch)
        return self.loss(scores, batch), scores, batch

    def train_step(self, *parts: Batch) -> tuple[torch.Tensor, torch.Tensor, Batch]:
        """One update, by the gradient of one batch, or of several together.

        Returns:
            The loss over all batches; of the last one all scores, and the batch on the device.
        """
        config, accelerator = self.config, self.accelerator
        losses: list[torch.Tensor] = []
        weights: list[Any] = []
        for place, part in enumerate(parts):
            loss, scores, batch = self._forward(part, self.step * len(parts) + place)
            weights.append(torch.as_tensor(self.weight(batch)).to(loss) if len(parts) > 1 else 1)
            # Beside the first one's, so that gradients stay in the range of a single batch's.
            loss = loss * (weights[-1] / weights[0])
            # Distributed training averages the gradients of the processes; their sum is what is wanted.
            accelerator.backward(loss * accelerator.num_processes)
            losses.append(loss.detach())
        whole = sum(weights) / weights[0]
        if len(parts) > 1:
            for parameter in self._learned():
                parameter.grad.div_(whole)
        if config.optim.clip is not None:
            accelerator.clip_grad_norm_(self.model.parameters(), config.optim.clip)
        set_learning_rate(self.optimizer, learning_rate(self.step, config.steps, config.optim))
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(self.step)
        self.step += 1
        return torch.stack(losses).sum() / whole, scores.detach(), batch

    def _learned(self) -> list[Any]:
        """What has a gradient."""
        return [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]

    def provenance(self) -> dict[str, Any]:
        """How the model was made, as its config.json tells it."""
        return {
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "stage": self.stage,
            "steps": self.step,
            "processes": self.accelerator.num_processes,
            "versions": {"rankiqa": __version__, "torch": str(torch.__version__)},
            "settings": dataclasses.asdict(self.config),
            **self.fingerprint,
        }

    def save(self) -> None:
        """Write a checkpoint, on the main process, and drop the oldest; the others wait."""
        if self.accelerator.is_main_process:
            folder = Path(self.config.out) / "checkpoints"
            scaler = self.accelerator.scaler
            extra = self.fingerprint | self.measured() | {"scaler": scaler.state_dict() if scaler is not None else None}
            extra["more"] = {name: value.tolist() for name, value in self.more_tensors().items()}
            # The prepared optimizer wraps the real one.
            optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
            with self.finished():
                save_checkpoint(folder, self.model, optimizer, self.step, extra, self._files(), self.average)
            drop_old(folder, self.config.keep_checkpoints)
        self.accelerator.wait_for_everyone()

    def run(self) -> Rows | None:
        """Train to the last step; returns the last validation (None where there is none).

        Raises:
            InputError: an image of a batch cannot be read, a checkpoint cannot be written, or the loss is not finite;
                the checkpoints so far are kept.
        """
        with computing(self.config.precision):
            return self._run()

    def _run(self) -> Rows | None:
        config, accelerator = self.config, self.accelerator
        out = Path(config.out)
        parts = config.optim.accumulate
        batches = load_batches(self.batches(), self.step * parts, config.steps * parts, config.loader_workers)
        columns = ("step", "loss", *self.train_columns, "lr", "images_per_s", *(("chip_share",) if self.chip else ()))
        log = None
        if accelerator.is_main_process:
            log = RunLog(out, self.step, columns, ("step", "distortion", *self.val_columns))
        bar = tqdm(total=config.steps, initial=self.step, desc="train", unit="step", disable=log is None, mininterval=1)
        rows = None
        if self.step == 0:
            self._standardise()
        self.model.train()
        losses: list[torch.Tensor] = []
        seen, since = 0, time.perf_counter()
        try:
            if self.step == 0 and self.validates and config.val_first:
                rows = self._validate(log, bar)
                since = time.perf_counter()
            for read in zip(*[batches] * parts, strict=True):
                loss, scores, batch = self.train_step(*read)
                losses.append(loss)
                seen += len(scores) * parts
                bar.update()
                if self.step % config.log_every == 0 or self.step == config.steps:
                    mean = torch.stack(losses).mean().item()
                    if mean != mean or mean == float("inf"):
                        raise InputError(
                            f"the loss is {mean} near step {self.step}",
                            cure="lower the learning rate, clip the gradients or use bf16; the checkpoints so far are "
                            "kept",
                            options=("optim.lr", "optim.clip", "precision=bf16"),
                        )
                    if log:
                        numbers = self.statistics(scores, batch)
                        seconds = time.perf_counter() - since
                        share = {"chip_share": self.chip.since(seconds)} if self.chip else {}
                        log.train(
                            step=self.step,
                            loss=mean,
                            **numbers,
                            lr=learning_rate(self.step - 1, config.steps, config.optim),
                            images_per_s=seen / seconds,
                            **share,
                        )
                        shown = {"loss": mean} | {k: v for k, v in numbers.items() if k == "ordered"}
                        bar.set_postfix({k: f"{v:.3f}" for k, v in shown.items()}, refresh=False)
                    losses, seen, since = [], 0, time.perf_counter()
                last = self.step == config.steps
                if self.validates and (last or self.step % config.val_every == 0):
                    rows = self._validate(log, bar)
                    since = time.perf_counter()
                if last or self.step % config.checkpoint_every == 0:
                    self.save()
        finally:
            bar.close()
            if log:
                log.__exit__(None, None, None)
        if self.reference is None:
            self._measure_reference()
        if accelerator.is_main_process:
            with self._averaged(), self.finished():
                save_model(self.model, out / "model", **self._files())
            write_curves(out)
        accelerator.wait_for_everyone()
        return rows

    def _averaged(self) -> AbstractContextManager[None]:
        """The network with the average of its weights, where there is one, for a while."""
        return nullcontext() if self.average is None else self.average.in_place()

    def _standardise(self) -> None:
        """Before the first step, give new statistics their centre and spread: those of the first images to train on."""
        backbone, accelerator = self.model.backbone, self.accelerator
        if not isinstance(backbone, StageStatistics) or backbone.standardised:
            return

        def total(local: torch.Tensor) -> torch.Tensor:
            return accelerator.reduce(local, "sum")

        def images() -> Iterator[torch.Tensor]:
            seen = 0
            for batch in load_batches(self.batches(), 0, STANDARDISED, self.config.loader_workers):
                pictures = [value.to(accelerator.device) for value in batch.values() if value.ndim == 4]
                for some in pictures:
                    yield some.float().div_(255)
                seen += int(total(torch.tensor(sum(map(len, pictures)), device=accelerator.device)))
                if seen >= STANDARDISED:
                    return

        fit_standardisation(self.model, images(), total)

    def _measure_reference(self) -> None:
        """For a run without a validation, or one that was resumed at its end."""
        self.model.eval()
        with self._averaged():
            if self.validates:
                self.validate()
            elif self.accelerator.is_main_process:
                self.reference = self.measure_reference()
        self.accelerator.wait_for_everyone()

    def _validate(self, log: RunLog | None, bar: tqdm) -> Rows:
        self.model.eval()
        with self._averaged():
            rows = self.validate()
        self.model.train()
        if log:
            log.val(self.step, rows)
            bar.write(f"step {self.step}: held-out {self.summarise(rows)}")
        return rows
