"""The files of a folder, found whatever the case of their letters: lists and disks differ in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from rankiqa.errors import InputError


def is_under(path: str, folders: Iterable[str]) -> bool:
    """Whether `path` lies in one of `folders`, at any depth, whatever the case of the letters."""
    return any(path.lower().startswith(f"{folder.lower()}/") for folder in folders)


class Files:
    """The files in `root`, at any depth, links to folders followed, without those in hidden folders."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.paths: dict[str, str] = {}
        for folder, folders, names in os.walk(self.root, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            prefix = Path(folder).relative_to(self.root).as_posix()
            prefix = "" if prefix == "." else f"{prefix}/"
            for name in sorted(names):
                self.paths[f"{prefix}{name}".lower()] = f"{prefix}{name}"

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """From a file's name, without its folders, to the files that have it."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.paths.values()):
            found.setdefault(path.rpartition("/")[2].lower(), []).append(path)
        return found

    def __call__(self, *places: str) -> str | None:
        """The first of `places` (paths under the root) that is there, as the disk spells it."""
        return next((self.paths[place.lower()] for place in places if place.lower() in self.paths), None)

    def require(self, *places: str, signs: Iterable[str] = ()) -> Path:
        """The same as a full path.

        Raises:
            InputError: none is there, with the first place. The cure is the folder, above this one or in it, where one
                of the places is, or one of `signs`, other files of the data set.
        """
        if (found := self(*places)) is None:
            others = f" (nor {', '.join(places[1:])})" if len(places) > 1 else ""
            level = next(filter(None, map(self._level_of, (*places, *signs))), None)
            cure = f"give {level}" if level else "give the folder of the data set"
            raise InputError(f"no such file{others}", path=self.root / places[0], cure=cure, options=("root",))
        return self.root / found

    def _level_of(self, place: str) -> Path | None:
        """The folder that `place` starts from, above this one or in it; None where there is none."""
        parents = list(self.root.parents or self.root.absolute().parents)[:3]
        above = [folder for folder in parents if (folder / place).is_file()]
        inside = sorted(path for key, path in self.paths.items() if key.endswith(f"/{place.lower()}"))
        found = [*above, *(self.root / path[: -len(place) - 1] for path in inside)]
        return found[0] if found else None

    def under(self, folder: str) -> list[str]:
        """The files directly in a folder, as the disk spells them, sorted."""
        prefix = f"{folder.lower().rstrip('/')}/"
        return sorted(
            path for key, path in self.paths.items() if key.startswith(prefix) and "/" not in key[len(prefix) :]
        )

    def meant_by(self, path: str) -> str:
        """The file that a list means, as the disk spells it, under the root.

        The list may start from another folder than this one, then the last parts of the path decide; and a bare name
        may stand for the one file that has it, further down.

        Raises:
            InputError: no file fits, or two files have the bare name; without a path, as the list and its line are the
                caller's.
        """
        parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
        for start in range(len(parts)):
            if found := self("/".join(parts[start:])):
                return found
        same_name = self._by_name.get(parts[0].lower(), []) if len(parts) == 1 else []
        if len(same_name) == 1:
            return same_name[0]
        if same_name:
            why = f"{path} may be {same_name[0]} or {same_name[1]}"
            raise InputError(why, cure="give the folder that is meant", options=("images",))
        cure = "give the folder that the names start from"
        raise InputError(f"{path} is not in {self.root}", cure=cure, options=("images",))
