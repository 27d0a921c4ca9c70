"""Caffe's AlexNet and CaffeNet: 96 filters, grouped convolutions and response normalization, unlike torchvision's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.errors import InputError

SIDE = 6  # of the maps behind the last pool, which fc6 is made for


class AlexNetCaffe(nn.Module):
    """(N, 3, 227, 227) → (N, 1).

    conv1 96 11×11/4, ReLU, norm, pool → 27×27; conv2 256 5×5 in 2 groups, ReLU, norm, pool → 13×13; conv3 384;
    conv4 384 and conv5 256 in 2 groups, pool → 6×6; fc6 4096, fc7 4096, each with dropout; fc8 → 1. The pools are
    3×3/2 and round up, the norm is over 5 channels with α 1e-4 and β 0.75: Krizhevsky et al., NIPS 2012, as in Caffe.

    Args:
        pool_first: CaffeNet, which pools before it normalizes.
        dropout: probability, after fc6 and fc7.

    Raises:
        InputError: inputs of a size that does not end in 6×6 maps.
    """

    def __init__(self, pool_first: bool = False, dropout: float = 0.5) -> None:
        super().__init__()
        self.pool_first = pool_first
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.fc6 = nn.Linear(256 * SIDE * SIDE, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.dropout = nn.Dropout(dropout)

    def _normalize(self, maps: Tensor) -> Tensor:
        # The squares of inputs of 0–255 go beyond the range of float16.
        return self.norm(maps.float() if maps.dtype == torch.float16 else maps)

    def _shrink(self, maps: Tensor) -> Tensor:
        return self._normalize(self.pool(maps)) if self.pool_first else self.pool(self._normalize(maps))

    def features(self, images: Tensor) -> Tensor:
        """The convolutional part: (N, 3, H, W) → (N, 256, h, w), 6×6 of 227×227."""
        maps = self._shrink(F.relu(self.conv1(images)))
        maps = self._shrink(F.relu(self.conv2(maps)))
        maps = F.relu(self.conv4(F.relu(self.conv3(maps))))
        return self.pool(F.relu(self.conv5(maps)))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 227, 227) BGR → (N, 1) scores; `InputError` for inputs whose maps do not end in 6×6."""
        maps = self.features(images)
        if tuple(maps.shape[2:]) != (SIDE, SIDE):
            height, width = images.shape[2:]
            raise InputError(f"model.crop: Caffe's AlexNet takes 227×227 px, got {height}×{width}")
        return self.top(maps)

    def top(self, maps: Tensor) -> Tensor:
        """The fully connected part: (N, 256, 6, 6) features → (N, 1) scores."""
        features = self.dropout(F.relu(self.fc6(maps.flatten(1))))
        return self.fc8(self.dropout(F.relu(self.fc7(features))))
