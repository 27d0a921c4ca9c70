"""Batch norms folded into the convolutions before them: fewer passes over the maps, the same scores."""

from __future__ import annotations

import copy
import sys
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from rankiqa.extras import extra
from rankiqa.models.efficientnet_lite import BatchNormReLU6, SameConv2d
from rankiqa.models.rank_model import RankModel

TOLERANCE = 1e-4  # how far a score may be from that of the network as it was, absolute and relative


def fold_batch_norm(model: RankModel) -> RankModel:
    """A network for scoring alone whose batch norms are part of the convolutions that they follow.

    Which these are a forward pass tells; a norm that takes anything else stays. The folded network is tried against the
    given one, on a processor, and dropped where a score differs.

    Args:
        model: left as it is.

    Returns:
        A copy in evaluation mode on the same device, which does not learn and has other tensors than its file. Where
        nothing can be folded, or a score would differ by more than `TOLERANCE`, `model` itself.
    """
    device = next(model.parameters()).device
    folded = copy.deepcopy(model).cpu().eval()
    images = torch.rand(1, 3, model.crop, model.crop, generator=torch.Generator().manual_seed(0))
    images = (images + images.cumsum(3) / model.crop) / 2  # something fine and something coarse
    with torch.no_grad():
        pairs, before = _pairs(folded, images)
        if not pairs:
            return model
        for conv, norm in pairs:
            _fold(conv, norm)
        gone = {id(norm): _rest(norm) for _, norm in pairs}
        for parent in list(folded.modules()):
            for name, child in parent.named_children():
                if id(child) in gone:
                    setattr(parent, name, gone[id(child)])
        after = folded.backbone(folded.preprocessing(images))
    if not torch.allclose(before, after, rtol=TOLERANCE, atol=TOLERANCE):
        return model
    return folded.requires_grad_(False).to(device)


def _pairs(model: RankModel, images: Tensor) -> tuple[list[tuple[nn.Conv2d, nn.BatchNorm2d]], Tensor]:
    """The convolutions and the norms that take what they give and are alone in it; and the output of the pass."""
    convolutions, norm_types = _types()
    held: list[Any] = []  # so that no id of a tensor is given anew
    made: dict[int, nn.Conv2d] = {}  # by the id of what it gives
    taken: Counter[int] = Counter()
    used: Counter[nn.Module] = Counter()
    norms: dict[nn.BatchNorm2d, int] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        held.append((inputs, output))
        used[module] += 1
        taken.update(id(value) for value in inputs)
        # Of these classes alone: others compute with their weights before they convolve.
        if type(module) in convolutions and isinstance(module, nn.Conv2d):
            made[id(output)] = module
        elif type(module) in norm_types and isinstance(module, nn.BatchNorm2d):
            norms[module] = id(inputs[0])

    watched = [
        module
        for module in model.modules()
        if isinstance(module, nn.BatchNorm2d) or not (list(module.children()) or isinstance(module, nn.Identity))
    ]
    hooks = [module.register_forward_hook(note) for module in watched]
    try:
        output = model.backbone(model.preprocessing(images))
    finally:
        for hook in hooks:
            hook.remove()
    pairs = []
    for norm, value in norms.items():
        if value not in made or taken[value] > 1 or norm.running_var is None or norm.running_mean is None:
            continue
        conv = made[value]
        if used[norm] == used[conv] == 1 and (norm.weight is None) == (norm.bias is None):
            pairs.append((conv, norm))
    return pairs, output


def _types() -> tuple[set[type[nn.Module]], set[type[nn.Module]]]:
    """The classes of convolutions and of norms that are folded."""
    convolutions: set[type[nn.Module]] = {nn.Conv2d, SameConv2d}
    norms: set[type[nn.Module]] = {nn.BatchNorm2d, BatchNormReLU6}
    if "timm" in sys.modules:  # otherwise the network is not one of timm's, which takes long to import
        with extra("train"):
            from timm.layers import BatchNormAct2d, Conv2dSame
        convolutions.add(Conv2dSame)
        norms.add(BatchNormAct2d)
    return convolutions, norms


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """(w ∗ x + b − mean) · γ / √(var + ε) + β as one convolution; computed in double precision."""
    assert norm.running_var is not None and norm.running_mean is not None  # `_pairs` takes no others
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    bias = -norm.running_mean.double() if conv.bias is None else conv.bias.double() - norm.running_mean.double()
    bias = bias * scale
    if norm.bias is not None:
        bias = bias + norm.bias.double()
    conv.weight.copy_(conv.weight.double() * scale.view(-1, 1, 1, 1))
    conv.bias = nn.Parameter(bias.to(conv.weight.dtype))


def _rest(norm: nn.BatchNorm2d) -> nn.Module:
    """What a norm does beside normalising: timm's have an activation in them, and that of EfficientNet-Lite0."""
    act = getattr(norm, "act", None)
    return act if isinstance(act, nn.Module) else nn.Identity()
