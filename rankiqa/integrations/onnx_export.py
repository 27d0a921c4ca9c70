"""Models as ONNX files, which run without PyTorch.

The preprocessing is in the graph: the input is uint8 RGB, 0–255, in planes (N, 3, H, W). What a file takes and gives is
also written into it, as the graph's doc string and as metadata.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.models.build import ARCHITECTURES
from rankiqa.models.nima import Nima
from rankiqa.models.parts import parts_of, window_of
from rankiqa.models.rank_model import RankModel
from rankiqa.scoring.dense import window_scores
from rankiqa.scoring.patches import evaluating
from rankiqa.scoring.scorer import Scorer
from rankiqa.version import __version__

with extra("onnx"):
    import onnx_ir
    import onnxruntime
    import onnxscript  # noqa: F401 - torch.onnx needs it

KINDS = ("crop", "dense")
OPSET = 18
# Most that a file may differ from PyTorch: of the largest score, or of 1 where that is smaller.
TOLERANCE = 1e-4
MOST_BYTES = 2_000_000_000  # that one ONNX file can hold
# The linear layers of a top that sees its window as one vector, with what lies between them.
_VECTOR_TOPS: dict[str, Callable[[nn.Module], list[nn.Module]]] = {
    "alexnet": lambda net: list(net.classifier),
    "vgg16": lambda net: list(net.classifier),
    "alexnet_caffe": lambda net: [net.fc6, nn.ReLU(), net.fc7, nn.ReLU(), net.fc8],
    "caffenet": lambda net: [net.fc6, nn.ReLU(), net.fc7, nn.ReLU(), net.fc8],
}


# From uint8 images to what a file should give for them.
Expected = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True)
class Exported:
    """A file that was written: where, its size, and how far it is from PyTorch over `inputs` test inputs."""

    path: Path
    bytes: int
    difference: float
    inputs: int


class CropGraph(nn.Module):
    """crops (N, 3, H, W) uint8 → scores (N,); of a NIMA also votes (N, 10)."""

    def __init__(self, network: RankModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        images = crops.float() / 255
        if not isinstance(self.network, Nima):
            return self.network(images)
        votes = self.network(images, distribution=True)
        return (votes * self.network.scale).sum(1), votes


class DenseGraph(nn.Module):
    """image (N, 3, H, W) uint8 → score (N,) and map (N, rows, columns), those of `rankiqa.scoring.dense.window_scores`.

    There the windows pass the top in a loop; here they are one tensor, so that any size goes through one graph.

    Raises:
        InputError: a network that does not allow it.
    """

    def __init__(self, network: RankModel) -> None:
        super().__init__()
        self.network = network = _with_plain_pools(network)
        self.parts, self.window = parts_of(network), window_of(network)
        with evaluating(network):
            place = torch.zeros(1, 3, network.crop, network.crop, device=next(network.parameters()).device)
            channels = self.parts.features(place).shape[1]
            self.pools = self.parts.averages or _sees_the_mean(self.parts.top, channels, self.window, place.device)
        self.convolutions = _convolutions(network, channels, self.window)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        images = image.float() / 255
        scores = window_scores(self.parts, self.window, images) if self.parts.averages else self.slide(images)
        return scores.mean((1, 2)), scores

    def slide(self, images: Tensor) -> Tensor:
        maps = self.parts.features(images)
        if self.convolutions is not None:
            return self.convolutions(maps)[:, 0]
        down, across = self.window
        if self.pools:  # a window's mean is all that the top sees of it
            places = F.avg_pool2d(maps, self.window, stride=1)[..., None, None]
        else:
            places = maps.unfold(2, down, 1).unfold(3, across, 1)
        count, channels, rows, columns = places.shape[:4]
        tops = places.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels, *places.shape[4:])
        return self.parts.top(tops).view(count, rows, columns)


def _with_plain_pools(network: RankModel) -> RankModel:
    """The network with pools that do not round up: the exporter cannot follow these for any size.

    The weights are shared, not copied.
    """
    found = copy.deepcopy(network, {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())})
    for module in list(found.modules()):
        for name, pool in list(module.named_children()):
            if isinstance(pool, nn.MaxPool2d) and pool.ceil_mode:
                setattr(module, name, _PaddedPool(pool))
    return found


class _PaddedPool(nn.Module):
    """A pool that rounds up, as one that rounds down on an input that is continued by a stride less one."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.size, self.stride, self.padding = pool.kernel_size, pool.stride, pool.padding

    def forward(self, maps: Tensor) -> Tensor:
        more = self.stride - 1
        return F.max_pool2d(F.pad(maps, (0, more, 0, more), value=-torch.inf), self.size, self.stride, self.padding)


def _sees_the_mean(top: Callable[[Tensor], Tensor], channels: int, window: tuple[int, int], device) -> bool:
    """Whether a top gives a window of features the score of their mean, whatever it makes of that."""
    maps = torch.rand(4, channels, *window, generator=torch.Generator().manual_seed(0)).to(device)
    try:
        return torch.allclose(top(maps), top(maps.mean((2, 3), keepdim=True)), rtol=1e-4, atol=1e-5)
    except RuntimeError:  # made for windows of one size
        return False


def _convolutions(network: RankModel, channels: int, window: tuple[int, int]) -> nn.Sequential | None:
    """The linear layers of a top as convolutions; None where it is of another kind."""
    layers = _VECTOR_TOPS[network.name](network.backbone) if network.name in _VECTOR_TOPS else []
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    if not linear or linear[0].in_features != channels * window[0] * window[1]:  # a crop of another size is pooled
        return None
    return nn.Sequential(*(_convolution(layer, layer is linear[0] and window) for layer in layers))


def _convolution(layer: nn.Module, window: tuple[int, int] | bool) -> nn.Module:
    if not isinstance(layer, nn.Linear):
        return layer
    side = window or (1, 1)
    found = nn.Conv2d(layer.in_features // (side[0] * side[1]), layer.out_features, side, device="meta")
    found.weight = nn.Parameter(layer.weight.detach().view_as(found.weight), requires_grad=False)
    found.bias = nn.Parameter(layer.bias.detach(), requires_grad=False)
    return found


def export_onnx(
    scorer: Scorer, out: str | Path, what: Sequence[str] = KINDS, overwrite: bool = False
) -> list[Exported]:
    """Write `out`/crop.onnx, `out`/dense.onnx, or both.

    crop.onnx: `crops` (N, 3, H, W) → `scores` (N,), H and W the side of the network's crop; a network that ends in a
    mean over the places takes larger ones too. A NIMA also gives `votes` (N, 10); its input is the whole image, resized
    to the crop. dense.onnx: `image` (N, 3, H, W), H and W at least the crop → `score` (N,) and `map` (N, rows,
    columns), the score of each window; see `rankiqa.scoring.dense`. The photo goes through whole, not in tiles. One
    that is smaller than the crop gives an error, or an empty map and NaN.

    Each file is compared with PyTorch on images of several sizes before it gets its name.

    Args:
        scorer: what `rankiqa.load(model, "cpu")` gives.
        out: the folder; made if need be.
        what: "crop", "dense".
        overwrite: replace files that are there.

    Raises:
        InputError: a network that does not allow it, a file that is there, or one that differs from PyTorch by more
            than `TOLERANCE`, which is not left behind.

    >>> import rankiqa
    >>> files = export_onnx(rankiqa.load(device="cpu"), "models/onnx")  # doctest: +SKIP
    """
    if unknown := set(what) - set(KINDS):
        raise InputError(f"what: unknown {unknown.pop()!r}; known: {', '.join(KINDS)}")
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file is in the way; choose another folder")
    present = [out / f"{kind}.onnx" for kind in what if (out / f"{kind}.onnx").exists()]
    if present and not overwrite:
        raise InputError(f"{present[0]} exists already; choose another folder, or replace it with --overwrite")
    network = scorer.network
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if size > MOST_BYTES:
        raise InputError(f"{network.name}: {size / 1e9:.1f} GB of weights are more than one ONNX file can hold")
    if scorer.device.type != "cpu":
        raise InputError("a model is exported on the CPU; load it with device cpu")
    makers = {"crop": _export_crop, "dense": _export_dense}
    with evaluating(network):
        return [makers[kind](scorer, out / f"{kind}.onnx") for kind in KINDS if kind in what]


def _export_crop(scorer: Scorer, path: Path) -> Exported:
    network = scorer.network
    graph, crop, votes = CropGraph(network), network.crop, isinstance(network, Nima)
    outputs = {"scores": ("N",)} | ({"votes": ("N", "10")} if votes else {})
    any_size = not votes and getattr(ARCHITECTURES.get(network.name), "averages", False)
    program = _program(graph, "crops", outputs, crop, any_size)
    what = "the whole image, resized to the input" if votes else "crops of an image; their mean is its score"
    sides = f"H, W at least {crop}" if any_size else f"H = W = {crop}"
    text = f"crops: {what}, (N, 3, H, W) uint8 RGB 0-255, {sides}. scores: (N,), higher is better."
    _describe(program, scorer, text + (" votes: (N, 10), shares of the votes from 1 to 10." if votes else ""))

    def expected(crops: Tensor) -> list[Tensor]:
        scores = [network(crops.float() / 255)]
        return [*scores, network(crops.float() / 255, distribution=True)] if votes else scores

    larger = [(1, crop, crop + 33), (2, crop + 45, crop + 7)] if any_size else []
    return _write(program, path, expected, [(1, crop, crop), (3, crop, crop), *larger])


def _export_dense(scorer: Scorer, path: Path) -> Exported:
    network = scorer.network
    graph, crop = DenseGraph(network), network.crop
    program = _program(graph, "image", {"score": ("N",), "map": ("N", "rows", "columns")}, crop, any_size=True)
    text = (
        f"image: (N, 3, H, W) uint8 RGB 0-255, H and W at least {crop} (no score below it). map: (N, rows, columns), "
        f"the score of the {crop}x{crop} crop at every {graph.parts.stride} pixels. score: (N,), its mean; higher is "
        "better."
    )
    _describe(program, scorer, text)

    def expected(images: Tensor) -> list[Tensor]:
        scores = window_scores(parts_of(network), window_of(network), images.float() / 255)
        return [scores.mean((1, 2)), scores]

    sizes = [(1, crop, crop), (1, crop + 1, crop + 17), (2, crop + 46, crop + 31), (1, crop + 95, 2 * crop - 1)]
    return _write(program, path, expected, sizes)


def _program(graph: nn.Module, name: str, outputs: dict[str, tuple], crop: int, any_size: bool):
    """The graph as torch.onnx.export gives it, its sizes by their names."""
    from torch.export import Dim

    sizes = {0: Dim("N", min=1)} | ({2: Dim("H", min=crop), 3: Dim("W", min=crop)} if any_size else {})
    # Two images of two sides: one alone, or sides that are alike, would be taken for fixed.
    more = (21, 52) if any_size else (0, 0)
    example = torch.zeros(2, 3, crop + more[0], crop + more[1], dtype=torch.uint8)
    try:
        with _quiet(), torch.no_grad():
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
        raise InputError(
            f"{network}: PyTorch's exporter does not take it ({type(error).__name__}: {reason})"
        ) from error
    for value, shape in zip(program.model.graph.outputs, outputs.values(), strict=True):
        value.shape = onnx_ir.Shape([int(side) if side.isdigit() else side for side in shape])
    return program


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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


def _describe(program, scorer: Scorer, text: str) -> None:
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


def _write(program, path: Path, expected: Expected, sizes: Sequence[tuple[int, int, int]]) -> Exported:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    try:
        with _quiet():
            program.save(temporary, external_data=False)
        difference = compare(temporary, expected, sizes)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return Exported(path, path.stat().st_size, difference, len(sizes))


def compare(path: str | Path, expected: Expected, sizes: Sequence[tuple[int, int, int]]) -> float:
    """The largest difference of a file's outputs from the expected ones, over images of these (N, H, W).

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
            raise InputError(f"{Path(path).name}: onnxruntime does not run it on {size} ({reason})") from error
        for one, other in zip(found, wanted, strict=True):
            difference = np.abs(one - other).max() if one.shape == other.shape else np.inf
            if not difference <= TOLERANCE * max(1.0, np.abs(other).max()):
                raise InputError(
                    f"the ONNX file differs from PyTorch by {difference:.2g} on images of {size[2]}×{size[1]} and is "
                    "not kept; report it with what rankiqa doctor --json tells"
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
