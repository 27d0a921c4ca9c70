"""The list files of the original RankIQA: a line an image, its path and a number.

A rank list (`tid2013_train.txt`) gives the relative order within a type, a score list (`ft_tid2013_test.txt`) what
people said. Neither says which way is better, and the original's two rank lists differ: in TID2013's 0 is the pristine
image, in LIVE's it is the worst. So the order is always given, and checked against the folders of the images.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rankiqa.errors import InputError, explain_os_error
from rankiqa.files import write_atomically
from rankiqa.images.photos import PRISTINE
from rankiqa.ranks.manifest import MANIFEST, MANIFEST_COLUMNS, format_rows

if TYPE_CHECKING:
    from rankiqa.ranks.ranked_set import RankedSet

LOWER, HIGHER = "lower-is-better", "higher-is-better"
ORDERS = (LOWER, HIGHER)
_PRISTINE_FOLDERS = (PRISTINE, "pristine_images")


class ListLine(NamedTuple):
    """A line of a list file.

    Attributes:
        path: of the image, as it stands there.
        value: the number beside it.
        line: where it stands, from 1; 0 where it has not been read.
    """

    path: str
    value: float
    line: int = 0


class Place(NamedTuple):
    """What the folders of a path say.

    Attributes:
        distortion: the type, or "pristine".
        level: from 1, worse the higher; 0: pristine.
        photo: the name, without its ending.
    """

    distortion: str
    level: int
    photo: str


def read_list(file: str | os.PathLike[str]) -> list[ListLine]:
    """The lines of a list file, in its order; the last field of a line is the number, so that paths may hold blanks.

    Raises:
        InputError: the file cannot be read, or is empty; a line is without a path or a finite number.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path=file) from error
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        path, *last = line.strip().rsplit(None, 1)
        value = to_number(last[0]) if last else None
        if value is None:
            raise InputError(f"must be a path and a number, not {line.strip()[:80]!r}", path=file, line=number)
        entries.append(ListLine(path, value, number))
    if not entries:
        raise InputError("holds no line with a path and a number", path=file)
    return entries


def write_list(file: str | os.PathLike[str], entries: Iterable[ListLine]) -> None:
    """Write a list file as the original's scripts do: `path value`, the number with two decimals and six wide."""
    text = "".join(f"{entry.path} {entry.value:6.2f}\n" for entry in entries)
    try:
        write_atomically(Path(file), text.encode())
    except OSError as error:
        raise explain_os_error(error, file) from error


def to_number(text: str) -> float | None:
    """The finite number that `text` is, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_path(path: str) -> Place | None:
    """Type, level and photo of TYPE/LEVEL/NAME, TYPE/TYPELEVEL/NAME or pristine_images/NAME; None for other paths.

    >>> parse_path("rank_tid2013/GB/GB3/00001.bmp")
    Place(distortion='GB', level=3, photo='00001')
    >>> parse_path("ranks/pristine/a/b.png")
    Place(distortion='pristine', level=0, photo='a/b')
    """
    parts = path.replace("\\", "/").split("/")
    for i, part in enumerate(parts[:-1]):
        if part in _PRISTINE_FOLDERS:
            return Place(PRISTINE, 0, _photo(parts[i + 1 :]))
        if i + 2 < len(parts) and (level := re.fullmatch(rf"(?:{re.escape(part)})?([1-9][0-9]{{,8}})", parts[i + 1])):
            return Place(part, int(level[1]), _photo(parts[i + 2 :]))
    return None


def _photo(parts: Sequence[str]) -> str:
    # The original's JPEG and JPEG 2000 images have endings of their own.
    return "/".join(parts).rpartition(".")[0] or "/".join(parts)


def check_ranks(file: str | os.PathLike[str], entries: Sequence[ListLine], order: str) -> dict[Place, ListLine]:
    """The images of a rank list by place, after a check that numbers, folders and `order` tell the same order.

    A pristine image may stand in the list once for each type, with the same number.

    Raises:
        InputError: a path of another layout, an image twice, a pristine image with two numbers, a photo without its
            pristine image or without a level that other photos of the type have, and an order that contradicts
            itself; file, line and what contradicts are named.
    """
    if order not in ORDERS:
        raise InputError(f"unknown order {order!r}; known: {', '.join(ORDERS)}")
    found: dict[Place, ListLine] = {}
    for entry in entries:
        place = parse_path(entry.path)
        if place is None:
            raise InputError(
                f"{entry.path} is neither in TYPE/LEVEL/ nor in pristine_images/", path=file, line=entry.line
            )
        before = found.setdefault(place, entry)
        if before is entry:
            continue
        if place.level:
            raise InputError(
                f"{entry.path} is there twice, first in line {before.line}", path=file, line=entry.line, cure="keep one"
            )
        if before.value != entry.value:
            raise InputError(
                f"the pristine image {entry.path} is {entry.value:g}, but {before.value:g} in line {before.line}",
                path=file,
                line=entry.line,
            )
    levels: dict[str, set[int]] = defaultdict(set)
    ladders: dict[tuple[str, str], dict[int, ListLine]] = defaultdict(dict)
    for place, entry in found.items():
        if place.level:
            levels[place.distortion].add(place.level)
            ladders[place.distortion, place.photo][place.level] = entry
    if not ladders:
        raise InputError("holds pristine images only; there is nothing to rank", path=file)
    for (distortion, photo), ladder in ladders.items():
        pristine = found.get(Place(PRISTINE, 0, photo))
        if pristine is None:
            raise InputError(f"{photo} of {distortion} has no pristine image in the list", path=file)
        if missing := levels[distortion] - set(ladder):
            raise InputError(f"{photo} has no {distortion} level {min(missing)}, which other photos have", path=file)
        _check_ladder(file, [pristine, *(ladder[level] for level in sorted(ladder))], order)
    return found


def _check_ladder(file: str | os.PathLike[str], ladder: Sequence[ListLine], order: str) -> None:
    sign = 1 if order == LOWER else -1
    for better, worse in pairwise(ladder):
        if (worse.value - better.value) * sign <= 0:
            raise InputError(
                f"{worse.path} is {worse.value:g} and should be worse than {better.path}, which is {better.value:g} in "
                f"line {better.line}; read as {order} that contradicts the folders",
                path=file,
                line=worse.line,
                cure="give the other order, or correct the list",
                options=("order",),
            )


def list_of_ranks(ranks: RankedSet, references: Sequence[str], order: str, root: str = "") -> list[ListLine]:
    """The rank list of some photos, laid out as the original's: type by type, level by level, photo by photo.

    With lower-is-better (TID2013's lists) the pristine images are 0 and head each type; with higher-is-better (LIVE's)
    the worst images are 0 and the pristine ones end each type.

    Args:
        ranks: the ranked set.
        references: the photos.
        order: one of `ORDERS`.
        root: put in front of each path.
    """
    entries = []
    for distortion in ranks.distortions:
        levels = ranks.levels[distortion]
        for level in levels if order == LOWER else levels[::-1]:
            value = levels.index(level) if order == LOWER else len(levels) - 1 - levels.index(level)
            for reference in sorted(references):
                path = ranks.row_path(reference, distortion, level).relative_to(ranks.folder).as_posix()
                entries.append(ListLine(f"{root.rstrip('/')}/{path}" if root else path, float(value)))
    return entries


def write_manifest(root: str | os.PathLike[str], found: dict[Place, ListLine], file: str | os.PathLike[str]) -> Path:
    """Make a ranked set of images that are there already: write manifest.csv into the folder `root` they lie in.

    Strength and seed stay empty: the images can be trained on and verified, not made again.

    Args:
        root: the folder. Paths that do not lead into it themselves are looked up in it.
        found: of `check_ranks`.
        file: the list that it comes from, for errors.

    Returns:
        The path of the manifest.

    Raises:
        InputError: there is a manifest, or an image is missing or lies outside `root`.
    """
    root = Path(root)
    manifest = root / MANIFEST
    if not root.is_dir():
        raise InputError("no such folder", path=root)
    if manifest.exists():
        raise InputError(
            "is there already", path=manifest, cure="move it away, or choose another folder", options=("root",)
        )
    rows = []
    for place, entry in sorted(found.items(), key=lambda item: (item[0].photo, item[0].distortion, item[0].level)):
        image = root / entry.path
        try:
            inside = image.resolve().relative_to(root.resolve())
            sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
            why = "leads out of the folder" if isinstance(error, ValueError) else getattr(error, "strerror", error)
            raise InputError(
                f"{entry.path} in {root}: {why}",
                path=file,
                line=entry.line,
                cure="give the folder that the paths start from",
                options=("root",),
            ) from error
        values = (inside.as_posix(), place.photo, place.distortion, place.level, None, None, sha256)
        rows.append(dict(zip(MANIFEST_COLUMNS, values, strict=True)))
    try:
        write_atomically(manifest, format_rows(rows).encode())
    except OSError as error:
        raise explain_os_error(error, manifest) from error
    return manifest
