"""Efficient Siamese batches against random pairs and hard negatives, and what the pair loss costs.

    python results/benchmarks/sampling.py

Writes sampling.md beside this file. For 3 to 6 levels, each way learns from the same pairs: all levels of one photo and
type pass once (n images, n(n−1)/2 pairs), or each pair passes by itself (n(n−1) images). The paper's claim is the
ratio of passes, n − 1; the measured ratio is of the time of whole steps: forward, loss, backward, update.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from rankiqa.files import write_atomically
from rankiqa.losses import hardest_pairs_hinge, pairwise_hinge
from rankiqa.models import build_model
from rankiqa.training.samplers import EfficientGroups, HardNegatives, RandomPairs


def tensors(items: list, crop: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    images = torch.rand(len(items), 3, crop, crop).contiguous(memory_format=torch.channels_last)
    return images, torch.tensor([i.group for i in items]), torch.tensor([i.level for i in items])


def medians(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Seconds of each; taken in turns, so that a busy moment of the machine meets them all."""
    times = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--images", type=int, default=4, help="photos a step (one type, their own levels compared)")
    parser.add_argument("--candidates", type=int, default=4, help="hard negatives: candidates for a pair that is kept")
    parser.add_argument("--out", default=str(Path(__file__).with_suffix(".md")))
    args = parser.parse_args()
    torch.manual_seed(0)
    model = build_model("squeezenet1_1").train()
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
    photos = tuple(map(str, range(20)))

    def step(batch: tuple, loss: Callable) -> Callable[[], None]:
        images, group, level = batch

        def run() -> None:
            loss(model(images), group, level).backward()
            optimizer.step()
            optimizer.zero_grad()

        return run

    # glibc's settings decide how dear large batches are (see README.md), so they belong to the command.
    allocator = "".join(f"{k}={v} " for k, v in sorted(os.environ.items()) if k.startswith("MALLOC_"))
    lines = [
        "# Sampling",
        "",
        f"    {allocator}python results/benchmarks/sampling.py",
        "",
        f"SqueezeNet 1.1, 224×224, float32, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{platform.machine()}. Whole steps; median of {args.repeats}; times relative to the row's efficient batch. "
        "Hard negatives: the "
        f"same number of pairs is kept of {args.candidates} times as many candidates, all passing once.",
        "",
        "| levels | pairs | images: efficient | images: random pairs | passes, n − 1 | random pairs, measured "
        "| hard negatives, measured |",
        "|---|---|---|---|---|---|---|",
    ]
    for n in range(3, 7):
        levels = {"GB": tuple(range(n))}
        efficient = tensors(EfficientGroups(photos, levels, images=args.images, across=False).batch(0), model.crop)
        pairs = args.images * n * (n - 1) // 2
        standard = tensors(RandomPairs(photos, levels, pairs).batch(0), model.crop)
        hard = tensors(HardNegatives(photos, levels, pairs * args.candidates, keep=pairs).batch(0), model.crop)
        seconds = medians(
            {
                "efficient": step(efficient, pairwise_hinge),
                "standard": step(standard, pairwise_hinge),
                "hard": step(hard, lambda s, g, lv, keep=pairs: hardest_pairs_hinge(s, g, lv, 1.0, keep)),
            },
            args.repeats,
        )
        row = [seconds[k] / seconds["efficient"] for k in ("standard", "hard")]
        lines.append(
            f"| {n} | {pairs} | {len(efficient[0])} | {len(standard[0])} | {n - 1} | {row[0]:.2f} | {row[1]:.2f} |"
        )
        print(lines[-1], flush=True)

    live = {t: tuple(range(6)) for t in ("GB", "GN", "JPEG", "JP2K")}
    batch = tensors(EfficientGroups(photos, live, images=2).batch(0), model.crop)
    scores = torch.randn(len(batch[0]), requires_grad=True)
    seconds = medians(
        {
            "step": step(batch, pairwise_hinge),
            "loss": lambda: [pairwise_hinge(scores, *batch[1:]).backward() for _ in range(100)],
        },
        args.repeats,
    )
    share = seconds["loss"] / 100 / seconds["step"]
    lines += [
        "",
        f"The pair loss, forward and backward, over the 240 ordered pairs of LIVE's batch of 48: {share:.3%} "
        "of the step.",
    ]
    print(lines[-1])
    write_atomically(args.out, ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
