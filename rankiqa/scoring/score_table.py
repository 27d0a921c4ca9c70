"""The scores of files as rows, CSV and JSON, and in words what they mean."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rankiqa.errors import InputError
from rankiqa.version import __version__

if TYPE_CHECKING:
    from rankiqa.scoring.scorer import Score, Scorer
    from rankiqa.scoring.view import View

RESULT_COLUMNS = ("file", "score", "unit", "percentile", "spread", "patches", "note")
HEADER = f"{','.join(RESULT_COLUMNS)}\n".encode()  # of CSV
ERROR = "error: "  # begins the note of a file that could not be scored
# Spreadsheets run a cell that begins with one of these as a formula; the last four are their wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Result:
    """What became of a file.

    Attributes:
    ----------
    file
        Its path.
    score
        None where it could not be scored.
    error
        Why not.
    thumbnail
        A small JPEG of it, where one was asked for.
    """

    file: str
    score: Score | None = None
    error: InputError | None = None
    thumbnail: bytes | None = None

    @property
    def reason(self) -> str:
        """Why it could not be scored, without its name; empty if it could."""
        return "" if self.error is None else self.error.text(path=False)

    def row(self) -> dict[str, Any]:
        """The values of `RESULT_COLUMNS`; None for a number that there is not."""
        if self.score is None:
            return dict.fromkeys(RESULT_COLUMNS) | {"file": self.file, "note": f"{ERROR}{self.reason}"}
        found = self.score
        given = {"score": found.value, "unit": found.unit, "percentile": found.percentile, "spread": found.spread}
        numbers = {key: value if math.isfinite(value) else None for key, value in given.items()}
        return {"file": self.file, **numbers, "patches": found.patches, "note": found.note}


def best_first(results: Iterable[Result]) -> list[Result]:
    """By falling score; what has none comes last. Equal ones stay as they are."""

    def place(result: Result) -> tuple[int, float]:
        if result.score is None:
            return 2, 0.0
        return (1, 0.0) if math.isnan(result.score.value) else (0, -result.score.value)

    return sorted(results, key=place)


def csv_text(results: Iterable[Result]) -> str:
    """A header and a line for each file; a number that there is not is empty.

    A name that a spreadsheet would run as a formula is written from ./ on: it is the same file. Bytes of a name that
    are no text become escapes.
    """
    return b"".join([HEADER, *map(csv_line, results)]).decode()


def csv_line(result: Result) -> bytes:
    """The line of `csv_text` for a file, with its end."""
    return csv_row(result.row())


def csv_row(row: dict[str, Any]) -> bytes:
    """The line of `csv_text` for the values of `RESULT_COLUMNS`, by their names."""
    values = [cell(row["file"]), *(row[column] for column in RESULT_COLUMNS[1:])]
    buffer = io.StringIO()
    if "\r" in values[0]:  # which alone is quoted from Python 3.13 on
        csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerow(values)
    else:
        csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def cell(file: str) -> str:
    """How CSV calls a file."""
    file = f"./{file}" if file.startswith(_FORMULA) else file
    return file.encode("utf-8", "backslashreplace").decode()


def json_text(results: Iterable[Result], about: dict[str, Any]) -> str:
    """`about`, and under `images` an object for each file; a number that there is not is null."""
    found = about | {"images": [result.row() for result in results]}
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def about(scorer: Scorer, view: View) -> dict[str, Any]:
    """How scores were made, for JSON: version, model, view and what the numbers mean."""
    return {
        "rankiqa": __version__,
        "model": scorer.source,
        "weights_sha256": scorer.settings.get("weights_sha256"),
        "mode": view.of(scorer.network).mode,
        "patches": view.patches,
        "seed": view.seed,
        "small": view.small,
        "precision": scorer.network.precision,
        "reference": scorer.reference.what if scorer.reference else None,
        "meaning": meaning(scorer),
    }


def meaning(scorer: Scorer) -> str:
    """In one sentence, what the numbers of a model mean."""
    reference = scorer.reference
    if scorer.low is None:
        scale = "it has no scale from 0 to 1"
    elif scorer.settings.get("score_range"):
        scale = f"[0,1] is its scale of human scores, from {scorer.low:g} to {scorer.high:g}"
    else:
        scale = "[0,1] runs from strong distortions (0) to pristine photos (1)"
    if reference is None:
        known = "there is no percentile, as no scores of known images are kept with it"
    else:
        known = f"percentile is the per cent of {reference.images} known images with a lower score ({reference.what})"
    return f"Scores of {scorer.source}, higher is better; {scale}; {known}."
