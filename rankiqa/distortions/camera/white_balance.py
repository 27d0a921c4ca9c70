"""White balance: a camera set for another light than there is."""

from __future__ import annotations

import math

import cv2
import numpy as np

from rankiqa.distortions.camera.light import to_light, to_pixels

# Linear sRGB to CIE XYZ, white D65.
_XYZ_OF_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])  # Bradford
_CONES_OF_RGB = _CONES @ _XYZ_OF_RGB

DAYLIGHT = 1e6 / 6504  # mired, of D65, the white of sRGB


def colour_temperature(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Shift the colour temperature, in linear light; the luminance of grey stays.

    `strength` is the shift in mired. Above 0 the photo is too warm: a camera set for daylight, D65, in the light of a
    black body that is colder by so much. Below 0 it is too blue: a camera set for that light, in daylight, which is the
    inverse. Further from 0 is stronger; tungsten lamps, 2850 K, are 197 mired from D65. `rng` is not used. uint8 H×W×3
    in and out; `image` is not changed. Source: the Planckian locus of Kim et al., US patent 7024034, 2006; von Kries
    adaptation with Bradford's cones (Lam 1985).
    """
    adaptation = to_white(*_shifted(abs(strength), 0))
    return _cast(image, adaptation if strength > 0 else np.linalg.inv(adaptation))


def tint(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Shift the tint, in linear light; the luminance of grey stays.

    `strength` is the shift in Duv, the distance from the Planckian locus in CIE 1960's (u, v): above 0 towards green,
    as fluorescent lamps make it, below 0 towards magenta; further from 0 is stronger. `rng` is not used. uint8 H×W×3
    in and out; `image` is not changed. Source: Duv of ANSI C78.377; Bradford's cones as for `colour_temperature`.
    """
    return _cast(image, to_white(*_shifted(0, strength)))


def planckian(mired: float) -> tuple[float, float]:
    """CIE 1960 (u, v) of a black body of 40–600 mired, 25 000–1667 K: Kim's cubics for (x, y)."""
    m = mired / 1000
    if mired > 250:
        x = ((-0.2661239 * m - 0.2343589) * m + 0.8776956) * m + 0.179910
    else:
        x = ((-3.0258469 * m + 2.1070379) * m + 0.2226347) * m + 0.240390
    if mired > 1e6 / 2222:
        y = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    elif mired > 250:
        y = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    else:
        y = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483
    scale = 12 * y - 2 * x + 3
    return 4 * x / scale, 6 * y / scale


def to_white(u: float, v: float) -> np.ndarray:
    """The matrix of linear sRGB, 3×3, that turns grey into the same luminance of the chromaticity CIE 1960 (u, v)."""
    scale = 2 * u - 8 * v + 4
    x, y = 3 * u / scale, 2 * v / scale
    gains = _CONES @ (x / y, 1, (1 - x - y) / y) / _CONES_OF_RGB.sum(axis=1)
    return np.linalg.solve(_CONES_OF_RGB, gains[:, None] * _CONES_OF_RGB)


def _shifted(mired: float, duv: float) -> tuple[float, float]:
    """D65's (u, v), moved as the Planckian locus goes, and across it: D65 itself lies a little beside it."""
    x, y, z = _XYZ_OF_RGB.sum(axis=1)
    u, v = 4 * x / (x + 15 * y + 3 * z), 6 * y / (x + 15 * y + 3 * z)
    (u0, v0), (u1, v1), (u2, v2) = (planckian(DAYLIGHT + more) for more in (0, mired, 1))
    along = math.hypot(u2 - u0, v2 - v0)
    return u + u1 - u0 - duv * (v2 - v0) / along, v + v1 - v0 + duv * (u2 - u0) / along


def _cast(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    matrix = matrix / (_XYZ_OF_RGB[1] @ matrix.sum(axis=1))
    return to_pixels(cv2.transform(to_light(image), matrix.astype(np.float32)))
