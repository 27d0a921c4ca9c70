"""The compact network: small enough to come with the package, and without any padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = (24, 32, 64, 160)
WINDOW = 7  # pixels of the local mean and contrast, as in BRISQUE
FLAT = 0.02  # the contrast, in the units of the network's input, below which a place counts as flat: a grey level


class Compact(nn.Module):
    """(N, 3, H, W) → (N, 1), from 152×152 on.

    Beside red, green and blue stands the grey image in units of its local contrast, in which blocks and ringing show
    that hardly differ from the photo in brightness. The pixels of each 2×2 block become channels, so that nothing is
    lost before the first convolution; then ten convolutions of 3×3 with batch norm, three of them with stride 2, and
    three residual blocks between them; the mean over the places; one linear layer. Nothing is padded: the features of
    a crop are those of the same place in the whole image, and no border is seen that is not in the photo.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        a, b, c, d = CHANNELS
        self.features = nn.Sequential(
            LocalContrast(),
            Blocks(),
            *_convolution(16, a),
            *_convolution(a, b, stride=2),
            Residual(b),
            *_convolution(b, c, stride=2),
            Residual(c),
            *_convolution(c, d, stride=2),
            Residual(d),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(d, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) preprocessed → (N, 1) scores."""
        return self.top(self.features(images))

    def top(self, maps: Tensor) -> Tensor:
        """(N, 160, h, w) features → (N, 1) scores, of the mean over the places."""
        return self.head(self.dropout(maps.mean((2, 3))))


class LocalContrast(nn.Module):
    """(N, 3, H, W) → (N, 4, H − 6, W − 6): the input, and the local contrast of its mean over the channels.

    The contrast is that mean less the local mean, divided by the local standard deviation: the "mean subtracted
    contrast normalised" luminance of BRISQUE (Mittal et al. 2012), with a flat window.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 4, H − 6, W − 6), of the type of the input."""
        grey = images.mean(1, keepdim=True, dtype=torch.promote_types(images.dtype, torch.float32))
        mean = _local_mean(grey)
        variance = (_local_mean(grey * grey) - mean * mean).clamp(min=0)
        border = slice(WINDOW // 2, -(WINDOW // 2))
        contrast = (grey[:, :, border, border] - mean) * torch.rsqrt(variance + FLAT**2)
        return torch.cat([images[:, :, border, border], contrast.to(images.dtype)], 1)


def _local_mean(maps: Tensor) -> Tensor:
    rows = nn.functional.avg_pool2d(maps.contiguous(), (WINDOW, 1), 1)
    return nn.functional.avg_pool2d(rows, (1, WINDOW), 1)


class Blocks(nn.Module):
    """(N, C, H, W) → (N, 4C, H // 2, W // 2): the pixels of each 2×2 block side by side."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, 4C, H // 2, W // 2)."""
        height, width = images.shape[2] // 2 * 2, images.shape[3] // 2 * 2  # without those beyond the last whole block
        return nn.functional.pixel_unshuffle(images[:, :, :height, :width], 2)


class Residual(nn.Module):
    """Two convolutions beside the middle of their input: without padding, two pixels are lost at each border."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = _convolution(channels, channels), _convolution(channels, channels)[:2]
        self.body = nn.Sequential(*first, *second)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H − 4, W − 4)."""
        return torch.relu(self.body(maps) + maps[:, :, 2:-2, 2:-2])


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
