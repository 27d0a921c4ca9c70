"""Weights from other frameworks: every tensor used once, every shape checked, and a table of what went where."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch

from rankiqa.errors import InputError
from rankiqa.models.rank_model import RankModel
from rankiqa.text_table import text_table

Network = TypeVar("Network", bound=RankModel)


class ImportedTensor(NamedTuple):
    """One tensor for the network.

    Attributes:
        target: its key in the backbone's state_dict.
        value: a float array of the target's shape.
        source: what the file calls it ("" where the file has none).
        shape: as the file has it.
        how: what was done to it, for the table.
    """

    target: str
    value: np.ndarray
    source: str
    shape: tuple[int, ...]
    how: str = ""


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        source: what the file calls a tensor.
        shape: as the file has it.
        target: its key in the backbone's state_dict.
        how: what was done to it.
    """

    source: str
    shape: tuple[int, ...]
    target: str
    how: str


@dataclass(frozen=True)
class Imported(Generic[Network]):
    """A model with weights from elsewhere, where each came from, and what a user should know.

    Attributes:
        model: in evaluation mode.
        rows: the table, a row for each tensor, in the order of the import.
        notes: sentences for the user.
    """

    model: Network
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def assign(
    path: str | os.PathLike[str], model: Network, tensors: Iterable[ImportedTensor], notes: Sequence[str] = ()
) -> Imported[Network]:
    """Put `tensors` into the backbone of `model`, strictly.

    Args:
        path: the file that they come from, for errors.
        model: changed in place.
        tensors: one for each of the backbone's; the step counters of batch norms may be missing.
        notes: kept with the model.

    Raises:
        InputError: a target that is given twice, is unknown, missing or of another shape, and values that are not
            finite.
    """
    own = model.backbone.state_dict()
    found: dict[str, torch.Tensor] = {}
    rows = []
    for tensor in tensors:
        if tensor.target in found:
            raise InputError(f"two tensors for {tensor.target}, the second is {tensor.source}", path=path)
        if tensor.target not in own:
            raise InputError(f"{tensor.source}: {model.name} has no {tensor.target}", path=path)
        wanted = tuple(own[tensor.target].shape)
        if tuple(tensor.value.shape) != wanted:
            raise InputError(
                f"{tensor.source} has the shape {tensor.shape}, but {model.name} needs {wanted} in {tensor.target}",
                path=path,
            )
        if not np.isfinite(tensor.value).all():
            raise InputError(f"{tensor.source} holds values that are not finite", path=path)
        found[tensor.target] = torch.from_numpy(np.ascontiguousarray(tensor.value, dtype=np.float32))
        rows.append(Row(tensor.source, tensor.shape, tensor.target, tensor.how))
    missing = [key for key in own if key not in found and not key.endswith("num_batches_tracked")]
    if missing:
        raise InputError(f"{len(missing)} tensors of {model.name} are not in it, the first is {missing[0]}", path=path)
    model.backbone.load_state_dict(found, strict=False)
    return Imported(model.eval(), tuple(rows), tuple(notes))


def shape_text(shape: Sequence[int]) -> str:
    """A shape for people: 96×3×11×11; "scalar" without axes."""
    return "×".join(map(str, shape)) or "scalar"


def import_table(imported: Imported[Network]) -> str:
    """What went where, one line a tensor, in fixed columns: its name and shape in the file, its key, what was done."""
    rows = [(row.source or "-", shape_text(row.shape), row.target, row.how) for row in imported.rows]
    return text_table([("in the file", "shape", "in the network", ""), *rows], "<<<<")
