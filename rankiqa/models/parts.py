"""A network in two parts: features, which are local, and a top, which scores a window of them.

Networks that see a photo in parts can so look at each place of it once, however many windows overlap there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from rankiqa.errors import InputError
from rankiqa.models.build import ARCHITECTURES
from rankiqa.models.rank_model import RankModel
from rankiqa.models.statistics import StageStatistics


@dataclass(frozen=True)
class Parts:
    """The two parts of a `RankModel`; `top(features(crops))[:, 0]` are its scores.

    Attributes:
        features: (N, 3, H, W) RGB in [0, 1] → (N, C, h, w).
        top: (N, C, h, w) → (N, 1).
        stride: pixels from one place of the features to the next.
        averages: the top is linear in the mean over the places, so that the score of a window is the mean of its
            places' own.
    """

    features: Callable[[Tensor], Tensor]
    top: Callable[[Tensor], Tensor]
    stride: int
    averages: bool


def parts_of(model: nn.Module) -> Parts:
    """The parts of a ranking network.

    Networks of timm are taken apart where their features are maps, as those of convolutional networks are. One that
    ends in statistics of its stages has no such parts: see `statistics_of`.

    Raises:
        InputError: a network that cannot be taken apart so, with the reason.
    """
    if not isinstance(model, RankModel):
        raise InputError(f"{type(model).__name__}: dense mode needs a network of rankiqa.models")
    if model.votes:
        raise InputError(f"{model.name}: a NIMA sees the whole image at once; dense mode is for ranking networks")
    if statistics_of(model) is not None:
        raise InputError(f"{model.name}: its score comes from all of its stages, so it has no single map of features")
    net: Any = model.backbone  # its features and its top may be modules or methods
    if model.name in ARCHITECTURES:
        entry = ARCHITECTURES[model.name]
        top = net.top if entry.top is None else partial(entry.top, net)
        return Parts(lambda images: net.features(model.preprocessing(images)), top, entry.stride, entry.averages)
    stages = getattr(net, "feature_info", None)
    if not stages or not hasattr(net, "forward_head"):
        raise InputError(f"{model.name}: dense mode needs convolutional features, and timm does not tell of any here")
    stride = stages[-1]["reduction"]
    return Parts(lambda images: _maps(model, images), net.forward_head, stride, False)


def statistics_of(model: nn.Module) -> StageStatistics | None:
    """The backbone of a network that ends in statistics of its stages; None for any other."""
    backbone = model.backbone if isinstance(model, RankModel) else None
    return backbone if isinstance(backbone, StageStatistics) else None


def check_dense(model: nn.Module) -> None:
    """Raise `InputError`, with the reason, for a network whose windows cannot be scored in one pass."""
    if statistics_of(model) is None:
        parts_of(model)


def _maps(model: RankModel, images: Tensor) -> Tensor:
    net: Any = model.backbone  # of timm
    maps = net.forward_features(model.preprocessing(images))
    if maps.ndim != 4 or maps.shape[1] != net.num_features:
        raise InputError(f"{model.name}: dense mode needs maps of features, and those here are {tuple(maps.shape)}")
    return maps


_windows: WeakKeyDictionary[nn.Module, tuple[int, int, int]] = WeakKeyDictionary()


def window_of(model: RankModel) -> tuple[int, int]:
    """Height and width of the features of one crop, in places; `InputError` as for `parts_of`."""
    known = _windows.get(model)
    if known is None or known[0] != model.crop:
        place = next(model.parameters())
        with torch.inference_mode():
            maps = parts_of(model).features(torch.zeros(1, 3, model.crop, model.crop, device=place.device))
        known = _windows[model] = (model.crop, *maps.shape[2:])
    return known[1:]
