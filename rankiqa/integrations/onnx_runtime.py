"""Scoring by ONNX runtime: what the graph of a network holds computed there, all the rest as always.

The graph is made at first use, in seconds, and kept in the user's cache. That of `rankiqa.integrations.onnx_export`
takes minutes for files that hold everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.files import write_atomically
from rankiqa.images.crops import LEAST_SIDE
from rankiqa.integrations.graph_cache import key_of, path_of
from rankiqa.integrations.onnx_graphs import TOLERANCE, exportable
from rankiqa.integrations.score_graph import INPUTS, score_graph
from rankiqa.integrations.silence import silence_onnxruntime
from rankiqa.models.parts import statistics_of
from rankiqa.models.rank_model import RankModel
from rankiqa.precision import FP32
from rankiqa.scoring.patches import evaluating
from rankiqa.scoring.windows import COARSE, Windows, in_unit, whole_scores

_PURPOSE = "scoring by ONNX runtime"
silence_onnxruntime()
with extra("onnx", _PURPOSE):
    import onnxruntime

_KEY = "rankiqa_key"  # of a graph's metadata
Run = Callable[..., list[Tensor]]


def onnx_network(network: RankModel, span: float = 1.0) -> RankModel:
    """A network that gives the scores of `network`, which ONNX runtime computes, on the CPU.

    Of one that ends in statistics of its stages it computes the scores of images of any size and of their windows; of
    any other those of inputs of the crop's size. What else it is asked for, such as a dense map or values between those
    of pixels, PyTorch computes.

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
    key = key_of(network)
    run = _session(path_of(key), key, lambda: score_graph(found))
    if statistics is not None:

        def scores(pixels: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
            sides = pixels.shape[2:]
            spans = torch.tensor([windows.span(length) for length in sides], dtype=torch.float64)
            whole, parts = run(pixels.permute(0, 2, 3, 1), *map(windows.starts, sides), spans)
            return whole, parts

        by_torch = found.forward

        def forward(images: Tensor) -> Tensor:
            pixels = (images * 255).round_().to(torch.uint8)
            return scores(pixels, COARSE)[0] if torch.equal(in_unit(pixels), images) else by_torch(images)

        statistics.runtime, found.forward = scores, forward  # type: ignore[method-assign]
    else:
        usual, size = found.backbone.forward, (found.crop, found.crop)
        found.backbone.forward = lambda images: run(images)[0] if images.shape[2:] == size else usual(images)
    _check(network, found, span)
    return found


def _session(path: Path, key: str, make: Callable[[], bytes]) -> Run:
    """A graph that is kept in a file, made and kept if it is not there or not this one."""
    try:
        session = _open(path.read_bytes())
        fits = session.get_modelmeta().custom_metadata_map.get(_KEY) == key
    except Exception:  # not there, or no graph: onnxruntime raises its own kinds
        fits = False
    if not fits:
        with extra("onnx", _PURPOSE):
            import onnx
        model = onnx.load_from_string(make())
        onnx.helper.set_model_props(model, {_KEY: key})
        data = model.SerializeToString()
        with contextlib.suppress(InputError):  # a cache is a convenience
            write_atomically(path, data)
        session = _open(data)

    def run(*inputs: Tensor) -> list[Tensor]:
        feed = {name: values.contiguous().numpy() for name, values in zip(INPUTS, inputs, strict=False)}
        return [torch.from_numpy(found) for found in session.run(None, feed)]

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
        pixels = (images * 255).to(torch.uint8)
        with evaluating(network), evaluating(found):
            pairs = zip(_scores(found, pixels), _scores(network, pixels), strict=True)
            difference = max(float((mine - wanted).abs().max()) for mine, wanted in pairs)
        if not difference <= TOLERANCE * span:
            raise InputError(
                f"{network.name}: by ONNX runtime its scores differ from PyTorch's by {difference:.2g}",
                cure="score it with PyTorch",
                options=("runtime=torch",),
            )


def _scores(network: RankModel, pixels: Tensor) -> tuple[Tensor, ...]:
    """The scores of images, and those of their windows where there are any."""
    statistics = statistics_of(network)
    return (network(in_unit(pixels)),) if statistics is None else whole_scores(network, statistics, pixels)
