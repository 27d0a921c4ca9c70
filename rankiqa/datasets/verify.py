"""Is a copy of a data set whole? Counts, decodes every image, and names what is missing, damaged or surplus."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rankiqa.datasets.registry import DATASETS, open_dataset
from rankiqa.datasets.scored_set import PRISTINE, ScoredSet
from rankiqa.errors import InputError
from rankiqa.images import list_images
from rankiqa.ranked_set import read_photos

CROP = 224  # of VGG-16: a smaller image cannot be scored as it is


class Problem(NamedTuple):
    """`kind`: count, missing, damaged, small or surplus. A surplus or small image is told, but is no fault."""

    kind: str
    path: str
    what: str

    @property
    def is_fault(self) -> bool:
        return self.kind in ("count", "missing", "damaged")


@dataclass(frozen=True)
class Verification:
    """A data set, what was found in it, and every problem."""

    dataset: ScoredSet
    summary: str
    problems: tuple[Problem, ...]

    @property
    def is_whole(self) -> bool:
        return not any(problem.is_fault for problem in self.problems)


def verify(name: str, root: str | os.PathLike[str], **options) -> Verification:
    """Check the data set `name` in `root`; `options` are those of `open_dataset`.

    Raises `InputError` for a fault of the label file, which leaves nothing to count.
    """
    dataset = open_dataset(name, root, **{**options, "missing": "record"})
    entry, table, root = DATASETS[name], dataset.table, Path(root)
    problems = [Problem("missing", left["path"], left["reason"]) for left in dataset.left_out]
    listed = len(table) + len(dataset.left_out)
    if entry.images is not None and listed != entry.images:
        problems.append(Problem("count", "", f"the labels list {listed} images, the whole data set has {entry.images}"))
    references = set(table["reference"]) - {""}
    for reference in sorted(references - set(dataset.references)) if entry.references else ():
        problems.append(Problem("missing", reference, "the reference photo is not there"))
    if entry.references is not None and len(references) != entry.references:
        what = f"{len(references)} references, the whole data set has {entry.references}"
        problems.append(Problem("count", "", what))
    files = dict(zip(table["path"], table["file"], strict=True))
    files |= {path.relative_to(root).as_posix(): path for path in dataset.references.values()}
    for path, photo in read_photos(files).items():
        if isinstance(photo, InputError):
            problems.append(Problem("damaged", path, str(photo).removeprefix(f"{root / path}: ")))
        elif min(photo.height, photo.width) < CROP:
            problems.append(Problem("small", path, f"{photo.width}×{photo.height} px, smaller than a crop of {CROP}"))
    problems += [Problem("surplus", path, "no label") for path in list_images(root) if path not in files]
    types = set(table["distortion"]) - {"", PRISTINE}
    copies = int((table["distortion"] == PRISTINE).sum())
    parts = [f"{len(table)} of {listed} images"]
    parts += [f"{copies} of them undistorted copies"] * bool(copies)
    parts += [f"{len(references)} references"] * bool(references) + [f"{len(types)} types"] * bool(types)
    low, high = table["score"].min(), table["score"].max()
    better = "higher" if dataset.higher_is_better else "lower"
    scale = "{:g} to {:g}".format(*dataset.score_range)
    parts.append(f"scores {low:.4g} to {high:.4g} on a scale of {scale}, {better} is better")
    parts += [f"splits: {', '.join(dataset.splits)}"] * bool(dataset.splits)
    return Verification(dataset, f"{name}: {'; '.join(parts)}", tuple(problems))
