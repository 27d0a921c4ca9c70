"""NIMA: a network that predicts how people's votes from 1 to 10 are distributed.

Talebi, Milanfar, "NIMA: Neural Image Assessment", IEEE TIP 2018.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rankiqa.config.common import check_dropout
from rankiqa.errors import InputError
from rankiqa.models import build
from rankiqa.models.names import NIMA_ALIASES
from rankiqa.models.preprocessing import Preprocessing
from rankiqa.models.rank_model import RankModel
from rankiqa.votes import VOTES

DEFAULT = "inception_resnet_v2"
# Output channels of the convolutional part of the networks that are made here; timm's know their own.
WIDTHS = {"shallow": 32, "alexnet": 256, "vgg16": 512, "squeezenet1_1": 512}


class Nima(RankModel):
    """(N, 3, H, W) RGB in [0, 1] → (N,) mean votes in [1, 10], higher is better; `distribution=True`: (N, 10).

    Args:
        name: the architecture, as `build_nima` takes it.
        backbone: (N, 3, H, W) preprocessed → (N, 10) logits.
        head: name of the backbone's last layer.
        preprocessing: from [0, 1] RGB to what the backbone expects.
        crop: side of the square input in pixels.
        dropout: probability, before the last layer.
        resize: side of the square that an image becomes before a crop is drawn from it for training.

    Raises:
        InputError: a `resize` below the crop.
    """

    view: str = "resize"
    votes: ClassVar[int | None] = VOTES
    scale: Tensor  # the votes 1 … 10

    def __init__(
        self,
        name: str,
        backbone: nn.Module,
        head: str,
        preprocessing: Preprocessing,
        crop: int = 224,
        dropout: float = 0.75,
        resize: int = 256,
    ) -> None:
        super().__init__(name, backbone, head, preprocessing, crop, dropout)
        if resize < crop:
            raise InputError(f"model.resize must be at least model.crop, {crop} px, got {resize}")
        self.resize = resize
        self.register_buffer("scale", torch.tensor(range(1, VOTES + 1), dtype=torch.float32), persistent=False)

    def forward(self, images: Tensor, distribution: bool = False) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] → (N,) mean votes, or with `distribution` (N, 10) their shares."""
        votes = self.backbone(self.preprocessing(images)).float().softmax(1)
        # Not a matrix product: autocast would take that in half precision, where near images tie.
        return votes if distribution else self._mean(votes)

    def _mean(self, votes: Tensor) -> Tensor:
        return (votes * self.scale).sum(1)

    def predict(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """The mean votes (N,), in [1, 10], higher is better, and their shares (N, 10)."""
        votes = self(images, distribution=True)
        return self._mean(votes), votes

    def architecture(self) -> dict[str, Any]:
        """As of a `RankModel`, with the number of votes."""
        return super().architecture() | {"votes": self.votes}

    def input_steps(self) -> dict[str, Any]:
        """As of a `RankModel`, with the side that an image is resized to before it is cropped for training."""
        return {"crop": self.crop, "resize": self.resize, **self.preprocessing.config()}


class Pooled(nn.Module):
    """Convolutions → mean over the places → dropout → linear: NIMA on a network whose own top is left away."""

    def __init__(self, features: nn.Module, width: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, VOTES)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) preprocessed → (N, 10) logits."""
        return self.head(self.dropout(self.features(images).mean((2, 3))))


def build_nima(
    name: str = DEFAULT,
    weights: str = "none",
    preprocessing: str | dict | None = None,
    crop: int | None = None,
    dropout: float | None = None,
    resize: int | None = None,
) -> Nima:
    """A network with ten outputs.

    Args:
        name: inception_resnet_v2, vgg16, mobilenet, squeezenet1_1, …: one of `rankiqa.models.ARCHITECTURES`, or any
            backbone of timm.
        weights: "none"; "imagenet" (a download; the last layer is new); or a .safetensors file in torchvision's or
            timm's layout.
        preprocessing: a name of `PREPROCESSING`, its fields as a dict, or None for the network's own.
        crop: side of the input in pixels; None: 224.
        dropout: before the last layer; None: the paper's 0.75.
        resize: side that an image is resized to before it is cropped for training; None: 256 for a crop of 224, and in
            that proportion for any other.

    Raises:
        InputError: as for `build_model`.
    """
    dropout = 0.75 if dropout is None else dropout
    check_dropout(dropout)
    crop = 224 if crop is None else crop
    name = NIMA_ALIASES.get(name, name)
    if name == "mobilenet_keras":
        from rankiqa.models.mobilenet_keras import mobilenet_keras

        backbone, head = mobilenet_keras(dropout), "classifier"
        default = Preprocessing(**build.PREPROCESSING["inception"])
    elif name in build.ARCHITECTURES:
        architecture = build.ARCHITECTURES[name]
        if name not in WIDTHS:
            raise InputError(f"model.name: {name} has no convolutional part to pool; known: {', '.join(WIDTHS)}")
        backbone, head = Pooled(architecture.make(None).get_submodule("features"), WIDTHS[name], dropout), "head"
        default = Preprocessing(**build.PREPROCESSING[architecture.preprocessing])
    else:
        backbone, head, default = build.timm_backbone(name, dropout, VOTES)
    steps = build.choose_preprocessing(preprocessing, default)
    build.initialise_head(backbone, head)
    if weights != "none":
        tensors = build.download(name, backbone) if weights == "imagenet" else build.read_weights(weights)
        if isinstance(backbone, Pooled):  # the rest of the file is the top that is left away
            tensors = {key: value for key, value in tensors.items() if key.startswith(("features.", "head."))}
        build.load_backbone(backbone, head, tensors, None if weights == "imagenet" else weights)
    return Nima(name, backbone, head, steps, crop, dropout, resize or round(crop * 256 / 224))
