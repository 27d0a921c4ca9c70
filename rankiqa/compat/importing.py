"""Weights from other frameworks: every tensor used once, every shape checked, and a table of what went where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from rankiqa.errors import InputError
from rankiqa.models.rank_model import RankModel


class Tensor(NamedTuple):
    """One tensor for the network.

    target: its key in the backbone's state_dict. value: a float array of the target's shape. source: what the file
    calls it ("" where the file has none). shape: as the file has it. how: what was done to it, for the table.
    """

    target: str
    value: np.ndarray
    source: str
    shape: tuple[int, ...]
    how: str = ""


class Row(NamedTuple):
    """A line of the table: what the file calls a tensor, its shape there, its key in the network, what was done."""

    source: str
    shape: tuple[int, ...]
    target: str
    how: str


@dataclass(frozen=True)
class Imported:
    """A model with weights from elsewhere, where each came from, and what a user should know."""

    model: RankModel
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def assign(path: str, model: RankModel, tensors: Iterable[Tensor], notes: Sequence[str] = ()) -> Imported:
    """Put `tensors` into the backbone of `model`, strictly.

    Raises `InputError` that names `path` for a target that is given twice, is unknown, missing or of another shape, and
    for values that are not finite.
    """
    own = model.backbone.state_dict()
    found: dict[str, torch.Tensor] = {}
    rows = []
    for tensor in tensors:
        if tensor.target in found:
            raise InputError(f"{path}: two tensors for {tensor.target}, the second is {tensor.source}")
        if tensor.target not in own:
            raise InputError(f"{path}: {tensor.source}: {model.name} has no {tensor.target}")
        wanted = tuple(own[tensor.target].shape)
        if tuple(tensor.value.shape) != wanted:
            raise InputError(
                f"{path}: {tensor.source} has the shape {tensor.shape}, but {model.name} needs {wanted} in "
                f"{tensor.target}"
            )
        if not np.isfinite(tensor.value).all():
            raise InputError(f"{path}: {tensor.source} holds values that are not finite")
        found[tensor.target] = torch.from_numpy(np.ascontiguousarray(tensor.value, dtype=np.float32))
        rows.append(Row(tensor.source, tensor.shape, tensor.target, tensor.how))
    missing = [key for key in own if key not in found and not key.endswith("num_batches_tracked")]
    if missing:
        raise InputError(f"{path}: {len(missing)} tensors of {model.name} are not in it, the first is {missing[0]}")
    model.backbone.load_state_dict(found, strict=False)
    return Imported(model.eval(), tuple(rows), tuple(notes))


def as_text(imported: Imported) -> str:
    """The table, one line a tensor, in fixed columns."""
    head = Row("in the file", (), "in the network", "")
    lines = [
        (row.source or "-", "×".join(map(str, row.shape)) or "scalar", row.target, row.how) for row in imported.rows
    ]
    lines.insert(0, (head.source, "shape", head.target, ""))
    width = [max(len(line[k]) for line in lines) for k in range(3)]
    text = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(line, width, strict=False)), line[3]]).rstrip() for line in lines
    ]
    return "\n".join(text)
