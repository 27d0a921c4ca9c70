"""A linear map beside the hidden layer of a head of statistics, in the same network: no new kind of model is needed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rankiqa.models.statistics import StageStatistics


def add_linear(backbone: StageStatistics, factor: float, weights: Tensor, offset: float) -> None:
    """Let a head of statistics give factor · score + inputs · weights + offset, before its scale.

    Its inputs are the statistics less `centre`, by `spread`. As gelu(z) − gelu(−z) = z, two more hidden units pass a
    linear map on exactly.

    Args:
        backbone: changed in place: it has two hidden units more, unless all `weights` are 0.
        factor: of the score that it has.
        weights: (2ΣC,) of its inputs.
        offset: added.
    """
    hidden, output = backbone.hidden, backbone.output
    with torch.no_grad():
        if bool(weights.any()):
            # A map of unit size inside, so that neither layer holds numbers far from those of its kin.
            size = weights.norm()
            more = (weights / size).to(hidden.weight)
            wider = nn.Linear(hidden.in_features, hidden.out_features + 2).to(hidden.weight)
            wider.weight.copy_(torch.cat([hidden.weight, more[None], -more[None]]))
            wider.bias.copy_(torch.cat([hidden.bias, hidden.bias.new_zeros(2)]))
            last = nn.Linear(wider.out_features, 1).to(output.weight)
            ends = torch.stack([size, -size]).to(output.weight)
            last.weight.copy_(torch.cat([factor * output.weight, ends[None]], 1))
            last.bias.copy_(factor * output.bias + offset)
            backbone.hidden, backbone.output = wider, last
        else:
            output.weight.mul_(factor)
            output.bias.mul_(factor).add_(offset)
