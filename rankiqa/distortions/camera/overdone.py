"""Processing overdone: what a phone or its owner does to make a photo better, and does too much of."""

from __future__ import annotations

import math

import cv2
import numpy as np

from rankiqa.distortions.camera.light import to_light, to_pixels

_PASSES, _SIDE = 8, 5  # of the bilateral filter; its side in pixels
SMOOTH_REACH = _PASSES * (_SIDE // 2)

_HALO_SIGMA = 8.0  # pixels
HALO_REACH = math.ceil(2.5 * _HALO_SIGMA)

_HDR_RADIUS = 15  # pixels
HDR_REACH = 2 * _HDR_RADIUS
_HDR_EDGE = 1.0  # octaves: contrasts well below it are detail
_MIDDLE = 0.18  # of white: middle grey
_HDR_MOST = 14.0  # octaves: makes white of the darkest pixel value but black; `to_pixels` clips no light beyond 2^15

_BAND_RADIUS = 4  # pixels
BANDING_REACH = 2 * _BAND_RADIUS
_BAND_EDGE = 12.0  # grey levels: contrasts well below it are smoothed before the steps
_BAND_NOISE = 4.0  # grey levels: detail well below it is noise, which would hide the steps

_GREY = np.array([[0.2126, 0.7152, 0.0722]], np.float32)  # luminance of linear sRGB

# Björn Ottosson, "A perceptual color space for image processing" (2020): Oklab.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def over_smoothing(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth away noise and fine texture alike and keep the edges, as a phone's noise reduction does: watercolour.

    Eight passes of a bilateral filter over 5×5 pixels. `strength` is the standard deviation of its range kernel in grey
    levels, as OpenCV has it: of the sum of the three channels' differences. `rng` is not used. uint8 H×W×3 in and out;
    `image` is not changed. Source: Tomasi and Manduchi (ICCV 1998); passes and strengths of ours.
    """
    made = image
    for _ in range(_PASSES):
        made = cv2.bilateralFilter(made, _SIDE, strength, _SIDE / 2, borderType=cv2.BORDER_REFLECT)
    return made


def halos(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Sharpen with so wide a radius that edges get bright and dark halos: unsharp mask of σ 8 px on the luma of BT.601.

    The same difference is added to R, G and B, and clipped. `strength` is the factor on it; `rng` is not used.
    uint8 H×W×3 in and out; `image` is not changed. Source: unsharp masking as image editors offer it; radius of ours.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    side = 2 * HALO_REACH + 1
    blurred = cv2.GaussianBlur(luma, (side, side), _HALO_SIGMA, borderType=cv2.BORDER_REFLECT)
    change = cv2.addWeighted(luma, strength, blurred, -strength, 0)
    return cv2.add(image, cv2.merge((change, change, change)), dtype=cv2.CV_8U)


def overdone_hdr(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Map tones locally, too much: flat light, gritty detail and grey halos.

    The logarithm of the luminance is split into a base (a guided filter of radius 15 px, √ε = 1 octave) and detail.
    The detail is multiplied by `strength`, from 1, where nothing changes; the base is compressed around middle grey by
    its square root. R, G and B are multiplied by the change of the luminance, and clipped. `rng` is not used.
    uint8 H×W×3 in and out; `image` is not changed. Source: Durand and Dorsey (SIGGRAPH 2002), with the filter of He,
    Sun and Tang (TPAMI 2013); strengths of ours.
    """
    light = to_light(image)
    octaves = np.log2(cv2.transform(light, _GREY) + np.float32(0.002))
    base = guided_filter(octaves, _HDR_RADIUS, _HDR_EDGE)
    gain = np.float32(strength - 1) * (octaves - base)
    gain += np.float32(1 / math.sqrt(strength) - 1) * (base - np.float32(math.log2(_MIDDLE)))
    light *= np.exp2(np.minimum(gain, np.float32(_HDR_MOST)))[..., None]
    return to_pixels(light)


def overdone_colours(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Scale the chroma of Oklab, not lightness and hue; what leaves sRGB is clipped, so that colours burn out.

    `strength` is the factor, from 1, where nothing changes; `rng` is not used. uint8 H×W×3 in and out; `image` is not
    changed. Source: Oklab of Ottosson (2020); strengths of ours.
    """
    vivid = np.linalg.inv(_OKLAB) @ np.diag((1, strength, strength)) @ _OKLAB
    roots = cv2.transform(np.cbrt(cv2.transform(to_light(image), _CONES)), vivid)
    return to_pixels(cv2.transform(roots * roots * roots, np.linalg.inv(_CONES)))


def banding(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Show smooth tones in few steps, as a sky after hard compression; edges and texture stay.

    Each channel is split into a smooth base (a guided filter of radius 4 px, √ε = 12 grey levels) and detail. The base
    is rounded to whole steps; of the detail, what is weaker than 4 grey levels is suppressed (Wiener), since it would
    dither the steps. `strength` is the step in grey levels; `rng` is not used. uint8 H×W×3 in and out; `image` is not
    changed. Source: banding as in Tu et al. (ICASSP 2020, BBAND); the model and strengths are ours.
    """
    pixels = image.astype(np.float32)
    base = guided_filter(pixels, _BAND_RADIUS, _BAND_EDGE)
    texture = pixels - base
    power = cv2.blur(texture * texture, (5, 5), borderType=cv2.BORDER_REFLECT)
    texture *= power / (power + np.float32(_BAND_NOISE**2))
    base /= np.float32(strength)
    texture += np.float32(strength) * np.rint(base, out=base)
    return cv2.convertScaleAbs(np.maximum(texture, 0, out=texture))


def guided_filter(pixels: np.ndarray, radius: int, edge: float) -> np.ndarray:
    """The self-guided filter of He, Sun and Tang (TPAMI 2013): smooths what has less contrast than `edge`.

    `pixels` is float32, any channels, each on its own; `edge` is √ε in its unit. A new float32 array.
    """
    window = (2 * radius + 1, 2 * radius + 1)
    mean = cv2.blur(pixels, window, borderType=cv2.BORDER_REFLECT)
    variance = np.maximum(cv2.blur(pixels * pixels, window, borderType=cv2.BORDER_REFLECT) - mean * mean, 0)
    slope = variance / (variance + np.float32(edge**2))
    mean -= slope * mean
    made = cv2.blur(slope, window, borderType=cv2.BORDER_REFLECT)
    made *= pixels
    made += cv2.blur(mean, window, borderType=cv2.BORDER_REFLECT)
    return made
