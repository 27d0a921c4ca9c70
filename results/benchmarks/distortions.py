"""How long does each distortion take, beside the library call that does the unavoidable part?

Also: whether memory grows with the ranked set, and crops a second of online sets. Writes distortions.md beside itself.
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
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import yaml
from PIL import Image
from scipy import fft

from rankiqa.distortions import DISTORTIONS, blur, plan, restoration
from rankiqa.distortions.levels import MLIVE_BLUR
from rankiqa.images.reading import read_image
from rankiqa.ranks.online import OnlineSet
from rankiqa.ranks.ranked_set import RankedSet

ROOT = Path(__file__).parents[2]
SIDE = 512
LIMIT = 1.3
WHY = {
    "QN": "the histogram of three channels, and the thresholds by dynamic programming",
    "CS": "conversions from 8 bits to floating point and back, without which the matrix would round twice",
    "CQD": "the palette: a histogram in 32×32×32 cells and the cuts through it",
    "BW": "the colour that the image has least of, and places that do not overlap",
    "NEPN": "the patches, one by one, beside the copy of the image",
    "CBLOCK": "the draw of places and colours, one by one, beside the copy of the image",
    "CSHIFT": "the percentiles of the edge map and the blend beside the gradient and its blur",
    "BRIGHT": "two curves and their mixture in floating point beside the conversions to Lab and back",
    "DARK": "two curves and their mixture in floating point beside the conversions to Lab and back",
    "CN": "the blocks are gathered, signs drawn and compared beside the two transforms",
    "SSR": "blocks are gathered and put back, and coefficients compared, between the transforms of each round",
    "CA": "a channel is moved beside the one filter, with a copy before and after",
    "JPEGTE": "the places that may be hit are found and permuted beside the codec",
}


def floors(image: np.ndarray) -> dict[str, Callable[[float], object]]:
    """From type to the bare library call(s) for a strength; conversions of the image are made beforehand."""
    rng = np.random.default_rng(0)
    real = image.astype(np.float32)
    unit = real / 255
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    lab = cv2.cvtColor(unit, cv2.COLOR_RGB2Lab)
    table = np.arange(256, dtype=np.uint8)
    matrix = np.eye(3, dtype=np.float32)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    palette = Image.fromarray(image).quantize(16)
    blocks, large = (
        np.ascontiguousarray(real.reshape(SIDE // side, side, SIDE // side, side, 3).transpose(0, 2, 4, 1, 3))
        for side in (8, 16)
    )

    def normal(shape=image.shape):
        return rng.standard_normal(shape, dtype=np.float32)

    def codec(kind, **options):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, kind, **options)
        return np.array(Image.open(buffer))

    def jpeg(quality):
        return codec("JPEG", quality=int(quality), subsampling=2)

    def jpeg2000(ratio, **more):
        return codec("JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, mct=1, **more)

    def gaussian(sigma):
        width = blur.kernel_width(sigma)
        return cv2.GaussianBlur(real, (width, width), sigma, borderType=cv2.BORDER_REFLECT)

    def to_lab_and_back(_=None):
        return cv2.cvtColor(cv2.cvtColor(unit, cv2.COLOR_RGB2Lab), cv2.COLOR_Lab2RGB)

    def blurred_lab(channels, width, sigma):
        cv2.GaussianBlur(np.ascontiguousarray(lab[..., :channels]), (width, width), sigma)
        return to_lab_and_back()

    def jitter(_):
        for _ in range(5):
            normal((2, SIDE, SIDE))
            cv2.remap(real, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    def gradient(_):
        for dx in (1, 0):
            cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx)
        return cv2.GaussianBlur(grey.astype(np.float32), (17, 17), 4)

    def non_local(_):
        normal()
        return cv2.fastNlMeansDenoisingColored(image, None, 10, 10, 7, 21)

    def pixelate(strength):
        side = round(SIDE * (0.95 - strength**0.6))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
        return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST_EXACT)

    def transforms(of=blocks):
        return fft.idctn(fft.dctn(of, axes=(-2, -1), norm="ortho"), axes=(-2, -1), norm="ortho")

    found = {
        "GB": gaussian,
        **dict.fromkeys(("GN", "GNC", "SCN", "MN", "MGN"), lambda _: normal()),
        "HFN": lambda _: fft.irfft2(fft.rfft2(normal(), axes=(0, 1)), axes=(0, 1)),
        **dict.fromkeys(("IN", "SPECKLE"), lambda _: rng.random(image.shape, dtype=np.float32)),
        "JPEG": jpeg,
        "JP2K": jpeg2000,
        "JPEGTE": lambda _: codec("JPEG", quality=90, subsampling=2, restart_marker_blocks=8),
        "JP2KTE": lambda _: jpeg2000(8, codeblock_size=(32, 32), progression="LRCP", no_jp2=True, plt=True),
        "LCNI": lambda _: (normal(), codec("JPEG", qtables=[[80] * 64] * 2, subsampling=2)),
        **dict.fromkeys(("QN", "MSH", "MSL", "CCH", "CCL", "CURVEH", "CURVEL"), lambda _: cv2.LUT(image, table)),
        "ID-NLM": non_local,
        **dict.fromkeys(("NEPN", "BW", "CBLOCK"), lambda _: image.copy()),
        "CS": lambda _: cv2.transform(real, matrix),
        "HSVSAT": lambda _: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), cv2.COLOR_HSV2RGB),
        **dict.fromkeys(("LABSAT", "BRIGHT", "DARK"), to_lab_and_back),
        "CDIFF": lambda s: blurred_lab(2, 2 * int(3 * s + 4) + 1, 1.5 * s + 2),
        "SHARP": lambda _: blurred_lab(1, 13, 3),
        "CSHIFT": gradient,
        "CA": lambda _: cv2.filter2D(image, -1, np.full((3, 3), 1 / 9, np.float32)),
        "CQD": lambda _: Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG),
        "CN": lambda _: transforms(),
        "SSR": lambda _: [transforms(large) for _ in range(restoration.ROUNDS)],
        "LENS": lambda s: cv2.filter2D(real, -1, blur.disk_kernel(s)),
        "MOTION": lambda s: cv2.filter2D(real, -1, blur.motion_kernel(s, 30)),
        "JITTER": jitter,
        "PIXEL": pixelate,
    }
    for sigma in MLIVE_BLUR:
        found[f"GB{sigma:.1f}+JPEG"] = lambda s, sigma=sigma: (gaussian(sigma), jpeg(s))
        found[f"GB{sigma:.1f}+GN"] = lambda s, sigma=sigma: (gaussian(sigma), normal())
    return found


def milliseconds(call: Callable[[], object], repeat: int) -> list[float]:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return times


def time_types(image: np.ndarray, repeat: int) -> list[str]:
    lines = [
        "| type | strength | ms | library calls alone, ms | ratio | why it is above 1.3 |",
        "|---|---|---|---|---|---|",
    ]
    bare = floors(image)
    rng = np.random.default_rng(0)
    for name, distortion in DISTORTIONS.items():
        if distortion.extra:
            continue
        strengths = next(iter(distortion.levels.values()))
        strength = strengths[len(strengths) // 2]
        ours, theirs = [], []
        floor = bare.get(name)
        for _ in range(repeat):  # interleaved, so that a slow moment of the machine hits both
            ours += milliseconds(lambda d=distortion, s=strength: d(image, s, rng), 1)
            theirs += milliseconds(lambda f=floor, s=strength: f(s), 1) if floor else []
        time_ours = statistics.median(ours)
        shown = ("", "", "no library does this; " + WHY.get(name, "")) if not theirs else None
        if theirs:
            ratio = time_ours / statistics.median(theirs)
            why = WHY.get(name, "") if ratio > LIMIT else ""
            shown = (f"{statistics.median(theirs):.2f}", f"{ratio:.2f}", why)
        lines.append(f"| {name} | {distortion.label(strength)} | {time_ours:.2f} | {' | '.join(shown)} |")
    return lines


MEMORY = """
import resource, sys
from rankiqa.cli.make_ranks import main
assert main(sys.argv[1:]) == 0
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def memory_lines(photos: list[Path], distortions: str) -> list[str]:
    lines = ["| photos | images made | peak memory, MiB |", "|---|---|---|"]
    levels = sum(len(strengths) for strengths in plan(distortions).values()) + 1
    for count in (4, 8, 16, 32):
        if count > len(photos):
            break
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "photos"
            source.mkdir()
            for photo in photos[:count]:
                os.symlink(photo.resolve(), source / photo.name)
            flags = ["--pristine", source, "--out", f"{folder}/ranks", "--distortions", distortions, "--workers", "1"]
            command = [sys.executable, "-c", MEMORY, *map(str, flags)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        peak = next(line.split()[1] for line in result.stdout.splitlines() if line.startswith("PEAK"))
        lines.append(f"| {count} | {count * levels} | {peak} |")
    return lines


def crops_lines(photos: list[Path], count: int) -> list[str]:
    """A photo at all levels of one type after the other, as a batch has them; decoding included."""
    lines = ["| set | crops/s, online | crops/s, ranked set on disk (BMP) | online / disk |", "|---|---|---|---|"]
    rng = np.random.default_rng(0)
    # NL-means even where BM3D, which takes half a minute an image, is installed.
    without = [name for name in plan("tid2013") if not name.startswith("ID")]
    sets = {
        "live": plan("live"),
        "tid2013 without denoising": {name: DISTORTIONS[name].levels["tid2013"] for name in without},
        "tid2013 with ID-NLM": {name: DISTORTIONS[name].levels["tid2013"] for name in [*without, "ID-NLM"]},
    }

    def rate(ranks, references) -> float:
        start, made = time.perf_counter(), 0
        for reference in references:
            for kind, levels in ranks.levels.items():
                for level in levels:
                    ranks.crop(reference, kind, level, 224, rng, seed=made)
                    made += 1
        return made / (time.perf_counter() - start)

    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "photos"
        source.mkdir()
        for photo in photos[:count]:
            os.symlink(photo.resolve(), source / photo.name)
        for name, strengths in sets.items():
            out, types, levels = Path(place) / name, ",".join(strengths), Path(place) / "levels.yaml"
            levels.write_text(yaml.safe_dump({kind: list(of) for kind, of in strengths.items()}), encoding="utf-8")
            chosen = ["--distortions", types, "--levels", levels]
            flags = ["--pristine", source, "--out", out, *chosen, "--format", "bmp"]
            command = [sys.executable, ROOT / "data_gen" / "make_ranks.py", *flags]
            subprocess.run(
                [*map(str, command)], check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
            online, disk = OnlineSet.find(source, types, str(levels)), RankedSet.read(out)
            pairs = [(rate(online, [r]), rate(disk, [r])) for r in online.references]
            ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
            lines.append(
                f"| {name} ({len(online.distortions)} groups) | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |"
            )
    return lines


def prepared(
    script: Path, description: str | None, repeat: int, photos: int
) -> tuple[argparse.Namespace, list[Path], np.ndarray, str]:
    """The options of a benchmark, its photos, the one that is timed, and the command as its table tells it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pristine", required=True, metavar="DIR", help="colour photos, PNG, in one folder")
    parser.add_argument("--repeat", type=int, default=repeat, help="calls, of which the median counts")
    parser.add_argument("--photos", type=int, default=photos, help="photos for the crops a second")
    parser.add_argument("--out", default=script.with_suffix(".md"), type=Path, help="table")
    options = parser.parse_args()
    cv2.setNumThreads(1)

    found = sorted(Path(options.pristine).glob("*.png"))
    if not found:
        parser.error(f"--pristine: no .png in {options.pristine}")
    image = np.ascontiguousarray(read_image(found[0])[:SIDE, :SIDE])
    if image.shape != (SIDE, SIDE, 3):
        parser.error(f"--pristine: {found[0]} has less than {SIDE}×{SIDE} pixels")
    arguments = [f"--{key}={vars(options)[key]}" for key in ("repeat", "photos")]
    command = shlex.join(["python", f"results/benchmarks/{script.name}", "--pristine", "DIR", *arguments])
    return options, found, image, command


def main() -> None:
    options, photos, image, command = prepared(Path(__file__), __doc__, repeat=15, photos=8)
    lines = [
        f"`{command}`",
        "",
        f"One photo of {SIDE}×{SIDE} pixels, one thread, median of {options.repeat}; {platform.machine()}, "
        f"Python {platform.python_version()}, OpenCV {cv2.__version__}, NumPy {np.__version__}.",
        "",
        *time_types(image, options.repeat),
        "",
        "`make_ranks` with one worker, types live:",
        "",
        *memory_lines(photos, "live"),
        "",
        f"Crops of 224×224 of {options.photos} photos, one process, one thread:",
        "",
        *crops_lines(photos, options.photos),
    ]
    text = "\n".join(lines) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
