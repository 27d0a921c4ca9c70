"""Pairs of images that people compared: what a data set of preferences becomes when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rankiqa.datasets.pairs import Pairs
from rankiqa.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

PAIRED_COLUMNS = ("first", "second", "reference", "group", "distortion", "share", "votes", "part")
NO_FILE = "no such file"


@dataclass(frozen=True)
class PairedSet:
    """Pairs of images with the share of people that preferred one, as one data set distributes them.

    Attributes:
        name: Of the data set: pieapp, bapps.
        root: The folder that it was read from.
        table: A row a pair: first and second (text, paths with /, relative to `root`, as the disk spells them),
            reference (the pristine photo's path, that people compared them with; "" where there is none), group (what a
            split must not divide), distortion (kind, "" where there is none), share ([0, 1], of people that preferred
            the **second**), votes (Int64, how many people; <NA> where the share was estimated, not asked for), part
            (of the authors' split: "train", "val" or "test").
        left_out: The pairs that the labels list but the table lacks: ({"path": …, "reason": …, "part": …}, …); the path
            is that of an image that is not there, or of the first.
    """

    name: str
    root: Path
    table: pd.DataFrame
    left_out: tuple[Mapping[str, str], ...] = ()

    def __post_init__(self) -> None:
        if missing := [column for column in PAIRED_COLUMNS if column not in self.table]:
            raise ValueError(f"a paired set needs the column {missing[0]}")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def files(self) -> dict[str, Path]:
        """Path → file of every image, the references too."""
        columns = (self.table[name] for name in ("first", "second", "reference"))
        return {path: self.root / path for path in dict.fromkeys(path for column in columns for path in column) if path}

    def select(self, keep: np.ndarray | pd.Series) -> PairedSet:
        """The same set with the rows where `keep`, (n,) booleans, is true. `InputError` where none is left."""
        keep = np.asarray(keep, dtype=bool)
        if not keep.any():
            raise InputError(f"no pair of {self.name} is left", path=self.root)
        return replace(self, table=self.table[keep].reset_index(drop=True))

    def part(self, name: str) -> PairedSet:
        """The pairs of a part of the authors' split: train, val or test."""
        return self.select(self.table["part"] == name)

    def answers(self) -> Iterator[tuple[str, str, float, bool]]:
        """(better, worse, weight, tie) of each answer: a pair with the share p is two of them, of weights p and 1 − p.

        A share of 0 or 1 is one, and one half is a tie of weight 1.
        """
        for first, second, share in zip(*(self.table[name] for name in ("first", "second", "share")), strict=True):
            if share == 0.5:
                yield first, second, 1.0, True
                continue
            if share > 0:
                yield second, first, float(share), False
            if share < 1:
                yield first, second, 1.0 - float(share), False

    def pairs(self) -> Pairs:
        """The answers as `Pairs`, to learn from and to measure against; their photos' paths are relative to `root`.

        The two answers of a share stand for one crowd, so that `Pairs.shares`, how far people agree, says nothing here.
        """
        return Pairs.of(list(self.answers()), self.name)
