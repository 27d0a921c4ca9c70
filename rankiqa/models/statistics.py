"""Networks that are judged at every stage: mean and spread of each channel over the places, and a small head on them.

What a last layer knows of an image is what it shows; noise, blur and blocks are in the first ones. Standard deviations
tell of the places that are worse than the rest, which a mean passes over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.models.efficientnet_lite import CLASSIFIER, EfficientNetLite0
from rankiqa.precision import at_float64

if TYPE_CHECKING:
    from rankiqa.models.rank_model import RankModel

HIDDEN, DROP_INPUTS, DROPOUT = 128, 0.5, 0.3  # of the head, where nothing else is asked for
EPSILON = 1e-6  # added to each variance, so that the root has a slope at 0
LEAST_SPREAD = 1e-3  # of a statistic: one that hardly differs between images is not blown up
# Where PyTorch has autocast: on MPS from 2.5 on. To ask for another device is an error.
_AUTOCASTS = tuple(kind for kind in ("cpu", "cuda", "mps") if torch.amp.is_autocast_available(kind))


@dataclass(frozen=True)
class HumanScale:
    """The rising map from a network's score to people's: low + (high − low) · sigmoid(slope · score + offset).

    Raises:
        InputError: `low` not below `high`, or a slope that is not above 0.
    """

    low: float
    high: float
    slope: float
    offset: float

    def __post_init__(self) -> None:
        if not self.low < self.high or not self.slope > 0:
            raise InputError(f"scale: low must be below high and slope above 0, got {asdict(self)}")

    def __call__(self, scores: Tensor) -> Tensor:
        """Any shape → the same, within (low, high)."""
        return self.low + (self.high - self.low) * torch.sigmoid(self.slope * scores + self.offset)


@dataclass(frozen=True)
class StatisticsHead:
    """What a head of statistics is like, as config.json and the settings tell it.

    Attributes:
        hidden: its units.
        drop_inputs: probability with which each of its inputs is left out in training.
        scale: from its score to people's; None: the score is the network's own.

    Raises:
        InputError: no unit, or a probability outside [0, 1).
    """

    hidden: int = HIDDEN
    drop_inputs: float = DROP_INPUTS
    scale: HumanScale | None = None
    kind: str = field(default="statistics", init=False)

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise InputError(f"model.hidden must be at least 1, got {self.hidden}")
        if not 0 <= self.drop_inputs < 1:
            raise InputError(f"model.drop_inputs must be in [0, 1), got {self.drop_inputs}")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> StatisticsHead:
        """From what `config` gives."""
        scale = config.get("scale")
        return cls(
            config.get("hidden", HIDDEN),
            config.get("drop_inputs", DROP_INPUTS),
            None if scale is None else HumanScale(**scale),
        )

    def config(self) -> dict[str, Any]:
        """What config.json keeps."""
        found = asdict(self)
        return {"kind": found.pop("kind"), **found}


class StageStatistics(nn.Module):
    """(N, 3, H, W) preprocessed → (N, 1): statistics of the maps of every stage, and a head of one hidden layer.

    Of timm's EfficientNets the stages are each of their `blocks` and the last convolution with its norm and activation,
    of its MobileNets V3 and V4 the blocks; of any other network the stages that timm's `forward_intermediates` gives.

    Args:
        net: a convolutional network of timm, or an `EfficientNetLite0`; changed: its classifier is left away.
        head: what the head is like.
        dropout: probability, of the head's units; None: 0.3.

    Attributes:
        channels: of the maps, stage by stage.
        runtime: what gives the scores of images (N, 3, H, W) uint8 and of their windows in PyTorch's place, where there
            is such a thing; see `rankiqa.integrations.onnx_runtime`.
        dropped: the names of the tensors of `net` that were left away.

    Raises:
        InputError: a network that has no maps, or takes images of one size alone.
    """

    head_layers = ("hidden", "output")
    runtime: Callable[[Tensor, Any], tuple[Tensor, Tensor]] | None = None
    centre: Tensor  # (2ΣC,) of the statistics over known images, and their spread
    spread: Tensor

    def __init__(self, net: nn.Module, head: StatisticsHead, dropout: float | None = None) -> None:
        super().__init__()
        timm_net: Any = net
        named = set(net.state_dict())
        self._walks = _walks(net)
        self.channels = _channels(timm_net, self._walks)
        if not isinstance(net, EfficientNetLite0):  # which has none
            timm_net.reset_classifier(0)
        if self._walks and not _has_last_convolution(timm_net):
            # MobileNet's last convolution comes behind the mean of the maps: it has none.
            for name in ("conv_head", "norm_head"):
                if hasattr(timm_net, name):
                    setattr(timm_net, name, nn.Identity())
        if not self._walks:
            # What a stage gives must not be changed by the next one.
            for module in net.modules():
                if getattr(module, "inplace", False) is True:
                    module.inplace = False  # type: ignore[assignment]
        self.net = net
        self.dropped = frozenset(named - set(net.state_dict()))
        if isinstance(net, EfficientNetLite0):
            self.dropped = CLASSIFIER
        width = 2 * sum(self.channels)
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.hidden = nn.Linear(width, head.hidden)
        self.output = nn.Linear(head.hidden, 1)
        self.drop_inputs, self.scale = head.drop_inputs, head.scale
        self.dropout = DROPOUT if dropout is None else dropout

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) preprocessed → (N, 1) scores, H and W at least 32."""
        return self.top(self.statistics(self.maps(images)))

    def maps(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) preprocessed → the maps (N, C, h, w) of every stage, from the largest to the smallest."""
        net: Any = self.net
        if not self._walks:
            found = list(net.forward_intermediates(images, intermediates_only=True))
        else:
            maps = net.bn1(net.conv_stem(images))
            found = []
            for block in net.blocks:
                maps = block(maps)
                found.append(maps)
            if _has_last_convolution(net):
                found.append(net.bn2(net.conv_head(maps)))
        if any(m.ndim != 4 for m in found) or tuple(m.shape[1] for m in found) != self.channels:
            shapes = ", ".join(str(tuple(m.shape)) for m in found)
            raise InputError(f"model.head statistics: maps of {self.channels} channels expected, timm gave {shapes}")
        return found

    def statistics(self, maps: list[Tensor]) -> Tensor:
        """Maps (N, C, h, w) → (N, 2ΣC) in float32: of each stage the means over the places, then the deviations.

        A deviation is √(variance + 1e-6), the variance that of the places themselves (divided by their number).
        """
        found = []
        for stage in maps:
            places = stage.float().flatten(2)
            mean = places.mean(2, keepdim=True)
            # Five times as fast as torch.var_mean on a processor.
            variance = (places - mean).square().mean(2)
            found += [mean.squeeze(2), (variance + EPSILON).sqrt()]
        return torch.cat(found, 1)

    def top(self, statistics: Tensor) -> Tensor:
        """(…, 2ΣC) statistics → (…, 1) scores, higher is better; on people's scale where the network has one."""
        kind = statistics.device.type
        if kind in _AUTOCASTS and torch.is_autocast_enabled(kind):  # in half precision near images tie
            with torch.autocast(kind, enabled=False):
                return self.top(statistics.float())
        inputs = (statistics - self.centre) / self.spread
        units = F.gelu(self.hidden(F.dropout(inputs, self.drop_inputs, self.training)))
        scores = self.output(F.dropout(units, self.dropout, self.training))
        return scores if self.scale is None else self.scale(scores)

    def head(self) -> StatisticsHead:
        """What the head is like."""
        return StatisticsHead(self.hidden.out_features, self.drop_inputs, self.scale)

    @property
    def standardised(self) -> bool:
        """Whether centre and spread were measured, or loaded."""
        return bool((self.centre != 0).any() or (self.spread != 1).any())


def fit_standardisation(
    model: RankModel, images: Iterable[Tensor], total: Callable[[Tensor], Tensor] = lambda sums: sums
) -> None:
    """Set `centre` and `spread` of a network of statistics: mean and deviation of its statistics over images.

    Args:
        model: its backbone is a `StageStatistics`; changed in place.
        images: batches (N, 3, H, W), RGB in [0, 1], of any sizes.
        total: of several processes with images of their own, the sum over all of a tensor that each has.

    Raises:
        InputError: another network, or fewer than two images.
    """
    backbone = model.backbone
    if not isinstance(backbone, StageStatistics):
        raise InputError(f"{model.name} has no head of statistics")
    training = [module for module in model.modules() if module.training]
    model.eval()
    # How many, their sum and the sum of their squares, in double precision.
    place = at_float64(backbone.centre.device)
    sums = torch.zeros(3, len(backbone.centre), dtype=torch.float64, device=place)
    try:
        with torch.no_grad():
            for batch in images:
                rows = backbone.statistics(backbone.maps(model.preprocessing(batch))).to(place).double()
                sums += torch.stack([torch.ones_like(rows), rows, rows.square()]).sum(1)
    finally:
        for module in training:
            module.training = True
    count, first, second = total(sums)
    if count[0] < 2:
        raise InputError(f"the statistics of at least two images are needed, got {int(count[0])}")
    centre = first / count
    backbone.centre.copy_(centre)
    backbone.spread.copy_((second / count - centre.square()).clamp(min=LEAST_SPREAD**2).sqrt())


def _walks(net: nn.Module) -> bool:
    """Whether its stages are walked through here: timm tells of fewer than there are."""
    if isinstance(net, EfficientNetLite0):
        return True
    with extra("train"):
        from timm.models.efficientnet import EfficientNet
        from timm.models.mobilenetv3 import MobileNetV3

    return isinstance(net, (EfficientNet, MobileNetV3))


def _has_last_convolution(net: Any) -> bool:
    return hasattr(net, "bn2") and isinstance(net.conv_head, nn.Conv2d)


def _channels(net: Any, walks: bool) -> tuple[int, ...]:
    """Of the maps of each stage; `InputError` for a network that has none."""
    if walks:
        blocks = [_block_channels(stage[-1]) for stage in net.blocks]
        return (*blocks, *([net.conv_head.out_channels] if _has_last_convolution(net) else []))
    stages = getattr(net, "feature_info", None)
    cfg = net.pretrained_cfg
    if not stages or not hasattr(net, "forward_intermediates") or cfg.get("fixed_input_size"):
        raise InputError(
            f"model.head: {cfg.get('architecture') or type(net).__name__} has no maps of its stages that take any size",
            cure="take a convolutional network, or another head",
            options=("model.head=linear",),
        )
    return tuple(stage["num_chs"] for stage in stages)


def _block_channels(block: Any) -> int:
    if hasattr(block, "channels"):  # of ours
        return int(block.channels)
    return int(block.feature_info("bottleneck")["num_chs"])
