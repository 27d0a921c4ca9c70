"""The average of the weights along a training: it is steadier than the last ones, and mostly better."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from rankiqa.models.rank_model import RankModel


class WeightAverage:
    """Exponential moving average of the parameters of a network that learn.

    After each step average ← d · average + (1 − d) · weights, with d = min(`decay`, (1 + step) / (10 + step)): in the
    first steps the average stays near the weights, and a short run is not held back by what it began with. Buffers, as
    those of batch norm, are the network's own.

    Args:
        model: what is frozen in it has no average.
        decay: in (0, 1).
    """

    def __init__(self, model: RankModel, decay: float) -> None:
        self.decay = decay
        self._weights = {name: p for name, p in model.backbone.named_parameters() if p.requires_grad}
        self._average = {name: p.detach().clone() for name, p in self._weights.items()}

    def update(self, step: int) -> None:
        """Take the weights in; `step` is 0 for the first."""
        decay = min(self.decay, (1 + step) / (10 + step))
        weights = [p.detach() for p in self._weights.values()]
        torch._foreach_lerp_(list(self._average.values()), weights, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the average as its weights, for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def resume(self, average: dict[str, torch.Tensor]) -> None:
        """Go on from an average that was saved: tensors by their names in the backbone."""
        for name, value in self._average.items():
            value.copy_(average[name])

    def to(self, device: torch.device) -> None:
        """Follow the network to its device."""
        self._average = {name: value.to(device) for name, value in self._average.items()}

    def _swap(self) -> None:
        for name, parameter in self._weights.items():
            parameter.data, self._average[name] = self._average[name], parameter.data


def backbone_tensors(model: RankModel) -> dict[str, torch.Tensor]:
    """Copies of all tensors of the backbone, as a file takes them."""
    backbone: nn.Module = model.backbone
    return {name: value.detach().cpu().contiguous().clone() for name, value in backbone.state_dict().items()}
