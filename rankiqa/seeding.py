"""Random generators that depend on what is drawn, never on when or where it is drawn.

Every random choice takes its generator from a seed and a few names (an image, a distortion, a level, a
step). The result is then the same in any order, in any process and with any number of workers, and an
interrupted run goes on as if nothing had happened. The global generators of NumPy and Python are never used.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *names: object) -> int:
    """A seed in [0, 2**63) for `seed` and `names`; different names give unrelated seeds.

    >>> derive_seed(0, "a.png", "GN", 1) == derive_seed(0, "a.png", "GN", 1)
    True
    >>> derive_seed(0, "a.png", "GN", 1) == derive_seed(0, "a.png", "GN", 2)
    False
    """
    text = "\x1f".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") >> 1


def generator(seed: int, *names: object) -> np.random.Generator:
    """A NumPy generator for `seed` and `names` (PCG64)."""
    return np.random.default_rng(derive_seed(seed, *names) if names else seed)
