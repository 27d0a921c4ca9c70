"""compare: a few images in order, and how sure the order is."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankiqa.cli import guarded
from rankiqa.cli.images import (
    INTERRUPTED,
    STATUS,
    decimal,
    images_parser,
    load_scorer,
    look_at,
    score_all,
    table_text,
    view_of,
    write_sheet,
)
from rankiqa.printable import printable

if TYPE_CHECKING:
    from rankiqa.scoring.scorer import Score

_EPILOG = f"""\
The table is best first, each image with its difference from the best. "order" is how likely an image would still be
behind the one above it had all places been looked at in place of some: 50 % is a toss-up. It comes from the spread over
the crops, and says nothing of how often people would agree; there is none where no crops are drawn. What is read, and
what is done to it, rankiqa score --help tells.

examples:
  rankiqa compare first.jpg second.jpg
  rankiqa compare burst/*.jpg --patches 100 --html burst.html

{STATUS}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv, INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = images_parser("compare", "Put two or more images in order, and say how sure the order is.", _EPILOG)
    parser.add_argument_group("output").add_argument("--html", metavar="FILE", help="write a page with small pictures "
        "too, as rankiqa rank does")  # fmt: skip
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.errors import InputError
    from rankiqa.extras import need
    from rankiqa.scoring.score_table import best_first, meaning

    if options.html:
        need("report", "jinja2")
    paths, problems = look_at(options, options.html)
    if len(paths) + len(problems) < 2:
        raise InputError(f"there is nothing to compare {paths[0]} with", cure="give two images or more")
    scorer = load_scorer(options)
    outcome = score_all(scorer, paths, problems, options, pictures=options.html is not None)
    results = best_first(outcome.results)
    if outcome.is_worth_writing():
        try:
            if options.html:
                write_sheet(options.html, results, scorer, options)
        finally:
            if outcome.scored:
                drawn = view_of(options).of(scorer.network).mode == "random"
                scored = [(result.file, result.score) for result in results if result.score is not None]
                print(_table(scored, drawn))
                print(f"\n{meaning(scorer)}")
    return outcome.status(options.html)


def _table(scored: Sequence[tuple[str, Score]], drawn: bool) -> str:
    """Files and their scores, best first; `drawn`: their places were drawn at random."""
    best = scored[0][1]
    rows = []
    for i, (file, score) in enumerate(scored):
        chance = order_chance(scored[i - 1][1], score) if drawn and i else math.nan
        order = "-" if math.isnan(chance) else "> 99 %" if chance > 0.995 else f"{100 * chance:.0f} %"
        rows.append(
            (
                str(i + 1),
                decimal(score.value),
                decimal(score.value - best.value) if i else "",
                decimal(score.unit),
                decimal(score.unit - best.unit) if i else "",
                decimal(score.spread),
                order if i else "",
                printable(file),
                score.note,
            )
        )
    return table_text(("", "score", "from best", "[0,1]", "from best", "spread", "order", "file", "note"), rows, 7)


def order_chance(better: Score, worse: Score) -> float:
    """How likely the first image would be ahead of the second with all places looked at; NaN where nothing tells it.

    The scores are means over crops at random places, so their standard errors are spread / √(patches − 1), as the
    spread is divided by patches; the chance is that of a normal distribution of the difference.
    """
    if min(better.patches, worse.patches) < 2:
        return math.nan
    error = math.hypot(*(score.spread / math.sqrt(score.patches - 1) for score in (better, worse)))
    difference = better.value - worse.value
    if not error:
        return math.nan if not difference else float(difference > 0)
    return 0.5 * (1 + math.erf(difference / error / math.sqrt(2)))
