"""The optimizer as the paper sets it up, and a learning rate that is a function of the step alone."""

from __future__ import annotations

import math

import torch

from rankiqa.config import OptimConfig
from rankiqa.models.rank_model import RankModel


def parameter_groups(model: RankModel, config: OptimConfig) -> list[dict]:
    """Four groups with their learning-rate factor `lr_factor` and weight decay, as Caffe's lr_mult and decay_mult.

    Biases (and batch norm's scales, which are vectors too) are not decayed; the new last layer learns faster. Frozen
    parameters are in none.
    """
    factors = {
        (False, False): 1.0,
        (False, True): config.bias_lr,
        (True, False): config.head_lr,
        (True, True): config.head_bias_lr,
    }
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {key: [] for key in factors}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        groups[model.is_head(name), name.endswith("bias")].append(parameter)
    # A norm's scale is a weight by name, but decaying it has no meaning; it goes apart.
    scales = [p for p in groups[False, False] if p.ndim == 1]
    groups[False, False] = [p for p in groups[False, False] if p.ndim > 1]
    result = [
        {
            "params": parameters,
            "lr_factor": factors[key],
            "weight_decay": 0.0 if key[1] else config.weight_decay,
        }
        for key, parameters in groups.items()
        if parameters
    ]
    if scales:
        result.append({"params": scales, "lr_factor": 1.0, "weight_decay": 0.0})
    return result


def make_optimizer(model: RankModel, config: OptimConfig, fused: bool = False) -> torch.optim.Optimizer:
    """The optimizer that the settings ask for, over the groups of `parameter_groups`.

    Args:
        model: what learns.
        config: the settings.
        fused: one pass over all the weights of a device in place of several: the same update but for the last bits,
            faster on a GPU.
    """
    groups = parameter_groups(model, config)
    if config.kind == "adam":
        return torch.optim.Adam(groups, lr=config.lr, fused=fused or None)
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=fused or None)


def learning_rate(step: int, steps: int, config: OptimConfig) -> float:
    """The backbone's learning rate at `step` (0 is the first) of `steps`."""
    rate = config.lr
    if config.schedule == "step":
        rate *= config.gamma ** (step // config.step_size)
    elif config.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * step / steps))
    if step < config.warmup:
        rate *= (step + 1) / config.warmup
    return rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group `rate` times its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
