"""The images in a folder, told by their suffix."""

from __future__ import annotations

import os
from pathlib import Path

from rankiqa.errors import InputError

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".gif"}
    | {".avif", ".heic", ".heif", ".hif", ".jxl"}
)


def list_images(root: str | os.PathLike[str]) -> list[str]:
    """Sorted POSIX paths, relative to `root`, of the images at any depth, told by suffix.

    Links are followed, though not back into a folder they lie in; hidden files and folders are skipped.

    Raises:
        InputError: `root` is missing, is not a folder, cannot be listed, or holds no image.
    """
    root = Path(root)
    if not root.exists():
        raise InputError("no such folder", path=root)
    if not root.is_dir():
        raise InputError("is not a folder", path=root)
    found: list[str] = []

    def visit(folder: str, prefix: str, above: frozenset[str]) -> None:
        real = os.path.realpath(folder)
        if real in above:
            return
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise InputError(f"cannot be listed: {error.strerror or error}", path=folder) from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                visit(entry.path, f"{prefix}{entry.name}/", above | {real})
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and (
                entry.is_file() or entry.is_symlink()  # a dangling link is reported when it is read
            ):
                found.append(prefix + entry.name)

    visit(os.fspath(root), "", frozenset())
    if not found:
        raise InputError(f"holds no images ({', '.join(sorted(SUFFIXES))})", path=root)
    return sorted(found)
