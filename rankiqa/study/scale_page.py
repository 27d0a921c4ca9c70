"""A page with the scale of a study, which needs no network: photos in order, what people disagree on, raters."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError
from rankiqa.pages import data_address, environment
from rankiqa.printable import printable
from rankiqa.study.scale import Scale

TEMPLATE = "scale.html.j2"
THUMBNAIL = 240  # longer side in pixels
MOST_SPLITS = 24  # pairs that are shown


def scale_page(scale: Scale, title: str, folder: str | os.PathLike[str] | None = None) -> str:
    """The page, as HTML.

    Args:
        scale: what it shows.
        title: of the page.
        folder: that the paths of the photos start from; None, or a photo that cannot be read: no picture.
    """
    pictures = _pictures(scale, folder) if folder is not None else {}
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
                    "place": place,
                    "score": float(scale.score[k]),
                    "low": float(scale.low[k]),
                    "high": float(scale.high[k]),
                    "votes": int(scale.votes[k]),
                    "start": 100 * (float(scale.low[k]) - low) / wide,
                    "width": 100 * float(scale.high[k] - scale.low[k]) / wide,
                }
                for place, k in enumerate(scale.order(), 1)
            ],
            splits=[
                {"better": shown(split.better), "worse": shown(split.worse), "split": split}
                for split in scale.splits[:MOST_SPLITS]
            ],
            more_splits=max(0, len(scale.splits) - MOST_SPLITS),
            raters=scale.raters,
            unseen=[printable(path) for path in scale.unseen],
        )
    )


def _pictures(scale: Scale, folder: str | os.PathLike[str]) -> dict[str, str]:
    """The photos that can be read, small, as addresses that need no file."""
    from tqdm import tqdm

    from rankiqa.images.reading import read_image
    from rankiqa.images.thumbnail import thumbnail

    pictures = {}
    for path in tqdm(scale.photos, "pictures", leave=False, unit=" photos", disable=None, delay=2):
        try:
            image = read_image(Path(folder, path), convert=True)
        except InputError:
            continue
        pictures[path] = data_address(thumbnail(image, THUMBNAIL), "image/jpeg")
    return pictures
