"""How long does each type of the sets camera, codecs and photo take, beside the library calls that it needs anyhow?

Also: crops a second of each type on one core. Writes distortions_today.md beside itself. CPU time, so that what else
the machine does counts less.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import today_floors
from distortions import prepared

from rankiqa.distortions import DISTORTIONS, plan
from rankiqa.distortions.chains import _DRAWS, _chain_seed, take
from rankiqa.distortions.cropping import distort_crop
from rankiqa.images.reading import read_image

ROOT = Path(__file__).parents[2]
SETS = ("camera", "codecs", "photo")
SIDE, CROP = 512, 224
LIMIT = 1.3
GOAL = 60  # crops a second, in the mean over camera
CHAINS = 8  # seeds
WHY = {
    "SUBJECT": "the soft ellipse, over the whole photo, in floating point",
    "MISFOCUS": "the shares of the layers at each pixel, in floating point",
    "FLARE": "the ghosts, one by one",
    "LOWLIGHT-DN": "Lee's filter between its means: products and quotients in floating point",
    "HDR": "the guided filter between its means: products and quotients in floating point",
    "VIVID": "the cubes of the cones' roots, in floating point",
    "BANDING": "the guided filter and Wiener's between their means: products and quotients in floating point",
    "MOIRE": "where each pixel lies in the screen's grid, in floating point",
    **dict.fromkeys(
        ("WARM", "COOL", "GREEN", "MAGENTA"), "fresh memory for the light, which the calls alone use again"
    ),
    "ALIAS": "the place that each pixel comes from, laid out over the photo",
}


def milliseconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return 1000 * (time.process_time() - start)


def chain_floor(image: np.ndarray, name: str, strength: float) -> Callable[[int], object]:
    """The faults of each seed's chain, drawn beforehand."""
    seeds = [_chain_seed(np.random.default_rng(seed)) for seed in range(CHAINS)]
    steps = [_DRAWS[name](strength, seed) for seed in seeds]
    return lambda i: take(image, steps[i % CHAINS], seeds[i % CHAINS])


def time_types(image: np.ndarray, repeat: int) -> list[str]:
    """Ours and the bare calls by turns, so that a slow moment of the machine hits both."""
    lines = [
        "| type | strength | ms | library calls alone, ms | ratio | why it is above 1.3 |",
        "|---|---|---|---|---|---|",
    ]
    floors = {**today_floors.camera(image), **today_floors.codecs(image)}
    for name, strengths in plan(",".join(SETS)).items():
        distortion, strength = DISTORTIONS[name], strengths[len(strengths) // 2]
        if name in _DRAWS:
            bare = chain_floor(image, name, strength)
        else:
            bare = partial(lambda call, i: call(), floors[name](strength))
        ours, theirs = [], []
        for i in range(repeat):
            rng = np.random.default_rng(i % CHAINS if name in _DRAWS else 0)
            ours.append(milliseconds(partial(distortion, image, strength, rng)))
            theirs.append(milliseconds(partial(bare, i)))
        ours, theirs = ours[1:], theirs[1:]  # the first loads libraries
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        why = WHY.get(name, "") if ratio > LIMIT else ""
        times = f"{statistics.median(ours):.2f} | {statistics.median(theirs):.2f} | {ratio:.2f}"
        lines.append(f"| {name} | {distortion.label(strength)} | {times} | {why} |")
    return lines


def crops_lines(photos: list[Path]) -> list[str]:
    """Each type at all its levels, a crop at a place of its own from each photo; without decoding the photo."""
    images = [read_image(photo) for photo in photos]
    lines = ["| type | crops/s | type | crops/s | type | crops/s | type | crops/s |", "|" + "---|" * 8]
    for part in SETS:
        means = {}
        for name, strengths in plan(part).items():
            times = []
            for i, image in enumerate(images):
                for level, strength in enumerate(strengths):
                    seeds = 4 if part == "photo" else 1  # a chain of slow faults is not the next one's
                    for seed in range(seeds):
                        rng = np.random.default_rng([i, level, seed])
                        top, left = (int(rng.integers(side - CROP + 1)) for side in image.shape[:2])
                        call = partial(distort_crop, DISTORTIONS[name], image, strength, rng, top, left, CROP)
                        times.append(milliseconds(call))
            means[name] = statistics.mean(times)
        cells = [f"{name} | {1000 / mean:.0f}" for name, mean in means.items()]
        cells += [" |"] * (-len(cells) % 4)
        lines += [f"| {' | '.join(cells[i : i + 4])} |" for i in range(0, len(cells), 4)]
        rate = 1000 / statistics.mean(means.values())
        lines.append(f"| **{part}**, each as often | **{rate:.0f}** |{' |' * 6}")
    return lines


def main() -> None:
    options, photos, image, command = prepared(Path(__file__), __doc__, repeat=25, photos=6)
    lines = [
        f"`{command}`",
        "",
        f"One photo of {SIDE}×{SIDE} pixels, one thread, medians of {options.repeat} times and ratios, CPU time; "
        f"{platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}, NumPy {np.__version__}.",
        "",
        *time_types(image, options.repeat),
        "",
        f"Crops of {CROP}×{CROP} of {options.photos} photos, all levels, by `distort_crop` on one core (goal for the "
        f"mean of camera: {GOAL}):",
        "",
        *crops_lines(photos[: options.photos]),
    ]
    text = "\n".join(lines) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
