"""verify: is a copy of a data set whole?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rankiqa.cli import HelpFormatter, at_least, guarded
from rankiqa.datasets.places import PAIRED_SETS, SCORED_SETS

SHOWN = 20  # problems of a kind
_EXAMPLES = """\
examples:
  rankiqa verify live --root LIVE
  rankiqa verify csv --root photos/ --labels scores.csv --report problems.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa verify",
        description="Count the images of a data set, decode each, and say what is missing, damaged or surplus. "
        "Status 0 where it is whole, 2 otherwise.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("dataset", help=f"{', '.join(SCORED_SETS)}; of pairs: {', '.join(PAIRED_SETS)}")
    add("--root", required=True, help="its folder, as it is distributed")
    add("--labels", help="csv: the file with the scores")
    add("--name-column", help="csv: column with the names of the images")
    add("--score-column", help="csv: column with the scores")
    add("--direction", choices=("higher", "lower"), help="csv: which scores are better")
    add("--score-range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="csv: ends of the scale of the scores")
    add("--workers", type=at_least(1), metavar="N", help="threads that decode; without it as many as cores, 8 at most")
    add("--report", metavar="FILE.csv", help="write every problem there")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.datasets.verify import verify_dataset

    keys = ("workers", "labels", "name_column", "score_column", "direction", "score_range")
    options.score_range = tuple(options.score_range) if options.score_range else None
    found = verify_dataset(options.dataset, options.root, **{key: getattr(options, key) for key in keys})
    print(found.summary)
    for kind in dict.fromkeys(problem.kind for problem in found.problems):
        some = [problem for problem in found.problems if problem.kind == kind]
        for problem in some[:SHOWN]:
            print(f"{kind}: {problem.path}{': ' if problem.path else ''}{problem.what}")
        if len(some) > SHOWN:
            print(f"{kind}: and {len(some) - SHOWN} more{'' if options.report else ' (--report FILE.csv for all)'}")
    if options.report:
        _write(options.report, found.problems)
    faults = sum(problem.is_fault for problem in found.problems)
    print("the data set is whole" if not faults else f"{faults} faults")
    return 0 if found.is_whole else 2


def _write(path: str, problems: Sequence) -> None:
    import csv
    import io

    from rankiqa.files import write_atomically

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("kind", "path", "what"))
    writer.writerows(problems)
    write_atomically(path, buffer.getvalue().encode())
