"""Files that are whole or not there."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rankiqa.errors import InputError, explain_os_error

TEMPORARY = (".rankiqa-", ".tmp")  # prefix and suffix of files being written: hidden, so never listed


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name in the same folder to write to; what is there gets the name `path` if all went well, else it goes.

    Makes the folders above. What the system refuses comes out as `OSError`.
    """
    path = Path(path)
    temporary = path.with_name(secrets.token_hex(8).join(TEMPORARY))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before; makes the folders above.

    A device or a pipe, such as /dev/stdout, is written to as it is: to replace it would break it for others.

    Raises:
        InputError: the system refused (no space, no permission, …); nothing is left behind.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with open(path, "wb") as file:
                file.write(data)
        else:
            with replacing(path) as temporary, open(temporary, "xb") as file:
                file.write(data)
    except OSError as error:
        raise explain_os_error(error, path) from error


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hex; `InputError` where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    except FileNotFoundError:
        raise InputError("no such file", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    return digest.hexdigest()
