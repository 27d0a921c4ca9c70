"""The scores of the windows of an image, by a network that ends in statistics of its stages' maps.

Such a network judges an image by the mean and the deviation of each channel over all places. Of a window these are the
mean and the deviation over the window's places, and its score is what the network's top makes of them: that of the
window as an image of its own, but for its borders, where the maps know what lies beyond. A deviation over a window is
not a part of that over the image, so the mean over the windows is another number than the image's score: it leaves out
how much the windows differ from each other.

A map is laid over the image from border to border, and a window takes of a place the share that it covers: that makes
windows of any side at any place, also where a stage has one place for 32 pixels, and no seams between them. The shares
are a matrix a side, and the sums two products with it, of positive shares and squares: float32 is enough, where the
differences of an integral image would need float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rankiqa.errors import InputError
from rankiqa.models.rank_model import RankModel
from rankiqa.models.statistics import EPSILON, StageStatistics
from rankiqa.precision import at_float64

STRIDE = 16  # pixels from one window to the next


@dataclass(frozen=True)
class Windows:
    """Square windows of an image, from its upper left corner on.

    Attributes:
        side: pixels; of an image that is smaller, its own side.
        stride: pixels from one to the next.

    Raises:
        InputError: a side or a stride below one pixel.
    """

    side: int
    stride: int = STRIDE

    def __post_init__(self) -> None:
        if min(self.side, self.stride) < 1:
            raise InputError(f"a window needs a side of 1 px or more, not {min(self.side, self.stride)}")

    def span(self, length: int) -> int:
        """How much of a side of this length a window takes, pixels."""
        return min(self.side, length)

    def starts(self, length: int, device: torch.device | None = None) -> Tensor:
        """Where the windows along a side of this length begin, in pixels, float64."""
        return torch.arange((length - self.span(length)) // self.stride + 1, device=device).double() * self.stride

    def middles(self, length: int, device: torch.device | None = None) -> Tensor:
        """Where the windows along a side of this length have their middles, in pixels, float64."""
        return self.starts(length, device) + self.span(length) / 2

    def shares(self, cells: int, length: int, device: torch.device | None = None) -> Tensor:
        """(windows, cells) float64: along a side, which share of each window each cell of a map covers; rows sum to 1.

        Args:
            cells: of the map along this side.
            length: of the image along this side, pixels.
            device: where to compute.
        """
        return shares(self.starts(length, device), self.span(length), cells, length)


def shares(first: Tensor, span: float | Tensor, cells: int, length: int) -> Tensor:
    """(K, cells): which share of each stretch of a row each of its cells covers, in the precision of `first`.

    Args:
        first: (K,) where the stretches begin, pixels.
        span: how long they are, pixels.
        cells: of the row; all are as long.
        length: of the row, pixels.
    """
    edges = torch.arange(cells + 1, device=first.device).to(first) * length / cells
    first = first[:, None]
    return (torch.minimum(first + span, edges[1:]) - torch.maximum(first, edges[:-1])).clamp(min=0) / span


# For a heat map: fine enough to tell two halves of a photo apart, and large enough for a deviation over the 16 places
# that the last stage has there.
FINE = Windows(128)
# For the spread of a score, which needs no more than a few.
COARSE = Windows(128, 64)


def window_statistics(maps: Sequence[Tensor], size: tuple[int, int], windows: Windows) -> Tensor:
    """(N, rows, columns, 2ΣC): what `StageStatistics.statistics` is of an image, of each window; differentiable.

    Args:
        maps: (N, C, h, w) of each stage, as `StageStatistics.maps` gives them.
        size: height and width of the images in pixels.
        windows: of the images.
    """
    parts = []
    for stage in maps:
        places = stage.permute(0, 2, 3, 1)  # as maps lie in memory where they are computed channels last
        places = places if places.dtype == torch.float64 else places.float()
        # About their mean, so that the deviation is no small difference of large numbers.
        middle = places.mean((1, 2), keepdim=True)
        places = places - middle
        sides = zip(places.shape[1:3], size, strict=True)
        down, across = (windows.shares(cells, length, at_float64(places.device)).to(places) for cells, length in sides)
        mean = _weighted(places, down, across)
        variance = (_weighted(places.square(), down, across) - mean.square()).clamp(min=0)
        parts += [mean + middle, (variance + EPSILON).sqrt()]
    return torch.cat(parts, dim=-1)


def _weighted(places: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """(N, h, w, C) → (N, rows, columns, C): sums with the weights (rows, h) and (columns, w)."""
    count, height, width, channels = places.shape
    rows = down @ places.reshape(count, height, width * channels)
    return across @ rows.view(count, down.shape[0], width, channels)


def statistic_scores(model: RankModel, net: StageStatistics, images: Tensor, windows: Windows) -> Tensor:
    """(N, rows, columns) scores of the windows of images (N, 3, H, W) in [0, 1], higher is better; differentiable.

    Args:
        model: the network.
        net: its backbone, as `rankiqa.models.parts.statistics_of` gives it.
        images: RGB.
        windows: of the images.
    """
    height, width = images.shape[2:]
    return net.top(window_statistics(net.maps(model.preprocessing(images)), (height, width), windows))[..., 0]


def in_unit(pixels: Tensor) -> Tensor:
    """Pixels, uint8, as networks take them: in [0, 1]."""
    return pixels.float().div_(255)


def scores_of_windows(model: RankModel, net: StageStatistics, pixels: Tensor, windows: Windows) -> Tensor:
    """As `statistic_scores`, of pixels (N, 3, H, W) uint8 RGB."""
    if net.runtime is not None:
        return net.runtime(pixels, windows)[1]
    return statistic_scores(model, net, in_unit(pixels), windows)


def whole_scores(model: RankModel, net: StageStatistics, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The scores (N,) of images, as the network itself gives them, and (N, rows, columns) those of a few windows each.

    Arguments as for `scores_of_windows`; the network computes its maps once.
    """
    if net.runtime is not None:
        return net.runtime(pixels, COARSE)
    maps = net.maps(model.preprocessing(in_unit(pixels)))
    height, width = pixels.shape[2:]
    score = net.top(net.statistics(maps))[:, 0]
    return score, net.top(window_statistics(maps, (height, width), COARSE))[..., 0]
