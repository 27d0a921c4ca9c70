"""How fast an image is scored: its 30 crops in one pass, in a few, or one at a time; `--help` tells more."""

from __future__ import annotations

import argparse
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--model", default="squeezenet1_1", help="architecture, with random weights")
    parse.add_argument("--patches", type=int, default=30, help="crops of an image")
    parse.add_argument("--size", type=int, nargs=2, default=(384, 512), help="height and width of the image")
    parse.add_argument("--repeats", type=int, default=15, help="images timed, after two to warm up")
    parse.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="CPU threads, a row each")
    parse.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parse.add_argument("--out", type=Path, default=HERE / "scoring.md", help="where the table goes")
    args = parse.parse_args(argv)

    import numpy as np
    import torch

    from rankiqa.files import write_atomically
    from rankiqa.models import build_model
    from rankiqa.scoring import patches as scoring
    from rankiqa.scoring.device import pick_device
    from rankiqa.scoring.view import View

    device = pick_device(args.device)
    torch.manual_seed(0)
    model = build_model(args.model, weights="none").eval().to(device)
    height, width = args.size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    knob = "CPU_PASS" if device.type == "cpu" else "GPU_PASS"
    default = min(getattr(scoring, knob), args.patches)
    sizes = sorted({1, default, args.patches})

    def score(crops: int) -> np.ndarray:
        setattr(scoring, knob, crops)
        return scoring.score_image(model, image, View(args.patches), device).scores

    difference = max(float(np.abs(score(size) - score(1)).max()) for size in sizes)
    rows = []
    for threads in args.threads:
        torch.set_num_threads(threads)
        seconds = {size: timed(lambda size=size: score(size), args.repeats) for size in sizes}
        for size, value in seconds.items():
            name = f"{size} (default)" if size == default else str(size)
            rows.append(f"| {threads} | {name} | {1000 * value:.1f} | {seconds[1] / value:.2f} | {1 / value:.1f} |")
    command = shlex.join(["python", "results/benchmarks/scoring.py", *argv])
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    text = "\n".join(
        [
            "# Scoring an image: how many crops in one pass",
            "",
            f"    {command}",
            "",
            f"{args.model} with random weights, {args.patches} random crops of {model.crop}×{model.crop} of a "
            f"{width}×{height} image, float32, {device.type} ({where}), torch {torch.__version__}; median of "
            f"{args.repeats} repeats. Largest difference between the scores: {difference:.1e}.",
            "",
            "| CPU threads | crops in a pass | ms an image | times as fast as one at a time | images/s |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    write_atomically(args.out, text.encode())
    print(text)
    return 0


def timed(function: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call; the scores come back to the CPU in it, so that a GPU has finished."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


if __name__ == "__main__":
    sys.exit(main())
