"""What `rankiqa score` costs: images/s in each mode beside the floor, memory, and how long it takes to start.

The floor is what no scorer can do without: decoding a photo, and one forward pass over it. Times are ratios of things
measured in turns in one run. A part that is measured alone (--only) leaves the other sections of the file as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
MODES = ("whole", "random", "grid", "dense")
MEGAPIXELS = {1: (1000, 1000), 12: (3000, 4000), 100: (8333, 12000)}  # height, width
COUNTS = (1, 6)  # photos in one call

# A process of its own for each, so that its peak is of these photos: what it takes above what it had before, once a
# small photo has been scored. Linux alone tells and resets the peak.
SCORE_SOME = """\
import re, sys
from pathlib import Path
import rankiqa

def resident(which):
    return int(re.search(which + r":\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

mode, model, first, *files = sys.argv[1:]
scorer = rankiqa.load(model or None, "cpu")
scorer.score(first, mode=mode)
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
for _ in scorer.score_files(files, mode=mode):
    pass
print(before, resident("VmHWM") - before)
"""

# A process of its own for each: what a single score takes beyond PyTorch. The pass is over the whole photo, timed
# in another process, as the first one prepares the convolutions for the next.
START = """\
import json, sys, time

mode, model, photo = sys.argv[1:]
times = [time.perf_counter()]
def lap():
    times.append(time.perf_counter())

import torch
lap()
if mode == "score":
    import rankiqa
    scorer = rankiqa.load(model or None, "cpu")
    lap()
    scorer.score(photo)
    lap()
elif mode == "forward":
    import rankiqa
    from rankiqa.images.reading import read_image
    network = rankiqa.load(model or None, "cpu").network
    image = torch.from_numpy(read_image(photo)).permute(2, 0, 1)[None]
    lap()
    with torch.inference_mode():
        network(image.to(memory_format=torch.channels_last).float().div_(255)).item()
    lap()
print(json.dumps([after - before for before, after in zip(times, times[1:])]))
"""
STARTS = ("torch", "score", "forward")
SECTIONS = {"speed": "## Images/s", "memory": "## Memory", "start": "## Start"}


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--model", help="folder, run or hub id; none: the bundled model")
    parse.add_argument("--photos", type=Path, help="folder of photos; none: those of scikit-image")
    parse.add_argument("--images", type=int, default=24, help="photos of 512×384 that are timed, JPEG of quality 95")
    parse.add_argument("--repeats", type=int, default=5, help="rounds; the median counts")
    parse.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="CPU threads")
    parse.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parse.add_argument("--only", nargs="+", choices=SECTIONS, default=[*SECTIONS], help="parts that are measured")
    parse.add_argument("--starts", type=int, default=15, help="fresh processes of each kind, for the start")
    parse.add_argument("--out", type=Path, default=HERE / "score.md", help="where the tables go")
    args = parse.parse_args(argv)

    from rankiqa.files import write_atomically

    with tempfile.TemporaryDirectory() as folder:
        files = photos(args.photos, args.images, Path(folder))
        measure = {
            "speed": lambda: _speed(args, files),
            "memory": lambda: _memory(args, files[0], Path(folder)),
            "start": lambda: _start(args, files[0]),
        }
        new = {name: measure[name]() for name in SECTIONS if name in args.only}
    command = f"    {shlex.join(['python', 'results/benchmarks/score.py', *argv])}"
    parts = ["# What `rankiqa score` costs\n"]
    for name, title in SECTIONS.items():
        if name in new:
            parts.append("\n".join([title, "", command, "", *new[name], ""]))
        elif kept := _section(args.out, title):
            parts.append(kept)
    text = "\n".join(parts)
    write_atomically(args.out, text.encode())
    print(text)
    return 0


def _section(file: Path, title: str) -> str:
    """A section of an earlier file; empty if there is none."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    found = re.search(rf"^{re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return f"{found[0].rstrip()}\n" if found else ""


def photos(folder: Path | None, count: int, out: Path) -> list[Path]:
    """Parts of 512×384 of photos, as JPEG; a photo is taken again at another place where there are too few."""
    import numpy as np
    from PIL import Image

    from rankiqa.images import builtin_photos
    from rankiqa.images.listing import list_images
    from rankiqa.images.reading import read_image

    root = folder or builtin_photos.folder()
    names = list_images(root) if folder else list(builtin_photos.PHOTOS)
    large = [image for name in names if min((image := read_image(root / name, convert=True)).shape[:2]) >= 384]
    large = [image for image in large if image.shape[1] >= 512][:count]
    rng, files = np.random.default_rng(0), []
    for k in range(count):
        image = large[k % len(large)]
        top, left = (int(rng.integers(free + 1)) for free in (image.shape[0] - 384, image.shape[1] - 512))
        files.append(out / f"{k}.jpg")
        Image.fromarray(image[top : top + 384, left : left + 512]).save(files[-1], quality=95)
    return files


def _speed(args: argparse.Namespace, files: list[Path]) -> list[str]:
    import torch

    import rankiqa
    from rankiqa.images.reading import read_image

    scorer = rankiqa.load(args.model, args.device)
    network, device = scorer.scoring, scorer.device

    def decode() -> None:
        for file in files:
            read_image(file)

    @torch.inference_mode()
    def floor() -> None:
        for file in files:
            image = torch.from_numpy(read_image(file)).permute(2, 0, 1)[None]
            network(image.to(device, memory_format=torch.channels_last).float().div_(255)).item()

    ways: dict[str, Callable[[], object]] = {"decode alone": decode, "decode + one forward pass (the floor)": floor}
    for mode in (mode for mode in MODES if mode in scorer.modes):
        name = f"`--mode {mode}`" + (", 30 patches" if mode in ("random", "grid") else "")
        ways[name] = lambda mode=mode: list(scorer.score_files(files, mode=mode))
    rows = []
    for threads in args.threads:
        torch.set_num_threads(threads)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for repeat in range(args.repeats + 1):
            for name, run in ways.items():
                start = time.perf_counter()
                run()
                if repeat:  # the first round warms up
                    times[name].append(time.perf_counter() - start)
        seconds = {name: statistics.median(values) / len(files) for name, values in times.items()}
        least = seconds["decode + one forward pass (the floor)"]
        slow = seconds.get("`--mode random`, 30 patches", least)
        rows += [
            f"| {threads} | {name} | {1 / value:.1f} | {value / least:.2f} | {slow / value:.2f} |"
            for name, value in seconds.items()
        ]
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {platform.machine()}"
    return [
        f"{network.name}, {len(files)} JPEG photos of 512×384, float32, {where}, torch {torch.__version__}; median of "
        f"{args.repeats} rounds in turns. Two threads read ahead in `rankiqa score`, as by default; the floor reads "
        "and computes in turn.",
        "",
        "| CPU threads | what | images/s | time / floor | times as fast as 30 random patches |",
        "|---|---|---|---|---|",
        *rows,
    ]


def _memory(args: argparse.Namespace, photo: Path, folder: Path) -> list[str]:
    from PIL import Image

    def peak(mode: str, files: list[Path]) -> tuple[float, float]:
        call = [sys.executable, "-c", SCORE_SOME, mode, args.model or "", photo, *files]
        before, more = subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()
        return float(before), float(more)

    rows, before = [], 0.0
    for megapixels, (height, width) in MEGAPIXELS.items():
        file = folder / f"{megapixels}mp.jpg"
        Image.open(photo).resize((width, height), Image.Resampling.BICUBIC).save(file, quality=90)
        for count in COUNTS:
            found = [peak(mode, [file] * count) for mode in MODES]
            before = max(before, *(first for first, _ in found))
            cells = [f"{more:.0f}" for _, more in found]
            pixels = 3 * height * width / 2**20
            rows.append(f"| {megapixels} ({width}×{height}) | {count} | {pixels:.0f} | {' | '.join(cells)} |")
    return [
        f"The most memory, MiB, that a process takes above the {before:.0f} MiB that Python, torch and the model have, "
        "while it scores JPEG photos. Of several photos some are read ahead: three, with the default of two threads.",
        "",
        f"| megapixels | photos | pixels of one | {' | '.join(MODES)} |",
        f"|---|---|---|{'---|' * len(MODES)}",
        *rows,
    ]


def _start(args: argparse.Namespace, photo: Path) -> list[str]:
    """Help and one score, each in processes that begin with nothing imported."""
    import torch

    command = str(Path(sys.executable).with_name("rankiqa"))
    helps = {"`python -c pass`": [sys.executable, "-c", "pass"], "`rankiqa --help`": [command, "--help"]}
    helps["`rankiqa score --help`"] = [command, "score", "--help"]
    scripts = {mode: [sys.executable, "-c", START, mode, args.model or "", photo] for mode in STARTS}
    threads = str(args.threads[0])
    environment = os.environ | {"OMP_NUM_THREADS": threads}
    times: dict[str, list[float]] = {name: [] for name in [*helps, *scripts]}
    laps: dict[str, list[list[float]]] = {mode: [] for mode in scripts}
    for repeat in range(args.starts + 1):
        for name, call in [*helps.items(), *scripts.items()]:
            start = time.perf_counter()
            done = subprocess.run(call, check=True, capture_output=True, text=True, env=environment)
            if repeat:  # the first round fills the caches of the disk
                times[name].append(time.perf_counter() - start)
                if name in laps:
                    laps[name].append(json.loads(done.stdout))
    load, score = ([run[k] for run in laps["score"]] for k in (1, 2))
    forward = [run[2] for run in laps["forward"]]
    rest = [a - b for a, b in zip(score, forward, strict=True)]
    rows = {
        "interpreter and `import torch`, nothing else": times["torch"],
        "`import rankiqa`, `rankiqa.load()`": load,
        "the forward pass": forward,
        "decoding and the rest of `.score(photo)`, folding of batch norms with it": rest,
        "all of it, in one process": times["score"],
        "**beyond `import torch` and the forward pass**": [a + b for a, b in zip(load, rest, strict=True)],
    }
    return [
        f"Each row of {args.starts} fresh processes, in turns; CPU, {platform.machine()}, threads: {threads}, torch "
        f"{torch.__version__}.",
        "",
        "| command | median, s | largest, s |",
        "|---|---|---|",
        *(_row(name, times[name]) for name in helps),
        "",
        "The first score of a process, of a JPEG photo of 512×384:",
        "",
        "| part | median, s | largest, s |",
        "|---|---|---|",
        *(_row(name, found) for name, found in rows.items()),
        "",
        "The forward pass is the first of another process of the same round; the rest is what a score takes beyond it.",
    ]


def _row(name: str, found: list[float]) -> str:
    return f"| {name} | {statistics.median(found):.2f} | {max(found):.2f} |"


if __name__ == "__main__":
    sys.exit(main())
