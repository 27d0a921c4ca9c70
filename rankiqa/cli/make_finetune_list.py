"""make-finetune-list: lists of images with human scores, split by reference, from the files that databases bring."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rankiqa.cli import HelpFormatter, guarded

_EXAMPLES = """\
examples:
  rankiqa make-finetune-list --labels scores.csv --images photos/ --out lists/mine
  rankiqa make-finetune-list --labels TID2013/mos_with_names.txt --images TID2013/distorted_images \\
    --test-references I04,I11,I13,I17,I19 --out lists/tid2013
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa make-finetune-list",
        description="Read human scores (a CSV file, a list of the original with PATH SCORE, or TID2013's "
        "mos_with_names.txt), check them, and write PREFIX.csv for eval_all --labels, and the original's lists of a "
        "split by reference: PREFIX_train.txt and PREFIX_test.txt.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("--labels", metavar="FILE", required=True, help="the scores")
    add("--images", metavar="DIR", required=True, help="folder that the names start from; letter case may differ")
    add("--out", metavar="PREFIX", default="ft", help="of the files written")
    add("--scores", choices=("mos", "dmos"), help="mos: higher is better; dmos: lower is better. A CSV file says it by "
        "its column, a list must be told")  # fmt: skip
    add(
        "--test-references", metavar="NAMES", help="with commas, such as I04,I11,I13,I17,I19, TID2013's published split"
    )
    add("--test-fraction", type=float, default=0.2, help="of the references, drawn with --seed, where none are named")
    add("--seed", type=int, default=0, help="of the draw")
    add("--root", metavar="DIR", default="", help="written in front of each path in the lists")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.compat.score_list import read_scores, split_references, write_scores

    scores = read_scores(options.labels, options.images, options.scores)
    named = [name.strip() for name in options.test_references.split(",")] if options.test_references else None
    test = split_references(scores, named, options.test_fraction, options.seed)
    for line in write_scores(scores, test, options.out, options.root):
        print(line)
    return 0
