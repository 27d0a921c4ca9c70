"""A network as it scores: the same numbers, sooner."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rankiqa.models.folding import fold_batch_norm
from rankiqa.models.rank_model import RankModel


def for_scoring(model: RankModel) -> RankModel:
    """A network that gives the scores of `model` and neither learns nor is saved; `model` itself where nothing is won.

    Batch norms are folded into the convolutions before them, and their weights lie as the maps do, channels last: of
    EfficientNets that leaves less than half of the time on a CPU.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        return model
    folded = fold_batch_norm(model)
    return model if folded is model else folded.to(memory_format=torch.channels_last)


class Folded:
    """`for_scoring` of a network, made when it is first needed and anew when the network has changed or moved.

    Args:
        make: what makes the network that scores, in the place of `for_scoring`.
    """

    def __init__(self, make: Callable[[RankModel], RankModel] = for_scoring) -> None:
        self._make = make
        self._state: list[tuple] = []
        self._network: RankModel | None = None

    def of(self, model: RankModel) -> RankModel:
        """What scores in the place of `model`."""
        state = [_mark(tensor) for tensor in (*model.parameters(), *model.buffers())]
        if self._network is None or state != self._state:
            self._state, self._network = state, self._make(model)
        self._network.precision = model.precision
        return self._network

    def __getstate__(self) -> dict:
        """Nothing: a copy, or whoever reads a pickle, makes its own, by `for_scoring`."""
        return {}

    def __setstate__(self, state: dict) -> None:
        self.__init__()  # type: ignore[misc]


def _mark(tensor: Tensor) -> tuple:
    """What tells whether a tensor is the same, with the same numbers: where it lies, and how often it was changed."""
    return tensor.data_ptr(), tensor.device, tensor.dtype, 0 if tensor.is_inference() else tensor._version
