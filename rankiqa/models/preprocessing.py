"""From RGB in [0, 1] to what the weights expect: it travels with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rankiqa.errors import InputError

# Channel order, scale of the values, then mean and standard deviation per channel in that order and scale.
PREPROCESSING: dict[str, dict[str, Any]] = {
    # torchvision's ImageNet weights.
    "imagenet": {
        "channels": "rgb",
        "scale": 1.0,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    },
    # The Inception family, timm's inception_resnet_v2 among it: [−1, 1].
    "inception": {"channels": "rgb", "scale": 1.0, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
    # RankIQA's Caffe networks: BGR 0–255, and no mean subtracted.
    "raw_bgr": {"channels": "bgr", "scale": 255.0, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    # Caffe's ImageNet networks: BGR 0–255 minus the mean.
    "caffe": {"channels": "bgr", "scale": 255.0, "mean": (104.0, 117.0, 123.0), "std": (1.0, 1.0, 1.0)},
}


class Preprocessing(nn.Module):
    """(x[channels] · scale − mean) / std.

    Args:
        channels: "rgb" or "bgr", the order that the network expects.
        scale: 1 for values in [0, 1], 255 for 0–255.
        mean: one value a channel, in that order and scale.
        std: likewise, above zero.

    Raises:
        InputError: another order of channels, or no three means and three positive stds.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: str, scale: float, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if channels not in ("rgb", "bgr"):
            raise InputError(f"preprocessing.channels must be rgb or bgr, got {channels!r}")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise InputError(f"preprocessing needs three means and three positive stds, got {mean} and {std}")
        self.channels, self.scale = channels, float(scale)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] → the same shape, as the network expects it."""
        if self.channels == "bgr":
            images = images.flip(1)
        return (images * self.scale - self.mean) / self.std

    def config(self) -> dict:
        """The arguments that make this again, for config.json."""
        return {
            "channels": self.channels,
            "scale": self.scale,
            "mean": [round(v, 6) for v in self.mean.flatten().tolist()],
            "std": [round(v, 6) for v in self.std.flatten().tolist()],
        }
