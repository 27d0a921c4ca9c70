"""One branch of the Siamese network: preprocessing, backbone and a single score."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from rankiqa.errors import InputError
from rankiqa.images.crops import FULL
from rankiqa.models.preprocessing import Preprocessing
from rankiqa.models.statistics import StageStatistics
from rankiqa.precision import FP32


class RankModel(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] → (N,) scores, higher is better.

    Args:
        name: the architecture, as `build_model` takes it.
        backbone: (N, 3, H, W) preprocessed → (N, 1).
        head: name of the backbone's last layer, the one that was made anew for the score.
        preprocessing: from [0, 1] RGB to what the backbone expects.
        crop: side of the square input that it is trained on and scored with, pixels.
        dropout: probability, as it was built (None: the architecture's own).
    """

    # How an image becomes inputs when it is scored: a mode of `rankiqa.scoring.view.View`.
    view: str = "random"
    # In which it scores: one of `rankiqa.precision.PRECISIONS`. In training it has the run's.
    precision: str = FP32
    # How many votes it predicts beside the score; None: none.
    votes: ClassVar[int | None] = None

    def __init__(
        self,
        name: str,
        backbone: nn.Module,
        head: str,
        preprocessing: Preprocessing,
        crop: int,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        if crop < 1:
            raise InputError(f"model.crop must be at least 1 px, got {crop}")
        self.name, self.head, self.crop, self.dropout = name, head, crop, dropout
        self.preprocessing = preprocessing
        self.backbone = backbone
        if isinstance(backbone, StageStatistics):
            self.view = FULL
        # Modules that do not learn, and stay in evaluation mode while the others train (`rankiqa.models.freezing`).
        self.frozen: tuple[nn.Module, ...] = ()

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] → (N,) scores, higher is better."""
        return self.backbone(self.preprocessing(images)).squeeze(1)

    def predict(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """The scores (N,), higher is better, and (N, votes) shares of the votes, of a network that predicts them."""
        return self(images), None

    def architecture(self) -> dict[str, Any]:
        """What config.json tells of the network: how to build it anew."""
        found: dict[str, Any] = {"name": self.name, "dropout": self.dropout}
        if isinstance(self.backbone, StageStatistics):
            found["head"] = self.backbone.head().config()
        return found

    def input_steps(self) -> dict[str, Any]:
        """What config.json tells of the input: the side of the crop, pixels, and the preprocessing."""
        return {"crop": self.crop, **self.preprocessing.config()}

    def train(self, mode: bool = True) -> RankModel:
        """Training mode, or evaluation; what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.training = False
        return self

    def is_head(self, parameter: str) -> bool:
        """Whether a name of `named_parameters()` belongs to the last layer, or to the head of statistics."""
        layers = self.backbone.head_layers if isinstance(self.backbone, StageStatistics) else (self.head,)
        return parameter.startswith(tuple(f"backbone.{layer}." for layer in layers))
