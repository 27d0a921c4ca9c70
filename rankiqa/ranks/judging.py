"""Ask a judge about the images of a ranked set on disk: what full-reference metrics say, for the manifest's columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError
from rankiqa.files import write_atomically
from rankiqa.images.photos import PRISTINE
from rankiqa.images.reading import read_image
from rankiqa.judge import Judge
from rankiqa.ranks.manifest import JUDGED, is_number
from rankiqa.version import versions

Row = dict[str, Any]


def judge_rows(
    out: Path, rows: Mapping[tuple[str, str, int], Row], judge: Judge, workers: int = 1, scheduler: str | None = None
) -> Iterator[list[Row]]:
    """Judge the images of a set in `out` that a metric of `judge` has not judged yet.

    Args:
        out: folder of the set; the images are read from it.
        rows: of the manifest, by (reference, distortion, level); they are not changed.
        judge: what is asked.
        workers: processes of this machine.
        scheduler: address of a dask scheduler, whose workers do it in place of `workers`.

    Yields:
        Those rows of one photo, with the value of each metric in the column judge_METRIC.

    Raises:
        InputError: an image, or the pristine one beside it, is missing or cannot be read, or is too small for a judge.
        MissingExtra: what the metrics are computed with is not installed.
    """
    from tqdm import tqdm

    from rankiqa import parallel

    judge.need()
    lacking: dict[str, list[Row]] = {}
    for row in rows.values():
        if not all(is_number(row.get(JUDGED + name)) for name in judge.metrics):
            lacking.setdefault(row["reference"], []).append(row)
    tasks = (
        (out.resolve(), judge, rows[reference, PRISTINE, 0]["path"], of_photo)
        for reference, of_photo in lacking.items()
    )
    with tqdm(total=sum(map(len, lacking.values())), unit="image", desc="judging", mininterval=1) as bar:
        for judged in parallel.run(_judge_photo, tasks, workers, scheduler):
            yield judged
            bar.update(len(judged))


def _judge_photo(out: Path, judge: Judge, pristine: str, rows: Sequence[Row]) -> list[Row]:
    reference = read_image(out / pristine)
    judged = []
    for row in rows:
        path = out / row["path"]
        try:
            values = judge.look(reference if row["path"] == pristine else read_image(path), reference)
        except InputError as error:
            raise error.at(path) from None
        judged.append(row | {JUDGED + name: float(v) for name, v in zip(judge.metrics, values, strict=True)})
    return judged


def describe_judge(description: Path, judge: Judge) -> None:
    """Write in `set.json` with what version each metric was computed."""
    found = json.loads(description.read_text(encoding="utf-8"))
    before = dict(found.get("judges") or {})
    found["judges"] = before | dict.fromkeys(judge.metrics, versions(("piq",)))
    if found["judges"] != before:
        write_atomically(description, (json.dumps(found, indent=2) + "\n").encode())
