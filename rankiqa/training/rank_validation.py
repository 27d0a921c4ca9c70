"""How well a network orders photos that it has not been trained on, while it trains."""

from __future__ import annotations

import os

import numpy as np
import torch

from rankiqa.errors import InputError
from rankiqa.images.photos import PRISTINE
from rankiqa.metrics.correlation import srocc
from rankiqa.metrics.ordered_pairs import ordered_across, ordered_within
from rankiqa.models import RankModel
from rankiqa.models.parts import statistics_of
from rankiqa.parallel import ahead
from rankiqa.ranks.protocol import Ranks
from rankiqa.scoring.inputs import inputs_of
from rankiqa.scoring.passes import Passes, Shown, together
from rankiqa.scoring.patches import score_batch
from rankiqa.scoring.view import View

READERS = 8  # threads that read for a GPU
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
    model: RankModel,
    ranks: Ranks,
    items: list[tuple[str, str, int]],
    view: View,
    device: torch.device,
    progress: bool = False,
) -> np.ndarray:
    """(n,) mean scores of the images; each is scored once, with crops that depend on its pixels and the seed.

    A GPU is given images of one shape together, which threads read ahead.

    Raises:
        InputError: an image cannot be read, or is too small for the network.
    """
    from tqdm import tqdm

    view, reduced = view.of(model), statistics_of(model) is not None
    # A photo has one pristine image, which is level 0 of each type.
    images = [item if item[2] else (item[0], PRISTINE, 0) for item in items]
    wanted = list(dict.fromkeys(images))

    def show(image: tuple[str, str, int]) -> Shown:
        pixels = ranks.image(*image)
        return Shown(
            ranks.folder / image[0], inputs_of(pixels, model.crop, view, reduced), (pixels.shape[0], pixels.shape[1])
        )

    many = together(device, view)
    passes = Passes(lambda batch: score_batch(model, batch, device, view), many)
    shown = ahead(show, wanted, min(READERS, os.cpu_count() or 1) if many else 0, passes.ahead)
    results = tqdm(
        passes.over(shown), "validate", len(wanted), unit="image", leave=False, disable=not progress, mininterval=1
    )
    scores = {}
    for image, result in zip(wanted, results, strict=True):
        if isinstance(result, InputError):
            raise result
        scores[image] = result.mean
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
