"""A ranked set on disk: images at rising levels of distortion, and `manifest.csv`, which lists them.

A set is a folder::

    set.json                      how it was made
    manifest.csv                  a row an image: path, reference, distortion, level, strength, seed, sha256, and
                                  recipe where an image has one, and what judges say of it where they were asked
    pristine/NAME                 level 0, shared by all types
    DISTORTION/LEVEL/NAME

The reference is the path of the pristine photo in its source folder; NAME is the same with ".png" (or
".bmp") at its end. `rankiqa.ranks.making` makes sets, `rankiqa.ranks.verification` checks their files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rankiqa.distortions import DISTORTIONS, Distortion
from rankiqa.errors import InputError
from rankiqa.images.crops import random_crop
from rankiqa.images.decoded import Decoded
from rankiqa.images.photos import PRISTINE, Photo, read_all_photos
from rankiqa.images.reading import read_image
from rankiqa.judge import Judge
from rankiqa.ranks.manifest import JUDGED, MANIFEST, is_inside, read_manifest
from rankiqa.seeding import derive_seed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RankedSet:
    """A ranked set on disk. `RankedSet.read(folder)` makes one.

    Attributes:
        folder: Where it lies.
        table: A row an image, in the manifest's order: path (relative to `folder`), reference, distortion, level
            (int), strength (float; NaN for pristine), seed (Int64; <NA> for pristine), sha256 of the file, recipe (the
            steps of a chain, or the version of the encoder; "" for other types). The pristine
            images have distortion "pristine" and level 0. A set that was judged has a column a metric of
            `rankiqa.judge`, such as judge_mdsi: float, higher is better, 1.0 for the pristine images, NaN where an
            image was not judged.
        decoded: Where the pixels of its images are kept once they were decoded; None: each is decoded whenever it is
            asked for.
    """

    folder: Path
    table: pd.DataFrame
    decoded: Decoded | None = None

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> RankedSet:
        """Read `folder`/manifest.csv and check it, though not the image files (see `verify_ranked_set`).

        Raises:
            InputError: there is no manifest, or it has other columns, a value out of range, a path that leads out of
                the folder, the same row twice, or a reference without its pristine image.
        """
        folder = Path(folder)
        return cls(folder, read_manifest(folder))

    @cached_property
    def distortions(self) -> tuple[str, ...]:
        """Names of the types, without "pristine": those of the registry in its order, then others."""
        present = dict.fromkeys(self.table["distortion"])
        known = [name for name in DISTORTIONS if name in present]
        return (*known, *(name for name in present if name not in DISTORTIONS and name != PRISTINE))

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The references, sorted."""
        return tuple(sorted(set(self.table["reference"])))

    @cached_property
    def levels(self) -> dict[str, tuple[int, ...]]:
        """From each type to its levels, rising; 0, the pristine image, is the first."""
        found = self.table.groupby("distortion")["level"].unique()
        return {name: (0, *sorted(int(level) for level in found[name])) for name in self.distortions}

    @cached_property
    def _index(self) -> dict[tuple[str, str, int], tuple[str, str]]:
        columns = (self.table[name] for name in ("reference", "distortion", "level", "path", "sha256"))
        return {(r, d, int(level)): (path, sha) for r, d, level, path, sha in zip(*columns, strict=True)}

    def _find(self, reference: str, distortion: str, level: int) -> tuple[str, str]:
        key = (reference, PRISTINE, 0) if level == 0 else (reference, distortion, level)
        if key not in self._index:
            raise InputError(f"no image of {reference!r}, {distortion} level {level}", path=self.folder)
        return self._index[key]

    @cached_property
    def photos(self) -> dict[str, Photo]:
        """The photo of each reference, all of them read once; `InputError` for one that cannot be read."""
        try:
            return read_all_photos(self.pristine_paths)
        except InputError as error:
            raise error.but(cure="check the set with make_ranks", options=("verify",)) from error

    @property
    def pristine_paths(self) -> dict[str, Path]:
        """From each reference to its pristine image file."""
        return {reference: self.row_path(reference, PRISTINE, 0) for reference in self.references}

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of the whole set's manifest."""
        return {"manifest_sha256": hashlib.sha256((self.folder / MANIFEST).read_bytes()).hexdigest()}

    def image(self, reference: str, distortion: str, level: int) -> np.ndarray:
        """The pixels of an image, uint8 H×W×3, maybe read-only; level 0 gives the pristine one."""
        path, sha256 = self._find(reference, distortion, level)

        def read() -> np.ndarray:
            return read_image(self.resolve(path))

        def genuine(_: np.ndarray) -> bool:
            return hashlib.sha256(self.resolve(path).read_bytes()).hexdigest() == sha256

        return read() if self.decoded is None else self.decoded.pixels(f"file-{sha256}", read, genuine)

    def draw_level(self, reference: str, distortion: str, level: int, seed: int = 0) -> int:
        """The level itself, as the images are there; `seed` is not used."""
        return level

    def crop(
        self, reference: str, distortion: str, level: float, size: int, rng: np.random.Generator, seed: int = 0
    ) -> np.ndarray:
        """A size×size part of an image at a place drawn from `rng`; `seed` is not used, as the image is there."""
        try:
            return random_crop(self.image(reference, distortion, int(level)), size, rng)
        except InputError as error:
            raise error.at(self.row_path(reference, distortion, int(level))) from None

    def check_judge(self, judge: Judge) -> None:
        """Raise `InputError` for an image of the set that a metric of `judge` has not judged."""
        cure = f"judge it: run the same make_ranks again with the judge {','.join(judge.metrics)}"
        for name in judge.metrics:
            if JUDGED + name not in self.table:
                raise InputError(f"has no column {JUDGED}{name}", path=self.folder / MANIFEST, cure=cure)
            if (lacking := self.table[JUDGED + name].isna()).any():
                path = self.table.loc[lacking, "path"].iloc[0]
                raise InputError(f"has no {JUDGED}{name} of {path}", path=self.folder / MANIFEST, cure=cure)

    def judged_crop(
        self,
        judge: Judge,
        reference: str,
        distortion: str,
        level: float,
        size: int,
        rng: np.random.Generator,
        seed: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `crop`, and the (M,) values of `judge` of the whole image, which the manifest holds."""
        values = self._judged(judge.metrics)[self._find(reference, distortion, int(level))[0]]
        return self.crop(reference, distortion, level, size, rng, seed), values

    def _judged(self, metrics: tuple[str, ...]) -> dict[str, np.ndarray]:
        """From the path of each image to its (M,) values."""
        if metrics not in self._judgements:
            columns = self.table[[JUDGED + name for name in metrics]].to_numpy(dtype=float)
            self._judgements[metrics] = dict(zip(self.table["path"], columns, strict=True))
        return self._judgements[metrics]

    @cached_property
    def _judgements(self) -> dict[tuple[str, ...], dict[str, np.ndarray]]:
        return {}

    def pristine_sha256(self, reference: str) -> str:
        """SHA-256, in hex, of the pristine image file of `reference`."""
        return self._find(reference, PRISTINE, 0)[1]

    def row_path(self, reference: str, distortion: str, level: int) -> Path:
        """The image file; level 0 gives the pristine one. `InputError` if there is no such row."""
        return self.resolve(self._find(reference, distortion, level)[0])

    def resolve(self, path: str) -> Path:
        """The file of a path of the table; `InputError` for a link that leads out of the folder."""
        file = self.folder / path
        if not is_inside(file, os.path.realpath(self.folder)):
            raise InputError(f"{path} is a link that leads out of the folder", path=self.folder / MANIFEST)
        return file

    def select(self, references: Iterable[str]) -> RankedSet:
        """The same set with these references only; `InputError` names one that it does not hold."""
        wanted = set(references)
        if missing := wanted - set(self.references):
            raise InputError(f"holds no reference {min(missing)!r}", path=self.folder)
        if not wanted:
            raise InputError("no reference was selected", path=self.folder, cure="name at least one")
        table = self.table[self.table["reference"].isin(wanted)].reset_index(drop=True)
        return RankedSet(self.folder, table, self.decoded)


def image_seed(seed: int, reference: str, distortion: Distortion | str, level: float) -> int:
    """The seed that one image of the set draws from.

    All levels of a nested type share theirs, so that the places that a level hits are among the next level's.
    """
    kind = distortion if isinstance(distortion, Distortion) else DISTORTIONS[distortion]
    return derive_seed(seed, reference, kind.name, *(() if kind.nested else (level,)))
