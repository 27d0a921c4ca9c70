"""Decoded pixels kept in a folder, so that a part of an image costs reading that part alone.

A PNG of 512×512 takes 6 ms to decode for a crop that takes 0.1 ms to read. An entry is named by a hash of what it is
made of, so that a folder may serve several sets of images and several processes, and an image that changes has another
entry.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rankiqa.errors import InputError
from rankiqa.files import write_atomically
from rankiqa.images.notes import note

GB = 10**9
_HEAD = struct.Struct("<8sII")  # what it is, height, width; then height × width × 3 bytes
_MAGIC = b"rankiqa1"
_SUFFIX = ".rgb"
_COUNT = "bytes.txt"  # how many bytes the entries have; locked by whoever adds one
_KEY = re.compile(r"[a-z]+-[0-9a-f]{64}")


@dataclass
class Decoded:
    """A folder of decoded images, filled as they are asked for, up to `most` bytes; what has no room is decoded anew.

    Nothing is dropped for another image: where all are as likely to be the next, none is worth more than another.

    Attributes:
        folder: Where they lie, a file an image. Removing files, or all of it, is safe at any time.
        most: Bytes that all entries together may take.
        full: Whether one had no room; this process tries no other.
    """

    folder: Path
    most: int
    full: bool = False

    @classmethod
    def open(cls, folder: str | os.PathLike[str], most: int) -> Decoded:
        """Make the folder where it is missing, and count what is in it.

        Raises:
            InputError: it cannot be made or written.
        """
        found = cls(Path(folder), most)
        write_atomically(found.folder / ".writable", b"")
        with found._counted() as (_, count):
            count(sum(path.stat().st_size for path in found.folder.glob(f"*{_SUFFIX}")))
        return found

    def pixels(self, key: str, read: Callable[[], np.ndarray], genuine: Callable[[np.ndarray], bool]) -> np.ndarray:
        """The pixels of an image, uint8 H×W×3: read-only and mapped from its entry, or as `read` gives them.

        Args:
            key: a word and the SHA-256 in hex of what the pixels are made of, as "pixels-0123…"; an image with any
                other is not kept.
            read: decodes the image; whatever it raises is raised.
            genuine: whether what was read is what `key` says; else it is not kept.
        """
        if not _KEY.fullmatch(key):
            return read()
        entry = self.folder / f"{key}{_SUFFIX}"
        if (kept := _mapped(entry)) is not None:
            return kept
        image = read()
        if not self.full and genuine(image):
            self._keep(entry, image)
        return image

    def _keep(self, entry: Path, image: np.ndarray) -> None:
        size = _HEAD.size + image.nbytes
        try:
            with self._counted() as (used, count):
                self.full = used + size > self.most
                if not self.full:
                    count(used + size)
            if self.full:
                note(self.folder, f"is full: what is not in its {self.most / GB:.3g} GB is decoded each time")
                return
            write_atomically(entry, _HEAD.pack(_MAGIC, *image.shape[:2]) + image.tobytes())
        except (InputError, OSError) as error:
            self.full = True
            why = error.reason if isinstance(error, InputError) else error.strerror
            note(self.folder, f"no more decoded images are kept ({why}): they are decoded each time")

    @contextlib.contextmanager
    def _counted(self) -> Iterator[tuple[int, Callable[[int], None]]]:
        """The bytes that are taken, and how to change them; other processes wait meanwhile."""
        with open(self.folder / _COUNT, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            file.seek(0)
            text = file.read(32)

            def count(used: int) -> None:
                file.truncate(0)
                file.write(str(used).encode())

            yield int(text) if text.isdigit() else 0, count


def _mapped(entry: Path) -> np.ndarray | None:
    """The pixels of an entry; None where there is none, or it was cut short."""
    try:
        with entry.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # not there; empty
        return None
    if len(mapped) < _HEAD.size:
        return None
    magic, height, width = _HEAD.unpack_from(mapped)
    if magic != _MAGIC or len(mapped) != _HEAD.size + height * width * 3:
        return None
    return np.frombuffer(mapped, np.uint8, offset=_HEAD.size).reshape(height, width, 3)
