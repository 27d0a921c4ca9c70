"""rank: all images of a folder, best first, and a page with them."""

from __future__ import annotations

import argparse
import os
import sys
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
    write_sheet,
    write_text,
)
from rankiqa.printable import printable

if TYPE_CHECKING:
    from rankiqa.scoring.score_table import Result

_EPILOG = f"""\
The page of --html is one file and needs no network: small pictures, scores, a filter by name and by range, the order
best, worst or by name. A view can be kept: it is in the address, such as photos.html#order=worst&by=percentile&to=10. A
picture links to its image, from where the page lies. What is read, and what is done to it, rankiqa score --help tells.

examples:
  rankiqa rank photos/
  rankiqa rank photos/ --html photos.html
  rankiqa rank photos/ --html photos.html --csv photos.csv --mode grid

{STATUS}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv, INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = images_parser(
        "rank", "Put all images of a folder in order, best first; with --html also on a page that shows them.", _EPILOG
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--html", metavar="FILE", help="write a page with small pictures too; -: on stdout, in place of the table"
    )
    output.add_argument(
        "--csv", metavar="FILE", help="write the scores as CSV too; -: on stdout, in place of the table"
    )
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.errors import InputError
    from rankiqa.extras import need
    from rankiqa.scoring.score_table import best_first, csv_text, meaning

    if options.html:
        need("report", "jinja2")
    paths, problems = look_at(options, options.html, options.csv)
    if options.csv and options.html and os.path.abspath(options.csv) == os.path.abspath(options.html):
        raise InputError("is given for --html and for --csv", path=options.csv, cure="give two files")
    scorer = load_scorer(options)
    outcome = score_all(scorer, paths, problems, options, pictures=options.html is not None)
    results = best_first(outcome.results)
    if outcome.is_worth_writing():
        on_stdout = "-" in (options.html, options.csv)
        try:
            if options.csv:
                write_text(options.csv, csv_text(results))
        finally:
            if options.html:
                write_sheet(options.html, results, scorer, options)
            if outcome.scored and not on_stdout:
                print(_table(results), meaning(scorer), sep="\n\n", end="\n\n")
        page = f"\npage: {printable(options.html)}" if options.html else ""
        said = f"{outcome.scored} of {len(paths) + len(problems)} images scored{page}"
        print(said, file=sys.stderr if on_stdout else sys.stdout)
    return outcome.status(options.html, options.csv)


def _table(results: Sequence[Result]) -> str:
    """Place, score and file of what has a score; `results` are best first."""
    scored = [(result.file, result.score) for result in results if result.score is not None]
    rows = [
        (str(place), decimal(score.value), decimal(score.unit), printable(file), score.note)
        for place, (file, score) in enumerate(scored, 1)
    ]
    return table_text(("", "score", "[0,1]", "file", "note"), rows, 3)
