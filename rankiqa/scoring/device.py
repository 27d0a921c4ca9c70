"""Where a network computes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rankiqa.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

KINDS = ("cuda", "mps", "cpu")  # the first that is there is what "auto" takes


def check_device(name: str) -> None:
    """Raise `InputError` for what is no name of a device, whether or not this machine has it; PyTorch is not asked."""
    if name != "auto" and not re.fullmatch(rf"({'|'.join(KINDS)})(:[0-9]{{1,3}})?", name):
        raise InputError(f"device must be auto, cpu, cuda, cuda:N or mps, not {name!r}")


def pick_device(name: str) -> torch.device:
    """A device that is there, by its name.

    Args:
        name: "auto" (CUDA if there is any, else Apple's MPS, else the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        InputError: another name, or a device that this machine does not have.
    """
    import torch

    check_device(name)
    if name == "auto":
        return torch.device(next(kind for kind in KINDS if _count(kind)))
    device = torch.device(name)
    if (device.index or 0) >= (count := _count(device.type)):
        raise InputError(
            f"device {name}: this machine has {count} {device.type.upper()} devices", cure="use auto or cpu"
        )
    return device


def _count(kind: str) -> int:
    """How many devices of a kind this machine has."""
    import torch

    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(kind == "cpu" or torch.backends.mps.is_available())


def on(device: torch.device, images: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) on a device, the channels last in memory, which most networks compute sooner on.

    Images that are there and so already are not copied, as `Tensor.to` with a memory format does of a single one.
    """
    import torch

    return images.to(device).contiguous(memory_format=torch.channels_last)


def place_of(model: nn.Module, device: str | torch.device | None = None) -> torch.device:
    """Where to compute: the model is moved to `device`; None leaves it where it is."""
    import torch

    if device is None:
        first = next(model.parameters(), None)
        return torch.device("cpu") if first is None else first.device
    if isinstance(device, str):
        device = pick_device(device)
    model.to(device)
    return device
