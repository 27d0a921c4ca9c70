"""Where a network computes."""

from __future__ import annotations

import torch
from torch import nn

from rankiqa.errors import InputError


def pick_device(name: str) -> torch.device:
    """A device that is there, by its name.

    Args:
        name: "auto" (CUDA if there is any, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: another name, or a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"device must be auto, cpu, cuda or cuda:N, not {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputError(f"device {name}: this machine has {count} CUDA devices", cure="use auto or cpu")
    return device


def place_of(model: nn.Module, device: str | torch.device | None = None) -> torch.device:
    """Where to compute: the model is moved to `device`; None leaves it where it is."""
    if device is None:
        first = next(model.parameters(), None)
        return torch.device("cpu") if first is None else first.device
    if isinstance(device, str):
        device = pick_device(device)
    model.to(device)
    return device
