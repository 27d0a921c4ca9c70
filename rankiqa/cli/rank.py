"""rank: a page with all images of a folder, best first."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from rankiqa.cli import guarded
from rankiqa.cli.images import (
    INTERRUPTED,
    STATUS,
    check_output,
    expand,
    images_parser,
    load_scorer,
    score_all,
    write_sheet,
    write_text,
)
from rankiqa.printable import printable

_EPILOG = f"""\
The page is one file and needs no network: small pictures, scores, a filter by name and by range, the order best, worst
or by name. A view can be kept: it is in the address, such as photos.html#order=worst&by=percentile&to=10. A picture
links to its image, from where the page lies. What is read, and what is done to it, rankiqa score --help tells.

examples:
  rankiqa rank photos/ --html photos.html
  rankiqa rank photos/ --html photos.html --csv photos.csv --mode grid

{STATUS}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv, INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = images_parser("rank", "Write a page with all images of a folder, best first.", _EPILOG)
    output = parser.add_argument_group("output")
    output.add_argument("--html", required=True, metavar="FILE", help="the page to write")
    output.add_argument("--csv", metavar="FILE", help="write the scores as CSV too; -: on stdout")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.errors import InputError
    from rankiqa.extras import need
    from rankiqa.scoring.score_table import best_first, csv_text

    need("report", "jinja2")
    paths, problems = expand(options.paths)
    for output in (options.html, options.csv):
        check_output(output, paths)
    if options.csv and os.path.abspath(options.csv) == os.path.abspath(options.html):
        raise InputError("is given for --html and for --csv", path=options.csv, cure="give two files")
    scorer = load_scorer(options)
    outcome = score_all(scorer, paths, problems, options, pictures=True)
    results = best_first(outcome.results)
    if outcome.is_worth_writing():
        try:
            if options.csv:
                write_text(options.csv, csv_text(results))
        finally:
            write_sheet(options.html, results, scorer, options)
        said = sys.stderr if "-" in (options.html, options.csv) else sys.stdout
        total = len(paths) + len(problems)
        print(f"{outcome.scored} of {total} images scored\npage: {printable(options.html)}", file=said)
    return outcome.status(options.html, options.csv)
