"""The paper's Shallow network: four convolutions and one linear layer."""

from __future__ import annotations

from torch import Tensor, nn


class Shallow(nn.Module):
    """(N, 3, 227, 227) → (N, 1).

    conv 3×3/32, ReLU, max-pool 4×4 → 32×57×57; the same → 32×14×14; conv 3×3/32 without padding, ReLU →
    32×12×12; conv 12×12/32, ReLU → 32×1×1; linear → 1. The first two convolutions are padded by one and the
    first pool rounds up, as Caffe does: the table's sizes follow. A larger input gives a map of scores,
    which is averaged. Source: RankIQA, ICCV 2017, table of the shallow network.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(4, ceil_mode=True),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(4),
            nn.Conv2d(32, 32, 3),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 12),
            nn.ReLU(inplace=True),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(32, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) preprocessed → (N, 1) scores, H and W at least 227."""
        return self.top(self.features(images))

    def top(self, maps: Tensor) -> Tensor:
        """(N, 32, h, w) features → (N, 1) scores, of the mean over the places."""
        return self.head(self.dropout(maps.mean((2, 3))))
