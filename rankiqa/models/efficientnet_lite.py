"""EfficientNet-Lite0 without its classifier: what the bundled models are made of, so that scoring needs no timm.

Tan, Le, "EfficientNet", ICML 2019; "lite" are the variants without squeeze-and-excitation, and with ReLU6, of
TensorFlow's repository. The layers bear the names that they have in timm's `tf_efficientnet_lite0`, whose weights fit,
and compute the same.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

NAME = "tf_efficientnet_lite0"  # timm's
# Of each stage: blocks, side of the kernel, stride of the first block, how much wider a block is inside, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
FIRST, LAST = 32, 1280  # channels of the first and of the last convolution
CLASSIFIER = frozenset({"classifier.weight", "classifier.bias"})  # in files of timm's, and not here
EPSILON = 1e-3  # of TensorFlow's batch norm
# What timm tells of it.
PRETRAINED: dict[str, Any] = {
    "hf_hub_id": "timm/tf_efficientnet_lite0.in1k",
    "architecture": NAME,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
}


class BatchNormReLU6(nn.BatchNorm2d):
    """Batch norm, then ReLU6."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, EPSILON)
        self.act = nn.ReLU6(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → the same, within [0, 6]."""
        return self.act(super().forward(maps))


class SameConv2d(nn.Conv2d):
    """A convolution of stride 2 that pads as TensorFlow does: a pixel less at the left and the top of an even side."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C', ⌈H / 2⌉, ⌈W / 2⌉)."""
        side = int(self.kernel_size[0])
        before, after = (side - 3) // 2, (side - 1) // 2
        height, width = maps.shape[2:]
        # One more for an odd side, written so that the exporter to ONNX sees what the sides come to.
        top, left = (before + 2 * ((length + 1) // 2) - length for length in (height, width))
        maps = F.pad(maps, (left, after, top, after))
        return F.conv2d(maps, self.weight, self.bias, self.stride, groups=self.groups)


class EfficientNetLite0(nn.Module):
    """(N, 3, H, W), RGB in [−1, 1] → (N, 1280, ⌈H / 32⌉, ⌈W / 32⌉).

    Attributes:
        blocks: the stages, of `STAGES`.
        pretrained_cfg: as timm's networks have it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pretrained_cfg: dict[str, Any] = PRETRAINED
        self.conv_stem = _convolution(3, FIRST, 3, 2)
        self.bn1 = BatchNormReLU6(FIRST)
        width, stages = FIRST, []
        for count, side, stride, wider, channels in STAGES:
            stage: list[nn.Module] = []
            for index in range(count):
                stage.append(_Block(width, channels, side, stride if index == 0 else 1, wider))
                width = channels
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _convolution(width, LAST, 1)
        self.bn2 = BatchNormReLU6(LAST)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 1280, ⌈H / 32⌉, ⌈W / 32⌉)."""
        return self.bn2(self.conv_head(self.blocks(self.bn1(self.conv_stem(images)))))


class _Block(nn.Module):
    """Widen, filter each channel by itself, narrow; the input is added where it has the output's shape."""

    def __init__(self, width: int, channels: int, side: int, stride: int, wider: int) -> None:
        super().__init__()
        inside = width * wider
        narrow = _convolution(inside, channels, 1), nn.BatchNorm2d(channels, EPSILON)
        filters = _convolution(inside, inside, side, stride, inside), BatchNormReLU6(inside)
        layers: list[tuple[str, nn.Module]] = []
        if wider == 1:
            layers += zip(("conv_dw", "bn1", "conv_pw", "bn2"), (*filters, *narrow), strict=True)
        else:
            widen = _convolution(width, inside, 1), BatchNormReLU6(inside)
            names = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
            layers += zip(names, (*widen, *filters, *narrow), strict=True)
        for name, layer in layers:
            self.add_module(name, layer)
        self.channels = channels
        self.adds = stride == 1 and width == channels

    def forward(self, maps: Tensor) -> Tensor:
        found = maps
        for layer in self.children():
            found = layer(found)
        return found + maps if self.adds else found


def _convolution(width: int, channels: int, side: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Without a bias, as batch norm follows; of an output as large as the input, or half as large for stride 2."""
    if stride == 1:
        return nn.Conv2d(width, channels, side, padding=side // 2, groups=groups, bias=False)
    return SameConv2d(width, channels, side, stride, groups=groups, bias=False)
