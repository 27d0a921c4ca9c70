"""Embedded colour profiles (ICC), converted to sRGB, which networks and screens take for granted.

Relative colorimetric, in 8 bits, by Little CMS, which comes with Pillow.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.images.notes import note

CHOICES = ("convert", "ignore")
CONVERT, IGNORE = CHOICES

_Convert = Callable[[Image.Image], Image.Image]

_MOST = 8 << 20  # bytes; those of printing presses, which are the largest, have two or three million
_CLASSES = ("mntr", "scnr", "prtr", "spac")  # of profiles that say what the numbers of a picture mean
_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
# From a Pillow mode to that of its colours alone.
_COLOURS = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK"} | dict.fromkeys(("RGB", "RGBA", "P", "PA"), "RGB")
_SAME = 1  # the difference up to which a profile is sRGB itself: its curve is often a table, and 8 bits are rounded


def check_icc(icc: str) -> None:
    """Raise `InputError` for a choice that is not one of `CHOICES`."""
    if icc not in CHOICES:
        raise InputError(f"icc must be {' or '.join(CHOICES)}, not {icc!r}")


def srgb_conversion(image: Image.Image, profile: Any, path: Path | None) -> _Convert | None:
    """What makes sRGB of an image with an embedded profile, or of a part of it: RGB, or RGBA where there is alpha.

    None where nothing is to be done: there is no profile, it is sRGB itself, or it cannot be used: damaged, or for
    other channels than the image has. The last is noted, with the `path`.
    """
    mode = _COLOURS.get(image.mode)
    if not profile or mode is None:
        return None
    transform = _transform(bytes(profile), mode)
    if isinstance(transform, str):
        note(path, f"its colour profile is ignored: {transform}")
        return None
    return None if transform is None else lambda part: _apply(transform, mode, part)


def _apply(transform: _Convert, mode: str, part: Image.Image) -> Image.Image:
    has_alpha = part.mode in ("RGBA", "LA", "La", "PA") or "transparency" in part.info
    whole = part.convert("RGBA") if has_alpha else part
    if part.mode == "La":  # multiplied by alpha
        part = part.convert("LA")
    colours = (whole if mode == "RGB" else part).convert(mode)
    made = transform(colours)
    if has_alpha:
        made.putalpha(whole.getchannel("A"))
    return made


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> _Convert | str | None:
    """What makes sRGB of the colours alone; None for sRGB itself; a text, why there is none."""
    from PIL import ImageCms

    if len(profile) > _MOST:
        return "it is too large"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space, kind = source.profile.xcolor_space, source.profile.device_class
        if kind not in _CLASSES:
            return "it is not one of a picture"
        if space != _SPACES[mode]:
            return f"it is for {space.strip()}, and the pixels are {_SPACES[mode].strip()}"
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        # Little CMS would make a coarse table of a grey curve, wrong by ten in the shadows.
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(source, target, mode, "RGB", renderingIntent=intent, flags=flags)
        if mode == "CMYK":
            return transform.apply
        samples = _samples(mode)
        found = np.asarray(transform.apply(samples))
        if np.abs(found.astype(int) - np.asarray(samples.convert("RGB"))).max() <= _SAME:
            return None
        return transform.apply if mode == "RGB" else lambda grey: Image.fromarray(found[0][np.asarray(grey)])
    except Exception:  # whatever Pillow makes of what Little CMS says of a damaged one
        return "it is damaged"


def _samples(mode: str) -> Image.Image:
    """A grid of colours, and all greys."""
    grey = np.arange(256, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(grey[None])
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    return Image.fromarray(np.concatenate([grid, np.repeat(grey[None, :, None], 3, axis=2)], axis=1))
