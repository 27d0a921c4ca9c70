"""Is a ranked set what its manifest says? And the same images once more, from their rows."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.chains import CHAINS, remake
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.images.photos import PRISTINE
from rankiqa.images.reading import read_image
from rankiqa.ranks.ranked_set import RankedSet


def regenerate(ranked_set: RankedSet, row: Any) -> np.ndarray:
    """Make the image of one row of `table` anew from the pristine image: uint8 H×W×3, bit for bit the same.

    With other versions of Pillow or OpenCV than `set.json` names, single pixels may differ.

    Raises:
        InputError: the type is not known here, the row has no strength or seed, as it was not made here, or a strength
            or recipe that cannot be.
    """
    pristine = read_image(ranked_set.row_path(row.reference, PRISTINE, 0))
    if row.distortion == PRISTINE:
        return pristine
    if row.distortion not in DISTORTIONS:
        raise InputError(f"unknown distortion {row.distortion!r}; known: {', '.join(DISTORTIONS)}", path=row.path)
    if pd.isna(row.seed) or np.isnan(row.strength):
        why = "has no strength or seed, as it was not made here; it cannot be made again"
        raise InputError(why, path=row.path)
    try:
        if row.distortion in CHAINS:
            return remake(pristine, row.recipe, int(row.seed))
        return DISTORTIONS[row.distortion](pristine, row.strength, np.random.default_rng(int(row.seed)))
    except InputError as error:
        raise error.at(row.path) from None


@dataclass(frozen=True)
class RankedSetCheck:
    """What `verify_ranked_set` found.

    Attributes:
        checked: Number of files looked at.
        bad: What is wrong, an error a file, with its path in the set.
        extra: Files in the set's folders that are in no row, by their paths in the set.
    """

    checked: int
    bad: tuple[InputError, ...]
    extra: tuple[str, ...]


def verify_ranked_set(ranked_set: RankedSet, workers: int = 1) -> RankedSetCheck:
    """Compare every file with its SHA-256 in the manifest, and look for files that it does not list."""
    with extra("train"):
        from joblib import Parallel, delayed

    def check(path: str, sha256: str) -> InputError | None:
        try:
            data = ranked_set.resolve(path).read_bytes()
        except FileNotFoundError:
            return InputError("is missing", path=path)
        except OSError as error:
            return InputError(f"cannot be read: {error.strerror or error}", path=path)
        except InputError as error:
            return error
        same = hashlib.sha256(data).hexdigest() == sha256
        return None if same else InputError("is not what the manifest says", path=path)

    table = ranked_set.table
    # Threads are enough: reading and hashing leave the interpreter free.
    results = Parallel(n_jobs=workers, prefer="threads")(
        delayed(check)(path, sha) for path, sha in zip(table["path"], table["sha256"], strict=True)
    )
    listed = set(table["path"])
    unlisted: list[str] = []
    for top in sorted({PurePath(path).parts[0] for path in listed}):
        for folder, _, names in os.walk(ranked_set.folder / top):
            inside = Path(folder).relative_to(ranked_set.folder)
            unlisted += [path for name in names if (path := (inside / name).as_posix()) not in listed]
    return RankedSetCheck(len(table), tuple(error for error in results if error), tuple(sorted(unlisted)))
