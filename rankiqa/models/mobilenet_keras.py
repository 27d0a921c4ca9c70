"""MobileNet as Keras has it: its padding differs from that of timm, and its modules bear Keras's names."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.votes import VOTES

# Output channels and stride of the thirteen separable blocks (Howard et al., arXiv 1704.04861, table 1).
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
EPS = 1e-3  # of Keras's batch norm


class MobileNetKeras(nn.Module):
    """(N, 3, H, W) in [−1, 1] → (N, 10) logits, H and W at least 32.

    Keras 3 and TensorFlow 2 pad the first convolution as "same": by nothing above and one pixel below where the height
    is even, by one on both sides where it is odd. Each depthwise convolution of stride 2 is padded below and on the
    right, whatever the size. timm pads all of them by one on every side.

    Args:
        dropout: probability, before the last layer.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.conv1_bn = nn.BatchNorm2d(32, EPS)
        width = 32
        for k, (channels, stride) in enumerate(BLOCKS, start=1):
            depthwise = nn.Conv2d(width, width, 3, stride, padding=2 - stride, groups=width, bias=False)
            self.add_module(f"conv_dw_{k}", depthwise)
            self.add_module(f"conv_dw_{k}_bn", nn.BatchNorm2d(width, EPS))
            self.add_module(f"conv_pw_{k}", nn.Conv2d(width, channels, 1, bias=False))
            self.add_module(f"conv_pw_{k}_bn", nn.BatchNorm2d(channels, EPS))
            width = channels
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, VOTES)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [−1, 1] → (N, 10) logits."""
        height, width = images.shape[2:]
        x = self._layer("conv1", F.pad(images, (width % 2, 1, height % 2, 1)))
        for k, (_, stride) in enumerate(BLOCKS, start=1):
            x = self._layer(f"conv_dw_{k}", F.pad(x, (0, 1, 0, 1)) if stride == 2 else x)
            x = self._layer(f"conv_pw_{k}", x)
        return self.classifier(self.dropout(x.mean((2, 3))))

    def _layer(self, name: str, x: Tensor) -> Tensor:
        return F.relu6(getattr(self, f"{name}_bn")(getattr(self, name)(x)))


def mobilenet_keras(dropout: float) -> nn.Module:
    """Keras's MobileNet of width 1 without its top → mean over the places → dropout → ten outputs."""
    return MobileNetKeras(dropout)
