"""The one exception for what a user can put right."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

MOST = 2000  # characters of a message

# How an option is called in a message. A program knows it as an argument, which it is named after; a command says
# something else, for as long as it runs: see `options_worded`.
_word: Callable[[str], str] = str


@contextmanager
def options_worded(word: Callable[[str], str]) -> Iterator[None]:
    """Call options by what `word` makes of them, in all messages of this process, for a while; "" is left out."""
    global _word
    before, _word = _word, word
    try:
        yield
    finally:
        _word = before


def worded(option: str) -> str:
    """An option as whoever runs gives it: the name of an argument, in a command its flag."""
    return _word(option)


class InputError(ValueError):
    """Something given by the user is wrong.

    Its facts are kept apart, so that whoever catches it can add what it knows; `str` makes one line of them:
    "PATH, line LINE: REASON; CURE (OPTIONS)". In the library it is a ``ValueError``; the commands print the line, with
    the options worded as their flags, and exit with status 2. What a file brings into it stays on that line: line
    breaks and other unprintable characters are escaped, and a very long message is cut.

    Args:
        reason: what is wrong, without the file and without the cure.
        path: the file or folder that it is wrong with.
        line: the line of that file, from 1.
        cure: what to do about it.
        options: the arguments that the cure is about, as "out", or with what to give for them, as "small=reflect".
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        cure: str = "",
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(reason)
        self.reason, self.line, self.cure, self.options = reason, line, cure, tuple(options)
        self.path = None if path is None else os.fspath(path)

    def but(self, **facts: Any) -> InputError:
        """The same error with some of its facts changed: `error.but(path=file)`."""
        known = {"path": self.path, "line": self.line, "cure": self.cure, "options": self.options}
        return type(self)(facts.pop("reason", self.reason), **(known | facts))

    def at(self, path: str | os.PathLike[str]) -> InputError:
        """The same error with this path, if it has none."""
        return self if self.path is not None else self.but(path=path)

    def text(self, *, path: bool = True) -> str:
        """The error in one line; without `path` it does not begin with the path, for who names the file already."""
        where = f"{self.path}{f', line {self.line}' if self.line else ''}: " if path and self.path is not None else ""
        options = ", ".join(filter(None, map(_word, self.options)))
        cure = f"; {self.cure}" if self.cure else ""
        text = f"{where}{self.reason}{cure}{f' ({options})' if options else ''}"
        text = text if len(text) <= MOST else f"{text[:MOST]} …"
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

    def __str__(self) -> str:
        return self.text()

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {"path": self.path, "line": self.line, "cure": self.cure, "options": self.options}
        return _remake, (type(self), self.reason, facts)


def _remake(kind: type[InputError], reason: str, facts: dict[str, Any]) -> InputError:
    """An error on the other side of a process's border, facts and all."""
    return kind(reason, **facts)


def explain_os_error(error: OSError, path: str | os.PathLike[str], kept: str = "") -> InputError:
    """Say in one line why `path` cannot be written, and what to do; `kept` says what is not lost."""
    advice = {
        errno.ENOSPC: ("no space left on the device", "free some or choose another place"),
        errno.EDQUOT: ("the disk quota is used up", "free some or choose another place"),
        errno.EFBIG: ("the file would exceed the size that the system allows", ""),
        errno.EACCES: ("no permission", "choose a folder that you may write to"),
        errno.EROFS: ("the file system is read-only", "choose a folder that you may write to"),
        errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another place"),
        errno.EEXIST: ("a file of this name is in the way", "choose another place"),
    }
    why, cure = advice.get(error.errno or 0, (error.strerror or str(error), ""))
    return InputError(f"cannot be written: {why}", path=path, cure="; ".join(filter(None, (cure, kept))))
