"""EfficientNet-Lite0 with statistics of every stage, trained in bfloat16 on a CPU.

It is `rankiqa.models.statistics.StageStatistics`, written for speed. Batch norms keep ImageNet's statistics and are
folded into the convolutions at each pass, so their weights learn and no pass goes over the maps for them; activations
are part of the convolutions; backward passes are written out where those of PyTorch are slow in bfloat16.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

NAME = "tf_efficientnet_lite0"
STATISTICS = 4128  # mean and deviation of 16 + 24 + 40 + 80 + 112 + 192 + 320 + 1,280 channels
RELU6 = ("hardtanh", [0.0, 6.0], "")
_convolution_backward = torch.ops.aten.convolution_backward


@torch.compile(dynamic=True)
def _relu6_backward(gradient: Tensor, output: Tensor) -> Tensor:
    return torch.where((output > 0) & (output < 6), gradient, torch.zeros((), dtype=gradient.dtype))


@torch.compile(dynamic=True)
def _mean_and_deviation(maps: Tensor) -> tuple[Tensor, Tensor]:
    places = maps.permute(0, 2, 3, 1).float()
    places = places.reshape(places.shape[0], -1, places.shape[3])
    mean = places.mean(1)
    variance = ((places - mean[:, None]) ** 2).mean(1)
    return mean, (variance + 1e-6).sqrt()


@torch.compile(dynamic=True)
def _mean_and_deviation_backward(maps: Tensor, mean: Tensor, deviation: Tensor, to_mean: Tensor, to_deviation: Tensor):
    n = maps.shape[2] * maps.shape[3]
    places = maps.permute(0, 2, 3, 1).float()
    slope = (to_deviation / (deviation * n))[:, None, None]
    constant = (to_mean / n)[:, None, None]
    return ((places - mean[:, None, None]) * slope + constant).to(maps.dtype)


class MeanAndDeviation(torch.autograd.Function):
    """Maps (N, C, h, w) → two times (N, C) in float32."""

    @staticmethod
    def forward(ctx, maps):
        mean, deviation = _mean_and_deviation(maps)
        ctx.save_for_backward(maps, mean, deviation)
        return mean, deviation

    @staticmethod
    def backward(ctx, to_mean, to_deviation):
        maps, mean, deviation = ctx.saved_tensors
        return _mean_and_deviation_backward(maps, mean, deviation, to_mean, to_deviation).permute(0, 3, 1, 2)


class Depthwise(torch.autograd.Function):
    """Convolution of each channel by itself, bias and ReLU6."""

    @staticmethod
    def forward(ctx, x, weight, bias, stride, pad):
        y = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, [pad, pad], [stride, stride], [1, 1], weight.shape[0], *RELU6
        )
        ctx.save_for_backward(x, weight, y)
        ctx.stride, ctx.pad = stride, pad
        return y

    @staticmethod
    def backward(ctx, gradient):
        x, weight, y = ctx.saved_tensors
        stride, pad = ctx.stride, ctx.pad
        channels, side = weight.shape[0], weight.shape[-1]
        gradient = _relu6_backward(gradient, y)
        to_bias = gradient.sum((0, 2, 3))
        to_x = None
        if ctx.needs_input_grad[0]:
            # A convolution with the flipped kernel; for stride 2 with zeros between.
            spread = gradient
            if stride != 1:
                n, c, _, _ = gradient.shape
                height, width = (size + 2 * pad - side + 1 for size in x.shape[2:])
                spread = torch.zeros((n, height, width, c), dtype=gradient.dtype).permute(0, 3, 1, 2)
                spread[:, :, ::2, ::2] = gradient
            to_x = F.conv2d(spread, weight.flip(2, 3).contiguous(), None, 1, side - 1 - pad, 1, channels)
        inputs = (gradient, x, weight)
        if side == 5 and x.dtype != torch.float32:
            inputs = tuple(tensor.float() for tensor in inputs)  # faster, with the casts
        shape = ([stride, stride], [pad, pad], [1, 1], False, [0, 0], channels)
        to_weight = _convolution_backward(*inputs, None, *shape, [False, True, False])[1].to(weight.dtype)
        return to_x, to_weight, to_bias, None, None


class Pointwise(torch.autograd.Function):
    """1×1 convolution as a product of matrices, bias and, if asked for, ReLU6."""

    @staticmethod
    def forward(ctx, x, weight, bias, activate):
        rows = x.permute(0, 2, 3, 1)
        linear = torch.ops.mkldnn._linear_pointwise
        y = linear(rows, weight, bias, *RELU6) if activate else F.linear(rows, weight, bias)
        ctx.save_for_backward(rows, weight, y if activate else None)
        ctx.activate = activate
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, gradient):
        rows, weight, y = ctx.saved_tensors
        gradient = gradient.permute(0, 2, 3, 1)
        if ctx.activate:
            gradient = _relu6_backward(gradient, y)
        flat = gradient.reshape(-1, gradient.shape[3])
        to_x = (flat @ weight).view(rows.shape).permute(0, 3, 1, 2) if ctx.needs_input_grad[0] else None
        return to_x, flat.t() @ rows.reshape(-1, rows.shape[3]), flat.sum(0), None


class ConvNorm(nn.Module):
    """Convolution, batch norm with fixed statistics, and ReLU6 if asked for; `names`: of the first two in timm's."""

    def __init__(self, names: tuple[str, str], net: nn.Module, activate: bool) -> None:
        super().__init__()
        conv, norm = (net.get_submodule(name) for name in names)
        self.names, self.activate = names, activate
        self.weight = nn.Parameter(conv.weight.detach().clone())
        self.gamma = nn.Parameter(norm.weight.detach().clone())
        self.beta = nn.Parameter(norm.bias.detach().clone())
        self.register_buffer("mean", norm.running_mean.clone())
        self.register_buffer("inv", torch.rsqrt(norm.running_var + norm.eps))
        self.stride, self.side, self.groups = conv.stride[0], conv.kernel_size[0], conv.groups

    def forward(self, x: Tensor) -> Tensor:
        scale = self.gamma * self.inv
        weight = (self.weight * scale[:, None, None, None]).to(x.dtype)
        bias = (self.beta - self.mean * scale).to(x.dtype)
        if self.side == 1:
            return Pointwise.apply(x, weight[:, :, 0, 0], bias, self.activate)
        pad = self.side // 2
        if self.stride == 2:
            height, width = x.shape[2:]
            x = F.pad(x, (*self._same(width), *self._same(height)))
            pad = 0
        if self.groups > 1:
            return Depthwise.apply(x, weight, bias, self.stride, pad)
        return F.relu6(F.conv2d(x, weight, bias, self.stride, pad), inplace=True)

    def _same(self, size: int) -> tuple[int, int]:
        """TensorFlow's padding of stride 2, before and behind."""
        total = max((math.ceil(size / 2) - 1) * 2 + self.side - size, 0)
        return total // 2, total - total // 2

    def timm_state(self) -> dict[str, Tensor]:
        conv, norm = self.names
        return {f"{conv}.weight": self.weight, f"{norm}.weight": self.gamma, f"{norm}.bias": self.beta}


class Block(nn.Module):
    def __init__(self, name: str, net: nn.Module) -> None:
        super().__init__()
        block = net.get_submodule(name)
        layers = (("conv_dw", "bn1", True), ("conv_pw", "bn2", False))
        if hasattr(block, "conv_pwl"):
            layers = (("conv_pw", "bn1", True), ("conv_dw", "bn2", True), ("conv_pwl", "bn3", False))
        self.body = nn.Sequential(*(ConvNorm((f"{name}.{c}", f"{name}.{n}"), net, act) for c, n, act in layers))
        self.skip = block.has_skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + y if self.skip else y


class Lite0(nn.Module):
    """(N, 3, H, W) of bfloat16 in [−1, 1] → (N, 4128) statistics in float32, as StageStatistics lays them out.

    Args:
        state: of timm's network.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        net = timm.create_model(NAME, pretrained=False).eval()
        kept = {name: tensor for name, tensor in net.state_dict().items() if name.startswith("classifier.")}
        net.load_state_dict({**kept, **state})
        self.stem = ConvNorm(("conv_stem", "bn1"), net, True)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(f"blocks.{i}.{j}", net) for j in range(len(stage))))
            for i, stage in enumerate(net.blocks)
        )
        self.head = ConvNorm(("conv_head", "bn2"), net, True)
        self._state = {n: t.clone() for n, t in net.state_dict().items() if n not in kept}
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, fixed: int = 0) -> Tensor:
        """`fixed`: so many stages, and the stem, are passed without a gradient."""
        maps = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and not fixed):
            x = self.stem(x)
            for stage in self.stages[:fixed]:
                x = stage(x)
                maps.append(x)
        for stage in self.stages[fixed:]:
            x = stage(x)
            maps.append(x)
        maps.append(self.head(x))
        return torch.cat([v for stage in maps for v in MeanAndDeviation.apply(stage)], 1)

    def timm_state(self) -> dict[str, Tensor]:
        """Of timm's network, without the classifier."""
        learned = [module.timm_state() for module in self.modules() if isinstance(module, ConvNorm)]
        return {**self._state, **{name: tensor.detach() for part in learned for name, tensor in part.items()}}


class Head(nn.Module):
    """(…, D) statistics → (…) scores, as the top of StageStatistics."""

    def __init__(self, centre: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("spread", spread)
        self.hidden, self.output = nn.Linear(len(centre), 128), nn.Linear(128, 1)

    def forward(self, statistics: Tensor) -> Tensor:
        inputs = F.dropout((statistics - self.centre) / self.spread, 0.5, self.training)
        return self.output(F.dropout(F.gelu(self.hidden(inputs)), 0.3, self.training)).squeeze(-1)


class Network(nn.Module):
    """The statistics `net`, and `head`.

    Args:
        path: .safetensors of timm's network alone, or as `save` writes it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        tensors = load_file(path)
        whole = "centre" in tensors
        self.net = Lite0({n.removeprefix("net."): t for n, t in tensors.items() if n.startswith("net.") or not whole})
        self.head = Head(torch.zeros(STATISTICS), torch.ones(STATISTICS))
        if whole:
            self.head.load_state_dict({n: t for n, t in tensors.items() if not n.startswith("net.")})

    def statistics(self, images: np.ndarray | Tensor, fixed: int = 0) -> Tensor:
        """uint8 (N, H, W, 3) → (N, 4128)."""
        pixels = torch.as_tensor(images).permute(0, 3, 1, 2).float()
        return self.net(((pixels - 127.5) / 127.5).to(torch.bfloat16), fixed)

    def forward(self, images: np.ndarray | Tensor, fixed: int = 0) -> Tensor:
        """uint8 (N, H, W, 3) → (N,) scores."""
        return self.head(self.statistics(images, fixed))

    def save(self, path: Path) -> None:
        """Float32, under StageStatistics' names: net.* (timm's), centre, spread, hidden.*, output.*."""
        net = {f"net.{name}": tensor for name, tensor in self.net.timm_state().items()}
        save_file({n: t.contiguous() for n, t in {**net, **self.head.state_dict()}.items()}, path)
