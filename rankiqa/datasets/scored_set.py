"""Images that people scored: what every data set becomes when it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rankiqa.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SCORED_COLUMNS = ("path", "file", "reference", "group", "distortion", "level", "score")


@dataclass(frozen=True)
class ScoredSet:
    """Images with human scores, as one data set distributes them.

    Attributes:
        name: Of the data set: tid2013, live, …
        root: The folder that it was read from.
        score_range: (lowest, highest) of the scale on which people scored, in its own unit. A realigned DMOS may leave
            it.
        higher_is_better: Direction of the scores as distributed: true for MOS, false for DMOS.
        table: A row an image: path (text, with /, relative to `root`, as the disk spells it), file (`Path`), reference
            (name of the pristine photo; "" where there is none), group (what a split must not divide: the reference, a
            scene; "" where nothing is known), distortion (type; "pristine" for an undistorted copy, "" where there is
            none), level (Int64; <NA> where unknown; **not** a rank in every type), score (float, as distributed).
        references: Reference → file of the pristine photo, of those that are on the disk.
        splits: Published splits by name: path → "train", "val" or "test". A path in no part is not mentioned.
        left_out: What the labels list but the table lacks, with the reason: ({"path": …, "reason": …}, …).
        type_names: What a distortion type is called in full, where its name is a number.
    """

    name: str
    root: Path
    score_range: tuple[float, float]
    higher_is_better: bool
    table: pd.DataFrame
    references: Mapping[str, Path] = field(default_factory=dict)
    splits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left_out: tuple[Mapping[str, str], ...] = ()
    type_names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if missing := [column for column in SCORED_COLUMNS if column not in self.table]:
            raise ValueError(f"a scored set needs the column {missing[0]}")
        low, high = self.score_range
        if not low < high:
            raise ValueError(f"score_range must rise, got {self.score_range}")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def truth(self) -> np.ndarray:
        """(n,) float64, **higher is better**: the score, or its negative where lower is better."""
        score = self.table["score"].to_numpy(np.float64)
        return score if self.higher_is_better else -score + 0.0  # + 0: no minus zero

    def quality(self, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """(n,) float64, higher is better: the scores with `score_range` carried linearly to [low, high].

        The worst end of the scale becomes `low`, the best end `high`. A score outside its range goes outside
        here too.
        """
        share = (self.table["score"].to_numpy(np.float64) - self.score_range[0]) / np.ptp(self.score_range)
        return low + (high - low) * (share if self.higher_is_better else 1 - share)

    def labels_sha256(self, *more: Iterable[str]) -> str:
        """SHA-256 of the paths and scores, row by row; `more` are further columns of text, (n,) each."""
        columns = [self.table["path"], self.table["score"].map(repr), *more]
        lines = map("\t".join, zip(*columns, strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def select(self, keep: np.ndarray | pd.Series) -> ScoredSet:
        """The same set with the rows where `keep`, (n,) booleans, is true. `InputError` where none is left."""
        keep = np.asarray(keep, dtype=bool)
        if not keep.any():
            raise InputError(f"no image of {self.name} is left", path=self.root)
        return replace(self, table=self.table[keep].reset_index(drop=True))
