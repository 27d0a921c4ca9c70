"""What a model says of each photo of a study, kept beside the file of votes for the next start."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path

from rankiqa.errors import InputError
from rankiqa.files import sha256_of, write_atomically
from rankiqa.study.vote_file import VoteFile
from rankiqa.version import __version__

_HEADER = ("photo", "bytes", "modified", "model", "score")
_Key = tuple[str, ...]  # a row without its score, which is "" where the photo cannot be scored


def prior_scores(
    model: str, folder: str | os.PathLike[str], votes: VoteFile, usable: Iterable[int], kept: str | os.PathLike[str]
) -> list[float]:
    """A score for each photo of a study; for one that has none, the mean of the others.

    Scores that were made before, by the same model and of files of the same size and time, are taken from `kept`; new
    ones are written there, also where not all could be made. Where none is new, PyTorch is not imported.

    Args:
        model: as `rankiqa.load` takes it.
        folder: of the photos.
        votes: the study's.
        usable: numbers of the photos to score.
        kept: the file, CSV; what is there and is no such file is written over.

    Raises:
        InputError: no such model, or the file cannot be written.
    """
    by, photos = _model(model), votes.photos
    keys = {number: _key(folder, photos[number].path, by) for number in usable}
    known = _read(kept)
    wanted = [number for number, key in keys.items() if key not in known]
    if wanted:
        try:
            _score(model, {keys[number]: Path(folder, photos[number].path) for number in wanted}, known)
        finally:
            _write(kept, known)
    found = {number: float(known[key]) for number, key in keys.items() if known[key]}
    mean = sum(found.values()) / len(found) if found else 0.0
    return [found.get(number, mean) for number in range(len(photos))]


def _score(model: str, files: dict[_Key, Path], known: dict[_Key, str]) -> None:
    from tqdm import tqdm

    import rankiqa

    scores = rankiqa.load(model).score_files(files.values())
    bar = tqdm(scores, "prior", len(files), unit=" photos", disable=None, leave=False)
    for key, score in zip(files, bar, strict=True):
        known[key] = "" if isinstance(score, InputError) else repr(float(score.value))


def _model(model: str) -> str:
    """What a score depends on beside its photo: the model's two files, and the version of the package."""
    from rankiqa.models.locate import CONFIG, WEIGHTS, locate

    parts = [__version__, *(sha256_of(locate(model) / name) for name in (CONFIG, WEIGHTS))]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _key(folder: str | os.PathLike[str], photo: str, model: str) -> _Key:
    try:
        state = Path(folder, photo).stat()
    except OSError:  # gone since the study was opened: as an empty file, which cannot be scored either
        return photo, "0", "0", model
    return photo, str(state.st_size), str(state.st_mtime_ns), model


def _read(kept: str | os.PathLike[str]) -> dict[_Key, str]:
    """What is kept; a row that is none is as one that is not there."""
    known: dict[_Key, str] = {}
    try:
        with open(kept, newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                if len(row) == len(_HEADER) and _is_score(row[-1]):
                    known[tuple(row[:-1])] = row[-1]
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return known


def _is_score(cell: str) -> bool:
    try:
        return not cell or abs(float(cell)) < float("inf")
    except ValueError:
        return False


def _write(kept: str | os.PathLike[str], known: dict[_Key, str]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows((*key, score) for key, score in known.items())
    write_atomically(kept, text.getvalue().encode())
