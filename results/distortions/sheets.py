"""A picture of each family of distortions: one photograph, a row a type, a column a level.

`python results/distortions/sheets.py` writes sheet_FAMILY.png beside this file.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.psnr import psnr
from rankiqa.images import builtin_photos
from rankiqa.images.reading import read_image
from rankiqa.ranks.contact_sheet import draw_rows, row_title
from rankiqa.ranks.ranked_set import image_seed

PHOTO = "astronaut.png"
CROPS = {"spatial": 256, "transmission": 256}  # pixels; elsewhere CROP
CROP = 144


def families(bm3d: bool) -> dict[str, list[str]]:
    """From the name of a file of `rankiqa.distortions` to the types that it makes; those made of two are MLIVE's."""
    found: dict[str, list[str]] = {}
    for name, distortion in DISTORTIONS.items():
        composed = isinstance(distortion.function, partial)
        family = "mlive" if composed else distortion.function.__module__.rpartition(".")[2]
        if distortion.extra is None or bm3d:
            found.setdefault(family, []).append(name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the pictures")
    parser.add_argument("--bm3d", action="store_true", help="with BM3D, which takes half a minute an image")
    options = parser.parse_args()
    image = read_image(builtin_photos.folder() / PHOTO)
    for family, names in families(options.bm3d).items():
        rows, crop = [], CROPS.get(family, CROP)
        for name in names:
            distortion = DISTORTIONS[name]
            table = next(t for t in ("tid2013-24", "kadid10k", "mlive") if t in distortion.levels)
            cells = [("0: pristine", image)]
            for level, strength in enumerate(distortion.levels[table], start=1):
                rng = np.random.default_rng(image_seed(0, PHOTO, name, level))
                made = distortion(image, strength, rng)
                cells.append((f"{level}: {distortion.label(strength)}, {psnr(image, made):.0f} dB", made))
            rows.append((row_title(name) if crop > CROP else name, cells))
        sheet = draw_rows(f"{PHOTO}, centre {crop}×{crop} pixels of {image.shape[1]}×{image.shape[0]}", rows, crop)
        sheet.save(options.out / f"sheet_{family}.png", optimize=True)


if __name__ == "__main__":
    main()
