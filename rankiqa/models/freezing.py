"""Keep the first layers of a network as they are while the rest learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from rankiqa.errors import InputError
from rankiqa.models.rank_model import RankModel


def execution_order(model: RankModel) -> list[str]:
    """The names of the backbone's modules in the order in which a forward pass enters them, each once; "" is the whole.

    A pass over one black image tells: the order in which modules are defined need not be that of their work.
    """
    order: dict[str, None] = {}

    def note(name: str) -> Callable[[nn.Module, Any], None]:
        return lambda module, inputs: order.setdefault(name)

    hooks = [module.register_forward_pre_hook(note(name)) for name, module in model.backbone.named_modules()]
    training = [module for module in model.modules() if module.training]
    device = next(model.parameters()).device
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, model.crop, model.crop, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        for module in training:
            module.training = True
    return list(order)


def freeze_until(model: RankModel, layer: str) -> list[str]:
    """Freeze what a forward pass enters before `layer`; it and what follows learns.

    Frozen parameters take no gradient, and frozen modules stay in evaluation mode: batch norm keeps its statistics and
    dropout does nothing. Parameters that a container of `layer` holds itself are frozen too.

    Args:
        model: changed in place.
        layer: a module of the backbone by its name in `named_modules()`, as features.10 or repeat_2; or, of
            inception_resnet_v2, how many of the layers of Keras's network are frozen, counted as Keras does in
            `model.layers[:618]`.

    Returns:
        The names of the frozen modules.

    Raises:
        InputError: no such layer, one that the network does not use, or a count for another network or inside a block.
    """
    if layer.isdigit():
        from rankiqa.models.keras_layers import layer_at

        if model.name != "inception_resnet_v2":
            raise InputError(
                f"freeze_until: {layer} counts Keras's layers of inception_resnet_v2",
                cure=f"name a layer of {model.name}, such as {_some(model)}",
            )
        layer = layer_at(int(layer))
    modules = dict(model.backbone.named_modules())
    order = execution_order(model)
    if not layer or layer not in order:
        what = "is not used by" if layer in modules and layer else "is no layer of"
        raise InputError(
            f"freeze_until: {layer!r} {what} {model.name}", cure=f"give one of its layers, such as {_some(model)}"
        )
    before = order[: order.index(layer)]
    for name in before:
        for parameter in modules[name].parameters(recurse=False):
            parameter.requires_grad_(False)
    # A container of `layer` goes on training: what it does after the layer may depend on its mode.
    model.frozen = tuple(modules[name] for name in before if name and not f"{layer}.".startswith(f"{name}."))
    model.train(model.training)
    return before


def keep_batch_norm(model: RankModel) -> None:
    """Let batch norms keep their statistics in training; their scales and shifts learn as before.

    To be called after `freeze_until`, which tells anew what is frozen.
    """
    norms = [module for module in model.backbone.modules() if isinstance(module, _BatchNorm)]
    model.frozen = (*model.frozen, *norms)
    model.train(model.training)


def freeze_unused(model: RankModel) -> list[str]:
    """Freeze what a forward pass does not enter at all, as the top of a network whose maps alone are asked for.

    Without a gradient, such weights would keep training on several devices waiting.

    Returns:
        The names of the modules of the backbone that were frozen.
    """
    entered = {f"{name}." for name in execution_order(model)}
    frozen = []
    for name, module in model.backbone.named_modules():
        own = list(module.parameters(recurse=False))
        family = name.split(".")
        # A module that works inside an entered one may be used in another way than by its call.
        inside = any(".".join(family[:depth]) + "." in entered for depth in range(2, len(family) + 1))
        below = any(other.startswith(f"{name}.") for other in entered)
        if own and not inside and not below and f"{name}." not in entered:
            for parameter in own:
                parameter.requires_grad_(False)
            frozen.append(name)
    return frozen


def _some(model: RankModel) -> str:
    def children(module: nn.Module, prefix: str) -> list[str]:
        return [f"{prefix}{name}" for name, child in module.named_children() if list(child.parameters())]

    names = children(model.backbone, "")
    # A network whose layers lie in one list: the names inside tell more than that of the list.
    inner = [name for top in names for name in children(model.backbone.get_submodule(top), f"{top}.")]
    names = names if len(names) > 4 or not inner else inner
    step = max(1, len(names) // 6)
    return ", ".join(names[::step][:7])
