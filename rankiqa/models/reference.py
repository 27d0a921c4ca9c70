"""What a raw score means: where it stands among the scores of known images.

A network that learned ranks gives numbers without a unit. The scores of images whose quality is known, kept with the
model when it is trained, give them one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rankiqa.errors import InputError

MOST = 400  # images that are scored for a reference where no validation has done it
POINTS = 101  # quantiles that are kept: one for each per cent


@dataclass(frozen=True)
class Reference:
    """The distribution of a model's scores over known images.

    Attributes:
        what: the images, in words.
        images: how many.
        quantiles: (101,) raw scores, of 0, 1, … 100 % of the images.
        low: the raw score that is 0 on the scale of `unit`; None where the model has a scale of its own.
        high: the raw score that is 1 there; None likewise.
    """

    what: str
    images: int
    quantiles: tuple[float, ...]
    low: float | None = None
    high: float | None = None

    @classmethod
    def of_scores(cls, scores: Sequence[float] | np.ndarray, what: str) -> Reference | None:
        """Of images with human scores; None for fewer than two, or scores that are not finite."""
        scores = np.asarray(scores, np.float64)
        if len(scores) < 2 or not np.isfinite(scores).all():
            return None
        return cls(what, len(scores), _round(np.quantile(scores, np.linspace(0, 1, POINTS))))

    @classmethod
    def of_ranks(cls, items: Sequence[tuple[str, str, int]], scores: np.ndarray, what: str) -> Reference | None:
        """Of the images of a ranked set, each once: `items` are their (reference, distortion, level).

        1 on the scale of `unit` is the mean score of the pristine photos, 0 the mean over the types of the score at
        their strongest level; None where the network puts these the other way round.
        """
        scores = np.asarray(scores, np.float64)
        levels = np.array([level for _, _, level in items])
        types = np.array([distortion for _, distortion, _ in items])
        pristine = {name: score for (name, _, level), score in zip(items, scores, strict=True) if level == 0}
        found = cls.of_scores([*pristine.values(), *scores[levels > 0]], what)
        if found is None or not pristine or not (levels > 0).any():
            return found
        strongest = [
            scores[(types == t) & (levels == levels[types == t].max())].mean() for t in sorted(set(types[levels > 0]))
        ]
        low, high = _round([np.mean(strongest), np.mean(list(pristine.values()))])
        return cls(found.what, found.images, found.quantiles, *((low, high) if low < high else (None, None)))

    def percentile(self, score: float) -> float:
        """Per cent of the images with a lower score, 0–100; of equal scores half. NaN for NaN."""
        if math.isnan(score):
            return math.nan
        places = np.searchsorted(self.quantiles, score, "left"), np.searchsorted(self.quantiles, score, "right")
        if places[0] < places[1]:  # between the first and the last quantile that equal it
            return float(places[0] + places[1] - 1) / 2 * 100 / (POINTS - 1)
        return float(np.interp(score, self.quantiles, np.linspace(0, 100, POINTS)))

    def unit(self, score: float) -> float:
        """The score on [0, 1], cut off at both ends; NaN where the reference has no scale."""
        return to_unit(score, self.low, self.high)

    def config(self) -> dict[str, Any]:
        """What config.json keeps."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Reference | None:
        """What `config` made; None for none. `InputError` for anything else."""
        if config is None:
            return None
        try:
            quantiles = tuple(float(value) for value in config["quantiles"])
            low, high = (None if config[key] is None else float(config[key]) for key in ("low", "high"))
            found = cls(str(config["what"]), int(config["images"]), quantiles, low, high)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"reference: not a distribution of scores ({type(error).__name__}: {error})") from error
        numbers = [*quantiles, *(value for value in (low, high) if value is not None)]
        if len(quantiles) != POINTS or not np.isfinite(numbers).all() or (np.diff(quantiles) < 0).any():
            raise InputError(f"reference: quantiles must be {POINTS} finite numbers that do not fall")
        if (low is None) != (high is None) or (low is not None and high is not None and not low < high):
            raise InputError(f"reference: low must be below high, got {low} and {high}")
        return found


def read_reference(path: str | Path, what: str) -> Reference:
    """The reference of a table of scores: the CSV of `rankiqa score`, or scores.csv of an evaluation.

    With the columns reference, distortion and level, all of them filled, it is that of a ranked set.

    Raises:
        InputError: the file cannot be read, has no column score, or fewer than two finite scores.
    """
    if not Path(path).exists():
        raise InputError("no such file", path=path)
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"reference": str, "distortion": str}, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {' '.join(str(error).split())}", path=path) from error
    scores = pd.to_numeric(table.get("score", pd.Series(dtype=float)), errors="coerce")
    table = table[np.isfinite(scores.to_numpy())] if len(scores) == len(table) else table[:0]
    scores = scores.loc[table.index].to_numpy(np.float64)
    columns = ("reference", "distortion", "level")
    found = None
    if all(column in table and table[column].notna().all() for column in columns):
        levels = pd.to_numeric(table["level"], errors="coerce")
        if levels.notna().all():
            items = list(zip(table["reference"], table["distortion"], levels.astype(int), strict=True))
            found = Reference.of_ranks(items, scores, what)
    found = found or Reference.of_scores(scores, what)
    if found is None:
        raise InputError("needs a column score with at least two numbers", path=path)
    return found


def to_unit(score: float, low: float | None, high: float | None) -> float:
    """A score on the scale from low (0) to high (1), cut off at both ends; NaN without a scale."""
    return math.nan if low is None or high is None else float(np.clip((score - low) / (high - low), 0, 1))


def _round(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values)
