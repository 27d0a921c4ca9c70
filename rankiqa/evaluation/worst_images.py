"""The images whose score is farthest from the truth, and small pictures of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rankiqa.errors import InputError
from rankiqa.evaluation.items import VOTED
from rankiqa.evaluation.tables import is_ranked
from rankiqa.images.icc import CONVERT
from rankiqa.images.reading import read_image
from rankiqa.images.thumbnail import thumbnail
from rankiqa.metrics.correlation import linear_fit
from rankiqa.metrics.logistic import logistic_fit
from rankiqa.pages import data_address

WORST, SHOWN = 8, 10  # images in a table, and with pictures
THUMBNAIL = 160  # longer side in pixels


def worst_placed(scores: pd.DataFrame, count: int = WORST) -> list[dict]:
    """The images whose truth is farthest from the fitted curve through all scores, farthest first.

    The curve is the 4-parameter logistic for human scores, and the least-squares line for ranks or where there is no
    such fit. Each has path, distortion, level, native, score, truth, `fitted` (what the curve makes of the score, in
    the truth's unit) and `difference` = fitted − truth: positive where the score is too good. Empty where there is no
    curve.
    """
    fitted = linear_fit(scores["score"], scores["truth"])
    if not np.isfinite(fitted).all():
        return []
    if not is_ranked(scores):
        curve = logistic_fit(scores["score"], scores["truth"])
        fitted = curve.fitted if np.isfinite(curve.fitted).all() else fitted
    table = scores.drop(columns=VOTED, errors="ignore").assign(fitted=fitted, difference=fitted - scores["truth"])
    # a stable sort: the order of equal differences is that of the file
    order = np.argsort(-table["difference"].abs().to_numpy(), kind="stable")[:count]
    return table.iloc[order].to_dict("records")


def worst_images(scores: pd.DataFrame, files: Mapping[str, Path], icc: str = CONVERT) -> list[dict]:
    """`worst_placed` with a small picture of each, lest the report need the images; `files` finds them by path.

    The thumbnail of an image that is not in `files` is None. `icc` is that of `read_image`: they look as they were
    scored.
    """
    worst = worst_placed(scores, SHOWN)
    for image in worst:
        image["level"] = None if pd.isna(image["level"]) else int(image["level"])
        image["thumbnail"] = _thumbnail(files[image["path"]], icc) if image["path"] in files else None
    return worst


def _thumbnail(file: Path, icc: str) -> str | None:
    """The image as a data: address of a small JPEG; None where it cannot be read any more."""
    try:
        image = read_image(file, convert=True, icc=icc)
    except InputError:
        return None
    return data_address(thumbnail(image, THUMBNAIL), "image/jpeg")
