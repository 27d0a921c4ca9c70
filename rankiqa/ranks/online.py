"""A ranked set without files of its own: pristine photos, distorted when an image is asked for.

The TID2013 levels of the Waterloo photos are some 250 GB on disk, the photos themselves a few.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np

from rankiqa import distortions
from rankiqa.distortions import DISTORTIONS, Distortion
from rankiqa.distortions.cropping import context_of, distort_crop
from rankiqa.distortions.sets import PAPER, PSNR, plan
from rankiqa.errors import InputError
from rankiqa.images import builtin_photos
from rankiqa.images.crops import crop_at, random_place
from rankiqa.images.decoded import Decoded
from rankiqa.images.icc import CONVERT
from rankiqa.images.listing import list_images
from rankiqa.images.photos import Photo, pixels_sha256, read_all_photos
from rankiqa.images.reading import read_image
from rankiqa.judge import Judge
from rankiqa.ranks.ranked_set import image_seed
from rankiqa.seeding import generator

# Decoded photos that a process keeps. A batch, and a validation, use a photo at all its levels in a row.
_KEPT = 2
_LIBRARIES = ("cv2", "numpy", "PIL", "scipy", "skimage")  # of the distortions that draw nothing


@dataclass(frozen=True)
class OnlineSet:
    """Pristine photos and what is done to them; the interface is `rankiqa.ranks.protocol.Ranks`.

    Attributes:
        folder: Where the photos lie.
        references: Their paths in it, sorted.
        strengths: From the name of each type to its strengths, the mildest first: level 1 is the first.
        seed: Of the whole images: those that `make_ranks` writes with this seed.
        convert: Take greyscale, transparent, CMYK and 16-bit photos too, as `read_image` does.
        continuous: A crop's level is drawn, and lies between the levels; whole images keep to them.
        icc: What becomes of embedded colour profiles, as in `read_image`.
        decoded: Where the photos' pixels are kept once they were decoded, and what types that draw nothing make of
            whole photos, as JPEG 2000 does; None: a process keeps the last few photos.
    """

    folder: Path
    references: tuple[str, ...]
    strengths: dict[str, tuple[float, ...]]
    seed: int = 0
    convert: bool = False
    continuous: bool = False
    icc: str = CONVERT
    decoded: Decoded | None = None

    @classmethod
    def find(
        cls,
        pristine: str | Path | None = None,
        distortions: str = "live",
        levels: str = PAPER,
        seed: int = 0,
        convert: bool = False,
        continuous: bool = False,
        icc: str = CONVERT,
    ) -> OnlineSet:
        """All photos in the folder `pristine`, at any depth; None takes those of `builtin_photos`.

        `distortions` and `levels` are those of `rankiqa.distortions.plan`. No photo is read yet.

        Raises:
            InputError: an unknown type, level table or file, impossible strengths, a folder that is missing or holds no
                image, or the levels "psnr", which take too long.
            MissingExtra: a type needs an optional package that is not installed.
        """
        if levels == PSNR:
            raise InputError(
                "levels psnr needs whole images and takes too long for each batch",
                cure="make the ranked set on disk with make_ranks, and give its folder",
            )
        strengths = plan(distortions, levels)
        if pristine is None:
            folder, references = builtin_photos.folder(), sorted(builtin_photos.PHOTOS)
        else:
            folder, references = Path(pristine), list_images(pristine)
        in_order = {name: found for name in DISTORTIONS if (found := strengths.get(name)) is not None}
        return cls(folder, tuple(references), in_order, seed, convert, continuous, icc)

    @property
    def distortions(self) -> tuple[str, ...]:
        """Names of the types, in the registry's order."""
        return tuple(self.strengths)

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        """From each type to its levels, rising; 0, the pristine image, is the first."""
        return {name: tuple(range(len(of_type) + 1)) for name, of_type in self.strengths.items()}

    @cached_property
    def photos(self) -> dict[str, Photo]:
        """The photo of each reference, all of them read once; `InputError` for one that cannot be read."""
        _read.cache_clear()  # a file may be another one since
        return read_all_photos({name: self.folder / name for name in self.references}, self.convert, self.icc)

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of the photos' names and pixels, the types, their strengths and how they are drawn, and the seed."""
        photos = [(name, self.photos[name].sha256) for name in self.references]
        text = json.dumps([photos, list(self.strengths.items()), self.seed, *([True] if self.continuous else [])])
        return {"online_sha256": hashlib.sha256(text.encode()).hexdigest()}

    def select(self, references: Iterable[str]) -> OnlineSet:
        """The same with these references only; `InputError` names one that is not there."""
        wanted = set(references)
        if missing := wanted - set(self.references):
            raise InputError(f"holds no photo {min(missing)!r}", path=self.folder)
        if not wanted:
            raise InputError("no photo was selected", path=self.folder, cure="name at least one")
        return dataclasses.replace(self, references=tuple(sorted(wanted)))

    def image(self, reference: str, distortion: str, level: int) -> np.ndarray:
        """The whole image, uint8 H×W×3, pixel by pixel the one that `make_ranks` writes with the same seed.

        Level 0 gives the photo, read-only.
        """
        photo = self._photo(reference)
        if level == 0:
            return photo
        rng = np.random.default_rng(image_seed(self.seed, reference, distortion, level))
        return DISTORTIONS[distortion](photo, self._strength(distortion, level), rng)

    def draw_level(self, reference: str, distortion: str, level: int, seed: int = 0) -> float:
        """The level itself; `continuous`, one drawn from `seed`, in the part of the scale that is the level's.

        The strengths from the mildest to the strongest are shared out evenly to the levels, so that those of one photo
        stay in order and a step sees weak and strong ones. What is drawn counts as the levels do: 2.5 is halfway from
        level 2 to level 3. Strengths that are whole numbers may come out the same; then the levels do too. So do those
        of the same image, as of two qualities that a codec does not tell apart.
        """
        of_type = self.strengths[distortion]
        most = len(of_type) - 1
        if not (self.continuous and level and most):
            return level
        t = (level - 1 + generator(seed, "strength", reference, distortion, level).random()) / len(of_type)
        scale = DISTORTIONS[distortion].scale_of(of_type)
        return 1 + most * (scale.place(scale.drawn(t)) if scale.whole else t)

    def crop(
        self, reference: str, distortion: str, level: float, size: int, rng: np.random.Generator, seed: int = 0
    ) -> np.ndarray:
        """A size×size part of a distorted photo at a place drawn from `rng`, the rest of it not distorted if possible.

        The distortion draws from the `image_seed` of `seed`, so that a seed a step gives new noise at each step, and
        a stronger level of a nested type goes on where the weaker one of the same step stops.
        """
        return self.crop_pair(reference, distortion, level, size, rng, seed)[0]

    def check_judge(self, judge: Judge) -> None:
        """`MissingExtra` where what the metrics are computed with is not installed."""
        judge.need()

    def judged_crop(
        self,
        judge: Judge,
        reference: str,
        distortion: str,
        level: float,
        size: int,
        rng: np.random.Generator,
        seed: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `crop`, and the (M,) values of `judge`, which sees the same part of the photo beside it."""
        made, pristine = self.crop_pair(reference, distortion, level, size, rng, seed)
        try:
            return made, judge.look(made, pristine)
        except InputError as error:
            raise error.at(self.folder / reference) from None

    def crop_pair(
        self, reference: str, distortion: str, level: float, size: int, rng: np.random.Generator, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `crop`, and the photo's part at its place; of level 0 both are one."""
        photo = self._photo(reference)
        try:
            top, left = random_place(photo, size, rng)
            pristine = crop_at(photo, top, left, size)
            if level == 0:
                return pristine, pristine
            draws = np.random.default_rng(image_seed(seed, reference, distortion, level))
            strength = self._strength(distortion, level)
            kind = DISTORTIONS[distortion]
            if self.decoded is not None and level == int(level) and context_of(kind, strength) is None:
                made = self._whole(self.decoded, photo, reference, kind, strength, draws)
                return crop_at(made, top, left, size), pristine
            return distort_crop(kind, photo, strength, draws, top, left, size), pristine
        except InputError as error:  # the photo is too small, or a codec cannot hold it
            raise error.at(self.folder / reference) from None

    def _whole(
        self,
        decoded: Decoded,
        photo: np.ndarray,
        reference: str,
        kind: Distortion,
        strength: float,
        draws: np.random.Generator,
    ) -> np.ndarray:
        """A photo distorted as a whole; kept where nothing was drawn for it, as it will be the same in every step."""
        before = draws.bit_generator.state
        what = [self.photos[reference].sha256, kind.name, strength, distorting_code()]
        key = hashlib.sha256(json.dumps(what).encode()).hexdigest()
        return decoded.pixels(
            f"made-{key}", lambda: kind(photo, strength, draws), lambda _: draws.bit_generator.state == before
        )

    def _strength(self, distortion: str, level: float) -> float:
        of_type = self.strengths.get(distortion, ())
        if not 1 <= level <= len(of_type):
            raise InputError(f"no {distortion} level {level}; there is {self.levels}", path=self.folder)
        if level == int(level):
            return of_type[int(level) - 1]
        return DISTORTIONS[distortion].scale_of(of_type).at((level - 1) / (len(of_type) - 1))

    def _photo(self, reference: str) -> np.ndarray:
        def read() -> np.ndarray:
            return _read(self.folder / reference, self.convert, self.icc)

        if self.decoded is None:
            return read()
        sha256 = self.photos[reference].sha256
        return self.decoded.pixels(f"pixels-{sha256}", read, lambda image: pixels_sha256(image) == sha256)


@cache
def distorting_code() -> str:
    """SHA-256 of what the distortions are computed with: their sources, and the versions of the libraries in them."""
    digest = hashlib.sha256(repr([import_module(name).__version__ for name in _LIBRARIES]).encode())
    for path in sorted(Path(str(distortions.__file__)).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=_KEPT)
def _read(path: Path, convert: bool, icc: str) -> np.ndarray:
    image = read_image(path, convert, icc=icc)
    image.flags.writeable = False
    return image
