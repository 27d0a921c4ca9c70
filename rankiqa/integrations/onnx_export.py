"""Models as ONNX files, which run without PyTorch.

The preprocessing is in the graph: the input is uint8 RGB, 0–255, in planes (N, 3, H, W). What a file takes and gives is
also written into it, as the graph's doc string and as metadata.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.onnx import ONNXProgram

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.images.crops import LEAST_SIDE, MOST_SIDE
from rankiqa.integrations.onnx_graphs import TOLERANCE, CropGraph, DenseGraph
from rankiqa.integrations.silence import silence_onnxruntime
from rankiqa.models.build import ARCHITECTURES
from rankiqa.models.parts import parts_of, statistics_of, window_of
from rankiqa.models.rank_model import RankModel
from rankiqa.scoring.dense import window_scores
from rankiqa.scoring.patches import evaluating
from rankiqa.scoring.scorer import Scorer
from rankiqa.scoring.windows import Windows, statistic_scores
from rankiqa.version import __version__

silence_onnxruntime()
with extra("onnx"):
    import onnx_ir
    import onnxruntime
    import onnxscript  # noqa: F401 - torch.onnx needs it

KINDS = ("crop", "whole", "dense")
OPSET = 18
# Of PyTorch. The exporters of 2.6 to 2.8 are known to take the bundled networks alone, that of 2.9 all but `shallow`.
KNOWN = (2, 14)
MOST_BYTES = 2_000_000_000  # that one ONNX file can hold

# From uint8 images to what a file should give for them.
Expected = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: where.
        bytes: its size.
        difference: the largest between it and PyTorch, in the unit of the outputs.
        inputs: how many test inputs that was taken over.
    """

    path: Path
    bytes: int
    difference: float
    inputs: int


def kinds_of(network: RankModel) -> tuple[str, str]:
    """The files of a network: whole and dense of one that ends in statistics of its stages, else crop and dense."""
    return ("crop" if statistics_of(network) is None else "whole", "dense")


def export_onnx(
    scorer: Scorer, out: str | Path, what: Sequence[str] | None = None, overwrite: bool = False
) -> list[Exported]:
    """Write `out`/crop.onnx or `out`/whole.onnx, `out`/dense.onnx, or both.

    crop.onnx: `crops` (N, 3, H, W) → `scores` (N,), H and W the side of the network's crop; a network that ends in a
    mean over the places takes larger ones too. A NIMA also gives `votes` (N, 10); its input is the whole image, resized
    to the crop. whole.onnx, of a network that ends in statistics of its stages: `image` (N, 3, H, W), H and W at least
    64 → `score` (N,); to reduce a larger image to 1,024 px, as `Scorer` does, is left to the caller. dense.onnx:
    `image` (N, 3, H, W), H and W at least the crop → `score` (N,) and `map` (N, rows, columns), the score of each
    window; see `rankiqa.scoring.dense`. The photo goes through whole, not in tiles. One that is smaller than the crop
    gives an error, or an empty map and NaN.

    Each file is compared with PyTorch on images of several sizes before it gets its name.

    Args:
        scorer: what `rankiqa.load(model, "cpu")` gives.
        out: the folder; made if need be.
        what: "crop" or "whole", "dense"; None: what `kinds_of` gives.
        overwrite: replace files that are there.

    Raises:
        InputError: a network that does not allow it, a file that is there, or one that differs from PyTorch by more
            than `TOLERANCE`, which is not left behind.

    >>> import rankiqa
    >>> files = export_onnx(rankiqa.load(device="cpu"), "models/onnx")  # doctest: +SKIP
    """
    network = scorer.network
    what, kinds = kinds_of(network) if what is None else what, kinds_of(network)
    if unknown := set(what) - set(KINDS):
        raise InputError(f"what: unknown {unknown.pop()!r}; known: {', '.join(KINDS)}")
    if other := set(what) - set(kinds):
        sees = "crops" if kinds[0] == "crop" else "whole images"
        raise InputError(
            f"{network.name}: it sees {sees}, so there is no {other.pop()}.onnx",
            cure=f"take {kinds[0]}",
            options=(f"what={kinds[0]}",),
        )
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError("a file is in the way", path=out, cure="choose another folder", options=("out",))
    present = [out / f"{kind}.onnx" for kind in what if (out / f"{kind}.onnx").exists()]
    if present and not overwrite:
        raise InputError(
            "exists already",
            path=present[0],
            cure="choose another folder, or replace it",
            options=("out", "overwrite=True"),
        )
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if size > MOST_BYTES:
        raise InputError(f"{network.name}: {size / 1e9:.1f} GB of weights are more than one ONNX file can hold")
    if scorer.device.type != "cpu":
        raise InputError("a model is exported on the CPU", cure="load it there", options=("device=cpu",))
    makers = {"crop": _export_crop, "whole": _export_whole, "dense": _export_dense}
    with evaluating(network):
        return [makers[kind](scorer, out / f"{kind}.onnx") for kind in KINDS if kind in what]


def _of_older_pytorch(error: InputError) -> InputError:
    """The error of an export, with a newer PyTorch as its cure where this one is not known to export every network."""
    version: Any = torch.__version__  # which is compared by its numbers
    if version >= KNOWN:
        return error
    known = ".".join(map(str, KNOWN))
    return error.but(
        cure=f"update PyTorch, which is {version} here: with {known} every network is known to be exported"
    )


def _export_crop(scorer: Scorer, path: Path) -> Exported:
    network = scorer.network
    graph, crop, votes = CropGraph(network), network.crop, network.votes
    outputs = {"scores": ("N",)} | ({"votes": ("N", "10")} if votes else {})
    any_size = not votes and getattr(ARCHITECTURES.get(network.name), "averages", False)
    program = _program(graph, "crops", outputs, crop, any_size)
    what = "the whole image, resized to the input" if votes else "crops of an image; their mean is its score"
    sides = f"H, W at least {crop}" if any_size else f"H = W = {crop}"
    text = f"crops: {what}, (N, 3, H, W) uint8 RGB 0-255, {sides}. scores: (N,), higher is better."
    _describe(program, scorer, text + (" votes: (N, 10), shares of the votes from 1 to 10." if votes else ""))

    def expected(crops: Tensor) -> list[Tensor]:
        return [output for output in network.predict(crops.float() / 255) if output is not None]

    larger = [(1, crop, crop + 33), (2, crop + 45, crop + 7)] if any_size else []
    return _write(program, path, expected, [(1, crop, crop), (3, crop, crop), *larger])


def _export_whole(scorer: Scorer, path: Path) -> Exported:
    network = scorer.network
    graph = CropGraph(network)
    program = _program(graph, "image", {"score": ("N",)}, LEAST_SIDE, any_size=True)
    text = (
        f"image: (N, 3, H, W) uint8 RGB 0-255, H and W at least {LEAST_SIDE}; reduce one whose longer side has more "
        f"than {MOST_SIDE} pixels to that first, each pixel the mean of its area. score: (N,), higher is better."
    )
    _describe(program, scorer, text)
    sizes = [(1, 64, 64), (1, 225, 161), (2, 97, 130), (1, 192, 256)]
    return _write(program, path, lambda images: [network(images.float() / 255)], sizes)


def _export_dense(scorer: Scorer, path: Path) -> Exported:
    network = scorer.network
    graph, crop = DenseGraph(network), network.crop
    part = "crop" if graph.parts else "window"
    program = _program(graph, "image", {"score": ("N",), "map": ("N", "rows", "columns")}, crop, any_size=True)
    text = (
        f"image: (N, 3, H, W) uint8 RGB 0-255, H and W at least {crop} (no score below it). map: (N, rows, columns), "
        f"the score of the {crop}x{crop} {part} at every {graph.stride} pixels. score: (N,), its mean; higher is "
        "better."
    )
    _describe(program, scorer, text)

    def expected(images: Tensor) -> list[Tensor]:
        images = images.float() / 255
        if (net := statistics_of(network)) is not None:
            scores = statistic_scores(network, net, images, Windows(crop))
        else:
            scores = window_scores(parts_of(network), window_of(network), images)
        return [scores.mean((1, 2)), scores]

    sizes = [(1, crop, crop), (1, crop + 1, crop + 17), (2, crop + 46, crop + 31), (1, crop + 95, 2 * crop - 1)]
    return _write(program, path, expected, sizes)


def _program(
    graph: CropGraph | DenseGraph, name: str, outputs: dict[str, tuple], crop: int, any_size: bool
) -> ONNXProgram:
    """The graph as torch.onnx.export gives it, its sizes by their names."""
    from torch.export import Dim

    sizes = {0: Dim("N", min=1)} | ({2: Dim("H", min=crop), 3: Dim("W", min=crop)} if any_size else {})
    # Two images of two sides: one alone, or sides that are alike, would be taken for fixed.
    more = (21, 52) if any_size else (0, 0)
    example = torch.zeros(2, 3, crop + more[0], crop + more[1], dtype=torch.uint8)
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                graph.eval(),
                (example,),
                input_names=[name],
                output_names=list(outputs),
                dynamic_shapes=(sizes,),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter raises what it meets
        reason = " ".join(str(error.__cause__ or error).split())[:160]
        network = graph.network.name
        what = f"{network}: PyTorch's exporter does not take it ({type(error).__name__}: {reason})"
        raise _of_older_pytorch(InputError(what)) from error
    assert program is not None  # as it is with dynamo=True
    for value, shape in zip(program.model.graph.outputs, outputs.values(), strict=True):
        value.shape = onnx_ir.Shape([int(side) if side.isdigit() else side for side in shape])
    return program


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what the exporter says of its own doing."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _describe(program: ONNXProgram, scorer: Scorer, text: str) -> None:
    """Tell in the file what it is."""
    network, settings = scorer.network, scorer.settings
    source = Path(scorer.source)
    facts = {
        "rankiqa": __version__,
        "model": source.resolve().name if source.exists() else scorer.source,
        "architecture": network.name,
        "weights_sha256": settings.get("weights_sha256"),
        "crop": network.crop,
        "input": "uint8 RGB 0-255, (N, 3, H, W)",
        "higher_is_better": "true",
        "low": scorer.low,  # the raw scores that are 0 and 1 on the scale of Score.unit
        "high": scorer.high,
        "reference": scorer.reference.what if scorer.reference else None,
    }
    model = program.model
    model.metadata_props.update({key: str(value) for key, value in facts.items() if value is not None})
    scale = "" if scorer.low is None else f" A raw score of {scorer.low:g} is poor, {scorer.high:g} good."
    model.doc_string = f"RankIQA, image quality without a reference ({network.name}). {text}{scale}"
    model.graph.doc_string = model.doc_string
    model.producer_name, model.producer_version = "rankiqa", __version__


def _write(program: ONNXProgram, path: Path, expected: Expected, sizes: Sequence[tuple[int, int, int]]) -> Exported:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    try:
        with quiet():
            program.save(temporary, external_data=False)
        difference = compare(temporary, expected, sizes)
        os.replace(temporary, path)
    except InputError as error:
        raise _of_older_pytorch(error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return Exported(path, path.stat().st_size, difference, len(sizes))


def compare(path: str | Path, expected: Expected, sizes: Sequence[tuple[int, int, int]]) -> float:
    """The largest difference of a file's outputs from the expected ones.

    Args:
        path: the file.
        expected: makes what it should give.
        sizes: (N, H, W) of the images that it is tried on.

    Raises:
        InputError: it is above `TOLERANCE`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
    session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for size in sizes:
        images = _test_images(*size)
        with torch.inference_mode():
            wanted = [tensor.numpy() for tensor in expected(images)]
        try:
            found = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        except Exception as error:  # a shape that was taken for fixed, an operation that ONNX runtime lacks
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"onnxruntime does not run it on {size} ({reason})", path=Path(path).name) from error
        for one, other in zip(found, wanted, strict=True):
            difference = np.abs(one - other).max() if one.shape == other.shape else np.inf
            if not difference <= TOLERANCE * max(1.0, np.abs(other).max()):
                raise InputError(
                    f"the ONNX file differs from PyTorch by {difference:.2g} on images of {size[2]}×{size[1]} and is "
                    "not kept",
                    cure="report it with what rankiqa doctor tells",
                )
            largest = max(largest, float(difference))
    return largest


def _test_images(count: int, height: int, width: int) -> Tensor:
    """(N, 3, H, W) uint8: noise on one side, soft shapes on the other."""
    draw = torch.Generator().manual_seed(height * 10007 + width)
    coarse = torch.rand(count, 3, 6, 7, generator=draw)
    images = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1).mul(255).round().to(torch.uint8)
    half = width // 2
    images[..., :half] = torch.randint(0, 256, (count, 3, height, half), generator=draw, dtype=torch.uint8)
    return images
