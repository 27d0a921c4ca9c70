"""The one exception for what a user can put right."""

from __future__ import annotations

import errno
import os

MOST = 2000  # characters of a message


class InputError(ValueError):
    """Something given by the user is wrong.

    The message is one line that names the file, key or value and says what to do. The commands print it
    and exit with status 2; in the library it is a ``ValueError``. What a file brings into it stays on that line:
    line breaks and other unprintable characters are escaped, and a very long message is cut.
    """

    def __init__(self, message: str) -> None:
        text = message if len(message) <= MOST else f"{message[:MOST]} …"
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


def explain_os_error(error: OSError, path: str | os.PathLike[str], kept: str = "") -> InputError:
    """Say in one line why `path` cannot be written, and what to do; `kept` says what is not lost."""
    advice = {
        errno.ENOSPC: "no space left on the device; free some or choose another place",
        errno.EDQUOT: "the disk quota is used up; free some or choose another place",
        errno.EFBIG: "the file would exceed the size that the system allows",
        errno.EACCES: "no permission; choose a folder that you may write to",
        errno.EROFS: "the file system is read-only; choose a folder that you may write to",
        errno.ENOTDIR: "a part of the path is a file, not a folder; choose another place",
        errno.EEXIST: "a file of this name is in the way; choose another place",
    }
    why = advice.get(error.errno or 0, error.strerror or str(error))
    return InputError(f"cannot write {os.fspath(path)}: {why}{'; ' + kept if kept else ''}")
