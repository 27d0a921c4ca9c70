"""Where in a photo the quality is lost: the scores of its places, in colour over the photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.images.crops import LEAST_SIDE, check_least, fit, reduce
from rankiqa.images.icc import CONVERT
from rankiqa.images.pixels import pixels_of
from rankiqa.models.parts import parts_of, statistics_of
from rankiqa.scoring.dense import places_of, score_map
from rankiqa.scoring.patches import evaluating
from rankiqa.scoring.scorer import LEAST, Scorer
from rankiqa.scoring.windows import FINE, Windows

COLOURS = "YlOrRd"  # of matplotlib: darker is worse, also in print and with colour blindness
LONGEST = 1600  # pixels of the longer side of the picture
SCALES = ("model", "image")


@dataclass(frozen=True)
class QualityMap:
    """The scores of the places of one image.

    Attributes:
    ----------
    scores
        (rows, columns) float64, raw scores, higher is better; their mean is near the image's score.
    y, x
        (rows,) and (columns,), the middle of each place in pixels.
    image
        uint8 H×W×3, what was looked at.
    low, high
        The raw scores that are 0 and 1 on the model's scale; None for a model without one.
    """

    scores: np.ndarray
    y: np.ndarray
    x: np.ndarray
    image: np.ndarray
    low: float | None
    high: float | None

    def at_pixels(self, height: int, width: int) -> np.ndarray:
        """The scores interpolated to a picture of height×width, float64; beyond the outermost places they go on."""
        y = (np.arange(height) + 0.5) * self.image.shape[0] / height
        x = (np.arange(width) + 0.5) * self.image.shape[1] / width
        down = np.stack([np.interp(y, self.y, column) for column in self.scores.T], axis=1)
        return np.stack([np.interp(x, self.x, row) for row in down])


def quality_map(
    scorer: Scorer, image: Any, small: str = "reflect", icc: str = CONVERT, window: int | None = None
) -> QualityMap:
    """Score the places of an image: what `rankiqa.images.pixels.pixels_of` takes, with its `icc`.

    The places are those of the features where the network averages over them, windows of 128 px or of `window` where it
    ends in statistics of its stages, and windows of the size of a crop where its top is anything else, which is
    coarser. A network that ends in statistics looks at a large photo reduced, as it does in the mode "whole"; the map
    is of the photo as it came.

    Args:
        scorer: what `rankiqa.load` gives.
        image: its pixels, or where they are.
        small: what becomes of an image smaller than a crop, or a window; as of `rankiqa.scoring.view.View`.
        icc: of `pixels_of`.
        window: side of the windows in pixels of the image as the network sees it. Smaller ones show more and are less
            sure.

    Raises:
        InputError: not an image, one below 32 pixels, a network that `rankiqa.models.parts.check_dense` refuses, or a
            window for one that does not end in statistics.
    """
    network = scorer.network
    if statistics_of(network) is not None:
        return _statistics_map(scorer, image, small, icc, FINE if window is None else Windows(window))
    if window is not None:
        raise InputError(f"{network.name}: its map has no windows to choose, as its features have places of their own")
    places = parts_of(network).averages
    network = scorer.scoring
    pixels = pixels_of(image, icc)
    check_least(pixels, LEAST)
    pixels = fit(pixels, network.crop, small)
    with evaluating(network):
        found = score_map(network, torch.from_numpy(pixels.copy()).permute(2, 0, 1), scorer.device, places)
    return QualityMap(found, *places_of(network, found.shape, places), pixels, scorer.low, scorer.high)


def _statistics_map(scorer: Scorer, image: Any, small: str, icc: str, windows: Windows) -> QualityMap:
    pixels = pixels_of(image, icc)
    check_least(pixels, LEAST)
    reduced = reduce(pixels)
    seen = fit(reduced, max(LEAST_SIDE, windows.side), small)
    network = scorer.scoring
    with evaluating(network):
        tensor = torch.from_numpy(seen.copy()).permute(2, 0, 1)
        found = score_map(network, tensor, scorer.device, windows=windows)
    y, x = (windows.middles(length).numpy() for length in seen.shape[:2])
    if seen is reduced:  # back on the photo as it came
        y, x = y * pixels.shape[0] / seen.shape[0], x * pixels.shape[1] / seen.shape[1]
        seen = pixels
    return QualityMap(found, y, x, seen, scorer.low, scorer.high)


def write_heatmap(
    path: str | Path, quality: QualityMap, title: str = "", scale: str = "model", alpha: float = 0.7
) -> None:
    """Write a PNG: the photo in grey, lost quality over it in colour, and what the colours mean.

    A good place stays grey; the worse it is, the more a yellow that turns to dark red covers it.

    Args:
        path: of the PNG.
        quality: what `quality_map` gives.
        title: over the picture.
        scale: what the colours span: "model", from 0 to 1 of the model's scale, so that maps of two photos compare
            (without such a scale as "image"); "image", from this image's lowest score to its highest.
        alpha: how much the worst places are covered, 0–1.
    """
    import io

    with extra("report"):
        from matplotlib.figure import Figure

    from rankiqa.files import write_atomically

    if scale not in SCALES:
        raise InputError(f"scale must be {' or '.join(SCALES)}, not {scale!r}")
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha must be in [0, 1], not {alpha:g}")
    height, width = quality.image.shape[:2]
    factor = min(1, LONGEST / max(height, width))
    height, width = max(1, round(height * factor)), max(1, round(width * factor))
    grey = Image.fromarray(quality.image).resize((width, height), Image.Resampling.LANCZOS).convert("L")
    scores, label = quality.at_pixels(height, width), "raw score"
    low, high = scores.min(), scores.max()
    if scale == "model" and quality.low is not None and quality.high is not None:
        scores, label = (scores - quality.low) / (quality.high - quality.low), "quality"
        low, high = 0.0, 1.0
    dpi = 100
    bar, head = 110, 40 if title else 12
    figure = Figure(figsize=((width + bar + 24) / dpi, (height + head + 12) / dpi), dpi=dpi)
    whole = width + bar + 24, height + head + 12
    axes = figure.add_axes((12 / whole[0], 12 / whole[1], width / whole[0], height / whole[1]))
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    shown = axes.imshow(scores, cmap=_fading(alpha), vmin=low, vmax=high)
    axes.set_axis_off()
    beside = figure.add_axes(((width + 24) / whole[0], 12 / whole[1], 16 / whole[0], height / whole[1]))
    beside.set_facecolor("0.5")  # as over a photo of middle grey
    figure.colorbar(shown, cax=beside, label=f"{label} (higher is better)")
    if title:
        figure.text(12 / whole[0], 1 - 14 / whole[1], title, va="top", fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())


def _fading(alpha: float) -> Any:
    """From the colour of the worst, covering by `alpha`, to none at all for the best."""
    with extra("report"):
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap

    lost = np.linspace(1, 0, 256)
    colours = colormaps[COLOURS](lost)
    colours[:, 3] = alpha * np.minimum(1, 2 * lost)  # half lost is as plain as all lost
    return ListedColormap(colours)
