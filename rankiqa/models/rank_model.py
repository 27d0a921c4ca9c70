"""One branch of the Siamese network: preprocessing, backbone and a single score."""

from __future__ import annotations

from torch import Tensor, nn

from rankiqa.errors import InputError
from rankiqa.models.preprocessing import Preprocessing


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

    # How an image becomes inputs when it is scored: a mode of `rankiqa.scoring.patches.score_image`.
    view = "random"

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
        # Modules that do not learn, and stay in evaluation mode while the others train (`rankiqa.models.freezing`).
        self.frozen: tuple[nn.Module, ...] = ()

    def forward(self, images: Tensor) -> Tensor:
        return self.backbone(self.preprocessing(images)).squeeze(1)

    def train(self, mode: bool = True) -> RankModel:
        super().train(mode)
        for module in self.frozen:
            module.training = False
        return self

    def is_head(self, parameter: str) -> bool:
        """Whether a name of `named_parameters()` belongs to the last layer."""
        return parameter.startswith(f"backbone.{self.head}.")
