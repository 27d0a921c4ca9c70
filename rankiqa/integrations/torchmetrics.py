"""RankIQA as a metric of torchmetrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.images.crops import MODES, SMALL, check_small
from rankiqa.scoring.patches import PATCHES, view_of
from rankiqa.scoring.scorer import Scorer

with extra("torchmetrics"):
    from torchmetrics import Metric

SCALES = ("raw", "unit")


class RankIQA(Metric):
    """The mean quality of images, without references; higher is better.

    Each image is scored as `rankiqa.scoring.scorer.Scorer.score` does, so neither the batch nor the process that it
    comes in changes its number. Images of unequal size are given one by one: `update(image[None])`.

    Args:
        model: a model folder, a training run, OWNER/NAME of the Hugging Face hub, or a `Scorer`, which is shared and
            not copied; None: the model that comes with the package. It is loaded on the CPU; `.to(device)` moves it.
        scale: "raw", the model's own, or "unit", from 0 to 1; see `rankiqa.scoring.scorer.Score`.
        patches, mode, seed, small: of `Scorer.score`.
        kwargs: of `torchmetrics.Metric`.

    Raises:
        rankiqa.errors.InputError: no such model or a bad argument, at construction; of `update`: other images.

    >>> import torch
    >>> metric = RankIQA(scale="unit")
    >>> metric.update(torch.rand(2, 3, 240, 320))
    >>> 0 <= metric.compute() <= 1
    tensor(True)
    """

    higher_is_better = True
    is_differentiable = False  # the images become 8 bits a channel, as a file would hold them
    full_state_update = False
    raw: Tensor
    unit: Tensor
    count: Tensor

    def __init__(
        self,
        model: str | Path | Scorer | None = None,
        scale: str = "raw",
        patches: int = PATCHES,
        mode: str | None = None,
        seed: int = 0,
        small: str = "reflect",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if scale not in SCALES:
            raise InputError(f"scale must be {' or '.join(SCALES)}, not {scale!r}")
        check_small(small)
        self.scorer = model if isinstance(model, Scorer) else Scorer.load(model, "cpu")
        if scale == "unit" and self.scorer.low is None:
            raise InputError(f"{self.scorer.source}: the model has no scale from 0 to 1; take its raw scores")
        self.network = self.scorer.network  # a module of the metric's own, so that `to` moves it
        _, view = view_of(self.network, patches, mode)
        self.scale = scale
        self.options = {"patches": patches, "mode": mode, "seed": seed, "small": small}
        self.add_state("raw", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("unit", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        # A MetricCollection lets metrics whose states are alike share one. Those that look otherwise must not be alike,
        # even if the first images, no larger than a crop, look the same to both.
        looks = torch.tensor([patches, seed, MODES.index(view), SMALL.index(small)])
        self.add_state("looks", looks, dist_reduce_fx="max")

    def update(self, images: Tensor) -> None:
        """Score (N, 3, H, W) images, RGB, uint8 or floating point in [0, 1]."""
        if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != 3:
            what = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise InputError(f"images must be a tensor (N, 3, H, W), not {what}")
        scores = [self.scorer.score(image, **self.options) for image in images]
        self.raw += sum(score.value for score in scores)
        self.unit += sum(score.unit for score in scores)
        self.count += len(scores)

    def compute(self) -> Tensor:
        """The mean score, float64; NaN without images."""
        return (self.raw if self.scale == "raw" else self.unit) / self.count

    @property
    def plot_lower_bound(self) -> float | None:
        return 0.0 if self.scale == "unit" else None

    @property
    def plot_upper_bound(self) -> float | None:
        return 1.0 if self.scale == "unit" else None

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """The value, or several, as `torchmetrics.Metric.plot` draws them; needs matplotlib."""
        return self._plot(val, ax)
