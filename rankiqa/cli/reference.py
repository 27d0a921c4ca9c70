"""reference: the scores that a model's percentile and its scale from 0 to 1 refer to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rankiqa.cli import HelpFormatter, guarded

_EXAMPLES = """\
examples:
  rankiqa score photos/ --model runs/mine --csv scores.csv
  rankiqa reference --model runs/mine --scores scores.csv --what "my photos" --out models/mine
  rankiqa score photo.jpg --model models/mine        the percentile is now among your photos

  python eval/eval_all.py --model runs/mine --ranks ranks/val --out report
  rankiqa reference --model runs/mine --scores report/scores.csv --what "ranks of 41 photos" --out models/mine
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa reference",
        description="Write a copy of a model whose percentiles refer to the images of a table of its scores: the CSV "
        "of rankiqa score, or scores.csv of an evaluation. Of an evaluation on ranks the scale from 0 to 1 is taken "
        "too: from the strongest distortions to the pristine photos.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", required=True, metavar="DIR|RUN|HUB_ID", help="whose scores these are")
    add("--scores", required=True, metavar="CSV", help="a column score; of ranks reference, distortion and level too")
    add("--what", metavar="TEXT", help="the images in words (default: the name of the file)")
    add("--out", required=True, metavar="DIR", help="model folder to write; there must be none yet")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from pathlib import Path

    from rankiqa.errors import InputError
    from rankiqa.models.locate import check_model
    from rankiqa.models.reference import read_reference

    out = Path(options.out)
    if out.exists():
        raise InputError("is there already", path=out, cure="give a new one", options=("out",))
    found = read_reference(options.scores, options.what or Path(options.scores).name)
    check_model(options.model)

    from rankiqa.scoring.scorer import Scorer

    scorer = Scorer.load(options.model, "cpu")
    scorer.settings["reference"] = found.config()
    scorer = Scorer(scorer.network, scorer.settings, scorer.source)
    scorer.save_pretrained(out)
    low, middle, high = (found.quantiles[percent] for percent in (5, 50, 95))
    print(f"{out}: {found.images} images, 5 % below {low:.4g}, half below {middle:.4g}, 95 % below {high:.4g}")
    if found.low is not None:
        print(f"0 is {found.low:.4g}, 1 is {found.high:.4g}")
    return 0
