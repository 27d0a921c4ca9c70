"""Where a network computes."""

from __future__ import annotations

import torch
from torch import nn

from rankiqa.errors import InputError

KINDS = ("cuda", "mps", "cpu")  # the first that is there is what "auto" takes


def pick_device(name: str) -> torch.device:
    """A device that is there, by its name.

    Args:
        name: "auto" (CUDA if there is any, else Apple's MPS, else the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        InputError: another name, or a device that this machine does not have.
    """
    if name == "auto":
        return torch.device(next(kind for kind in KINDS if _count(kind)))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in KINDS:
        raise InputError(f"device must be auto, cpu, cuda, cuda:N or mps, not {name!r}")
    if (device.index or 0) >= (count := _count(device.type)):
        raise InputError(
            f"device {name}: this machine has {count} {device.type.upper()} devices", cure="use auto or cpu"
        )
    return device


def _count(kind: str) -> int:
    """How many devices of a kind this machine has."""
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(kind == "cpu" or torch.backends.mps.is_available())


def place_of(model: nn.Module, device: str | torch.device | None = None) -> torch.device:
    """Where to compute: the model is moved to `device`; None leaves it where it is."""
    if device is None:
        first = next(model.parameters(), None)
        return torch.device("cpu") if first is None else first.device
    if isinstance(device, str):
        device = pick_device(device)
    model.to(device)
    return device
