"""How well a network orders photos that it has not been trained on, while it trains."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from rankiqa.images.photos import PRISTINE
from rankiqa.metrics.correlation import srocc
from rankiqa.metrics.ordered_pairs import ordered_across, ordered_within
from rankiqa.ranks.protocol import Ranks
from rankiqa.scoring.patches import score_image
from rankiqa.scoring.view import View

NUMBERS = ("srocc", "ordered_within", "ordered_across")


def validation_items(ranks: Ranks) -> list[tuple[str, str, int]]:
    """(reference, distortion, level) of all images; a pristine photo stands for level 0 of each type."""
    return [
        (reference, distortion, level)
        for reference in ranks.references
        for distortion in ranks.distortions
        for level in ranks.levels[distortion]
    ]


def score_ranks(
    model: nn.Module,
    ranks: Ranks,
    items: list[tuple[str, str, int]],
    view: View,
    device: torch.device,
    progress: bool = False,
) -> np.ndarray:
    """(n,) mean scores of the images; each is scored once, with crops that depend on its pixels and the seed."""
    from tqdm import tqdm

    # A photo has one pristine image, which is level 0 of each type.
    images = [item if item[2] else (item[0], PRISTINE, 0) for item in items]
    scores = {
        image: score_image(model, ranks.image(*image), view, device).mean
        for image in tqdm(
            dict.fromkeys(images),
            desc="validate",
            unit="image",
            leave=False,
            disable=not progress,
            mininterval=1,
        )
    }
    return np.array([scores[image] for image in images])


def summarize(items: list[tuple[str, str, int]], scores: np.ndarray) -> dict[str, dict[str, float]]:
    """Distortion → SROCC of score against −level, shares of ordered pairs in one photo and between photos.

    The row ALL is the mean over the distortions.
    """
    reference, distortion, level = (np.array(column) for column in zip(*items, strict=True))
    rows = {}
    for name in dict.fromkeys(distortion.tolist()):
        of = distortion == name
        counts = [f(scores[of], level[of], reference[of]) for f in (ordered_within, ordered_across)]
        shares = [correct / total if total else float("nan") for correct, total in counts]
        rows[name] = dict(zip(NUMBERS, [srocc(scores[of], -level[of]), *shares], strict=True))
    rows["ALL"] = {key: float(np.mean([row[key] for row in rows.values()])) for key in NUMBERS}
    return rows
