"""The quality of images as a loss, to train other networks with: lower is better, and differentiable."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.errors import InputError
from rankiqa.images.crops import FULL, LEAST_SIDE, WHOLE, crop_positions, reduced_size
from rankiqa.models.parts import parts_of, window_of
from rankiqa.precision import at_float64
from rankiqa.scoring.dense import window_scores
from rankiqa.scoring.device import place_of
from rankiqa.scoring.scorer import Scorer, allows_dense
from rankiqa.scoring.view import PATCHES
from rankiqa.scoring.windows import shares


class QualityLoss(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] → how far the images are from the best quality; gradients reach the images.

    A network that ends in statistics of its stages sees the whole images, reduced where they are large, as when it
    scores them. Another ranking network sees all windows of the images (`rankiqa.scoring.dense`); where it cannot be
    taken apart, crops on a grid; a NIMA the whole images, resized to its input. The network stays as it is: its
    parameters do not learn, and it stays in evaluation mode. It goes to the device of the images that it is given; the
    scorer goes with it. A network that is optimised against a fixed judge learns
    to please it: look at the images, and use it beside a loss that ties them to their targets.

    Args:
        scorer: what `rankiqa.load` gives.
        reduction: "mean" over the images, "sum", or "none" for (N,).

    The loss is (high − score) / (high − low) with the scale that `rankiqa.scoring.scorer.Score.unit` has, not cut off:
    0 at the upper end of the scale, 1 at the lower. Without a scale it is minus the score.

    Raises:
        ValueError: an unknown reduction.
        rankiqa.errors.InputError: of the images: another shape or kind, or smaller than the network's crop (than 64 px
            for one that sees them whole).

    >>> import rankiqa, torch
    >>> loss, images = rankiqa.load(as_loss=True, device="cpu"), torch.rand(1, 3, 256, 256, requires_grad=True)
    >>> loss(images).backward()
    >>> images.grad.shape
    torch.Size([1, 3, 256, 256])
    """

    def __init__(self, scorer: Scorer, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be mean, sum or none, not {reduction!r}")
        self.network, self.reduction = scorer.network.eval().requires_grad_(False), reduction
        self.low, self.high = scorer.low, scorer.high  # None: no scale
        self.dense = allows_dense(self.network)

    def train(self, mode: bool = True) -> QualityLoss:
        """Nothing changes: dropout and batch norm of the judge stay as in evaluation."""
        return super().train(False)

    def scores(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] → (N,) raw scores, higher is better."""
        crop = self.network.crop
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise InputError(f"images must be (N, 3, H, W) in [0, 1], not {images.dtype} {tuple(images.shape)}")
        height, width = images.shape[2:]
        self._go_to(images)
        if self.network.view == FULL:
            return self.network(_whole(images))
        if self.network.view in WHOLE:
            return self.network(F.interpolate(images, (crop, crop), mode="bilinear", antialias=True))
        if min(height, width) < crop:
            raise _too_small(images, f"the {crop}×{crop} crop")
        if self.dense:
            return window_scores(parts_of(self.network), window_of(self.network), images).mean((1, 2))
        places = crop_positions(height, width, crop, PATCHES, "grid", np.random.default_rng(0))
        crops = torch.cat([images[:, :, top : top + crop, left : left + crop] for top, left in places])
        return self.network(crops).view(len(places), -1).mean(0)

    def _go_to(self, images: Tensor) -> None:
        """Move the network to where the images are, if it is elsewhere."""
        if images.device.type == "meta":
            raise InputError("images are on meta, where there are no numbers", cure="move them to a device")
        if place_of(self.network) != images.device:
            self.network.to(images.device)

    def forward(self, images: Tensor) -> Tensor:
        """The loss of (N, 3, H, W) images in [0, 1], lower is better: (N,), or reduced to a scalar."""
        scores = self.scores(images)
        loss = -scores if self.low is None or self.high is None else (self.high - scores) / (self.high - self.low)
        return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[self.reduction]()


def _whole(images: Tensor) -> Tensor:
    """Images (N, 3, H, W) as `rankiqa.images.crops.whole` shows them to a network, but for the small ones."""
    height, width = images.shape[2:]
    if min(height, width) < LEAST_SIDE:
        raise _too_small(images, f"{LEAST_SIDE} px")
    size = reduced_size(height, width)
    if size == (height, width):
        return images
    down, across = (_areas(few, many, images) for few, many in zip(size, (height, width), strict=True))
    return down @ images @ across.T


def _areas(few: int, many: int, like: Tensor) -> Tensor:
    """(few, many): of each of a few pixels the shares of the many that it stands for."""
    step = many / few
    return shares(torch.arange(few, device=at_float64(like.device)).double() * step, step, many, many).to(like)


def _too_small(images: Tensor, than: str) -> InputError:
    height, width = images.shape[2:]
    return InputError(f"images of {width}×{height} px are smaller than {than}", cure="give larger ones")
