"""A temporary folder that goes with its process: what one that was killed has left is removed by the next."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path

PREFIX = "rankiqa-dropped-"
_NEW = "rankiqa-new-"  # without a lock yet


class DroppedFolder:
    """A folder that nobody else can read, locked for as long as this process lives.

    Removes those of the same user whose process is gone: a kill leaves the folder, and never the lock.

    Attributes:
        path: of the folder.
    """

    def __init__(self) -> None:
        _remove_leftovers(Path(tempfile.gettempdir()))
        new = Path(tempfile.mkdtemp(prefix=_NEW))
        lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.path = new.rename(new.with_name(new.name.replace(_NEW, PREFIX)))  # from here on others look at it
        self.remove = weakref.finalize(self, _remove, self.path, lock)  # once; at the end of the process at the latest


def _remove(path: Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _remove_leftovers(within: Path) -> None:
    for path in within.glob(f"{PREFIX}*"):
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # no folder, or somebody else's
            continue
        try:
            if os.fstat(folder).st_uid == os.getuid():
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:  # its process lives
            pass
        finally:
            os.close(folder)
