"""What ONNX runtime computes when it scores, as a graph of PyTorch's older exporter, by way of a trace.

Of a network that ends in statistics of its stages that is all from the pixels to the scores, those of windows too: what
leaves the graph is a few numbers, and the maps never do. Of any other network it is the backbone.
"""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.errors import InputError
from rankiqa.images.crops import LEAST_SIDE
from rankiqa.integrations.onnx_graphs import exportable, replace_modules
from rankiqa.models.efficientnet_lite import SameConv2d
from rankiqa.models.parts import statistics_of
from rankiqa.models.rank_model import RankModel
from rankiqa.models.statistics import EPSILON
from rankiqa.scoring.windows import shares

IMAGES, TOPS, LEFTS, SPANS = INPUTS = ("images", "tops", "lefts", "spans")


def score_graph(network: RankModel) -> bytes:
    """A network as ONNX: what `WindowGraph` takes and gives, or of one that sees crops its backbone, for their size.

    Raises:
        InputError: the exporter does not take it.
        MissingExtra: it is not installed.
    """
    from rankiqa.integrations.onnx_export import OPSET, quiet  # which takes a second to import

    traced = exportable(network)
    replace_modules(traced, SameConv2d, lambda own: own if own.bias is None else _SameConvolution(own))
    if statistics_of(network) is None:
        graph: nn.Module = traced.backbone
        inputs: tuple[Tensor, ...] = (torch.zeros(1, 3, network.crop, network.crop),)
        free = {IMAGES: {0: "N"}}
    else:
        graph = WindowGraph(traced)
        places = torch.zeros(2, dtype=torch.float64)
        pixels = torch.zeros(1, LEAST_SIDE + 1, LEAST_SIDE + 31, 3, dtype=torch.uint8)
        inputs = (pixels, places, places[:1], places + LEAST_SIDE)
        free = {IMAGES: {0: "N", 1: "H", 2: "W"}, TOPS: {0: "rows"}, LEFTS: {0: "columns"}}
    file = io.BytesIO()
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                graph.eval(),
                inputs,
                file,  # type: ignore[arg-type]
                input_names=list(INPUTS[: len(inputs)]),
                dynamic_axes=free,
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


class WindowGraph(nn.Module):
    """pixels (N, H, W, 3) uint8 RGB → scores (N,), and (N, rows, columns) those of windows.

    Pixels as an image has them: planes in floating point would be copies, in memory that is new for each photo. The
    scores are those of `rankiqa.scoring.windows`, with the maps in planes, as ONNX runtime has them, and with one pass
    over them for the image and its windows.
    """

    def __init__(self, network: RankModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor, tops: Tensor, lefts: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
        """The scores, higher is better.

        Args:
            pixels: (N, H, W, 3) uint8.
            tops: (rows,) float64, where the windows begin, pixels.
            lefts: (columns,) likewise.
            spans: (2,) float64, how high and how wide the windows are, pixels.
        """
        net = statistics_of(self.network)
        assert net is not None
        images = pixels.permute(0, 3, 1, 2).float() / 255
        whole, windows = [], []
        for stage in net.maps(self.network.preprocessing(images)):
            down = shares(tops, spans[0], stage.shape[2], images.shape[2]).to(stage)
            across = shares(lefts, spans[1], stage.shape[3], images.shape[3]).to(stage).T
            middle = stage.mean((2, 3), keepdim=True)
            places = stage - middle
            squares = places * places
            whole += [middle.flatten(1), _root(squares.mean((2, 3)))]
            mean = down @ places @ across
            windows += [mean + middle, _root(down @ squares @ across - mean * mean)]
        scores = net.top(torch.cat(whole, 1))[:, 0]
        return scores, net.top(torch.cat(windows, 1).permute(0, 2, 3, 1))[..., 0]


def _root(variance: Tensor) -> Tensor:
    """The deviations of variances, which rounding may have brought below 0."""
    return (variance.clamp(min=0) + EPSILON).sqrt()


class _SameConvolution(nn.Module):
    """What a `SameConv2d` with a bias is while it is traced."""

    def __init__(self, convolution: SameConv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, maps: Tensor) -> Tensor:
        own = self.convolution
        return _Same.apply(maps, own.weight, own.bias, own.groups)


class _Same(torch.autograd.Function):
    """A convolution of stride 2 that pads as TensorFlow does.

    ONNX has a word for it. From a padding of its own, which hangs on the sides, ONNX runtime would take the maps out of
    the order in which it computes, and back: a third more of the time of the whole graph.
    """

    @staticmethod
    def forward(context: Any, maps: Tensor, weight: Tensor, bias: Tensor, groups: int) -> Tensor:
        """With another padding, as a trace takes the shape alone."""
        return F.conv2d(maps, weight, bias, 2, int(weight.shape[2]) // 2, groups=groups)

    @staticmethod
    def symbolic(graph: Any, maps: Any, weight: Any, bias: Any, groups: int) -> Any:
        """What the exporter writes."""
        return graph.op("Conv", maps, weight, bias, auto_pad_s="SAME_UPPER", strides_i=[2, 2], group_i=groups)
