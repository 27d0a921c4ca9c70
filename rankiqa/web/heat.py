"""A heat map to lay over a photo on a page: clear where it is good, yellow to dark red where it is not."""

from __future__ import annotations

import io

import numpy as np

from rankiqa.scoring.heatmap import QualityMap

LONGEST = 640  # pixels of the longer side; a page enlarges it smoothly
ALPHA = 0.75  # of the worst places
# ColorBrewer 2.0, YlOrRd, nine classes (Brewer, Harrower): what `rankiqa heatmap` has from matplotlib.
_COLOURS = ("ffffcc", "ffeda0", "fed976", "feb24c", "fd8d3c", "fc4e2a", "e31a1c", "bd0026", "800026")


def overlay(quality: QualityMap) -> bytes:
    """A PNG with transparency, of the proportions of the photo.

    The colours span the model's scale from 0 to 1, so that two photos compare; without such a scale, this photo's
    lowest to highest score.
    """
    from PIL import Image

    height, width = quality.image.shape[:2]
    factor = min(1.0, LONGEST / max(height, width))
    scores = quality.at_pixels(max(1, round(height * factor)), max(1, round(width * factor)))
    low, high = quality.low, quality.high
    if low is None or high is None:
        low, high = float(scores.min()), float(scores.max())
    lost = 1 - np.clip((scores - low) / (high - low if high > low else 1.0), 0, 1)
    table = np.array([[int(colour[k : k + 2], 16) for k in (0, 2, 4)] for colour in _COLOURS], dtype=float)
    places = np.linspace(0, 1, len(table))
    channels = [np.interp(lost, places, table[:, channel]) for channel in range(3)]
    alpha = 255 * ALPHA * np.minimum(1, 2 * lost)  # half lost is as plain as all lost
    picture = np.stack([*channels, alpha], axis=-1).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
