"""Tone: fewer levels, brightness, contrast. Each value has a new one, wherever it stands in the image."""

from __future__ import annotations

import cv2
import numpy as np

from rankiqa.distortions.colour import from_lab, to_lab

_VALUES = np.arange(256, dtype=np.float64)


def quantization(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Keep few values: bins between the thresholds that leave the least variance within (Otsu's, multi-level).

    `strength` is the number of thresholds, 1–254, **lower is stronger**; `rng` is not used. The thresholds are the
    same for R, G and B, from all their samples; a bin becomes its mean (RankIQA's code takes the bin's edge, which
    shifts the brightness too). An image of no more values than bins stays as it is. uint8 H×W×3 in and out; `image`
    is not changed. Source: RankIQA (ICCV 2017), supplement; TID2013 type 7.
    """
    red, green, blue = (cv2.calcHist([image], [channel], None, [256], [0, 256]) for channel in range(3))
    histogram = red + green + blue
    return cv2.LUT(image, _quantized(histogram.ravel().astype(np.int64), int(strength) + 1))


def mean_shift(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Make all samples brighter or darker by the same; clip to the range, round to 8 bits.

    `strength` is the shift on 0–255, below 0 it darkens; further from 0 is stronger. `rng` is not used.
    uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 16.
    """
    return _mapped(image, _VALUES + strength)


def contrast(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Scale the distance from the mean of the image, one mean for all samples; clip to the range.

    `strength` is the factor: 1 is the original, further above or below 1 is stronger, 0 is one grey. `rng` is not
    used. RankIQA's code scales the distance from black, which changes the brightness as well. uint8 H×W×3 in and
    out; `image` is not changed. Source: RankIQA (ICCV 2017), supplement; TID2013 type 17.
    """
    mean = sum(cv2.mean(image)[:3]) / 3
    return _mapped(image, mean + strength * (_VALUES - mean))


def brighten(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Raise the middle tones by a curve, the parabola through (0, 0), (½, ½ + strength / 2) and (1, 1), clipped.

    Two parts of the curve on R, G and B are mixed with one part of the curve on L of CIE Lab. `strength` is twice the
    rise of the middle on [0, 1], more is stronger; `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: KADID-10k type 16 and its code.
    """
    return _bent(image, strength / 2)


def darken(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Lower the middle tones by a curve: `brighten` with the parabola through (½, ½ − strength / 2).

    `strength` is twice the fall of the middle on [0, 1], more is stronger; `rng` is not used. uint8 H×W×3 in and
    out; `image` is not changed. Source: KADID-10k type 17 and its code.
    """
    return _bent(image, -strength / 2)


def contrast_curve(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Bend R, G and B by the cubic through (0, 0), (¼, (1 − strength) / 4), (¾, (3 + strength) / 4), (1, 1), clipped.

    `strength` above 0 gives more contrast in the middle tones, below 0 less; further from 0 is stronger. `rng` is not
    used. uint8 H×W×3 in and out; `image` is not changed. Source: KADID-10k type 25.
    """
    x = _VALUES / 255
    return _mapped(image, 255 * (x - strength * 16 / 3 * x * (x - 0.5) * (x - 1)))


def _mapped(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Replace each sample v of `image` by `values[v]`."""
    return cv2.LUT(image, np.rint(values).clip(0, 255).astype(np.uint8))


def _bent(image: np.ndarray, rise: float) -> np.ndarray:
    curve = 255 * _parabola(np.linspace(0, 1, 256, dtype=np.float32), rise)
    lightness, a, b = cv2.split(to_lab(image))
    lightness = 100 * _parabola(lightness / 100, rise)
    bent = from_lab(cv2.merge((lightness, a, b)))
    return cv2.addWeighted(cv2.LUT(image, curve), 2 / 3, bent, 1 / 3, 0, dtype=cv2.CV_8U)


def _parabola(x: np.ndarray, rise: float) -> np.ndarray:
    return (x + np.float32(4 * rise) * x * (1 - x)).clip(0, 1)


def _quantized(histogram: np.ndarray, bins: int) -> np.ndarray:
    """The new value of each value of `histogram` (256 counts): the rounded mean of its bin, uint8.

    The bins are the optimal ones, found by dynamic programming over the values that occur: the best k + 1 bins up to a
    value are the best k bins up to some value before it, and one bin from there on.
    """
    values = np.flatnonzero(histogram)
    table = np.arange(256, dtype=np.uint8)
    if len(values) <= bins:
        return table
    count = np.concatenate(([0], histogram[values].cumsum()))
    total = np.concatenate(([0], (histogram[values] * values).cumsum()))
    # Of the bin of values i … j − 1 at [i, j]: the squared sum over the count, whose sum over the bins is largest
    # where the squared error is least.
    counts = count - count[:, None]
    gain = np.where(counts > 0, (total - total[:, None]) ** 2.0 / np.maximum(counts, 1), -np.inf)
    best, starts = gain[0], []
    for _ in range(bins - 1):
        candidates = best[:, None] + gain
        starts.append(candidates.argmax(axis=0))
        best = candidates.max(axis=0)
    end = len(values)
    for start in [*reversed(starts), np.zeros(end + 1, int)]:
        begin = start[end]
        table[values[begin:end]] = np.rint((total[end] - total[begin]) / (count[end] - count[begin]))
        end = begin
    return table
