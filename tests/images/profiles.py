"""ICC profiles for the tests, written byte by byte (ICC.1:2010), and their colours in sRGB, in closed form."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D65 = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
# Chromaticities of red, green and blue; all with the white D65.
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_GAMMA = 563 / 256


def to_xyz(primaries) -> np.ndarray:
    """From linear RGB to XYZ with the white D65."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, D65)


def srgb_decoded(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def closed_form(pixels: np.ndarray, primaries, gamma: float | None = None) -> np.ndarray:
    """8-bit RGB of these primaries as 8-bit sRGB, not rounded; without a `gamma` they have sRGB's curve."""
    values = pixels / 255
    linear = srgb_decoded(values) if gamma is None else values**gamma
    return 255 * srgb_encoded(linear @ np.linalg.solve(to_xyz(SRGB), to_xyz(primaries)).T)


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def profile(space: bytes, tags: Mapping[bytes, bytes], kind: bytes = b"mntr", pcs: bytes = b"XYZ ") -> bytes:
    head = bytes(4) + b"\0\0\0\0" + b"\x04\x00\0\0" + kind + space + pcs + struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    head += b"acsp" + bytes(28) + fixed(*D50) + bytes(48)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def curve(gamma: float | None) -> bytes:
    """A power, or sRGB's curve as a parametric one."""
    if gamma is None:
        return b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para\0\0\0\0\0\0\0\0" + fixed(gamma)


def rgb_profile(primaries, gamma: float | None = None) -> bytes:
    """Matrix and curves, adapted to D50 as Bradford does it."""
    d50, d65 = BRADFORD @ D50, BRADFORD @ D65
    adapted = np.linalg.solve(BRADFORD, np.diag(d50 / d65) @ BRADFORD) @ to_xyz(primaries)
    tags = {name + b"XYZ": b"XYZ \0\0\0\0" + fixed(*adapted[:, k]) for k, name in enumerate((b"r", b"g", b"b"))}
    return profile(b"RGB ", tags | {name + b"TRC": curve(gamma) for name in (b"r", b"g", b"b")})


def grey_profile(gamma: float | None) -> bytes:
    return profile(b"GRAY", {b"kTRC": curve(gamma)})


def cmyk_profile() -> bytes:
    """A press whose lightness is that of its black ink alone, from paper white to black: L* = 100 (1 − K)."""
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    straight = bytes(range(256))
    corners = b"".join(bytes([0 if k & 1 else 255, 128, 128]) for k in range(16))  # the last input is the fastest
    return profile(b"CMYK", {b"A2B0": table + straight * 4 + corners + straight * 3}, b"prtr", b"Lab ")
