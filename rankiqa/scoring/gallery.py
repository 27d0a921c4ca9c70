"""A contact sheet: one page with small pictures of images and their scores, best first, that needs no network."""

from __future__ import annotations

import base64
import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rankiqa.extras import extra
from rankiqa.pages import data_address, environment
from rankiqa.printable import printable
from rankiqa.scoring.score_table import Result, best_first

THUMBNAIL = 240  # longer side in pixels
TEMPLATE, SCRIPT = "gallery.html.j2", "gallery_script.js.j2"
# What the page can be filtered by: the attribute of a score, and what people see.
MEASURES = {"unit": "score 0–1", "percentile": "percentile", "value": "raw score"}


def gallery(
    results: Sequence[Result], folder: str | os.PathLike[str], title: str, meaning: str, details: str = ""
) -> str:
    """The page, as HTML.

    Args:
        results: in any order; those without a score are listed at the end with the reason.
        folder: where the page will lie: its links to the images are relative to it.
        title: of the page.
        meaning: what the numbers mean, in one sentence.
        details: how the scores were made.
    """
    with extra("report"):
        from markupsafe import Markup

    pages = environment()
    scored = [result for result in best_first(results) if result.score is not None]
    # The page runs this script and no other, nor does it load anything: its policy names the hash.
    script = pages.get_template(SCRIPT).render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shared = _shared_folder([result.file for result in scored])
    known = [key for key in MEASURES if any(math.isfinite(getattr(result.score, key)) for result in scored)]
    return pages.get_template(TEMPLATE).render(
        title=printable(title),
        meaning=meaning,
        details=details,
        cards=[_card(place, result, folder, shared) for place, result in enumerate(scored, 1)],
        failed=[(printable(result.file), printable(result.reason)) for result in results if result.score is None],
        measures={key: MEASURES[key] for key in known},
        script=Markup(script),
        script_hash=digest,
    )


def _shared_folder(files: Sequence[str]) -> str:
    """The folder that all lie in, as there is no need to name it in each; "" where there is none."""
    try:
        return os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files])
    except ValueError:  # no files, or other drives
        return ""


def _card(place: int, result: Result, folder: str | os.PathLike[str], shared: str) -> dict[str, Any]:
    score = result.score
    assert score is not None  # only such are shown as cards
    picture = result.thumbnail and data_address(result.thumbnail, "image/jpeg")
    return {
        "place": place,
        "name": printable(os.path.relpath(result.file, shared) if shared else result.file),
        "path": printable(result.file),
        "link": link(result.file, folder),
        "picture": picture,
        "numbers": {key: getattr(score, key) for key in MEASURES if math.isfinite(getattr(score, key))},
        "spread": score.spread,
        "note": score.note,
    }


def link(file: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str:
    """The address of a file from a page in `folder`: relative, or where there is no way (another drive) absolute."""
    try:
        path = os.path.relpath(file, folder)
    except ValueError:
        return Path(os.path.abspath(file)).as_uri()
    return quote(os.fsencode(path.replace(os.sep, "/")))
