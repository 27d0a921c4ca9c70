"""Human scores in the formats that databases and the original bring, split by reference."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rankiqa.compat.rank_list import ListLine, read_list, to_number, write_list
from rankiqa.datasets.csv_file import read_labels
from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import read_csv_rows
from rankiqa.errors import InputError, explain_os_error
from rankiqa.files import write_atomically
from rankiqa.seeding import generator

KINDS = {"mos": "higher", "dmos": "lower"}


@dataclass(frozen=True)
class Scores:
    """Images with human scores.

    Attributes:
        kind: "mos", higher is better, or "dmos", lower is better.
        rows: path (in the folder of images, as the file on disk is spelt), score and reference of each image.
    """

    kind: str
    rows: tuple[tuple[str, float, str], ...]

    @property
    def references(self) -> tuple[str, ...]:
        """The references of the images, each once, sorted."""
        return tuple(sorted({reference for *_, reference in self.rows}))


def read_scores(file: str | os.PathLike[str], images: str | os.PathLike[str], scores: str | None = None) -> Scores:
    """Read a CSV file (as `rankiqa.datasets.csv_file`), a list `PATH SCORE`, or TID2013's `SCORE NAME`.

    The images are looked up in the folder `images`, whatever the case of their letters. Where a file has no column
    `reference`, the reference is the part of an image's name before the first "_", in capitals: I05 of i05_07_1.bmp.

    Args:
        file: the scores.
        images: folder that the paths start from.
        scores: "mos" or "dmos"; needed for a list, which does not say it, and stronger than the header of a CSV file
            (KADID-10k's dmos is a rating: higher is better).

    Raises:
        InputError: a wrong column or line, an image that is missing or there twice, a list without `scores`.
    """
    if Path(file).suffix.lower() == ".csv":
        return _from_csv(file, images, scores)
    if scores is None:
        raise InputError(
            "a list does not say which scores are better",
            path=file,
            cure="say it",
            options=("scores=mos", "scores=dmos"),
        )
    entries = _read_score_first(file) or read_list(file)
    if not Path(images).is_dir():
        raise InputError("no such folder of images", path=images)
    files = Files(images)
    rows: list[tuple[str, float, str]] = []
    lines: dict[str, int] = {}
    for entry in entries:
        try:
            path = files.meant_by(entry.path)
        except InputError as error:
            raise error.but(path=file, line=entry.line) from None
        if path in lines:
            raise InputError(f"{entry.path} is there twice, first in line {lines[path]}", path=file, line=entry.line)
        lines[path] = entry.line
        rows.append((path, entry.value, reference_of(path)))
    return Scores(scores, tuple(rows))


def reference_of(path: str) -> str:
    """The reference that an image's name begins with.

    >>> reference_of("distorted_images/i05_07_1.bmp")
    'I05'
    """
    return PurePosixPath(path).stem.partition("_")[0].upper()


def split_references(
    scores: Scores, test_references: Sequence[str] | None, test_fraction: float, seed: int = 0
) -> set[str]:
    """The references to test on.

    Args:
        scores: whose references they are.
        test_references: their names, in letters of any case; None: drawn.
        test_fraction: of all references, to be drawn.
        seed: of the draw.

    Raises:
        InputError: a name that no image has, a fraction outside 0–1, or a side of the split without references.
    """
    known = scores.references
    if test_references is not None:
        upper = {reference.upper(): reference for reference in known}
        if unknown := [name for name in test_references if name.upper() not in upper]:
            raise InputError(
                f"no image of {unknown[0]!r}; there are {', '.join(known[:30])}",
                cure="name references that are there",
                options=("test_references",),
            )
        test = {upper[name.upper()] for name in test_references}
    else:
        if not 0 < test_fraction < 1:
            raise InputError(
                f"the share of references to test on must be above 0 and below 1, not {test_fraction:g}",
                options=("test_fraction",),
            )
        order = generator(seed, "test references").permutation(len(known))
        test = {known[i] for i in order[: round(test_fraction * len(known))]}
    if not test or test == set(known):
        raise InputError(f"of {len(known)} references {len(test)} would be for testing; both sides need some")
    return test


def write_scores(scores: Scores, test: Collection[str], prefix: str, root: str = "") -> list[str]:
    """Write PREFIX.csv and the lists PREFIX_train.txt and PREFIX_test.txt.

    Args:
        scores: what to write.
        test: the references of the images in PREFIX_test.txt.
        prefix: of the files.
        root: put in front of each path in the lists.

    Returns:
        A line about each file.

    Raises:
        InputError: a file cannot be written.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("name", scores.kind, "reference"))
    writer.writerows((path, repr(value), reference) for path, value, reference in scores.rows)
    try:
        write_atomically(Path(f"{prefix}.csv"), buffer.getvalue().encode())
    except OSError as error:
        raise explain_os_error(error, f"{prefix}.csv") from error
    lines = [f"{prefix}.csv: {len(scores.rows)} images of {len(scores.references)} references, {scores.kind}"]
    for name, wanted in (("train", False), ("test", True)):
        rows = [row for row in scores.rows if (row[2] in test) == wanted]
        write_list(
            f"{prefix}_{name}.txt",
            [ListLine(f"{root.rstrip('/')}/{row[0]}" if root else row[0], row[1]) for row in rows],
        )
        lines.append(f"{prefix}_{name}.txt: {len(rows)} images of {len({row[2] for row in rows})} references")
    return lines


def _from_csv(file: str | os.PathLike[str], images: str | os.PathLike[str], kind: str | None) -> Scores:
    direction = KINDS[kind] if kind else None
    table = read_labels(file, images, direction=direction)
    if kind is None:  # votes and labels too are better the higher they are
        kind = "dmos" if "dmos" in (name.lower() for name in read_csv_rows(file, spaces=True)[0]) else "mos"
    sign = 1 if kind == "mos" else -1
    rows = [
        (path, sign * truth, reference or reference_of(path))
        for path, truth, reference in zip(table["path"], table["truth"], table["reference"], strict=True)
    ]
    return Scores(kind, tuple(rows))


def _read_score_first(file: str | os.PathLike[str]) -> list[ListLine] | None:
    """The lines of TID2013's mos_with_names.txt, or None where the number does not come first."""
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None  # `read_list` says what is wrong
    entries: list[ListLine] = []
    for number, line in enumerate(lines, start=1):
        first, _, path = line.strip().partition(" ")
        if not line.strip():
            continue
        value = to_number(first)
        if value is None or not path.strip() or to_number(path.rpartition(" ")[2]) is not None:
            if entries:
                raise InputError(f"must be a score and a name, not {line.strip()[:80]!r}", path=file, line=number)
            return None
        entries.append(ListLine(path.strip(), value, number))
    return entries
