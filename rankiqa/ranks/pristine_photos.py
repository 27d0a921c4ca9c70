"""Which photos a ranked set is made of: all of a folder, or a draw of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankiqa.images import builtin_photos
from rankiqa.images.icc import CONVERT, check_icc
from rankiqa.images.listing import list_images
from rankiqa.seeding import derive_seed


@dataclass(frozen=True)
class PristinePhotos:
    """Which photos a ranked set is made of.

    Attributes:
        folder: Where they lie.
        references: Their paths in it, sorted.
        description: What `set.json` says about them.
        icc: What becomes of their colour profiles, as in `rankiqa.images.reading.read_image`.
    """

    folder: Path
    references: tuple[str, ...]
    description: Mapping[str, Any]
    icc: str = CONVERT

    @classmethod
    def find(
        cls,
        folder: str | Path | None = None,
        per_folder: int | None = None,
        limit: int | None = None,
        seed: int = 0,
        icc: str = CONVERT,
    ) -> PristinePhotos:
        """The photos in `folder`, at any depth, or those of `builtin_photos`.

        `per_folder` takes so many of each folder that holds photos, and `limit` so many of those. The choice
        depends on the seed and the paths, and a smaller one is a part of a larger one.

        Raises:
            InputError: the folder is missing, cannot be listed, or holds no image; an unknown `icc`.
        """
        check_icc(icc)
        if folder is None:
            root, found = builtin_photos.folder(), list(builtin_photos.PHOTOS)
            name = "the photos of scikit-image"
        else:
            root, found = Path(folder), list_images(folder)
            name = str(root.resolve())
        chosen = sorted(found, key=lambda path: derive_seed(seed, "sample", path))
        if per_folder is not None:
            groups: dict[str, list[str]] = {}
            for path in chosen:
                groups.setdefault(path.rpartition("/")[0], []).append(path)
            kept = {path for group in groups.values() for path in group[:per_folder]}
            chosen = [path for path in chosen if path in kept]
        description = {"photos": name, "per_folder": per_folder, "limit": limit}
        if icc != CONVERT:  # sets from before there was a choice go on
            description["icc"] = icc
        return cls(root, tuple(sorted(chosen[:limit])), description, icc)
