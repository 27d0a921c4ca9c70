"""Scoring by ONNX runtime: the convolutions of a network computed there, all the rest as always.

The graph is made at first use, in seconds, and kept in the user's cache. It is that of PyTorch's older exporter, by way
of a trace: the one of `rankiqa.integrations.onnx_export` takes minutes for files that hold everything.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.files import write_atomically
from rankiqa.images.crops import LEAST_SIDE
from rankiqa.integrations.onnx_export import OPSET, TOLERANCE, quiet
from rankiqa.integrations.onnx_graphs import exportable
from rankiqa.models.parts import statistics_of
from rankiqa.models.rank_model import RankModel
from rankiqa.models.statistics import StageStatistics
from rankiqa.precision import FP32
from rankiqa.scoring.patches import evaluating
from rankiqa.version import __version__

with extra("onnx", "scoring by ONNX runtime"):
    import onnx
    import onnxruntime

_KEY = "rankiqa_key"  # of a graph's metadata
_INPUT = "images"
Run = Callable[[Tensor], list[Tensor]]


def cache_folder() -> Path:
    """Where graphs are kept, of this user: it may be removed at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rankiqa" / "onnx"


def onnx_network(network: RankModel, span: float = 1.0) -> RankModel:
    """A network that gives the scores of `network`, whose convolutions ONNX runtime computes, on the CPU.

    Of one that ends in statistics of its stages these are all its maps, of an image of any size; of any other the whole
    backbone, for inputs of the crop's size. What else it is asked for, such as a dense map, PyTorch computes.

    Args:
        network: on the CPU, in float32; left as it is.
        span: of its scale of scores: the two may differ by `TOLERANCE` of it.

    Returns:
        A network for scoring alone.

    Raises:
        InputError: on another device or in another precision; PyTorch's exporter does not take it; its scores differ.
        MissingExtra: ONNX runtime is not installed.
    """
    if next(network.parameters()).device.type != "cpu":
        raise InputError("ONNX runtime computes on the CPU here", cure="take it", options=("device=cpu",))
    if network.precision != FP32:
        raise InputError(
            f"ONNX runtime computes in float32, not in {network.precision}", cure="take it", options=("precision=fp32",)
        )
    found = exportable(network).eval().requires_grad_(False)
    statistics = statistics_of(found)
    key = _key(network)
    run = _session(_path(key), key, lambda: _graph(found))
    if statistics is not None:
        statistics.maps = run  # type: ignore[method-assign, assignment]
    else:
        usual, size = found.backbone.forward, (found.crop, found.crop)
        found.backbone.forward = lambda images: run(images)[0] if images.shape[2:] == size else usual(images)
    _check(network, found, span)
    return found


def graph_of(network: RankModel) -> Path:
    """The file of a network's graph, which may not be there yet."""
    return _path(_key(network))


def _path(key: str) -> Path:
    return cache_folder() / f"{key[:32]}.onnx"


def _key(network: RankModel) -> str:
    """What a graph depends on, as one hash."""
    found = hashlib.sha256()
    versions = [__version__, torch.__version__, onnx.__version__, onnxruntime.__version__, OPSET]
    found.update(repr([*versions, network.name, network.architecture(), network.input_steps()]).encode())
    for name, tensor in network.state_dict().items():
        values = np.ascontiguousarray(tensor.numpy())
        found.update(f"{name} {values.dtype} {values.shape}".encode())
        found.update(values.data)
    return found.hexdigest()


class _Maps(nn.Module):
    """Preprocessed images (N, 3, H, W) → the maps of all stages."""

    def __init__(self, statistics: StageStatistics) -> None:
        super().__init__()
        self.statistics = statistics

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.statistics.maps(images))


def _graph(network: RankModel) -> bytes:
    """The heavy part of a network as ONNX, the sizes free where it takes any."""
    statistics = statistics_of(network)
    any_size = statistics is not None
    side = LEAST_SIDE + 1 if any_size else network.crop
    axes = {0: "N", 2: "H", 3: "W"} if any_size else {0: "N"}
    file = io.BytesIO()
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                network.backbone if statistics is None else _Maps(statistics),
                (torch.zeros(1, 3, side, side + 30 * any_size),),
                file,  # type: ignore[arg-type]
                input_names=[_INPUT],
                dynamic_axes={_INPUT: axes},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # the exporter raises what it meets
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{network.name}: PyTorch's exporter does not take it ({type(error).__name__}: {reason})",
            cure="score it with PyTorch",
            options=("runtime=torch",),
        ) from error
    return file.getvalue()


def _session(path: Path, key: str, make: Callable[[], bytes]) -> Run:
    """A graph that is kept in a file, made and kept if it is not there or not this one."""
    try:
        session = _open(path.read_bytes())
        fits = session.get_modelmeta().custom_metadata_map.get(_KEY) == key
    except Exception:  # not there, or no graph: onnxruntime raises its own kinds
        fits = False
    if not fits:
        model = onnx.load_from_string(make())
        onnx.helper.set_model_props(model, {_KEY: key})
        data = model.SerializeToString()
        with contextlib.suppress(InputError):  # a cache is a convenience
            write_atomically(path, data)
        session = _open(data)

    def run(images: Tensor) -> list[Tensor]:
        return [torch.from_numpy(found) for found in session.run(None, {_INPUT: images.contiguous().numpy()})]

    return run


def _open(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _check(network: RankModel, found: RankModel, span: float) -> None:
    """Raise `InputError` where the scores of two networks differ by more than `TOLERANCE` of the scale."""
    draw = torch.Generator().manual_seed(0)
    side = network.crop if statistics_of(network) is None else LEAST_SIDE
    more = 0 if statistics_of(network) is None else 33
    for size in ((2, 3, side, side), (1, 3, side + more, side + 2 * more)):
        images = torch.rand(size, generator=draw)
        images = (images + images.cumsum(3) / size[3]) / 2  # something fine and something coarse
        with evaluating(network):
            wanted = network(images)
        with evaluating(found):
            difference = float((found(images) - wanted).abs().max())
        if not difference <= TOLERANCE * span:
            raise InputError(
                f"{network.name}: by ONNX runtime its scores differ from PyTorch's by {difference:.2g}",
                cure="score it with PyTorch",
                options=("runtime=torch",),
            )
