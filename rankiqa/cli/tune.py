"""tune: the default model, led by people's votes towards what they prefer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rankiqa.cli import DEBUG, HelpFormatter, as_flag, at_least, guarded
from rankiqa.cli.images import ICC, ICC_HELP

_EXAMPLES = """\
examples:
  rankiqa tune photos/ votes.sqlite --out models/mine
  rankiqa tune photos/ pairs.csv --out models/mine --what "our shop's photos"
  rankiqa score new/ --model models/mine

pairs.csv has the columns better, worse and weight, paths in photos/ with /; a tie is two rows, both orders at 0.5.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    said = "interrupted; nothing was written, the votes are as they were"
    return guarded(_run, argv, said, lambda option: "" if option == "images" else as_flag(option))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa tune",
        description="Tune a model on people's votes: which of two photos is better. As much is learned as the votes "
        "can carry, from nothing to all statistics of the network, which is chosen and measured by votes on photos "
        "that were not learned from. Writes a model folder with a report beside the model that it began with.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("photos", metavar="PHOTOS", help="the folder of the photos that were voted on")
    add("votes", metavar="VOTES", help="votes.sqlite of a study, or a CSV file of pairs")
    add("--out", required=True, metavar="DIR", help="the model folder to make")
    add("--model", default="default", metavar="DIR|OWNER/NAME", help="what to begin with: default, ranks, a tuned "
        "model, or another with a head on statistics")  # fmt: skip
    add("--what", metavar="TEXT", help="the photos in words, for the meaning of a percentile (default: the folder's "
        "name)")  # fmt: skip
    add("--seed", type=at_least(0), default=0, metavar="N", help="of the divisions of the photos")
    add("--icc", choices=ICC, default="convert", help=ICC_HELP)
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--workers", type=at_least(0), default=2, metavar="N", help="threads that read photos while the network runs")
    add("--overwrite", action="store_true", help="replace a model that is there (default: refuse)")
    add(DEBUG, action="store_true", help="show the traceback where otherwise an error is one line")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    import shlex

    from rankiqa.models.locate import check_free, check_model
    from rankiqa.printable import printable
    from rankiqa.scoring.device import check_device
    from rankiqa.study.pairs import open_pairs

    check_free(options.out, options.overwrite)
    check_model(options.model)
    check_device(options.device)
    pairs = open_pairs(options.votes, options.photos, without_gone=True)
    if pairs.gone:
        count = f"{len(pairs.gone)} photo{'s that are' if len(pairs.gone) > 1 else ' that is'} not there any more"
        print(
            f"left out: votes on {count} ({printable(pairs.gone[0])}{', …' * (len(pairs.gone) > 1)})", file=sys.stderr
        )

    from rankiqa.scoring.scorer import Scorer
    from rankiqa.training.tuning import TuneOptions, tune

    scorer = Scorer.load(options.model, options.device)
    how = TuneOptions(
        seed=options.seed,
        icc=options.icc,
        workers=options.workers,
        what=options.what,
        command=shlex.join(["rankiqa", "tune", *argv]),
    )
    tuned = tune(scorer, options.photos, pairs, how)
    tuned.save(options.out)
    print(tuned.report.text())
    print(f"\nmodel: {options.out}; rankiqa score photo.jpg --model {shlex.quote(options.out)}")
    return 0
