"""Colours: saturation, the colour planes moved or blurred, few colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from rankiqa.distortions.rounding import to_uint8

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601
_CELLS = 32  # per channel, of the histogram that a palette is made from


def saturation(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Scale Cb and Cr of YCbCr about their neutral value; the luminance stays, but for clipping.

    `strength` is the factor: 1 is the original, 0 is grey, below 0 the hues turn into their opposites, **lower is
    stronger**. `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 18.
    """
    # Cb and Cr are multiples of B − Y and R − Y: scaling them moves every channel along its line through Y.
    matrix = strength * np.eye(3, dtype=np.float32) + (1 - strength) * _LUMA
    return to_uint8(cv2.transform(image.astype(np.float32), matrix))


def hsv_saturation(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Scale the saturation S of HSV; hue and value V stay, but for clipping.

    `strength` is the factor: 1 is the original, 0 is grey, below 0 the hues turn into their opposites, **lower is
    stronger**. `rng` is not used. uint8 H×W×3 in and out; `image` is not changed. Source: KADID-10k type 7.
    """
    red, green, blue = cv2.split(image)
    value = cv2.max(cv2.max(red, green), blue)
    # S is (V − min) / V: scaling it moves every channel along its line through V.
    return cv2.addWeighted(image, strength, cv2.merge((value, value, value)), 1 - strength, 0)


def lab_saturation(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Scale a and b of CIE Lab; what leaves sRGB is clipped.

    `strength` is the factor: 1 is the original, above 1 the colours are richer. `rng` is not used.
    uint8 H×W×3 in and out; `image` is not changed. Source: KADID-10k type 8.
    """
    return from_lab(cv2.transform(to_lab(image), np.diag(np.array((1, strength, strength), np.float32))))


def colour_diffusion(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur a and b of CIE Lab by a Gaussian and amplify them: rich colours run over the edges.

    `strength` is both the factor on a and b and, as σ = 1.5 · strength + 2 pixels, the blur (MATLAB's imgaussfilt:
    cut at 2 σ, edge pixel repeated); more is stronger. `rng` is not used. uint8 H×W×3 in and out; `image` is not
    changed. Source: KADID-10k type 4.
    """
    lightness, a, b = cv2.split(to_lab(image))
    width = 2 * diffusion_reach(strength) + 1
    chroma = cv2.GaussianBlur(
        cv2.merge((a, b)), (width, width), _diffusion_sigma(strength), borderType=cv2.BORDER_REPLICATE
    )
    chroma *= np.float32(strength)
    return from_lab(cv2.merge((lightness, *cv2.split(chroma))))


def diffusion_reach(strength: float) -> int:
    """Half width in pixels of the blur of `colour_diffusion`."""
    return math.ceil(2 * _diffusion_sigma(strength))


def colour_shift(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Move the green channel to the lower right, most where the image has edges: they get coloured fringes.

    `strength` is the distance in pixels, rounded in x and y; more is stronger. The direction, between right and
    down, comes from `rng` and is the same for all strengths. The moved channel, the border reflected, is blended in by
    a map in [0, 1]: the gradient of the grey image, blurred (σ 4 px), from its 1st to its 99th percentile. Pixel by
    pixel the error stops growing once the shift exceeds the details; seen from further off (blurred by 2 px) it
    grows with every level. uint8 H×W×3 in and out; `image` is not changed. Source: KADID-10k type 5.
    """
    direction = 1 - rng.random(2)  # in (0, 1], so that there is a direction
    right, down = np.rint(strength * direction / np.hypot(*direction)).astype(int).tolist()
    red, green, blue = cv2.split(image)
    change = _edge_map(image)
    change *= cv2.subtract(_moved(green, right, down, cv2.BORDER_REFLECT), green, dtype=cv2.CV_32F)
    return cv2.merge((red, cv2.add(change, green, dtype=cv2.CV_8U), blue))


def chromatic_aberration(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Move red to the right, and blue by half as much (rounded down), then blur by a 3×3 Gaussian of σ 0.5 px.

    `strength` is the shift of red in whole pixels, more is stronger; `rng` is not used. The columns at the left edge
    are repeated, the border of the blur is reflected (RankIQA's code leaves the old columns, and moves green in place
    of blue). uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 23.
    """
    red, green, blue = cv2.split(image)
    red = _moved(red, int(strength), 0, cv2.BORDER_REPLICATE)
    blue = _moved(blue, int(strength) // 2, 0, cv2.BORDER_REPLICATE)
    profile = cv2.getGaussianKernel(3, 0.5, cv2.CV_32F)
    # Not GaussianBlur, which rounds the kernel to 8 bits for 8-bit images.
    return cv2.filter2D(cv2.merge((red, green, blue)), -1, profile @ profile.T, borderType=cv2.BORDER_REFLECT)


def aberration_reach(strength: float) -> int:
    """What `chromatic_aberration` looks at around a pixel, in pixels: the shift and the blur."""
    return int(strength) + 1


def colour_quantization(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Keep few colours, the palette of minimum variance, with Floyd–Steinberg dither (MATLAB's rgb2ind).

    `strength` is the number of colours, 2–256, **lower is stronger**; `rng` is not used. uint8 H×W×3 in and out;
    `image` is not changed. Source: RankIQA (ICCV 2017), supplement; TID2013 type 22.
    """
    palette = Image.new("P", (1, 1))
    palette.putpalette(_minimum_variance_palette(image, int(strength)).tobytes())
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.array(picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))


def to_lab(image: np.ndarray) -> np.ndarray:
    """CIE Lab (D65; L 0–100) of uint8 H×W×3 sRGB, as float32."""
    # OpenCV interpolates sRGB to Lab in a coarse table, with errors of up to 0.4; from linear RGB it computes.
    return cv2.cvtColor(cv2.LUT(image, _LINEAR), cv2.COLOR_LRGB2Lab)


def from_lab(lab: np.ndarray) -> np.ndarray:
    """uint8 sRGB of float32 CIE Lab; colours that sRGB lacks are clipped channel by channel."""
    return cv2.convertScaleAbs(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), alpha=255)


def _linear_srgb() -> np.ndarray:
    values = np.arange(256) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _linear_srgb()


def _moved(channel: np.ndarray, right: int, down: int, border: int) -> np.ndarray:
    height, width = channel.shape
    return cv2.copyMakeBorder(channel, down, 0, right, 0, border)[:height, :width]


def _diffusion_sigma(strength: float) -> float:
    return 1.5 * strength + 2


def _edge_map(image: np.ndarray) -> np.ndarray:
    """How near each pixel is to edges, 0 to 1, as float32; 0 everywhere for an image without any."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    across, along = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, borderType=cv2.BORDER_REPLICATE) for dx in (1, 0))
    edges: np.ndarray = cv2.GaussianBlur(cv2.magnitude(across, along), (17, 17), 4, borderType=cv2.BORDER_REPLICATE)
    low, high = float(edges.min()), float(edges.max())
    if low == high:
        return np.zeros_like(edges)
    edges -= low
    edges /= high - low
    np.maximum(edges, 0.1, out=edges)
    low, high = np.percentile(edges, (1, 99))
    edges -= low
    edges /= max(high - low, 1e-6)
    return np.minimum(np.maximum(edges, 0, out=edges), 1, out=edges)


def _minimum_variance_palette(image: np.ndarray, size: int) -> np.ndarray:
    """The mean colours, uint8 N×3 with N ≤ `size`, of boxes in RGB that leave little variance within.

    The box and the cut that take away most of the squared error come first. Sums over boxes and their halves are
    differences of cumulative sums over a histogram (X. Wu, "Efficient statistical computations for optimal color
    quantization", Graphics Gems II, 1991), whose cells divide the range of each channel.
    """
    pixels = image.reshape(-1, 3)
    cells = np.zeros(len(pixels), np.intp)
    channels: Sequence[np.ndarray] = cv2.split(image)
    for channel in channels:
        low, high = int(channel.min()), int(channel.max())
        cell = (np.arange(256) - low) * _CELLS // max(high - low + 1, _CELLS)
        cells *= _CELLS
        cells += cell.take(channel.ravel())
    weights = (None, *pixels.T)
    counts = [np.bincount(cells, w, _CELLS**3).reshape((_CELLS,) * 3) for w in weights]
    sums = np.zeros((4, *(_CELLS + 1,) * 3))
    sums[:, 1:, 1:, 1:] = np.stack(counts).cumsum(1).cumsum(2).cumsum(3)

    whole = ((0, _CELLS),) * 3
    boxes = [(*_best_cut(sums, whole), whole)]
    while len(boxes) < size:
        _, halves, _ = best = max(boxes, key=lambda box: box[0])
        if halves is None:
            break
        boxes.remove(best)
        boxes += [(*_best_cut(sums, half), half) for half in halves]
    totals = np.array([_along(sums, box, 0)[:, -1] for *_, box in boxes])
    return np.rint(totals[:, 1:] / totals[:, :1]).astype(np.uint8)


def _along(sums: np.ndarray, box: tuple, axis: int) -> np.ndarray:
    """4×(n + 1): count and sums of R, G and B in the part of `box` before each of its planes across `axis`."""
    (low, high), (first, last), (start, end) = (box[axis], *(box[other] for other in range(3) if other != axis))
    planes = np.moveaxis(sums, axis + 1, 1)[:, low : high + 1]
    line = planes[:, :, last, end] - planes[:, :, first, end] - planes[:, :, last, start] + planes[:, :, first, start]
    return line - line[:, :1]


def _best_cut(sums: np.ndarray, box: tuple) -> tuple[float, tuple | None]:
    """By how much the best cut of `box` lowers the squared error, and the two halves; 0 where none does."""
    best, halves = 0.0, None
    for axis, (low, high) in enumerate(box):
        line = _along(sums, box, axis)
        total, left = line[:, -1:], line[:, 1:-1]
        right = total - left
        if not left.shape[1]:
            continue
        energy = [(part[1:] ** 2).sum(0) / np.maximum(part[0], 1) for part in (left, right, total)]
        gain = np.where(left[0] * right[0] > 0, energy[0] + energy[1] - energy[2], 0)
        place = int(gain.argmax())
        if gain[place] > best + 1e-6:
            best, middle = float(gain[place]), low + 1 + place
            halves = tuple((*box[:axis], side, *box[axis + 1 :]) for side in ((low, middle), (middle, high)))
    return best, halves
