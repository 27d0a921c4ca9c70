"""How near a training comes to what its GPU can do: its arithmetic beside a bare matrix product's."""

from __future__ import annotations

import copy
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_SIDE, _TIMES = 8192, 10  # of the matrices, and how often they are multiplied: well below a second on any GPU


def training_flops(network: nn.Module, height: int, width: int) -> float:
    """Floating-point operations of matrix products and convolutions, forward and backward, for one image.

    Counted on a copy without memory, so that nothing of the network changes. A multiplication and an addition are two.

    Args:
        network: (N, 3, H, W) → a tensor of scores; frozen weights save their part.
        height: of the image, pixels.
        width: of the image, pixels.

    Returns:
        NaN for a network that cannot be followed without numbers.
    """
    counter = FlopCounterMode(display=False)
    try:
        shadow = copy.deepcopy(network).to("meta").train()
        with counter:
            # Two, as a batch norm wants more than one.
            shadow(torch.empty(2, 3, height, width, device="meta")).sum().backward()
    except (NotImplementedError, RuntimeError, ValueError):
        return float("nan")
    return counter.get_total_flops() / 2


def product_rate(device: torch.device, dtype: torch.dtype, side: int = _SIDE) -> float:
    """Floating-point operations a second of a product of two square matrices, as PyTorch is set; the best of a few."""
    factor = torch.ones(side, side, device=device, dtype=dtype)
    product = factor @ factor  # the first one chooses an algorithm
    best = float("inf")
    for _ in range(_TIMES):
        _wait(device)
        start = time.perf_counter()
        torch.mm(factor, factor, out=product)
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class ChipShare:
    """Counts the arithmetic of the images that are learned from, and says what share of a bare product's rate it is.

    Args:
        network: as it is before it is prepared for devices.
        device: of the training.
        mixed: "bf16" or "fp16"; anything else is float32, as PyTorch is set.
    """

    def __init__(self, network: nn.Module, device: torch.device, mixed: str) -> None:
        self._shadow = copy.deepcopy(network).to("meta")
        self._device = device
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(mixed, torch.float32)
        self._of_image: dict[tuple[int, int], float] = {}
        self._flops, self._rate = 0.0, 0.0

    def add(self, images: torch.Tensor) -> None:
        """Count a batch of (n, 3, H, W)."""
        size = images.shape[-2], images.shape[-1]
        if size not in self._of_image:
            self._of_image[size] = training_flops(self._shadow, *size)
        self._flops += len(images) * self._of_image[size]

    def since(self, seconds: float) -> float:
        """The share that the images since the last call are, of what a bare product would have done in `seconds`."""
        self._rate = self._rate or product_rate(self._device, self._dtype)
        flops, self._flops = self._flops, 0.0
        return flops / (seconds * self._rate)
