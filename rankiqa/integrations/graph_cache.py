"""Where the graphs of ONNX runtime are kept, and what each depends on, told without importing it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from rankiqa.models.rank_model import RankModel
from rankiqa.version import versions

FORM = 3  # of the graphs: another number where they take or give something else
_MAKERS = ("torch", "onnx", "onnxruntime")


def cache_folder() -> Path:
    """Where graphs are kept, of this user: it may be removed at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rankiqa" / "onnx"


def graph_of(network: RankModel) -> Path:
    """The file of a network's graph, which may not be there yet."""
    return path_of(key_of(network))


def path_of(key: str) -> Path:
    """The file of the graph with a key."""
    return cache_folder() / f"{key[:32]}.onnx"


def key_of(network: RankModel) -> str:
    """What a graph depends on, as one hash: the network, and the versions of what makes and runs it."""
    found = hashlib.sha256()
    made = [FORM, *versions(_MAKERS).items()]
    found.update(repr([*made, network.name, network.architecture(), network.input_steps()]).encode())
    for name, tensor in network.state_dict().items():
        values = np.ascontiguousarray(tensor.numpy())
        found.update(f"{name} {values.dtype} {values.shape}".encode())
        found.update(values.data)
    return found.hexdigest()
