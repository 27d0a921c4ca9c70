"""Which images show the same scene, for data sets that do not say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image, ImageOps

THRESHOLD = 0.85
SIZE = 16  # pixels of a descriptor's side
LEAST_CONTRAST = 0.1  # grey levels; below it a descriptor holds rounding errors, not a picture
_BLOCK = 4096  # images that are compared with as many others at once: 64 MB of correlations

T = TypeVar("T")


def content_groups(
    files: Sequence[Path], threshold: float = THRESHOLD, size: int = SIZE, workers: int = 2
) -> tuple[str, ...]:
    """The group of each file: images that look alike, and those that look like one of these, are one group.

    Each image has a `descriptor`; two whose correlation exceeds `threshold` are neighbours, and the connected
    components are the groups. This finds bursts, other exposures and blurs of one scene, and the same picture
    compressed or scaled anew. It does not find a crop of more than about 3 % from a side, a mirrored or turned
    picture, another view of the same place, or a scene of which everything moved.

    Measured on 2,000 photos of BIQ2021, with runs of file numbers for the scenes: 1,785 groups, the largest of 10
    images; 288 of 289 pairs lie in one run. (With no more than the mean taken from it and 0.9, 290 pairs lie
    in one run and 86 do not; these chain 61 images together.) Chance pairs grow with the square of the number of
    images, so raise `threshold` rather than lower it. 2,000 photos take a second, AVA's 255,530 about a quarter of an
    hour on two cores.

    Args:
        files: image files of any kind; one that cannot be read is a group of its own.
        threshold: correlation, (0, 1).
        size: pixels of a descriptor's side.
        workers: threads that read.

    Returns:
        One text a file: the name of the first file of its group, with its position in `files` where files of two
        folders have one name. Memory: 3 · 4 · size² bytes an image, and less than 1 GB beside it.
    """
    descriptors = np.zeros((len(files), 3 * size * size), np.float32)

    def fill(k: int) -> None:
        descriptors[k] = descriptor(files[k], size)

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for _ in _bar(pool.map(fill, range(len(files))), "look for scenes", len(files), "image"):
            pass
    component = components(descriptors, threshold)
    first = {int(c): k for k, c in reversed(list(enumerate(component)))}
    names = [file.name for file in files]
    times = Counter(names)
    title = {c: f"{names[k]} ({k})" if times[names[k]] > 1 else names[k] for c, k in first.items()}
    return tuple(title[int(c)] for c in component)


def descriptor(file: Path, size: int = SIZE) -> np.ndarray:
    """What an image looks like from afar: (3·size²,) float32 of unit norm; zeros where there is nothing to compare.

    It is averaged over size×size areas, whatever its shape; then the field a + bx + cy + dx² + ey² that comes nearest
    to it is taken away, in each channel: a bright sky over dark land or a vignette makes strangers alike. A
    file that cannot be read, and an image without contrast, give zeros.
    """
    try:
        with Image.open(file) as image:
            image.draft("RGB", (4 * size, 4 * size))  # a JPEG is decoded at a fraction of its size, much faster
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=np.float32)
    except Exception:  # Pillow's plug-ins raise whatever they meet in a damaged file
        return np.zeros(3 * size * size, np.float32)
    small = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float64)
    smooth = _smooth_fields(size)
    rest = small - smooth @ (smooth.T @ small)
    norm = np.linalg.norm(rest)
    if norm < LEAST_CONTRAST * np.sqrt(rest.size):
        return np.zeros(rest.size, np.float32)
    return (rest / norm).ravel().astype(np.float32)


def components(vectors: np.ndarray, threshold: float, block: int = _BLOCK) -> np.ndarray:
    """(n,) integers: the connected component of each row of `vectors`, (n, d) of unit norm or zero.

    Two rows are connected if their dot product exceeds `threshold`. The products are taken `block` × `block` at a
    time and the components joined at once, so that no list of pairs grows with the number of images.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(vectors)
    component = np.arange(n)
    for top in _bar(range(0, n, block), "compare scenes", unit="block"):
        for left in range(top, n, block):
            i, j = np.nonzero(vectors[top : top + block] @ vectors[left : left + block].T > threshold)
            a, b = component[top + i], component[left + j]
            new = a != b
            if new.any():
                graph = coo_matrix((np.ones(new.sum(), bool), (a[new], b[new])), shape=(n, n))
                component = connected_components(graph, directed=False)[1][component]
    return component


def _smooth_fields(size: int) -> np.ndarray:
    """(size², 5): an orthonormal basis of 1, x, y, x², y² over a size×size grid."""
    y, x = (axis.ravel() for axis in np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j])
    return np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, y * y], axis=1))[0]


def _bar(items: Iterable[T], what: str, total: int | None = None, unit: str = "it") -> Iterable[T]:
    from tqdm import tqdm

    return tqdm(items, what, total, leave=False, unit=unit, mininterval=1, delay=2, disable=None)
