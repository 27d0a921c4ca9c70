"""What an ONNX file computes: a network as a graph, with all that lies between the image and the score in it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.models.folding import fold_batch_norm
from rankiqa.models.parts import Parts, parts_of, statistics_of, window_of
from rankiqa.models.rank_model import RankModel
from rankiqa.scoring.dense import window_scores
from rankiqa.scoring.patches import evaluating
from rankiqa.scoring.windows import Windows, statistic_scores

# Most that a graph may differ from PyTorch: of the largest score, or of 1 where that is smaller.
TOLERANCE = 1e-4
Module = TypeVar("Module", bound=nn.Module)

# The linear layers of a top that sees its window as one vector, with what lies between them.
_VECTOR_TOPS: dict[str, Callable[[nn.Module], list[nn.Module]]] = {
    "alexnet": lambda net: list(net.get_submodule("classifier").children()),
    "vgg16": lambda net: list(net.get_submodule("classifier").children()),
    "alexnet_caffe": lambda net: _with_relu(net, "fc6", "fc7", "fc8"),
    "caffenet": lambda net: _with_relu(net, "fc6", "fc7", "fc8"),
}


def _with_relu(net: nn.Module, first: str, second: str, last: str) -> list[nn.Module]:
    layers = map(net.get_submodule, (first, second, last))
    return [next(layers), nn.ReLU(), next(layers), nn.ReLU(), next(layers)]


class CropGraph(nn.Module):
    """crops, or whole images, (N, 3, H, W) uint8 → scores (N,); of a NIMA also votes (N, 10)."""

    def __init__(self, network: RankModel) -> None:
        super().__init__()
        self.network = exportable(network)

    def forward(self, crops: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Scores (N,) of uint8 crops (N, 3, H, W), higher is better, and the votes (N, 10) where there are any."""
        scores, votes = self.network.predict(crops.float() / 255)
        return scores if votes is None else (scores, votes)


class DenseGraph(nn.Module):
    """image (N, 3, H, W) uint8 → score (N,) and map (N, rows, columns), those of `rankiqa.scoring.dense.window_scores`.

    There the windows pass the top in a loop; here they are one tensor, so that any size goes through one graph.

    Raises:
        InputError: a network that does not allow it.
    """

    def __init__(self, network: RankModel) -> None:
        super().__init__()
        self.network = network = exportable(network)
        self.statistics = statistics_of(network)
        if self.statistics is not None:
            self.parts, self.stride = None, Windows(network.crop).stride
            return
        self.parts, self.window = parts_of(network), window_of(network)
        self.stride = self.parts.stride
        with evaluating(network):
            place = torch.zeros(1, 3, network.crop, network.crop, device=next(network.parameters()).device)
            channels = self.parts.features(place).shape[1]
            self.pools = self.parts.averages or _sees_the_mean(self.parts.top, channels, self.window, place.device)
        self.convolutions = _convolutions(network, channels, self.window)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The score (N,), higher is better, and the map (N, rows, columns) of uint8 images (N, 3, H, W)."""
        images = image.float() / 255
        if self.parts is None:
            assert self.statistics is not None
            scores = statistic_scores(self.network, self.statistics, images, Windows(self.network.crop))
        elif self.parts.averages:
            scores = window_scores(self.parts, self.window, images)
        else:
            scores = self.slide(images, self.parts)
        return scores.mean((1, 2)), scores

    def slide(self, images: Tensor, parts: Parts) -> Tensor:
        """(N, rows, columns) scores of all windows of images (N, 3, H, W) in [0, 1], by way of the top."""
        maps = parts.features(images)
        if self.convolutions is not None:
            return self.convolutions(maps)[:, 0]
        down, across = self.window
        if self.pools:  # a window's mean is all that the top sees of it
            places = F.avg_pool2d(maps, self.window, stride=1)[..., None, None]
        else:
            places = maps.unfold(2, down, 1).unfold(3, across, 1)
        count, channels, rows, columns = places.shape[:4]
        tops = places.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels, *places.shape[4:])
        return parts.top(tops).view(count, rows, columns)


def exportable(network: RankModel) -> RankModel:
    """The network without what the exporter cannot follow for any size, or hardly.

    These are pools that round up, and timm's convolutions that pad as TensorFlow does, by sides divided in floating
    point. Batch norms are folded, as the exporter takes long for each layer. Other weights are shared, not copied.
    """
    network = fold_batch_norm(network) if any(isinstance(m, nn.BatchNorm2d) for m in network.modules()) else network
    found = copy.deepcopy(network, {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())})
    replace_modules(found, nn.MaxPool2d, lambda pool: _PaddedPool(pool) if pool.ceil_mode else pool)
    same = "Conv2dSame"  # of timm
    replace_modules(found, nn.Conv2d, lambda own: _PaddedConvolution(own) if type(own).__name__ == same else own)
    return found


def replace_modules(network: nn.Module, kind: type[Module], make: Callable[[Module], nn.Module]) -> None:
    """Put in the place of each part of a network that is of a kind what `make` makes of it."""
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, kind):
                setattr(module, name, make(part))


class _PaddedPool(nn.Module):
    """A pool that rounds up, as one that rounds down on an input that is continued by a stride less one."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.size, self.stride, self.padding = pool.kernel_size, pool.stride, pool.padding
        down, across = (pool.stride, pool.stride) if isinstance(pool.stride, int) else pool.stride
        self.more = (0, across - 1, 0, down - 1)  # left, right, above, below

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, h, w), as the pool that this stands for."""
        return F.max_pool2d(F.pad(maps, self.more, value=-torch.inf), self.size, self.stride, self.padding)


class _PaddedConvolution(nn.Module):
    """A convolution that gives a place for each stride pixels, begun or whole, with as little padding as that takes."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, D, ⌈H / stride⌉, ⌈W / stride⌉)."""
        own = self.convolution
        pads: list[int] = []
        for side, kernel, stride, step in zip(maps.shape[2:], own.kernel_size, own.stride, own.dilation, strict=True):
            more = step * (kernel - 1) + 1 - stride + (-side) % stride  # not negative: the kernel covers its stride
            pads = [more // 2, more - more // 2, *pads]
        return F.conv2d(F.pad(maps, pads), own.weight, own.bias, own.stride, 0, own.dilation, own.groups)


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
    return nn.Sequential(*(_convolution(layer, window if layer is linear[0] else (1, 1)) for layer in layers))


def _convolution(layer: nn.Module, side: tuple[int, int]) -> nn.Module:
    if not isinstance(layer, nn.Linear):
        return layer
    found = nn.Conv2d(layer.in_features // (side[0] * side[1]), layer.out_features, side, device="meta")
    found.weight = nn.Parameter(layer.weight.detach().view_as(found.weight), requires_grad=False)
    found.bias = nn.Parameter(layer.bias.detach(), requires_grad=False)
    return found
