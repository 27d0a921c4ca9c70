"""A strip a type of the sets camera, codecs and photo, for the docs: the pristine photo, then its levels.

`python results/distortions/strips.py` writes docs/strips/TYPE.jpg, and chains.jpg: twelve draws of PHOTO3.

A type that looks at the whole photo is shown on all of it, reduced; the others on a part at its own size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rankiqa.distortions import DISTORTIONS, plan
from rankiqa.distortions.chains import read_recipe
from rankiqa.images import builtin_photos
from rankiqa.images.reading import read_image
from rankiqa.ranks.contact_sheet import draw_rows
from rankiqa.ranks.ranked_set import image_seed

DOCS = Path(__file__).parents[2] / "docs"
TODAYS = "camera,codecs,photo"
SIDE = 144  # pixels
PHOTO = "astronaut.png"
PARTS = {"astronaut.png": (60, 150), "chelsea.png": (60, 130), "coffee.png": (100, 200)}  # top, left
WHOLE = {"HAZE", "GLARE", "VIGN", "MISFOCUS", "SUBJECT", "FLARE", "HDR", "MOIRE", "OVER", "UNDER"}  # seen in all of it
SEEDS = 12
_JPEG = {"quality": 88, "subsampling": 0, "optimize": True}


def cut(image: np.ndarray, place: tuple[int, int] | None) -> np.ndarray:
    """A square of `SIDE` pixels: the part at (top, left), or the middle of the whole image, reduced."""
    if place is not None:
        return image[place[0] : place[0] + SIDE, place[1] : place[1] + SIDE]
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return cv2.resize(image[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def strip(name: str, photo: str) -> list[np.ndarray]:
    """The pristine photo and its levels."""
    image = read_image(builtin_photos.folder() / photo)
    place = None if name in WHOLE or "PHOTO" in name else PARTS[photo]
    cells = [cut(image, place)]
    for level, strength in enumerate(plan(name)[name], start=1):
        rng = np.random.default_rng(image_seed(0, photo, name, level))
        cells.append(cut(DISTORTIONS[name](image, strength, rng), place))
    return cells


def chains() -> Image.Image:
    """Twelve draws of three faults: a row each, with what was drawn."""
    photos = sorted(PARTS)
    rows = []
    for seed in range(SEEDS):
        image = read_image(builtin_photos.folder() / photos[seed % len(photos)])
        distortion = DISTORTIONS["PHOTO3"]
        steps = [step.name for step in read_recipe(distortion.recipe(1.0, seed))]
        cells = [("pristine", cut(image, None))]
        for level, t in enumerate(plan("PHOTO3")["PHOTO3"], start=1):
            cells.append((f"level {level}", cut(distortion(image, t, np.random.default_rng(seed)), None)))
        rows.append((" ".join(steps), cells))
    return draw_rows(f"PHOTO3, {SEEDS} draws; the whole photo, reduced", rows, SIDE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, default=DOCS / "strips", help="folder of the pictures")
    parser.add_argument("--types", default=TODAYS, help="sets and types")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for name in plan(options.types):
        gap = np.full((SIDE, 4, 3), 255, np.uint8)
        parts = [part for cell in strip(name, PHOTO) for part in (cell, gap)]
        Image.fromarray(np.concatenate(parts[:-1], axis=1)).save(options.out / f"{name}.jpg", **_JPEG)
    chains().convert("RGB").save(options.out / "chains.jpg", **_JPEG)


if __name__ == "__main__":
    main()
