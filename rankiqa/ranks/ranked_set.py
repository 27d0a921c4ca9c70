"""Read and verify a ranked set: images at rising levels of distortion, and `manifest.csv`, which lists them.

A set is a folder::

    set.json                      how it was made
    manifest.csv                  a row an image: path, reference, distortion, level, strength, seed, sha256
    pristine/NAME                 level 0, shared by all types
    DISTORTION/LEVEL/NAME

The reference is the path of the pristine photo in its source folder; NAME is the same with ".png" (or
".bmp") at its end. `rankiqa.ranks.making` makes sets.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from rankiqa.distortions import DISTORTIONS, Distortion
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.files import TEMPORARY
from rankiqa.images.crops import random_crop
from rankiqa.images.photos import PRISTINE, Photo, read_photos
from rankiqa.images.reading import read_image
from rankiqa.seeding import derive_seed

MANIFEST = "manifest.csv"
JOURNAL = "manifest.csv.part"  # rows of an unfinished set, as they come
DESCRIPTION = "set.json"
COLUMNS = ("path", "reference", "distortion", "level", "strength", "seed", "sha256")


@dataclass(frozen=True)
class RankedSet:
    """A ranked set on disk. `RankedSet.read(folder)` makes one.

    Attributes:
    ----------
    folder
        Where it lies.
    table
        A row an image, in the manifest's order: path (relative to `folder`), reference, distortion, level
        (int), strength (float; NaN for pristine), seed (Int64; <NA> for pristine), sha256 of the file.
        The pristine images have distortion "pristine" and level 0.
    """

    folder: Path
    table: pd.DataFrame

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> RankedSet:
        """Read `folder`/manifest.csv and check it, though not the image files (see `verify`).

        Raises:
        ------
        InputError
            There is no manifest, or it has other columns, a value out of range, a path that leads out of
            the folder, the same row twice, or a reference without its pristine image.
        """
        folder = Path(folder)
        manifest = folder / MANIFEST
        if not manifest.is_file():
            why = "its making is unfinished: run the same make_ranks command again"
            if not (folder / JOURNAL).exists():
                why = "make the set with make_ranks"
            raise InputError(f"{manifest}: no such file; {why}")
        try:
            text = manifest.read_text(encoding="utf-8")
            table = parse_rows(text)
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
            raise InputError(f"{manifest}: {why}; make the set anew with make_ranks") from error
        _check(manifest, table)
        return cls(folder, table)

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
            raise InputError(f"{self.folder}: no image of {reference!r}, {distortion} level {level}")
        return self._index[key]

    @cached_property
    def photos(self) -> dict[str, Photo]:
        """The photo of each reference, all of them read once; `InputError` for one that cannot be read."""
        found = read_photos(self.pristine_paths)
        for photo in found.values():
            if isinstance(photo, InputError):
                raise InputError(f"{photo}; check the set with make_ranks --verify")
        return found

    @property
    def pristine_paths(self) -> dict[str, Path]:
        """From each reference to its pristine image file."""
        return {reference: self.row_path(reference, PRISTINE, 0) for reference in self.references}

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of the whole set's manifest."""
        return {"manifest_sha256": hashlib.sha256((self.folder / MANIFEST).read_bytes()).hexdigest()}

    def image(self, reference: str, distortion: str, level: int) -> np.ndarray:
        """The pixels of an image, uint8 H×W×3; level 0 gives the pristine one."""
        return read_image(self.row_path(reference, distortion, level))

    def crop(
        self, reference: str, distortion: str, level: int, size: int, rng: np.random.Generator, seed: int = 0
    ) -> np.ndarray:
        """A size×size part of an image at a place drawn from `rng`; `seed` is not used, as the image is there."""
        path = self.row_path(reference, distortion, level)
        try:
            return random_crop(read_image(path), size, rng)
        except InputError as error:
            raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None

    def pristine_sha256(self, reference: str) -> str:
        """SHA-256, in hex, of the pristine image file of `reference`."""
        return self._find(reference, PRISTINE, 0)[1]

    def row_path(self, reference: str, distortion: str, level: int) -> Path:
        """The image file; level 0 gives the pristine one. `InputError` if there is no such row."""
        return self._resolve(self._find(reference, distortion, level)[0])

    def _resolve(self, path: str) -> Path:
        file = self.folder / path
        if not _is_inside(file, os.path.realpath(self.folder)):
            raise InputError(f"{self.folder / MANIFEST}: {path} is a link that leads out of the folder")
        return file

    def select(self, references: Iterable[str]) -> RankedSet:
        """The same set with these references only; `InputError` names one that it does not hold."""
        wanted = set(references)
        if missing := wanted - set(self.references):
            raise InputError(f"{self.folder}: holds no reference {min(missing)!r}")
        if not wanted:
            raise InputError(f"{self.folder}: no reference was selected; name at least one")
        return RankedSet(self.folder, self.table[self.table["reference"].isin(wanted)].reset_index(drop=True))


def image_seed(seed: int, reference: str, distortion: Distortion | str, level: int) -> int:
    """The seed that one image of the set draws from.

    All levels of a nested type share theirs, so that the places that a level hits are among the next level's.
    """
    kind = distortion if isinstance(distortion, Distortion) else DISTORTIONS[distortion]
    return derive_seed(seed, reference, kind.name, *(() if kind.nested else (level,)))


def format_rows(rows: Iterable[Mapping[str, Any]], header: bool = True) -> str:
    """CSV of manifest rows; strengths are written so that they read back as the same number."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    for row in rows:
        strength = "" if row["strength"] is None else repr(float(row["strength"]))
        writer.writerow({**row, "strength": strength})
    return buffer.getvalue()


def parse_rows(text: str, header: bool = True) -> pd.DataFrame:
    """The table of `RankedSet` from the CSV of `format_rows`; `ValueError` says what is wrong with it."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        if header and tuple(names := next(reader, [])) != COLUMNS:
            raise ValueError(f"has the columns {', '.join(names)} in place of {', '.join(COLUMNS)}")
        for row in filter(None, reader):
            if len(row) != len(COLUMNS):
                raise ValueError(f"line {reader.line_num} has {len(row)} cells in place of {len(COLUMNS)}")
            rows.append(row)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} is not CSV ({error})") from error
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)
    table["level"] = np.array([_whole(value) for value in table["level"]], dtype=np.int64)
    table["strength"] = np.array([float(value or "nan") for value in table["strength"]], dtype=float)
    table["seed"] = pd.array([_whole(value) if value else pd.NA for value in table["seed"]], dtype="Int64")
    if (table["seed"] < 0).any():
        raise ValueError("has a negative seed")
    return table


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or abs(int(text)) >= 2**63:
        raise ValueError(f"{text[:40]!r} is no whole number of 63 bits")
    return int(text)


def _check(manifest: Path, table: pd.DataFrame) -> None:
    if table.empty:
        raise InputError(f"{manifest}: lists no images; make the set with make_ranks")
    if (table["level"] < 0).any():
        row = table[table["level"] < 0].iloc[0]
        raise InputError(f"{manifest}: {row.path} has the negative level {row.level}; levels start at 0")
    wrong = (table["distortion"] == PRISTINE) != (table["level"] == 0)
    if wrong.any():
        row = table[wrong].iloc[0]
        raise InputError(
            f"{manifest}: {row.path} is {row.distortion} at level {row.level}; level 0, and only it, is {PRISTINE}"
        )
    for key in (["reference", "distortion", "level"], ["path"]):
        if (twice := table.duplicated(key)).any():
            raise InputError(f"{manifest}: {table[twice].iloc[0].path} has two rows; make the set anew")
    pristine = set(table.loc[table["level"] == 0, "reference"])
    if missing := set(table["reference"]) - pristine:
        raise InputError(f"{manifest}: {min(missing)} has no pristine image; run the same make_ranks again")
    root = os.path.realpath(manifest.parent)
    folders = set()
    for path in table["path"]:
        pure = PurePath(path)
        if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in path:
            raise InputError(f"{manifest}: the path {path!r} leads out of the folder; paths must stay in it")
        folders.add(pure.parent)
    for parent in sorted(folders):  # the files themselves are resolved when they are asked for
        if not _is_inside(manifest.parent / parent, root):
            raise InputError(f"{manifest}: {parent} is a link that leads out of the folder")


def _is_inside(path: Path, root: str) -> bool:
    real = os.path.realpath(path)
    return real == root or real.startswith(os.path.join(root, ""))


def regenerate(ranked_set: RankedSet, row: Any) -> np.ndarray:
    """Make the image of one row of `table` anew from the pristine image: uint8 H×W×3, bit for bit the same.

    With other versions of Pillow or OpenCV than `set.json` names, single pixels may differ.
    """
    pristine = read_image(ranked_set.row_path(row.reference, PRISTINE, 0))
    if row.distortion == PRISTINE:
        return pristine
    if row.distortion not in DISTORTIONS:
        raise InputError(f"{row.path}: unknown distortion {row.distortion!r}; known: {', '.join(DISTORTIONS)}")
    if pd.isna(row.seed) or np.isnan(row.strength):
        raise InputError(f"{row.path}: has no strength or seed, as it was not made here; it cannot be made again")
    return DISTORTIONS[row.distortion](pristine, row.strength, np.random.default_rng(int(row.seed)))


@dataclass(frozen=True)
class Verification:
    """What `verify` found: number of files looked at, what is wrong with which, and files in no row."""

    checked: int
    bad: tuple[str, ...]
    extra: tuple[str, ...]


def verify(ranked_set: RankedSet, workers: int = 1) -> Verification:
    """Compare every file with its SHA-256 in the manifest, and look for files that it does not list."""
    with extra("train"):
        from joblib import Parallel, delayed

    def check(path: str, sha256: str) -> str | None:
        try:
            data = ranked_set._resolve(path).read_bytes()
        except FileNotFoundError:
            return f"{path}: is missing"
        except (OSError, InputError) as error:
            return f"{path}: cannot be read: {error}"
        return None if hashlib.sha256(data).hexdigest() == sha256 else f"{path}: is not what the manifest says"

    table = ranked_set.table
    # Threads are enough: reading and hashing leave the interpreter free.
    results = Parallel(n_jobs=workers, prefer="threads")(
        delayed(check)(path, sha) for path, sha in zip(table["path"], table["sha256"], strict=True)
    )
    listed = set(table["path"])
    surplus = []
    for top in sorted({PurePath(path).parts[0] for path in listed}):
        for folder, _, names in os.walk(ranked_set.folder / top):
            inside = Path(folder).relative_to(ranked_set.folder)
            surplus += [path for name in names if (path := (inside / name).as_posix()) not in listed]
    return Verification(len(table), tuple(line for line in results if line), tuple(sorted(surplus)))


def temporary_files(folder: Path) -> list[Path]:
    """Files that a killed process left half written."""
    return sorted(folder.rglob("*".join(TEMPORARY)))
