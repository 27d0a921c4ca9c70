"""Score images and report the agreement with ranks or with people."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

MODEL, RANKS, REPORT = "results/demo/run", "results/demo/ranks", "results/demo/report"
DIRECTIONS, MODES, SMALL = ("higher", "lower"), ("random", "grid"), ("error", "reflect", "resize")


def parser() -> argparse.ArgumentParser:
    class Formatter(argparse.ArgumentDefaultsHelpFormatter):
        """Defaults in the help, except where there is none to show."""

        def _get_help_string(self, action: argparse.Action) -> str | None:
            return action.help if action.default in (None, False) else super()._get_help_string(action)

    parse = argparse.ArgumentParser(
        prog="eval_all",
        description="Score the images of a ranked set, or those with human scores, and write a report: "
        "scores.csv, summary.json, report.html and its plots.",
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    add = parse.add_argument
    add("--model", default=MODEL, help="folder of a model or of a training run")
    truth = parse.add_mutually_exclusive_group()
    truth.add_argument("--ranks", default=RANKS, help="folder of a ranked set; truth is minus the level")
    truth.add_argument(
        "--labels", help="CSV of human scores in place of --ranks; columns name, mos or dmos, maybe type"
    )
    add("--images", help="folder that the names in --labels start from")
    add("--name-column", help="column with the image names, if not name, path or image")
    add("--score-column", help="column with the human scores, if not mos, dmos or score")
    add(
        "--direction",
        choices=DIRECTIONS,
        help="which human scores are better; by default higher for mos, "
        "lower for dmos; must be said for any other column",
    )
    add("--patches", type=int, default=30, help="crops of each image")
    add(
        "--mode",
        choices=MODES,
        default="random",
        help="where the crops are: at random, or on an even grid (of at most --patches)",
    )
    add("--seed", type=int, default=0, help="of the random crops")
    add(
        "--small",
        choices=SMALL,
        default="error",
        help="images smaller than a crop: leave them out with a warning, mirror them at their borders, or enlarge them",
    )
    add("--convert", action="store_true", help="also take greyscale, transparent, 16-bit and CMYK images")
    add("--strict", action="store_true", help="stop at the first image that cannot be scored")
    add("--all-references", action="store_true", help="keep the photos that the model was trained on")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--workers", type=int, default=2, help="threads that read images while the network runs")
    add("--out", help=f"folder for the report (default: {REPORT} for the default model, else MODEL/report)")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    from rankiqa.cli import guarded

    return guarded(run, argv)


def run(argv: Sequence[str]) -> int:
    parse = parser()
    args = parse.parse_args(argv)
    if (args.labels is None) != (args.images is None):
        parse.error("--labels and --images go together")
    for option in ("name_column", "score_column", "direction"):
        if args.labels is None and getattr(args, option) is not None:
            parse.error(f"--{option.replace('_', '-')} needs --labels")
    out = Path(args.out or (REPORT if args.model == MODEL else Path(args.model) / "report"))

    from rankiqa.evaluation import evaluate
    from rankiqa.report import as_text

    summary = evaluate(
        args.model,
        out,
        ranks=None if args.labels else args.ranks,
        labels=args.labels,
        images=args.images,
        label_options={
            "name_column": args.name_column,
            "score_column": args.score_column,
            "direction": args.direction,
        },
        all_references=args.all_references,
        patches=args.patches,
        mode=args.mode,
        seed=args.seed,
        small=args.small,
        convert=args.convert,
        strict=args.strict,
        device=args.device,
        workers=args.workers,
        progress=True,
        command=shlex.join(["python", "eval/eval_all.py", *argv]),
    )
    print(as_text(summary["tables"]))
    if skipped := summary["skipped"]["count"]:
        print(f"{skipped} images could not be scored and are not in the table")
    print(f"report: {out / 'report.html'}")
    return 0
