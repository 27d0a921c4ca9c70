"""What is worth saying of an image that is read all the same."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from rankiqa.printable import printable

_said: set[str] = set()
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # a process forked while a thread holds it would wait for ever
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def note(path: Path | None, text: str) -> None:
    """Log a note on a file, or an image without one, as a warning of the logger "rankiqa": once a text and process.

    All photos of a phone are alike: a line each would bury everything else. The first one is named, and the line says
    that it stands for all. Where no logging is set up, Python prints it on stderr.
    """
    with _lock:
        if text in _said:
            return
        _said.add(text)
    line = "note: %s: %s (said once; other files may be like it)"
    logging.getLogger("rankiqa").warning(line, printable(str(path or "an image")), text)
