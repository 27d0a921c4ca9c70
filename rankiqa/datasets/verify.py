"""Is a copy of a data set whole? Counts, decodes every image, and names what is missing, damaged or surplus."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rankiqa.datasets import biq2021
from rankiqa.datasets.folder import is_under
from rankiqa.datasets.paired import PAIRED_SETS, open_paired_set
from rankiqa.datasets.paired_set import NO_FILE, PairedSet
from rankiqa.datasets.registry import DATASETS, open_dataset
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError
from rankiqa.images.listing import list_images
from rankiqa.images.photos import PRISTINE
from rankiqa.images.reading import read_image

CROP = 224  # of VGG-16: a smaller image cannot be scored as it is


class Problem(NamedTuple):
    """One thing that is not as it should be in a copy of a data set.

    Attributes:
        kind: count, missing, damaged, small, conversion or surplus; only the first three are faults. An image of kind
            "conversion" is whole, but grey, transparent, CMYK or of 16 bits: it is read where conversion is allowed.
        path: Of the image, under the root; "" where it is about no single one.
        what: The problem in words.
    """

    kind: str
    path: str
    what: str

    @property
    def is_fault(self) -> bool:
        """Whether the copy is not whole because of it."""
        return self.kind in ("count", "missing", "damaged")


@dataclass(frozen=True)
class DataSetCheck:
    """What `verify_dataset` found: the data set, a line about it, and every problem."""

    dataset: ScoredSet | PairedSet
    summary: str
    problems: tuple[Problem, ...]

    @property
    def is_whole(self) -> bool:
        """Whether there is no fault."""
        return not any(problem.is_fault for problem in self.problems)


def verify_dataset(name: str, root: str | os.PathLike[str], workers: int | None = None, **options: Any) -> DataSetCheck:
    """Check the data set `name` in `root`.

    The number of images is not compared where the label file says that it is a part (BIQ2021's labels.csv).

    Args:
        name: one of `rankiqa.datasets.registry.DATASETS` or `rankiqa.datasets.paired.PAIRED_SETS`.
        root: its folder, as it is distributed.
        workers: threads that decode; None: as many as cores, 8 at most.
        **options: those of `open_dataset`.

    Raises:
        InputError: a fault of the label file, which leaves nothing to count.
    """
    if name in PAIRED_SETS:
        return _verify_pairs(name, Path(root), workers, [key for key, value in options.items() if value is not None])
    dataset = open_dataset(name, root, **{**options, "missing": "record"})
    info, table, root = DATASETS[name], dataset.table, Path(root)
    problems = [Problem("missing", left["path"], left["reason"]) for left in dataset.left_out]
    listed = len(table) + len(dataset.left_out)
    whole = info.images is not None and not (name == "biq2021" and biq2021.is_part(root))
    if whole and listed != info.images:
        problems.append(Problem("count", "", f"the labels list {listed} images, the whole data set has {info.images}"))
    references = set(table["reference"]) - {""}
    for reference in sorted(references - set(dataset.references)) if info.references else ():
        problems.append(Problem("missing", reference, "the reference photo is not there"))
    if info.references is not None and len(references) != info.references:
        what = f"{len(references)} references, the whole data set has {info.references}"
        problems.append(Problem("count", "", what))
    files = dict(zip(table["path"], table["file"], strict=True))
    files |= {path.relative_to(root).as_posix(): path for path in dataset.references.values()}
    problems += _look_at(files, workers)
    surplus = (path for path in list_images(root) if path not in files and not is_under(path, info.aside))
    problems += [Problem("surplus", path, "no label") for path in surplus]
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
    return DataSetCheck(dataset, f"{name}: {'; '.join(parts)}", tuple(problems))


def _verify_pairs(name: str, root: Path, workers: int | None, options: Sequence[str]) -> DataSetCheck:
    if options:
        why = f"{options[0]} is for the data set csv; {name} declares its own"
        raise InputError(why, cure="leave it out", options=(options[0],))
    dataset, info = open_paired_set(name, root, missing="record"), PAIRED_SETS[name]
    table = dataset.table
    files = {path: file for path, file in dataset.files.items() if file.is_file()}
    absent = {left["path"]: NO_FILE for left in dataset.left_out if left["reason"] == NO_FILE}
    absent |= dict.fromkeys(sorted(dataset.files.keys() - files.keys()), "the reference photo is not there")
    problems = [Problem("missing", path, why) for path, why in absent.items()]
    listed = [*table["part"], *(left["part"] for left in dataset.left_out)]
    for part, count in info.pairs.items():
        if listed.count(part) != count:
            what = f"the labels of the part {part} list {listed.count(part):,} pairs, the whole data set has {count:,}"
            problems.append(Problem("count", "", what))
    references = table["reference"].nunique()
    if info.references not in (None, references):
        what = f"{references} references, the whole data set has {info.references}"
        problems.append(Problem("count", "", what))
    problems += _look_at(files, workers, info.side)
    surplus = (path for path in list_images(root) if path not in files and not is_under(path, info.aside))
    problems += [Problem("surplus", path, "in no pair") for path in surplus]
    size = f" of {info.side}×{info.side} px, smaller than usual crops" if info.side else ""
    parts = [f"{len(table)} of {len(listed)} pairs", f"{len(files)} images{size}"]
    parts += [f"{table['distortion'].nunique()} kinds"] * any(table["distortion"])
    parts += [", ".join(f"{part} {count}" for part, count in table["part"].value_counts(sort=False).items())]
    parts += [f"{estimated} shares estimated" for estimated in [int(table["votes"].isna().sum())] if estimated]
    return DataSetCheck(dataset, f"{name}: {'; '.join(parts)}", tuple(problems))


def _look_at(files: dict[str, Path], workers: int | None, side: int | None = None) -> list[Problem]:
    """What is wrong with the images themselves, in their order; `side` is that of a set whose images are all small.

    Decoding leaves the interpreter free for threads.
    """
    from tqdm import tqdm

    def look(path: str) -> list[Problem]:
        found = []
        try:
            image = read_image(files[path])
        except InputError as error:
            try:
                image = read_image(files[path], convert=True)
            except InputError:
                return [Problem("damaged", path, error.text(path=False))]
            found.append(Problem("conversion", path, error.reason))
        height, width = image.shape[:2]
        if min(height, width) < (side or CROP):
            than = f"the {side} of its set" if side else f"a crop of {CROP}"
            found.append(Problem("small", path, f"{width}×{height} px, smaller than {than}"))
        return found

    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
        bar = tqdm(pool.map(look, files), "read images", len(files), leave=False, unit="image", mininterval=1, delay=2)
        return [problem for found in bar for problem in found]
