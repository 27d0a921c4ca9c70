"""The photos of `rankiqa app`: those that the command was given, and those that were dropped on its page."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rankiqa.errors import InputError, explain_os_error
from rankiqa.study.vote_file import Photo
from rankiqa.web.dropped import DroppedFolder

MOST_BYTES = 200_000_000  # of a dropped file
MOST_TOGETHER = 8_000_000_000  # of all that are kept at once
MOST_PHOTOS = 50_000
NAME = 300  # characters


@dataclass(frozen=True)
class Item:
    """A photo: what it is called, and where it lies."""

    name: str
    path: Path


class Shelf:
    """Photos by number, in the order in which they came; a context, at whose end what was dropped is removed.

    What is dropped lies in a temporary folder under a number: its name is shown, and never the name of a file.

    Args:
        paths: of the photos that there are at first.

    Attributes:
        items: all photos.
        photos: the same, as `rankiqa.web.pictures.Pictures` takes them.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]] = ()) -> None:
        self.items: list[Item] = []
        self.photos: list[Photo] = []
        self._folder = DroppedFolder()
        self._lock = threading.Lock()
        self._bytes = self._files = 0
        for path in paths:
            self._put(Item(os.fspath(path), Path(path).absolute()))

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, *error: object) -> None:
        self._folder.remove()

    def _put(self, item: Item) -> int:
        with self._lock:
            self.items.append(item)
            self.photos.append(Photo(os.fspath(item.path), "", 0, 0))  # the size shows when it is read
            return len(self.items) - 1

    async def drop(self, name: str, parts: AsyncIterator[bytes]) -> int:
        """Keep a file that comes in parts; the number of the photo.

        Raises:
            InputError: no photo that can be read, or too many of them.
        """
        from rankiqa.images.reading import read_size

        with self._lock:
            self._files += 1
            path = self._folder.path / f"{self._files:06}"
        size = 0
        try:
            if len(self.items) >= MOST_PHOTOS:
                raise InputError(f"there are {MOST_PHOTOS:,} photos already")
            with open(path, "xb") as file:
                async for part in parts:
                    size += len(part)
                    if self._bytes + size > MOST_TOGETHER:
                        raise InputError(f"all dropped photos together have at most {MOST_TOGETHER // 10**9} GB")
                    file.write(part)
            await asyncio.to_thread(read_size, path)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise explain_os_error(error, name) from error
            raise
        self._bytes += size
        return self._put(Item(" ".join(name.split())[:NAME] or "photo", path))
