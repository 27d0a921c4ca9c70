"""How much slower is make_ranks than the bare calls of the same filters and codecs?

Times the whole command, start included, against one plain loop of OpenCV, NumPy and Pillow that makes and
writes the same number of images from the same photos in one process. Writes a markdown table.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
SIGMAS = [kernel / 6 for kernel in (7, 15, 39, 91, 199)]
VARIANCES = [2**-10, 2**-7.5, 2**-5.5, 2**-3.5, 1]
QUALITIES = [43, 12, 7, 4, 0]
RATIOS = [52, 150, 343, 600, 1200]


def codec(image: np.ndarray, kind: str, **options) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return np.array(Image.open(buffer))


def bare_calls(photos: list[Path], out: Path) -> int:
    """Make and write what make_ranks makes, without hashes, rows, names, checks or progress; their number."""
    rng = np.random.default_rng(0)
    count = 0
    for photo in photos:
        image = np.array(Image.open(photo))
        made = [image]
        for kernel, sigma in zip((7, 15, 39, 91, 199), SIGMAS, strict=True):
            blurred = cv2.GaussianBlur(image.astype(np.float32), (kernel, kernel), sigma, borderType=cv2.BORDER_REFLECT)
            made.append(np.rint(blurred).astype(np.uint8))
        for variance in VARIANCES:
            noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(255 * variance**0.5)
            made.append(np.rint((image + noise).clip(0, 255)).astype(np.uint8))
        made += [codec(image, "JPEG", quality=quality, subsampling=2) for quality in QUALITIES]
        made += [
            codec(image, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, mct=1)
            for ratio in RATIOS
        ]
        for pixels in made:
            Image.fromarray(pixels).save(out / f"{count}.png", compress_level=1)
            count += 1
    return count


def time_bare(photos: list[Path]) -> float:
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        count = bare_calls(photos, Path(out))
        return count / (time.perf_counter() - start)


def time_command(photos: Path, count: int, workers: int) -> float:
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, ROOT / "data_gen" / "make_ranks.py", "--pristine", photos]
        command += ["--out", f"{out}/ranks", "--workers", str(workers), "--min-side", "1"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        start = time.perf_counter()
        subprocess.run([*map(str, command)], check=True, capture_output=True, env=environment)
        return count * 21 / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pristine", required=True, metavar="DIR", help="colour photos, PNG, in one folder")
    parser.add_argument("--limit", type=int, default=60, help="photos")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--out", default=ROOT / "results/benchmarks/make_ranks.md", type=Path, help="table")
    options = parser.parse_args()
    cv2.setNumThreads(1)

    photos = sorted(Path(options.pristine).glob("*.png"))[: options.limit]
    if not photos:
        parser.error(f"--pristine: no .png in {options.pristine}")
    names = ("bare calls, 1 process", "make_ranks --workers 1", "make_ranks --workers 2")
    rates: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for photo in photos:
            os.symlink(photo.resolve(), Path(folder) / photo.name)
        for _ in range(options.repeat):  # interleaved, so that a slow moment of the machine hits all alike
            rates[names[0]].append(time_bare(photos))
            for workers, name in enumerate(names[1:], start=1):
                rates[name].append(time_command(Path(folder), len(photos), workers))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    arguments = [f"--{key}={vars(options)[key]}" for key in ("limit", "repeat")]
    command = shlex.join(["python", "results/benchmarks/make_ranks.py", "--pristine", "DIR", *arguments])
    sizes = sorted({"×".join(map(str, Image.open(photo).size)) for photo in photos})
    shown = sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes"
    lines = [
        f"`{command}`",
        "",
        f"{len(photos)} photos ({shown}), {len(photos) * 21} images a run, median of {options.repeat}; "
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}.",
        "",
        "| | images/s | of bare calls | lowest–highest |",
        "|---|---|---|---|",
        *(
            f"| {name} | {rate:.1f} | {rate / medians[names[0]]:.2f} | {min(rates[name]):.1f}–{max(rates[name]):.1f} |"
            for name, rate in medians.items()
        ),
    ]
    text = "\n".join(lines) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
