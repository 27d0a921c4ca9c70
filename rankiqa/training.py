"""The loop that trains a ranking network: one batch a step, on one device or many."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from tqdm import tqdm

from rankiqa import __version__
from rankiqa.batches import RankedBatches, make_loader, make_sampler
from rankiqa.config import RankConfig
from rankiqa.curves import write_curves
from rankiqa.distortions.sets import stand_ins
from rankiqa.errors import InputError
from rankiqa.losses import hardest_pairs_hinge, pair_statistics, pairwise_hinge
from rankiqa.models import RankModel, build_model, save_model
from rankiqa.online_set import OnlineSet
from rankiqa.optim import learning_rate, make_optimizer, set_learning_rate
from rankiqa.ranked_set import RankedSet
from rankiqa.run_log import RunLog
from rankiqa.sampling import Ranks
from rankiqa.seeding import derive_seed, generator
from rankiqa.training_state import checkpoints, drop_old, load_checkpoint, read_state, save_checkpoint
from rankiqa.validation import score_items, summarize, validation_items

# What may change between the parts of one run without changing its weights.
FREE_KEYS = ("data.ranks", "data.pristine", "data.val", "data.workers", "out", "resume", "overwrite")
FREE_KEYS += ("log_every", "val_every", "val_patches", "checkpoint_every", "keep_checkpoints")


def open_ranks(config: RankConfig) -> Ranks:
    """All the images that the settings name."""
    data = config.data
    if data.source == "online":
        return OnlineSet.find(data.pristine, data.distortions, data.levels, config.seed, data.convert)
    return RankedSet.read(data.ranks)


def split_ranks(config: RankConfig) -> tuple[Ranks, Ranks | None]:
    """The sets to train on and to validate on; disjoint in photos. `InputError` if one has none."""
    ranks = open_ranks(config)
    data = config.data
    if data.val:
        val = RankedSet.read(data.val)
        shared = len(_hashes(ranks) & _hashes(val))
        if shared:
            raise InputError(
                f"data.val: {data.val} shares {shared} pristine photos with {ranks.folder}; validate on others"
            )
        return ranks, val
    held = set(data.holdout_names)
    if unknown := sorted(held - set(ranks.references)):
        raise InputError(f"data.holdout_names: {unknown[0]} is no reference of {ranks.folder}")
    rest = [reference for reference in ranks.references if reference not in held]
    if data.holdout >= len(rest):
        raise InputError(
            f"data.holdout is {data.holdout}, but {ranks.folder} has only {len(rest)} photos; "
            "some must remain to train on"
        )
    order = generator(config.seed, "holdout").permutation(len(rest))
    held |= {rest[i] for i in order[: data.holdout]}
    if not held:
        return ranks, None
    training = [reference for reference in ranks.references if reference not in held]
    if not training:
        raise InputError(f"data.holdout_names: no photo of {ranks.folder} is left to train on")
    return ranks.select(training), ranks.select(sorted(held))


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _hashes(ranks: Ranks) -> set[str]:
    return {photo.sha256 for photo in ranks.photos.values()}


def _prepare_out(config: RankConfig) -> Path | None:
    """Check the run's folder and write config.yaml; returns the checkpoint to resume from."""
    out = Path(config.out)
    written = out / "config.yaml"
    now = dataclasses.asdict(config)
    resume_from = None
    if config.resume:
        done = checkpoints(out / "checkpoints")
        if not done or not written.is_file():
            raise InputError(f"{out}: no checkpoint to resume from; leave --resume out to start a run")
        # A key that the run's version did not have yet is at its default.
        before = _flat(dataclasses.asdict(RankConfig())) | _flat(yaml.safe_load(written.read_text(encoding="utf-8")))
        after = _flat(now)
        for key in sorted(before.keys() | after.keys()):
            # The length of the run shapes the cosine; a step schedule may be made longer.
            free = key in FREE_KEYS or (key == "steps" and config.optim.schedule != "cosine")
            if not free and before.get(key) != after.get(key):
                raise InputError(
                    f"{key} is {after.get(key)!r}, but the run in {out} has {before.get(key)!r}; "
                    "resume with the same settings (--config of that run), or choose another --out"
                )
        resume_from = done[-1]
    elif written.exists():
        if not config.overwrite:
            raise InputError(
                f"{out} holds a run already; go on with --resume, start anew with --overwrite, or choose another --out"
            )
        aside = next(p for i in range(1, 10**6) if not (p := out.with_name(f"{out.name}.old{i}")).exists())
        os.rename(out, aside)
        print(f"moved the run that was there to {aside}")
    out.mkdir(parents=True, exist_ok=True)
    written.write_text(yaml.safe_dump(now | {"resume": False, "overwrite": False}, sort_keys=False), encoding="utf-8")
    return resume_from


def all_scores(local: torch.Tensor, count: int, accelerator: Accelerator) -> torch.Tensor:
    """The (count,) scores of the whole batch; only this process's own carry a gradient.

    Process r has images r, r + P, r + 2P, … of the batch. Each process computes the loss of the whole batch; the
    derivative by its own scores is exact with the others as constants, and the sum over processes is the gradient of
    the whole loss. So several devices train as one would, pairs between devices included.
    """
    processes, rank = accelerator.num_processes, accelerator.process_index
    if processes == 1:
        return local
    longest = -(-count // processes)
    padded = torch.nn.functional.pad(local.detach(), (0, longest - len(local)))
    gathered = accelerator.gather(padded).view(processes, longest).T.reshape(-1)[:count].clone()
    gathered[rank::processes] = local
    return gathered


class RankTrainer:
    """Holds what the steps of one run share. `run()` does it all."""

    def __init__(self, config: RankConfig) -> None:
        config.check()
        self.config = config
        self.train_set, self.val_set = split_ranks(config)
        self.sampler = make_sampler(config.batch, self.train_set, config.seed)
        self.accelerator = Accelerator(mixed_precision=config.precision)
        if config.data.source == "online" and self.accelerator.is_main_process:
            for line in stand_ins(self.train_set.distortions, config.data.distortions):
                print(f"note: {line}", file=sys.stderr)
        torch.manual_seed(derive_seed(config.seed, "weights"))
        m = config.model
        self.model: RankModel = build_model(m.name, m.weights, m.preprocessing, m.crop, m.dropout)
        self._check_sizes()
        # Everything that can be wrong in the settings is known by now: only then is a folder touched.
        self.checkpoint = None
        if self.accelerator.is_main_process:
            self.checkpoint = _prepare_out(config)
        self.accelerator.wait_for_everyone()
        if config.resume and self.checkpoint is None:
            self.checkpoint = checkpoints(Path(config.out) / "checkpoints")[-1]
        self.step = 0
        self.optimizer = make_optimizer(self.model, config.optim)
        if m.channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.fingerprint = self.train_set.fingerprint
        scaler_state = None
        if self.checkpoint is not None:
            state = read_state(self.checkpoint)
            if any(state.get(key) != value for key, value in self.fingerprint.items()):
                key, what = (
                    ("pristine", "photos or strengths differ")
                    if config.data.source == "online"
                    else ("ranks", "its manifest differs")
                )
                raise InputError(f"data.{key}: {self.train_set.folder} is not what the run began with ({what})")
            load_checkpoint(self.checkpoint, self.model, self.optimizer)
            self.step = state["step"]
            scaler_state = state.get("scaler")
        self.network, self.optimizer = self.accelerator.prepare(self.model, self.optimizer)
        if self.accelerator.scaler is not None and scaler_state:
            self.accelerator.scaler.load_state_dict(scaler_state)

    def _check_sizes(self) -> None:
        """The pristine photos are enough: all levels of a photo have its size."""
        for ranks in filter(None, (self.train_set, self.val_set)):
            for reference, photo in ranks.photos.items():
                if min(photo.width, photo.height) < self.model.crop:
                    raise InputError(
                        f"{ranks.folder}: {reference}: {photo.width}×{photo.height} px is smaller than the crop of "
                        f"{self.model.crop} px; leave it out, or give a smaller --model.crop"
                    )

    def loss(self, scores: torch.Tensor, group: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        config = self.config
        if config.batch.sampler == "hard_negatives":
            return hardest_pairs_hinge(scores, group, level, config.loss.margin, config.batch.keep)
        return pairwise_hinge(scores, group, level, config.loss.margin, config.loss.reduction)

    def train_step(
        self, batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """One forward and backward pass and one update; returns the loss, all scores, groups and levels."""
        config, accelerator = self.config, self.accelerator
        device = accelerator.device
        # Dropout draws from the global generator; seeded by the step, it needs no state to resume.
        torch.manual_seed(derive_seed(config.seed, "dropout", self.step, accelerator.process_index))
        images = batch["images"].to(device, non_blocking=True).float().div_(255)
        if config.model.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        group, level = batch["group"].to(device), batch["level"].to(device)
        scores = all_scores(self.network(images).float(), len(group), accelerator)
        loss = self.loss(scores, group, level)
        # Distributed training averages the gradients of the processes; their sum is what is wanted.
        accelerator.backward(loss * accelerator.num_processes)
        if config.optim.clip is not None:
            accelerator.clip_grad_norm_(self.model.parameters(), config.optim.clip)
        set_learning_rate(self.optimizer, learning_rate(self.step, config.steps, config.optim))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return loss.detach(), scores.detach(), group, level

    def validate(self) -> dict[str, dict[str, float]]:
        """See `rankiqa.validation.summarize`; the images are shared out to the processes."""
        accelerator = self.accelerator
        items = validation_items(self.val_set)
        # A photo's images go to one process, so that its pristine one is scored once.
        names = self.val_set.references
        mine = set(names[accelerator.process_index :: accelerator.num_processes])
        places = [i for i, item in enumerate(items) if item[0] in mine]
        self.model.eval()
        scores = torch.zeros(len(items), dtype=torch.float64, device=accelerator.device)
        if places:
            values = score_items(
                self.model,
                self.val_set,
                [items[i] for i in places],
                self.config.val_patches,
                self.config.seed,
                accelerator.device,
                accelerator.is_main_process,
            )
            scores[places] = torch.as_tensor(values, dtype=torch.float64, device=scores.device)
        self.model.train()
        return summarize(items, accelerator.reduce(scores, "sum").cpu().numpy())

    def provenance(self) -> dict[str, Any]:
        return {
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "stage": "rank",
            "steps": self.step,
            "versions": {"rankiqa": __version__, "torch": str(torch.__version__)},
            "settings": dataclasses.asdict(self.config),
            **self.fingerprint,
        }

    def model_files(self) -> dict[str, Any]:
        photos = {photo.sha256: reference for reference, photo in self.train_set.photos.items()}
        return {"training_photos": photos, "score_range": None, "provenance": self.provenance()}

    def save(self) -> None:
        if self.accelerator.is_main_process:
            folder = Path(self.config.out) / "checkpoints"
            scaler = self.accelerator.scaler
            extra = self.fingerprint | {"scaler": scaler.state_dict() if scaler is not None else None}
            # The prepared optimizer wraps the real one.
            optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
            save_checkpoint(folder, self.model, optimizer, self.step, extra, self.model_files())
            drop_old(folder, self.config.keep_checkpoints)
        self.accelerator.wait_for_everyone()

    def run(self) -> dict[str, dict[str, float]] | None:
        """Train to the last step; returns the last validation (None without photos to validate on)."""
        config, accelerator = self.config, self.accelerator
        out = Path(config.out)
        batches = RankedBatches(
            self.train_set,
            self.sampler,
            self.model.crop,
            config.seed,
            accelerator.process_index,
            accelerator.num_processes,
        )
        loader = make_loader(batches, self.step, config.steps, config.data.workers)
        log = RunLog(out, self.step) if accelerator.is_main_process else None
        bar = tqdm(
            total=config.steps,
            initial=self.step,
            desc="train",
            unit="step",
            disable=log is None,
            mininterval=1,
        )
        rows = None
        self.model.train()
        losses, seen, since = [], 0, time.perf_counter()
        try:
            for batch in loader:
                loss, scores, group, level = self.train_step(batch)
                losses.append(loss)
                seen += len(group)
                bar.update()
                if self.step % config.log_every == 0 or self.step == config.steps:
                    mean = torch.stack(losses).mean().item()
                    if mean != mean or mean == float("inf"):
                        raise InputError(
                            f"the loss is {mean} near step {self.step}: lower optim.lr, set optim.clip "
                            "or use precision bf16; the checkpoints so far are kept"
                        )
                    if log:
                        stats = pair_statistics(scores, group, level, config.loss.margin)
                        rate = seen / (time.perf_counter() - since)
                        log.train(
                            step=self.step,
                            loss=mean,
                            ordered=stats.ordered,
                            active=stats.active,
                            pairs=stats.pairs,
                            lr=learning_rate(self.step - 1, config.steps, config.optim),
                            images_per_s=rate,
                        )
                        bar.set_postfix(loss=f"{mean:.3f}", ordered=f"{stats.ordered:.3f}", refresh=False)
                    losses, seen, since = [], 0, time.perf_counter()
                last = self.step == config.steps
                if self.val_set and (last or self.step % config.val_every == 0):
                    rows = self.validate()
                    if log:
                        log.val(self.step, rows)
                        bar.write(f"step {self.step}: held-out {describe(rows['ALL'])}")
                    since = time.perf_counter()
                if last or self.step % config.checkpoint_every == 0:
                    self.save()
        except InputError as error:
            # A reader's process sends its traceback along; its last line is the message.
            raise InputError(str(error).strip().splitlines()[-1].split("InputError: ")[-1]) from error
        finally:
            bar.close()
            if log:
                log.__exit__(None, None, None)
        if accelerator.is_main_process:
            save_model(self.model, out / "model", **self.model_files())
            write_curves(out)
        accelerator.wait_for_everyone()
        return rows


def describe(row: dict[str, float]) -> str:
    return (
        f"SROCC {row['srocc']:.3f}, ordered pairs {row['ordered_within']:.2%} within a photo, "
        f"{row['ordered_across']:.2%} between photos"
    )
