"""Pictures of photos for pages: of the size of a screen, and the exact pixels in tiles; made in threads and kept.

A photo that is larger than what is asked for is reduced and becomes a JPEG of high quality, without subsampling; one
that is not is a PNG of its exact pixels, and so is every tile. What a file knows beside its pixels (place, camera) is
in none.
"""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from rankiqa.errors import InputError
from rankiqa.files import sha256_of
from rankiqa.study.vote_file import Photo

SIDES = (320, 640, 960, 1280, 1600, 2048, 2560, 3200)  # longer side of a picture; a page takes what its screen needs
TILE = 512  # pixels
QUALITY = 95  # of JPEG
KEPT = 300_000_000  # bytes of encoded pictures
HASHES = 64  # told together
DECODED = 80_000_000  # pixels of photos that are kept for tiles; two at least


@dataclass(frozen=True)
class Picture:
    """An encoded picture and its media type."""

    data: bytes
    kind: str


class Pictures:
    """The pictures of the photos of a study, by number. Threads may share it.

    Args:
        folder: where the photos lie.
        photos: their paths in it, sizes (0: not known), and hashes where they are known. More may be added.
        hashed: called now and then with the SHA-256 of files, by path, where `photos` has none. None: none is made.
        broken: called with a number and the reason, once, when a photo turns out not to be readable, or another one
            than it was.
        workers: threads that make pictures.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        photos: Sequence[Photo],
        *,
        hashed: Callable[[Mapping[str, str]], None] | None = None,
        broken: Callable[[int, InputError], None] = lambda number, error: None,
        workers: int = 2,
    ) -> None:
        self.folder, self.photos = Path(folder), photos
        self._hashed, self._broken = hashed, broken
        self._pool = ThreadPoolExecutor(workers, "pictures")
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, ...], Picture] = OrderedDict()
        self._bytes = 0
        self._making: dict[tuple[int, ...], Future[Picture]] = {}
        self._decoded: OrderedDict[int, np.ndarray] = OrderedDict()
        self._checked: set[int] = set()
        self._fresh: dict[str, str] = {}
        self._faults: dict[int, InputError] = {}
        self._sides: dict[int, None] = {}  # that pages have asked for, in this order
        self._closed = threading.Event()
        self._ahead: threading.Thread | None = None

    def screen(self, number: int, side: int) -> Future[Picture]:
        """The whole photo with a longer side of `side` pixels, one of `SIDES`, or its own if that is smaller.

        The future raises `InputError` for a photo that cannot be read. `LookupError` for a number or a side that there
        is not.
        """
        if not 0 <= number < len(self.photos) or side not in SIDES:
            raise LookupError(f"no picture {number}, {side}")
        self._sides.setdefault(side)
        return self._make_screen(number, side)

    def tile(self, number: int, column: int, row: int) -> Future[Picture]:
        """A part of the photo as it is, `TILE` pixels on a side, or what is left at the borders; as `screen`.

        The future raises `LookupError` for a tile that there is not.
        """
        if not 0 <= number < len(self.photos):
            raise LookupError(f"no photo {number}")
        return self._make((number, column, row), lambda: self._cut(number, column, row))

    def fault(self, number: int) -> InputError | None:
        """Why a photo cannot be shown, if that is known."""
        return self._faults.get(number)

    def look_ahead(self) -> None:
        """Make pictures and hashes before they are asked for, in a thread that steps back for others, until `close`."""
        self._ahead = threading.Thread(target=self._look_ahead, name="look ahead", daemon=True)
        self._ahead.start()

    def close(self) -> None:
        """Let the threads end; what is being made is thrown away."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._ahead is not None:
            self._ahead.join(10)
        self._tell_hashes()

    def _look_ahead(self) -> None:
        """Pictures of each size that a page has asked for, while there is room, and then hashes."""
        made: dict[int, int] = {}  # how many photos have a picture of this size
        hashed, count = 0, len(self.photos)
        while not self._closed.is_set():
            if self._making:
                self._closed.wait(0.02)
                continue
            side = next((side for side in list(self._sides) if made.get(side, 0) < count), None)
            if side is not None and self._bytes < 0.8 * KEPT:
                number = made.get(side, 0)
                made[side] = number + 1
                self._try(number, partial(self._wait_for, number, side))
            elif hashed < count:
                self._try(hashed, partial(self._check, hashed))
                hashed += 1
                self._tell_hashes(1 if hashed == count else HASHES)
            else:
                self._closed.wait(0.2)

    def _try(self, number: int, do: Callable[[], object]) -> None:
        if number in self._faults:
            return
        try:
            do()
        except InputError as error:
            self._is_broken(number, error)
        except (RuntimeError, CancelledError):  # the pool was closed
            pass

    def _wait_for(self, number: int, side: int) -> None:
        self._make_screen(number, side).result()

    def _make_screen(self, number: int, side: int) -> Future[Picture]:
        return self._make((number, side), lambda: self._reduced(number, side))

    def _make(self, key: tuple[int, ...], make: Callable[[], Picture]) -> Future[Picture]:
        """What is kept, what is being made already, or a new picture."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                done: Future[Picture] = Future()
                done.set_result(self._kept[key])
                return done
            if key in self._making:
                return self._making[key]
            future = self._making[key] = self._pool.submit(self._keep, key, make)
        future.add_done_callback(lambda _: self._making.pop(key, None))
        return future

    def _keep(self, key: tuple[int, ...], make: Callable[[], Picture]) -> Picture:
        try:
            if fault := self._faults.get(key[0]):
                raise fault
            picture = make()
        except InputError as error:
            self._is_broken(key[0], error)
            raise
        self._put(key, picture)
        return picture

    def _put(self, key: tuple[int, ...], picture: Picture) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = picture
            self._bytes += len(picture.data) - (len(before.data) if before else 0)
            while self._bytes > KEPT and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1].data)

    def _is_broken(self, number: int, error: InputError) -> None:
        with self._lock:
            known = number in self._faults
            self._faults[number] = error
        if not known:
            self._broken(number, error)

    def _path(self, number: int) -> Path:
        return self.folder / self.photos[number].path

    def _check(self, number: int) -> None:
        """See that a photo is the one that it was, once."""
        if number in self._checked or (self._hashed is None and not self.photos[number].sha256):
            return
        digest = sha256_of(self._path(number))
        known = self.photos[number].sha256
        if known and digest != known:
            raise InputError("is not the photo that it was when the study began", path=self._path(number))
        if not known:
            with self._lock:
                self._fresh[self.photos[number].path] = digest
        self._checked.add(number)

    def _tell_hashes(self, least: int = 1) -> None:
        with self._lock:
            if len(self._fresh) < least:
                return
            fresh, self._fresh = self._fresh, {}
        if self._hashed is None:
            return
        try:
            self._hashed(fresh)
        except InputError:  # a full disk: the next time
            with self._lock:
                self._fresh = fresh | self._fresh

    def _pixels(self, number: int) -> np.ndarray:
        from rankiqa.images.reading import read_image

        with self._lock:
            if number in self._decoded:
                self._decoded.move_to_end(number)
                return self._decoded[number]
        self._check(number)
        pixels = read_image(self._path(number), convert=True, frames="first")
        photo = self.photos[number]
        if photo.width and pixels.shape[:2] != (photo.height, photo.width):
            raise InputError("has another size than when the study began", path=self._path(number))
        return pixels

    def keep_small(self, number: int, pixels: np.ndarray) -> None:
        """Make the smallest picture of a photo whose pixels are at hand, so that nobody waits for it."""
        key = (number, SIDES[0])
        if key not in self._kept:
            self._put(key, _fitted(pixels, SIDES[0]))

    def _reduced(self, number: int, side: int) -> Picture:
        return _fitted(self._pixels(number), side)

    def _cut(self, number: int, column: int, row: int) -> Picture:
        pixels = self._pixels(number)
        with self._lock:
            self._decoded[number] = pixels
            while len(self._decoded) > 2 and sum(p.size // 3 for p in self._decoded.values()) > DECODED:
                self._decoded.popitem(last=False)
        top, left = row * TILE, column * TILE
        part = pixels[top : top + TILE, left : left + TILE]
        if column < 0 or row < 0 or not part.size:
            raise LookupError(f"no tile {column}, {row}")
        return _png(part)


def _fitted(pixels: np.ndarray, side: int) -> Picture:
    """A picture with a longer side of `side` pixels at most."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return _png(pixels)
    import cv2

    size = max(1, round(width * factor)), max(1, round(height * factor))
    return _jpeg(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _png(pixels: np.ndarray) -> Picture:
    return _encoded(pixels, "PNG", compress_level=1)


def _jpeg(pixels: np.ndarray) -> Picture:
    return _encoded(pixels, "JPEG", quality=QUALITY, subsampling=0)


def _encoded(pixels: np.ndarray, kind: str, **options: int) -> Picture:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return Picture(buffer.getvalue(), f"image/{kind.lower()}")
