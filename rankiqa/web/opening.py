"""Open a study: its photos told by their headers, and its file, made or gone on with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rankiqa.errors import InputError
from rankiqa.files import sha256_of
from rankiqa.images.listing import list_images
from rankiqa.study.vote_file import Photo, VoteFile

_LOOK = 1.0  # seconds for hashes before the first page


@dataclass(frozen=True)
class Study:
    """A study that can be asked for.

    Attributes:
        votes: its file.
        usable: numbers of the photos that can be shown.
        problems: of the others, and of files in the folder that are no photos.
    """

    votes: VoteFile
    usable: list[int]
    problems: list[InputError]


def open_study(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], least: int = 2, said: Callable[[str], None] = print
) -> Study:
    """The study of the photos of a folder in the file `out`, which is made where there is none.

    No photo is read whole: sizes come from headers, hashes are added while people look. A photo that cannot be read is
    left out and told of in `problems`.

    Args:
        folder: with the photos, at any depth.
        out: the file of votes.
        least: photos that are needed.
        said: what is told while it lasts, a line each.

    Raises:
        InputError: no such folder, one without enough photos, a file that is no file of votes or that of other photos.
    """
    out = Path(out)
    there = out.exists()
    if there:
        VoteFile(out).close()  # whose file it is, before a long look at the photos
    found, problems = _look_at(Path(folder), said)
    if not there:
        if len(found) < least:
            for problem in problems:
                said(f"left out: {problem}")
            reason = f"holds {len(found)} photo{'s' * (len(found) != 1)} that can be read; this needs {least} or more"
            raise InputError(reason, path=folder)
        out.parent.mkdir(parents=True, exist_ok=True)
        votes = VoteFile.create(out, [Photo(path, "", width, height) for path, (height, width) in found.items()])
        return Study(votes, list(range(len(found))), problems)
    votes = VoteFile(out)
    try:
        usable, missing = _compare(votes, found, Path(folder))
        if len(usable) < least:
            raise InputError(f"holds {len(usable)} of the photos of {out}; this needs {least} or more", path=folder)
    except BaseException:
        votes.close()
        raise
    told = {problem.path for problem in problems}
    return Study(votes, usable, [*problems, *(problem for problem in missing if problem.path not in told)])


def _look_at(folder: Path, said: Callable[[str], None]) -> tuple[dict[str, tuple[int, int]], list[InputError]]:
    """The size, (height, width), of each photo by its path, and the errors of the others."""
    from rankiqa.images.reading import read_size

    found, problems, last = {}, [], time.monotonic()
    names = list_images(folder)
    for count, name in enumerate(names):
        if time.monotonic() - last > 2:
            last = time.monotonic()
            said(f"looked at {count} of {len(names)} photos")
        try:
            name.encode()
            found[name] = read_size(folder / name)
        except UnicodeEncodeError:
            problems.append(InputError("its name is no text", path=folder / name))
        except InputError as error:
            problems.append(error)
    return found, problems


def _compare(votes: VoteFile, found: dict[str, tuple[int, int]], folder: Path) -> tuple[list[int], list[InputError]]:
    """The numbers of the photos that are there as they were, and what is said of those that are not there any more.

    `InputError` for the first photo that the file does not know, or that is another one.
    """
    cure = "give the folder that it was begun with, or another file"
    known = {photo.path for photo in votes.photos}
    for name in found:
        if name not in known:
            reason = f"is not among the photos of {votes.path}"
            raise InputError(reason, path=folder / name, cure=cure, options=("out",))
    usable, missing, until = [], [], time.monotonic() + _LOOK
    for number, photo in enumerate(votes.photos):
        path = folder / photo.path
        if photo.path not in found:
            missing.append(InputError("was a photo of the study and is not there any more", path=path))
            continue
        other = found[photo.path] != (photo.height, photo.width)
        if not other and photo.sha256 and time.monotonic() < until:
            other = sha256_of(path) != photo.sha256
        if other:
            if damage := _damage(path):
                missing.append(damage)
                continue
            reason = f"is another photo than that of this name in {votes.path}"
            raise InputError(reason, path=path, cure=cure, options=("out",))
        usable.append(number)
    return usable, missing


def _damage(path: Path) -> InputError | None:
    """Why a photo, whose header can be read, cannot."""
    from rankiqa.images.reading import read_image

    try:
        read_image(path, convert=True, frames="first")
    except InputError as error:
        return error
    return None
