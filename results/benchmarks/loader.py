"""Does the loader keep up with the step? Its parts, both alone and both together; `--help` tells more."""

from __future__ import annotations

import argparse
import dataclasses
import platform
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = ("ranks", "online")
KEPT = {False: "decoded each time", True: "decoded kept"}


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--pristine", help="folder of photos; without it the five of scikit-image")
    parse.add_argument("--ranks", help="a ranked set of these photos, as PNG; without it one is made for the time")
    parse.add_argument("--distortions", default="live", help="types of the online set, and of ranks that are made")
    parse.add_argument("--sources", nargs="+", choices=SOURCES, default=SOURCES, help="where images come from")
    parse.add_argument("--model", default="squeezenet1_1", help="architecture, with random weights")
    parse.add_argument("--crop", type=int, default=224, help="side of the crops")
    parse.add_argument("--images", type=int, default=2, help="photos of each type in a batch")
    parse.add_argument("--precision", default="fp32", help="fp32, tf32, bf16 or fp16")
    parse.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="loader processes, a row each")
    parse.add_argument("--steps", type=int, default=12, help="steps in a round, after --warm")
    parse.add_argument("--warm", type=int, default=4, help="steps before a round; with loader processes a queue fills")
    parse.add_argument("--rounds", type=int, default=3, help="rounds of step alone and step with loader, in turn")
    parse.add_argument("--out", type=Path, default=HERE / "loader.md", help="where the tables go")
    args = parse.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        parts, rates = [], []
        for source in args.sources:
            for kept in KEPT:
                trainer = trainer_of(args, source, Path(folder), kept)
                name = f"| {source}, {KEPT[kept]} |"
                fill(trainer, args.warm + args.steps)
                found = cost(trainer, args.steps)
                parts.append(f"{name} {' | '.join(f'{value:.3f}' for value in found)} |")
                rates += [f"{name} {workers} | {rate(trainer, args, workers, found[0])} |" for workers in args.workers]
        text = report(args, argv, trainer, parts, rates)
    from rankiqa.files import write_atomically

    write_atomically(args.out, text.encode())
    print(text)
    return 0


def trainer_of(args: argparse.Namespace, source: str, folder: Path, kept: bool):
    from rankiqa.cli.make_ranks import main as make_ranks
    from rankiqa.config import RankBatchConfig, RankConfig, RankDataConfig, RankModelConfig
    from rankiqa.training.ranking import RankTrainer

    ranks = Path(args.ranks or folder / "set")
    if source == "ranks" and not ranks.exists():
        photos = ["--pristine", args.pristine] if args.pristine else []
        if make_ranks([*photos, "--out", str(ranks), "--distortions", args.distortions]):
            raise SystemExit("the ranked set could not be made")
    data = RankDataConfig(source=source, ranks=str(ranks), pristine=args.pristine, distortions=args.distortions)
    data.decoded = str(folder / "decoded") if kept else None
    model = RankModelConfig(name=args.model, weights="none", crop=args.crop)
    out = str(folder / f"{source}-{kept}")
    batch = RankBatchConfig(images=args.images)
    return RankTrainer(RankConfig(data=data, model=model, batch=batch, out=out, precision=args.precision))


def fill(trainer, last: int) -> None:
    """Read what the rounds will read once: the first pass over a set is not what is asked."""
    from rankiqa.training.batches import load_batches

    for _ in load_batches(trainer.batches(), 0, last, 0):
        pass


def cost(trainer, steps: int) -> list[float]:
    """Milliseconds of processor time an image of a batch, all and by parts, in one process."""
    from rankiqa.images.photos import PRISTINE
    from rankiqa.training.ranked_batches import _stack

    batches, ranks = trainer.batches(), trainer.train_set
    online = trainer.config.data.source == "online"
    count, total, draw, read, stack = 0, 0.0, 0.0, 0.0, 0.0
    for step in range(steps):
        seconds, batch = timed(lambda step=step: batches[step])
        total += seconds
        seconds, items = timed(lambda step=step: batches.sampler.batch(step))
        draw += seconds
        count += len(items)
        what = [(i.reference, PRISTINE, 0) if online else (i.reference, i.distortion, i.level) for i in items]
        read += timed(lambda what=what: [ranks.image(*one) for one in what])[0]
        crops = list(batch["images"].numpy().transpose(0, 2, 3, 1))
        stack += timed(lambda crops=crops: _stack(crops))[0]
    rest = total - draw - read - stack
    return [1000 * seconds / count for seconds in (total, draw, read, max(0.0, rest), stack)]


def timed(function: Callable[[], object]) -> tuple[float, object]:
    """Seconds of processor time of a call, and what it gave."""
    start = time.process_time()
    found = function()
    return time.process_time() - start, found


def rate(trainer, args: argparse.Namespace, workers: int, loader: float) -> str:
    """Images a second: the loader alone, the step alone, both, and what of the step's rate is left.

    And the step's share of the processor time, of which `loader` takes so many ms an image.
    """
    from rankiqa.training.batches import load_batches
    from rankiqa.training.precision import computing

    last = args.warm + args.steps

    def batches() -> Iterator:
        return load_batches(trainer.batches(), 0, last, workers)

    (one, *_) = load_batches(trainer.batches(), 0, 1, 0)
    alone, bare, both, step = [], [], [], []
    with computing(args.precision):
        trainer.model.train()
        for _ in range(args.rounds):
            alone.append(images_per_second(batches(), args.warm, lambda batch: None))
            start = time.process_time()
            bare.append(images_per_second((one for _ in range(last)), args.warm, trainer.train_step))
            step.append(1000 * (time.process_time() - start) / (last * len(one["images"])))
            both.append(images_per_second(batches(), args.warm, trainer.train_step))
    ratios = [b / a for a, b in zip(bare, both, strict=True)]
    found = [statistics.median(values) for values in (alone, bare, both)]
    spread = f"{min(ratios):.1%} to {max(ratios):.1%}"
    share = statistics.median(step) / (statistics.median(step) + loader)
    return (
        " | ".join(f"{value:.1f}" for value in found) + f" | {statistics.median(ratios):.1%} ({spread}) | {share:.1%}"
    )


def images_per_second(batches: Iterator, warm: int, use: Callable[[dict], object]) -> float:
    """Of the batches after the first `warm`."""
    import torch

    def now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    seen, start = 0, now()
    for step, batch in enumerate(batches):
        if step == warm:
            seen, start = 0, now()
        seen += len(batch["images"])
        use(batch)
    return seen / (now() - start)


def report(args: argparse.Namespace, argv: list[str], trainer, parts: list[str], rates: list[str]) -> str:
    import torch

    device = trainer.accelerator.device
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    photos = [f"{photo.width}×{photo.height}" for photo in trainer.train_set.photos.values()]
    sizes = ", ".join(dict.fromkeys(photos[:5]))
    batch = dataclasses.asdict(trainer.config.batch)["images"] * sum(map(len, trainer.train_set.levels.values()))
    return "\n".join(
        [
            "# The loader beside the step",
            "",
            f"    {shlex.join(['python', 'results/benchmarks/loader.py', *argv])}",
            "",
            f"{args.model} with random weights, batches of {batch} crops of {args.crop}×{args.crop}, {args.precision}, "
            f"{device.type} ({where}), {torch.get_num_threads()} CPU threads, torch {torch.__version__}; {len(photos)} "
            f"photos ({sizes}). Both tables are of images that were read before.",
            "",
            "Processor time of an image in one loader process, ms: all of it, and its parts.",
            "",
            "| images | all | draw | read | crop and distort | stack |",
            "|---|---|---|---|---|---|",
            *parts,
            "",
            f"Images a second, median of {args.rounds} rounds of {args.steps} steps, each of the three in "
            "turn; both together as a share of the step alone, which has one batch in memory. The last column is the "
            "step's share of the processor time of both, which is the limit where the cores are all that computes.",
            "",
            "| images | loader processes | loader alone | step alone | both | both / step | processor time |",
            "|---|---|---|---|---|---|---|",
            *rates,
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
