"""Score images and report the agreement with ranks or with people."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rankiqa.cli import HelpFormatter, guarded
from rankiqa.cli.images import ICC, ICC_HELP, MODES, SMALL

if TYPE_CHECKING:
    from rankiqa.evaluation.options import EvaluationOptions
    from rankiqa.evaluation.source import Source

MODEL, RANKS, REPORT = "results/demo/run", "results/demo/ranks", "results/demo/report"
DIRECTIONS = ("higher", "lower")
_EXAMPLES = """\
examples:
  rankiqa eval --model runs/live_vgg16 --ranks ranks/val
  rankiqa eval --model runs/live_ft --dataset live --root LIVE
  rankiqa eval --model default models/mine --pairs votes.sqlite --images photos/ --out report
  rankiqa eval --model runs/a runs/b --labels scores.csv --images photos/ --out comparison
"""


def _parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        prog="rankiqa eval",
        description="Score the images of a ranked set, or those with human scores, and write a report: "
        "scores.csv, summary.json, report.html and its plots.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parse.add_argument
    add("--model", nargs="+", default=[MODEL], help="folders of models or of training runs, or default or ranks, "
        "the bundled models; with {repeat} in it, one model for each split: runs/ft-{repeat} "
        "(default: results/demo/run)")  # fmt: skip
    add("--names", nargs="+", help="what tables call the models (default: the last part of each folder)")
    truth = parse.add_mutually_exclusive_group()
    truth.add_argument("--ranks", default=RANKS, help="folder of a ranked set; truth is minus the level")
    truth.add_argument(
        "--labels", help="CSV of human scores in place of --ranks; columns name, mos or dmos, maybe type"
    )
    truth.add_argument("--dataset", nargs="+", help="data sets with human scores: tid2013, live, csiq, kadid10k, ava, "
        "biq2021, koniq10k, spaq, clive, flive, flive_patches, tid2008, pipal, agiqa3k; "
        "scores of your own: --labels")  # fmt: skip
    truth.add_argument(
        "--pairs", metavar="VOTES", help="votes in place of --ranks: votes.sqlite of a study, or a CSV with better, "
        "worse and weight; the share of them that each model has right, in pairs.json"
    )  # fmt: skip
    add("--root", nargs="+", help="folder of each --dataset, as it is distributed")
    add("--split", nargs="+", help="one for all or one each: all, random, a published one (rankiqa, official) or "
        "a split.csv; the test part is scored (default: that of the model's run, else all)")  # fmt: skip
    add("--split-seed", type=int, default=0, help="of random splits")
    add("--repeats", type=int, help="random splits; of {repeat}, models (default: as many as there are)")
    add("--test-fraction", type=float, default=0.2, help="of the references in a random split")
    add(
        "--missing",
        choices=("error", "record"),
        default="error",
        help="what to do about listed images that are not there",
    )
    add("--no-pristine", action="store_true", help="leave out the undistorted copies (LIVE's)")
    add("--score-range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="scale of the scores in --labels")
    add("--no-thumbnails", action="store_true", help="name the worst-placed images and do not show them")
    add("--bootstrap", type=int, default=1000, help="resamples for the 95 %% intervals; 0: none")
    add("--images", help="folder that the names in --labels, or in --pairs, start from")
    add("--name-column", help="column with the image names, if not name, path or image")
    add("--score-column", help="column with the human scores, if not mos, dmos or score")
    add(
        "--direction",
        choices=DIRECTIONS,
        help="which human scores are better; by default higher for mos, "
        "lower for dmos; must be said for any other column",
    )
    add("--pair-edges", type=float, nargs="+", metavar="EDGE", help="differences of human scores, in their unit, that "
        "divide the pairs from close to far (default: a 40th, 20th, 10th and 5th of the scale)")  # fmt: skip
    add("--patches", type=int, default=30, help="crops of each image")
    add(
        "--mode",
        choices=MODES,
        help="what the network sees of an image: the whole image in one pass, reduced where its longer side has more "
        "than 1024 px; crops at random places or on an even grid (of at most --patches); all places in one pass "
        "(dense); the whole image resized to its input; or the image as it is (default: the model's own, whole for one "
        "with statistics of its stages, resize for NIMA, random for the others)",
    )
    add("--seed", type=int, default=0, help="of the random crops")
    add(
        "--small",
        choices=SMALL,
        default="reflect",
        help="images smaller than a crop, or with --mode whole than 64 px: leave them out with a warning, mirror them "
        "at their borders, or enlarge them",
    )
    add("--convert", action="store_true", help="also take greyscale, transparent, 16-bit and CMYK images")
    add("--icc", choices=ICC, default="convert", help=ICC_HELP)
    add("--strict", action="store_true", help="stop at the first image that cannot be scored")
    add("--all-references", action="store_true", help="keep the photos that the model was trained on")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--workers", type=int, default=2, help="threads that read images while the network runs")
    add("--out", help=f"folder for the report (default: {REPORT} for the default model, else MODEL/report)")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _run(argv: Sequence[str]) -> int:
    parse = _parser()
    args = parse.parse_args(argv)
    if (args.labels is None and args.pairs is None) != (args.images is None):
        parse.error("--labels and --images go together, and so do --pairs and --images")
    for option in ("name_column", "score_column", "direction", "score_range"):
        if args.labels is None and getattr(args, option) is not None:
            parse.error(f"--{option.replace('_', '-')} needs --labels")
    if len(args.dataset or ()) != len(args.root or ()):
        parse.error("--dataset and --root go together, a folder each")
    human = args.labels is not None or args.dataset is not None
    if args.split is not None and not human:
        parse.error("--split needs --dataset, or --labels and --images")
    if args.pair_edges is not None and not human:
        parse.error("--pair-edges needs --dataset, or --labels and --images")
    if args.split is not None and len(args.split) not in (1, len(args.dataset or [None])):
        parse.error("--split: give one for all data sets, or one each")
    single = args.model[0].replace("{repeat}", "all")
    out = Path(args.out or (REPORT if args.model == [MODEL] else Path(single) / "report"))

    if args.pairs is not None:
        return _eval_pairs(args, argv, out)
    sources, options = _look_at(args), _options(args, argv)

    from rankiqa.evaluation.comparison import as_text, compare, model_names

    names = model_names(args.model, args.names)
    if len(args.model) > 1 or len(sources) > 1:
        print(as_text(compare(names, sources, out, options)))
        print(f"comparison: {out / 'comparison.html'}")
        return 0

    from rankiqa.evaluation.report import as_text as table_as_text
    from rankiqa.evaluation.report import small_text, votes_text
    from rankiqa.evaluation.run import evaluate

    (source,) = sources
    summary = evaluate(args.model[0], source, out, options, name=(args.names or args.model)[0])
    print(table_as_text(summary["tables"], source.data.get("type_names")))
    if "votes" in summary:
        print(votes_text(summary["votes"]))
    if small := small_text(summary):
        print(f"{small} (--small)")
    if skipped := summary["skipped"]["count"]:
        print(f"{skipped} images could not be scored and are not in the table")
    print(f"report: {out / 'report.html'}")
    return 0


def _eval_pairs(args: argparse.Namespace, argv: Sequence[str], out: Path) -> int:
    from rankiqa.models.locate import find_model
    from rankiqa.scoring.device import check_device
    from rankiqa.study.pairs import open_pairs

    check_device(args.device)
    for model in args.model:
        find_model(model)
    pairs = open_pairs(args.pairs, args.images)

    from rankiqa.evaluation.comparison import model_names
    from rankiqa.evaluation.pairs import SUMMARY, evaluate_pairs, pairs_as_text

    names = model_names(args.model, args.names)
    print(pairs_as_text(evaluate_pairs(names, pairs, args.images, out, _options(args, argv))))
    print(f"report: {out / SUMMARY}")
    return 0


def _options(args: argparse.Namespace, argv: Sequence[str]) -> EvaluationOptions:
    from rankiqa.evaluation.options import EvaluationOptions
    from rankiqa.scoring.view import View

    return EvaluationOptions(
        view=View(args.patches, args.mode, args.seed, args.small),
        split_seed=args.split_seed,
        repeats=args.repeats,
        test_fraction=args.test_fraction,
        all_references=args.all_references,
        bootstrap=args.bootstrap,
        pair_edges=None if args.pair_edges is None else tuple(args.pair_edges),
        device=args.device,
        convert=args.convert,
        icc=args.icc,
        workers=args.workers,
        strict=args.strict,
        progress=True,
        thumbnails=not args.no_thumbnails,
        command=shlex.join(["rankiqa", "eval", *argv]),
    )


def _look_at(args: argparse.Namespace) -> list[Source]:
    """What to measure against, once all that can be known without PyTorch is known to be right."""
    from rankiqa.extras import need
    from rankiqa.models.locate import find_model
    from rankiqa.ranks.manifest import check_manifest
    from rankiqa.scoring.device import check_device

    need("report", "jinja2", "matplotlib")
    check_device(args.device)
    if args.dataset is None and args.labels is None:
        check_manifest(args.ranks)
    for model in args.model:
        if "{repeat}" not in model:
            find_model(model)
    return _sources(args)


def _sources(args: argparse.Namespace) -> list[Source]:
    """What to measure against, in the order of the command line."""
    from rankiqa.evaluation.source import open_source

    if args.dataset is None and args.labels is None:
        return [open_source(ranks=args.ranks)]
    common = {"missing": args.missing, "pristine": not args.no_pristine}
    if args.labels is not None:
        keys = {key: getattr(args, key) for key in ("name_column", "score_column", "direction")}
        keys["score_range"] = tuple(args.score_range) if args.score_range else None
        split = args.split[0] if args.split else None
        return [open_source(dataset="csv", root=args.images, labels=args.labels, split=split, **common, **keys)]
    splits: list[str | None] = args.split or [None]
    splits = splits * len(args.dataset) if len(splits) == 1 else splits
    chosen = zip(args.dataset, args.root, splits, strict=True)
    return [open_source(dataset=name, root=root, split=split, **common) for name, root, split in chosen]
