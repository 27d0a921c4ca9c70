"""A small network without any padding: what is said of places and windows holds of it exactly."""

from __future__ import annotations

from unittest import mock

import pytest
from torch import Tensor, nn

from rankiqa.models.build import ARCHITECTURES, Architecture


class Unpadded(nn.Module):
    """(N, 3, H, W) → (N, 1): four convolutions of 3×3 with stride 2, the mean over the places, one linear layer.

    A place of the features sees 31 pixels, 16 from the next one.
    """

    def __init__(self, dropout: float | None = None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 8), (8, 8), (8, 16), (16, 16)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2), nn.ReLU()]
            nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(16, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.top(self.features(images))

    def top(self, maps: Tensor) -> Tensor:
        return self.head(maps.mean((2, 3)))


@pytest.fixture(scope="session", autouse=True)
def unpadded():
    """`build_model("unpadded")` makes it."""
    entry = Architecture(Unpadded, "head", 224, "imagenet", stride=16, averages=True)
    with mock.patch.dict(ARCHITECTURES, unpadded=entry):
        yield
