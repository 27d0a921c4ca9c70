"""Pristine photos: which ones there are, told by their pixels, and how large each is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rankiqa.errors import InputError
from rankiqa.images.icc import CONVERT
from rankiqa.images.reading import read_image

PRISTINE = "pristine"  # what tables of images have for a distortion where there is none


@dataclass(frozen=True)
class Photo:
    """A pristine photo: the SHA-256 of its pixels (`pixels_sha256`), the same in any lossless file, and its size."""

    sha256: str
    height: int
    width: int


def pixels_sha256(image: np.ndarray) -> str:
    """SHA-256, in hex, of the size and the pixels: that of the same picture in any lossless file."""
    digest = hashlib.sha256(f"{image.shape}\n".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def read_photos(paths: Mapping[str, Path], convert: bool = False, icc: str = CONVERT) -> dict[str, Photo | InputError]:
    """The photo of each name, or why it cannot be read. `convert` and `icc` are those of `read_image`.

    Threads are enough, as decoding and hashing leave the interpreter free.
    """
    from tqdm import tqdm

    def read(path: Path) -> Photo | InputError:
        try:
            image = read_image(path, convert, icc=icc)
        except InputError as error:
            return error
        return Photo(pixels_sha256(image), *image.shape[:2])

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        read_all = pool.map(read, paths.values())
        bar = tqdm(read_all, "read photos", len(paths), leave=False, unit="photo", mininterval=1, delay=2)
        return dict(zip(paths, bar, strict=True))


def read_all_photos(paths: Mapping[str, Path], convert: bool = False, icc: str = CONVERT) -> dict[str, Photo]:
    """The photo of each name, as `read_photos`; `InputError` for the first that cannot be read."""
    photos = {}
    for name, photo in read_photos(paths, convert, icc).items():
        if isinstance(photo, InputError):
            raise photo
        photos[name] = photo
    return photos
