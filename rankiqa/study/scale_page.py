"""A page with the scale of a study, which needs no network: photos in order, what people disagree on, raters."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError
from rankiqa.pages import data_address, environment
from rankiqa.printable import printable
from rankiqa.study.scale import Scale

TEMPLATE = "scale.html.j2"
THUMBNAIL = 240  # longer side in pixels
MOST_SPLITS = 24  # pairs that are shown
MOST_PHOTOS, ENDS = 1000, 400  # that are shown; of more, so many from either end, and the rest from between


def scale_page(scale: Scale, title: str, folder: str | os.PathLike[str] | None = None) -> str:
    """The page, as HTML.

    Args:
        scale: what it shows.
        title: of the page.
        folder: that the paths of the photos start from; None, or a photo that cannot be read: no picture.
    """
    places, splits = shown_places(len(scale.photos)), scale.splits[:MOST_SPLITS]
    order = scale.order()
    seen = [scale.photos[order[place]] for place in places]
    seen += [path for split in splits for path in (split.better, split.worse)]
    pictures = _pictures(seen, folder) if folder is not None else {}
    low, high = float(scale.low.min()), float(scale.high.max())
    wide = high - low or 1.0

    def shown(path: str) -> dict[str, Any]:
        return {"name": printable(path), "picture": pictures.get(path)}

    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            title=printable(title),
            unit=scale.unit,
            votes=sum(rater.votes for rater in scale.raters),
            held_out=scale.held_out,
            alphas=[
                (what, value)
                for what, value in (("comparisons", scale.alpha_comparisons), ("ratings", scale.alpha_ratings))
                if math.isfinite(value)
            ],
            photos=[
                shown(scale.photos[k])
                | {
                    "place": place + 1,
                    "score": float(scale.score[k]),
                    "low": float(scale.low[k]),
                    "high": float(scale.high[k]),
                    "votes": int(scale.votes[k]),
                    "start": 100 * (float(scale.low[k]) - low) / wide,
                    "width": 100 * float(scale.high[k] - scale.low[k]) / wide,
                }
                for place, k in ((place, order[place]) for place in places)
            ],
            all_photos=len(scale.photos),
            ends=ENDS,
            splits=[{"better": shown(split.better), "worse": shown(split.worse), "split": split} for split in splits],
            more_splits=len(scale.splits) - len(splits),
            raters=scale.raters,
            unseen=[printable(path) for path in scale.unseen],
        )
    )


def shown_places(photos: int) -> list[int]:
    """Which places of so many, from 0, are shown: all; or both ends and, at even distances, some between them.

    A page holds its pictures, some 15 kB each.
    """
    if photos <= MOST_PHOTOS:
        return list(range(photos))
    number = MOST_PHOTOS - 2 * ENDS
    between = (ENDS + (photos - 2 * ENDS) * k // number for k in range(number))
    return [*range(ENDS), *between, *range(photos - ENDS, photos)]


def _pictures(paths: Iterable[str], folder: str | os.PathLike[str]) -> dict[str, str]:
    """The photos that can be read, small, as addresses that need no file."""
    from tqdm import tqdm

    from rankiqa.images.reading import read_image
    from rankiqa.images.thumbnail import thumbnail

    pictures, once = {}, dict.fromkeys(paths)
    for path in tqdm(once, "pictures", leave=False, unit=" photos", disable=None, delay=2):
        try:
            image = read_image(Path(folder, path), convert=True)
        except InputError:
            continue
        pictures[path] = data_address(thumbnail(image, THUMBNAIL), "image/jpeg")
    return pictures
