"""Judges: full-reference metrics that say how good a distorted image is, beside its pristine one.

A judge has never asked a person about the images at hand: what it gives is a **judge's score**, not a human one. It is
there to order ranked images of different types, of which the levels say nothing together (`rankiqa.losses`). The metrics
are piq's, each turned so that higher is better and 1.0 is an image equal to its pristine one:

| name    | value    | its source |
|---------|----------|------------|
| mdsi    | 1 − MDSI | Nafchi et al., "Mean deviation similarity index", IEEE Access 4, 2016 |
| haarpsi | HaarPSI  | Reisenhofer et al., "A Haar wavelet-based perceptual similarity index", Signal Processing: Image Communication 61, 2018 |
| vsi     | VSI      | Zhang et al., "VSI: a visual saliency-induced index", IEEE TIP 23(10), 2014 |

Their units have nothing in common, so several are put together by rank: a `JudgeScale`, measured once on a sample of
images, carries each value to its place among the sample's.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rankiqa.errors import InputError
from rankiqa.extras import extra, need

if TYPE_CHECKING:  # settings name judges without what computes them
    import numpy as np
    import torch

METRICS = ("mdsi", "haarpsi", "vsi")
NONE, MEAN = "none", "mean"
PERFECT = 1.0  # each metric's value of an image beside itself
LEAST_SIDE = 16  # pixels, of HaarPSI's coarsest wavelet
KNOTS = 65  # of the table of a metric


@dataclass(frozen=True)
class Judge:
    """Some metrics that are asked together. `Judge.parse` makes one.

    Attributes:
        metrics: their names, of `METRICS`, at least one, none twice.
    """

    metrics: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Judge | None:
        """From "mdsi", "haarpsi", "vsi", several with commas, or "mean", which is all three; None for "none".

        Raises:
            InputError: an unknown name, a name twice, or "none" or "mean" beside others.

        >>> Judge.parse("mdsi,vsi").metrics, Judge.parse("none")
        (('mdsi', 'vsi'), None)
        """
        if text == NONE:
            return None
        names = METRICS if text == MEAN else tuple(text.split(","))
        known = f"{NONE}, {', '.join(METRICS)}, several of these with commas, or {MEAN}"
        for name in names:
            if name not in METRICS:
                raise InputError(f"unknown judge {name!r:.80}; known: {known}")
        if len(set(names)) < len(names):
            raise InputError(f"the judge {text!r:.80} names a metric twice; known: {known}")
        return cls(names)

    @staticmethod
    def need() -> None:
        """Raise `MissingExtra` unless piq, which computes the metrics, is installed; it is not imported."""
        need("train", "piq")

    def values(self, images: torch.Tensor, pristine: torch.Tensor) -> torch.Tensor:
        """What each metric says of each image beside its pristine one.

        Args:
            images: (N, 3, H, W) in [0, 1], RGB.
            pristine: likewise, of the same shape.

        Returns:
            (N, M), a column a metric; **higher is better**, at most 1.0.

        Raises:
            InputError: a side is shorter than 16 pixels.
            MissingExtra: piq is not installed.
        """
        import torch

        with extra("train", "a judge"):
            import piq

        height, width = images.shape[-2:]
        if min(height, width) < LEAST_SIDE:
            raise InputError(f"{width}×{height} px are too few for a judge, which needs {LEAST_SIDE}×{LEAST_SIDE}")
        columns = []
        with torch.no_grad():
            for name in self.metrics:
                found = getattr(piq, name)(images, pristine, data_range=1.0, reduction="none").reshape(len(images))
                columns.append(1 - found if name == "mdsi" else found)
        # HaarPSI's logarithm has no value where it compares nothing, as two images of mere black: then they are alike.
        return torch.stack(columns, 1).nan_to_num(nan=PERFECT).clamp(max=PERFECT)

    def look(self, image: np.ndarray, pristine: np.ndarray) -> np.ndarray:
        """(M,) the `values` of one uint8 H×W×3 image, float64. Equal images have 1.0 without a computation.

        Raises:
            InputError: the two differ in size, or as `values` does.
        """
        import numpy as np

        if np.array_equal(image, pristine):
            return np.full(len(self.metrics), PERFECT)
        if image.shape != pristine.shape:
            sizes = [f"{x.shape[1]}×{x.shape[0]}" for x in (image, pristine)]
            raise InputError(f"{sizes[0]} px are not the size of the pristine image, {sizes[1]} px")
        import torch

        pair = [
            torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1)[None].float() / 255 for x in (image, pristine)
        ]
        return self.values(*pair)[0].double().numpy()


@dataclass(frozen=True)
class JudgeScale:
    """What a value of each metric is worth: its rank in [0, 1] among the values of a sample, once and for all.

    Attributes:
        tables: from each metric to `KNOTS` values that do not fall: the quantiles of the sample at even steps, and
            1.0, the pristine image's, as the last. A value between two knots has a rank between theirs; one
            below the sample's worst has 0, the pristine image has 1.
    """

    tables: dict[str, tuple[float, ...]]

    @classmethod
    def measure(cls, judge: Judge, values: np.ndarray) -> JudgeScale:
        """From the (n, M) values of a sample of n ≥ 1 distorted images."""
        import numpy as np

        places = np.linspace(0, 1, KNOTS - 1)
        columns = (np.append(np.quantile(column, places), PERFECT) for column in values.T)
        return cls({name: tuple(map(float, c)) for name, c in zip(judge.metrics, columns, strict=True)})

    def quality(self, values: np.ndarray) -> np.ndarray:
        """(…,) in [0, 1], **higher is better**: the mean over the metrics of the ranks of (…, M) values.

        1 is the pristine image, .5 as good as half of the sample.
        """
        import numpy as np

        ranks = np.linspace(0, 1, KNOTS)
        each = [np.interp(values[..., i], table, ranks) for i, table in enumerate(self.tables.values())]
        return np.mean(each, axis=0)

    def config(self) -> dict[str, list[float]]:
        """As JSON has it; `from_config` takes it back, to the same numbers."""
        return {name: list(table) for name, table in self.tables.items()}

    @classmethod
    def from_config(cls, tables: Mapping[str, Sequence[float]]) -> JudgeScale:
        """From what `config` gave."""
        return cls({name: tuple(table) for name, table in tables.items()})


@dataclass(frozen=True)
class ScaledJudge:
    """A judge and the scale that its values are read on: from an image and its pristine one to a quality in [0, 1]."""

    judge: Judge
    scale: JudgeScale

    def quality(self, image: np.ndarray, pristine: np.ndarray) -> float:
        """Of a uint8 H×W×3 image; higher is better, 1.0 for the pristine one."""
        return float(self.scale.quality(self.judge.look(image, pristine)))

    def config(self) -> dict[str, Any]:
        """What a model's provenance tells of it."""
        return {"metrics": list(self.judge.metrics), "scale": self.scale.config()}
