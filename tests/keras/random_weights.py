"""Weights from a rule: the same for a layer whatever number the session gave it, with Keras and without."""

from __future__ import annotations

import hashlib
import re

import numpy as np

NUMBERED = ("conv2d", "batch_normalization")


def layer_keys(names: list[str]) -> dict[str, str]:
    """Layer names → names that do not depend on the session: conv2d_31 → conv2d#7, the dense layer → dense."""
    keys = {}
    for family in NUMBERED:
        found = [(int(m[1] or 0), name) for name in names if (m := re.fullmatch(rf"{family}(?:_(\d+))?", name))]
        keys |= {name: f"{family}#{k}" for k, (_, name) in enumerate(sorted(found))}
    keys |= {name: "dense" for name in names if re.fullmatch(r"dense(_\d+)?", name)}
    return {name: keys.get(name, name) for name in names}


def uniform(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Float32 in [0, 1), seeded by `key`; of the raw bits of PCG64, which no version of NumPy may change."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    bits = np.random.PCG64(seed).random_raw(int(np.prod(shape))) >> np.uint64(40)
    return (bits.astype(np.float32) / np.float32(1 << 24)).reshape(shape)


def weight(key: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of Keras's layout, float32.

    Kernels keep the size of what passes and lose its mean, or all photos would come out alike. The statistics of batch
    norm are far from 0 and 1, and some variances are so small that its epsilon tells.
    """
    u = uniform(f"{key}/{name}", shape)
    if name == "gamma":
        return np.float32(0.7) + np.float32(0.6) * u
    if name in ("beta", "moving_mean"):
        return np.float32(0.3) * (u - np.float32(0.5))
    if name == "moving_variance":
        return np.float32(0.05) * np.float32(30) ** u
    if name == "bias":
        return np.float32(0.2) * (u - np.float32(0.5))
    kernel = 2 * u - 1
    if "depthwise" in name:
        fan = shape[0] * shape[1]
    else:
        fan = int(np.prod(shape[:-1]))
        kernel -= kernel.mean(axis=tuple(range(len(shape) - 1)), keepdims=True)
    gain = 4.0 if key == "dense" else 1.0 if key.startswith("block") else 0.5
    return kernel * np.float32(np.sqrt(3 * gain / fan))
