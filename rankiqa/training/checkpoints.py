"""Checkpoints of a run: the model, and apart from it what is needed to go on exactly.

Batches, crops, dropout and the learning rate are functions of seed and step, so the state is the step, the
optimizer's tensors and the loss scale of fp16. All of it is safetensors and JSON; no pickle is written or read.
"""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from rankiqa.errors import InputError
from rankiqa.models.build import read_weights
from rankiqa.models.checkpoint import replace_folder, write_model_files
from rankiqa.models.locate import WEIGHTS
from rankiqa.models.rank_model import RankModel
from rankiqa.training.average import WeightAverage, backbone_tensors

# Of a run that averages its weights: the model is the average, and what goes on learning lies beside it.
LEARNING = "learning.safetensors"
TENSORS, STATE = "training_state.safetensors", "training_state.json"


def _flatten(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors: dict[str, torch.Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, entry in optimizer.state_dict()["state"].items():
        for name, value in entry.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{name}"] = value.detach().cpu().contiguous()
            elif value is not None:
                numbers[f"{index}.{name}"] = value
    return tensors, numbers


def save_checkpoint(
    folder: Path,
    model: RankModel,
    optimizer: torch.optim.Optimizer,
    step: int,
    extra: dict[str, Any],
    model_files: dict[str, Any],
    average: WeightAverage | None = None,
) -> None:
    """Write `folder`/step-…, whole or not at all.

    Args:
        folder: the run's checkpoints.
        model: the network.
        optimizer: what it learns with.
        step: steps done.
        extra: JSON values that come back from `load_checkpoint`.
        model_files: further arguments of `rankiqa.models.save_model`.
        average: of the weights, which is then saved as the model.

    Raises:
        InputError: it cannot be written; older checkpoints are untouched.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    final = folder / f"step-{step:08d}"
    temporary = folder / f".step-{step:08d}.new"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        if average is not None:
            save_file(backbone_tensors(model), temporary / LEARNING)
        with average.in_place() if average is not None else nullcontext():
            write_model_files(model, temporary, **model_files)
        tensors, numbers = _flatten(optimizer)
        save_file(tensors, temporary / TENSORS)
        state = {"step": step, "optimizer": numbers, **extra}
        (temporary / STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        replace_folder(temporary, final)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise InputError(
            f"the checkpoint cannot be written: {error}",
            path=final,
            cure="older checkpoints are kept: free some space and go on",
            options=("resume",),
        ) from error


def checkpoints(folder: Path) -> list[Path]:
    """The finished checkpoints, oldest first."""
    return sorted(path.parent for path in folder.glob(f"step-*/{STATE}"))


def drop_old(folder: Path, keep: int) -> None:
    """Remove all finished checkpoints but the newest `keep`."""
    for path in checkpoints(folder)[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The JSON part; `InputError` that names the file if it is damaged."""
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        return state | {"step": int(state["step"]), "optimizer": dict(state["optimizer"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"damaged ({error})",
            path=checkpoint / STATE,
            cure=f"remove the folder {checkpoint.name} to resume from the one before",
        ) from error


def load_checkpoint(
    checkpoint: Path, model: RankModel, optimizer: torch.optim.Optimizer, average: WeightAverage | None = None
) -> dict[str, Any]:
    """Put model, optimizer and average back where they were; returns the JSON part.

    Raises:
        InputError: a file is damaged, or the weights are of another network.
    """
    state = read_state(checkpoint)
    own = model.backbone.state_dict()
    files = [WEIGHTS] if average is None else [WEIGHTS, LEARNING]
    for file in files:
        weights = read_weights(checkpoint / file)
        if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in weights.items()}:
            raise InputError(f"the weights are of another network than {model.name}", path=checkpoint / file)
        if average is not None and file == WEIGHTS:
            average.resume(weights)
    model.backbone.load_state_dict(weights)
    entries: dict[int, dict[str, Any]] = {}
    for key, value in [*read_weights(checkpoint / TENSORS).items(), *state["optimizer"].items()]:
        index, name = key.split(".", 1)
        entries.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": entries})
    return state
