"""Files that are whole or not there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from rankiqa.errors import explain_os_error

TEMPORARY = (".rankiqa-", ".tmp")  # prefix and suffix of files being written: hidden, so never listed


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before; makes the folders above.

    Raises:
    ------
    InputError
        The system refused (no space, no permission, …); nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(secrets.token_hex(8).join(TEMPORARY))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise explain_os_error(error, path) from error
