"""A network compiled for its device, where the machine has what that takes."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn


def compiled(network: nn.Module, device: torch.device, say: bool = True) -> Any:
    """The network, compiled at its first call for each shape of its input; itself where nothing can be compiled.

    Dropout draws the numbers that it draws uncompiled, so that the weights differ by the order of sums alone.

    Args:
        network: as the steps call it.
        device: where it is.
        say: tell why nothing can be compiled, in a line on standard error.
    """
    try:
        torch.compile(_probe, dynamic=False)(torch.ones(8, device=device))
    except Exception as error:  # a compiler that is missing or old, a Python that is too new: each has its own error
        if say:
            why = next(iter(str(error).splitlines()), "") or type(error).__name__
            print(f"note: compile is left out, as nothing can be compiled here: {why[:200]}", file=sys.stderr)
        return network
    return torch.compile(network, dynamic=False, options={"fallback_random": True})


def _probe(values: torch.Tensor) -> torch.Tensor:
    return values.sin() + 1
