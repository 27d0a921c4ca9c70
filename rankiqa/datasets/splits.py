"""Divide a data set of human scores into parts for training, validation and testing, scenes kept whole."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np

from rankiqa.datasets.label_file import read_csv_rows
from rankiqa.datasets.neighbours import content_groups
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError
from rankiqa.files import write_atomically
from rankiqa.seeding import generator

PARTS = ("train", "val", "test")
SPLIT_COLUMNS = ("path", "group", "part")  # of a saved split


@dataclass(frozen=True)
class Split:
    """Which part each row of a `ScoredSet` is in.

    Attributes:
        name: "random", "all", "none", "file", or that of a published split.
        parts: "train", "val", "test" or "" (in no part), a row of the set's table each.
        seed: What was drawn with; None where nothing was.
        repeat: Which draw of the seed it is, from 0; None where nothing was drawn.
        groups: What was kept whole, a row each: a reference, a scene, or images that look alike. Never "".
    """

    name: str
    parts: tuple[str, ...]
    seed: int | None
    repeat: int | None
    groups: tuple[str, ...]

    def mask(self, part: str) -> np.ndarray:
        """(n,) booleans: the rows in `part`."""
        return np.array([p == part for p in self.parts], dtype=bool)

    def count(self, part: str) -> int:
        """How many rows are in `part`."""
        return self.parts.count(part)


def groups_of(dataset: ScoredSet, workers: int = 2) -> tuple[str, ...]:
    """What a split must not divide, a text a row: the set's groups if every row has one, else its references.

    Rows without either are grouped by what they show (`rankiqa.datasets.neighbours.content_groups`, with `workers`
    threads, which reads the images); such a group bears the path of its first row.
    """
    groups, bare = _declared_groups(dataset)
    if bare:
        table = dataset.table
        paths, files = list(table["path"]), list(table["file"])
        title: dict[str, str] = {}
        for row, group in zip(bare, content_groups([files[row] for row in bare], workers=workers), strict=True):
            groups[row] = title.setdefault(group, paths[row])
    return tuple(groups)


def make_split(
    dataset: ScoredSet,
    spec: str | os.PathLike[str] = "random",
    *,
    seed: int = 0,
    repeat: int = 0,
    test_fraction: float = 0.2,
    val_fraction: float = 0.0,
    groups: Sequence[str] | None = None,
) -> Split:
    """Divide `dataset`.

    Args:
        dataset: n images.
        spec: "random": whole groups drawn for testing, the rest for training. "all": every image for testing. "none":
            every image for training. The name of a published split in `dataset.splits`, whose parts are taken as they
            are. Or a file that `write_split` wrote.
        seed: what is drawn depends on it.
        repeat: repeats 0, 1, 2, … of a seed are independent draws.
        test_fraction: (0, 1), share of the *groups*, rounded, that "random" draws for testing; at least one, and one
            is left.
        val_fraction: [0, 1), share of the *training* groups, rounded but at least one, that becomes "val". No effect on
            "all", and on a file or a published split that has a part "val".
        groups: (n,) what is to be kept whole, in place of `groups_of(dataset)` or the groups of a file.

    Raises:
        InputError: an unknown split, a fraction out of its range, or too few groups.
    """
    spec = os.fspath(spec)
    if not 0 < test_fraction < 1:
        raise InputError(f"test_fraction must be above 0 and below 1, not {test_fraction:g}")
    if not 0 <= val_fraction < 1:
        raise InputError(f"val_fraction must be at least 0 and below 1, not {val_fraction:g}")
    groups = None if groups is None else _check_groups(groups, dataset)
    if spec == "all":
        return Split("all", ("test",) * len(dataset), None, None, groups or _cheap_groups(dataset))
    if spec == "none":
        # Without a part to keep apart, nobody needs to know which images go together.
        groups = groups or (groups_of(dataset) if val_fraction else _cheap_groups(dataset))
        split = Split("none", ("train",) * len(dataset), None, None, groups)
    elif spec == "random":
        groups = groups or groups_of(dataset)
        test = _draw(groups, test_fraction, generator(seed, "split", repeat), dataset, "test")
        split = Split("random", tuple("test" if g in test else "train" for g in groups), seed, repeat, groups)
    elif spec in dataset.splits:
        published = dataset.splits[spec]
        parts = tuple(published.get(path, "") for path in dataset.table["path"])
        split = Split(spec, parts, None, None, groups or groups_of(dataset))
    elif Path(spec).is_file():
        saved = read_split(spec, dataset)
        split = saved if groups is None else Split("file", saved.parts, None, None, groups)
    else:
        has = ", ".join(["random", "all", "none", *dataset.splits])
        why = f"no such split of {dataset.name}; there are {has} or a file that a run has written"
        raise InputError(f"{spec}: {why}")
    return _with_validation(split, val_fraction, seed, repeat, dataset) if val_fraction else split


def write_split(split: Split, dataset: ScoredSet, path: str | os.PathLike[str]) -> None:
    """Write a CSV file with the columns path, group and part: a header, then a row an image; UTF-8."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(SPLIT_COLUMNS)
    writer.writerows(zip(dataset.table["path"], split.groups, split.parts, strict=True))
    write_atomically(path, buffer.getvalue().encode())


def read_split(path: str | os.PathLike[str], dataset: ScoredSet) -> Split:
    """Read what `write_split` wrote. Images that the file does not name are in no part.

    Raises:
        InputError: with the line, for other columns, an image twice or without a group, and an unknown part; and for
            images that the data set does not have.
    """
    header, rows = read_csv_rows(Path(path))
    if tuple(header) != SPLIT_COLUMNS:
        why = f"the columns must be {','.join(SPLIT_COLUMNS)}, not {','.join(header)}"
        raise InputError(why, path=path, line=1)
    found: dict[str, tuple[int, str, str]] = {}
    for line, (image, group, part) in rows:
        if image in found:
            why = f"{image} is there twice, first in line {found[image][0]}"
            raise InputError(why, path=path, line=line, cure="keep one")
        if part not in (*PARTS, ""):
            why = f"the part of {image} is {part!r}; it must be {', '.join(PARTS)} or empty"
            raise InputError(why, path=path, line=line)
        if not group:
            cure = "give what must not be divided, or its own path"
            raise InputError(f"{image} has no group", path=path, line=line, cure=cure)
        found[image] = (line, group, part)
    paths = list(dataset.table["path"])
    if unknown := [image for image in found if image not in set(paths)]:
        raise InputError(
            f"{len(unknown)} of {len(found)} images are not in {dataset.name} ({dataset.root}), the first is "
            f"{unknown[0]}",
            path=path,
            cure="give the split of this data set",
        )
    others = _cheap_groups(dataset)
    entries = [found.get(image, (0, group, "")) for image, group in zip(paths, others, strict=True)]
    return Split("file", tuple(part for *_, part in entries), None, None, tuple(group for _, group, _ in entries))


def _declared_groups(dataset: ScoredSet) -> tuple[list[str], list[int]]:
    """The group of each row as far as the table says it, and the rows where it does not."""
    group, reference = list(dataset.table["group"]), list(dataset.table["reference"])
    known = group if all(group) or not any(reference) else reference
    return known, [row for row, name in enumerate(known) if not name]


def _cheap_groups(dataset: ScoredSet) -> tuple[str, ...]:
    """As `groups_of`, but an image without a known group is one of its own: nothing is read."""
    groups, _ = _declared_groups(dataset)
    return tuple(group or path for group, path in zip(groups, dataset.table["path"], strict=True))


def _check_groups(groups: Sequence[str], dataset: ScoredSet) -> tuple[str, ...]:
    if len(groups) != len(dataset) or not all(groups):
        raise InputError(f"groups must name one for each of the {len(dataset)} images of {dataset.name}")
    return tuple(groups)


def _draw(
    groups: Sequence[str], fraction: float, rng: np.random.Generator, dataset: ScoredSet, part: str
) -> Mapping[str, None]:
    """A share of the distinct groups; at least one, and at least one is left."""
    distinct = sorted(set(groups))
    if len(distinct) < 2:
        only = f" ({distinct[0]})" if distinct else ""
        raise InputError(
            f"{dataset.name}: {len(distinct)} group{only} is too few to take a part for {part} away; "
            "a group (the images of one photo or scene) is never divided"
        )
    wanted = min(max(round(fraction * len(distinct)), 1), len(distinct) - 1)
    return dict.fromkeys(distinct[k] for k in rng.permutation(len(distinct))[:wanted])


def _with_validation(split: Split, fraction: float, seed: int, repeat: int, dataset: ScoredSet) -> Split:
    if split.count("val"):
        return split
    training = list(compress(split.groups, split.mask("train")))
    val = _draw(training, fraction, generator(seed, "validation", repeat), dataset, "val")
    parts = ("val" if p == "train" and g in val else p for p, g in zip(split.parts, split.groups, strict=True))
    return Split(split.name, tuple(parts), seed, repeat, split.groups)
