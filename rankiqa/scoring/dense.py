"""Dense scoring: the backbone sees the whole image once, and the top of the network slides over its features.

A window of the features stands for a crop. Where a network pads its convolutions, a crop sees zeros beyond its border
and a window what is there in the photo; without padding both give the same score. A network that ends in statistics of
its stages has the windows of `rankiqa.scoring.windows`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rankiqa.errors import InputError
from rankiqa.models.parts import Parts, parts_of, statistics_of, window_of
from rankiqa.models.rank_model import RankModel
from rankiqa.scoring.device import on
from rankiqa.scoring.windows import Windows, in_unit, scores_of_windows

# Pixels that pass the backbone at once: larger photos go in tiles, so that memory does not grow with them.
TILE = 2_000_000
# Windows in one pass of a top that is more than a mean, such as VGG's fully connected layers.
TOP_PASS = 64


def score_map(
    model: RankModel, image: Tensor, device: torch.device, places: bool = False, windows: Windows | None = None
) -> np.ndarray:
    """The score of every window of an image, (rows, columns) float64, higher is better.

    Entry (i, j) is about the crop whose upper left corner is at (i, j) times `parts_of(model).stride` pixels (16 for a
    network that ends in statistics); their mean is the dense score of the image. At the lower and right border a window
    may take the place of a crop that does not fit by a few pixels, where the network's rounding leaves some of a crop
    unseen. Call it without gradients and in evaluation mode.

    Args:
        model: a ranking network on `device`; see `rankiqa.models.parts.check_dense`.
        image: (3, H, W) uint8 RGB, neither side shorter than `model.crop`.
        device: where the network is.
        places: the scores of single places of the features in place of windows, which is finer; for networks that
            average over their places.
        windows: for a network that ends in statistics; None: of the side of its crop.

    Raises:
        InputError: the network cannot be taken apart, or with `places` does not average.
    """
    if (net := statistics_of(model)) is not None and not places:
        pixels = on(device, image[None])
        return scores_of_windows(model, net, pixels, windows or Windows(model.crop))[0].cpu().double().numpy()
    parts, window = parts_of(model), window_of(model)
    if places and not parts.averages:
        raise InputError(f"{model.name}: its top is more than a mean, so single places have no score")
    rows = []
    for down, high in _tiles(image.shape[1], model.crop, parts.stride):
        across = []
        for right, wide in _tiles(image.shape[2], model.crop, parts.stride):
            pixels = in_unit(on(device, image[None, :, down, right]))
            # A place may lie in two tiles: the second has it.
            across.append(window_scores(parts, (1, 1) if places else window, pixels)[0, :high, :wide])
        rows.append(torch.cat(across, dim=1))
    return torch.cat(rows).cpu().double().numpy()


def window_scores(parts: Parts, window: tuple[int, int], images: Tensor) -> Tensor:
    """Score every window of some images; differentiable.

    Args:
        parts: of the network, see `rankiqa.models.parts.parts_of`.
        window: height and width of a crop's features, in places.
        images: (N, 3, H, W) RGB in [0, 1], neither side shorter than a crop.

    Returns:
        (N, rows, columns) scores, higher is better.
    """
    maps = parts.features(images)
    count, channels, height, width = maps.shape
    if parts.averages:
        places = parts.top(maps.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)).view(count, 1, height, width)
        return F.avg_pool2d(places, window, stride=1)[:, 0]
    shape = count, height - window[0] + 1, width - window[1] + 1
    # A view; the windows are copied a few at a time.
    windows = maps.unfold(2, window[0], 1).unfold(3, window[1], 1).permute(0, 2, 3, 1, 4, 5)
    rows = [(n, i) for n in range(shape[0]) for i in range(shape[1])]
    step = max(1, TOP_PASS // shape[2])
    scores = []
    for first in range(0, len(rows), step):
        some = torch.cat([windows[n, i] for n, i in rows[first : first + step]])
        scores.append(parts.top(some))
    return torch.cat(scores).view(shape)


def _tiles(side: int, crop: int, stride: int) -> Iterator[tuple[slice, int | None]]:
    """Parts of one side of an image, overlapping so that each window lies in one of them and no window in two.

    With each goes how many windows it gives; None for the last, which gives all that it has.
    """
    windows = (side - crop) // stride + 1
    most = max(1, (math.isqrt(TILE) - crop) // stride + 1)
    count = -(-windows // most)
    edges = [windows * k // count for k in range(count + 1)]
    for first, after in pairwise(edges):
        last = after == windows
        yield slice(first * stride, side if last else (after - 1) * stride + crop), None if last else after - first


def places_of(model: RankModel, shape: tuple[int, int], places: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Where the entries of a `score_map` of this shape look: y (rows,) and x (columns,) of their middles, in pixels."""
    stride, window = parts_of(model).stride, window_of(model)
    # The middle of a crop is the middle of its window.
    y, x = (
        model.crop / 2 - places * (side - 1) / 2 * stride + stride * np.arange(count)
        for side, count in zip(window, shape, strict=True)
    )
    return y, x
