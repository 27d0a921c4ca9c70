"""scale: the scale that people's votes make."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankiqa.cli import DEBUG, HelpFormatter, guarded

if TYPE_CHECKING:
    from rankiqa.study.scale import Scale

_EPILOG = """\
Comparisons, ratings and orders make one scale. With ratings it is theirs, from 1 to 5; without, it is in JOD around 0:
at a difference of 1, 75 % of people say the better one. The file of --out has the columns name, mos, low, high (95 %)
and votes; trainings and evaluations read it: --dataset csv --data.labels scores.csv.

Noisy raters count less by themselves, and nobody's votes are left out but those of --without.

examples:
  rankiqa scale votes.sqlite --out scores.csv
  rankiqa scale votes.sqlite --out scores.csv --html scale.html --photos photos/
  rankiqa scale votes.sqlite --out scores.csv --without Bo
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa scale",
        description="Make a scale of people's votes: a score with its interval for each photo, how far the raters "
        "agree, and who is careless.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("votes", metavar="VOTES", help="the file of votes, as rankiqa label makes it")
    add("--out", required=True, metavar="FILE", help="the scores as CSV, best first")
    add("--html", metavar="FILE", help="write a page too: photos, pairs that people disagree on, raters")
    add("--photos", metavar="DIR", help="the folder of the photos, for small pictures on the page")
    add("--without", action="append", default=[], metavar="RATER", help="leave this rater's votes out; "
        "repeatable (default: nobody's)")  # fmt: skip
    add(DEBUG, action="store_true", help="show the traceback where otherwise an error is one line")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.cli.images import write_text
    from rankiqa.errors import InputError
    from rankiqa.extras import need

    if options.html:
        need("report", "jinja2")
    _check(options)
    from rankiqa.study.vote_file import VoteFile

    with VoteFile(options.votes) as votes:
        for name in options.without:
            if name not in votes.raters():
                raise InputError(f"has no rater {name!r}, only {', '.join(votes.raters())}", path=options.votes)
        from rankiqa.study.scale import Study, make_scale

        study = Study.of(votes).without(options.without)
    try:
        scale = make_scale(study)
    except InputError as error:
        raise error.at(options.votes) from error
    write_text(options.out, scale.csv())
    if options.html:
        from rankiqa.study.scale_page import scale_page

        title = f"The scale of {os.path.basename(options.votes)}"
        write_text(options.html, scale_page(scale, title, options.photos))
    print("\n".join(_said(scale, options)), file=sys.stderr if "-" in (options.out, options.html) else sys.stdout)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse, before the work, outputs that cannot be written or are something else."""
    from rankiqa.cli.images import check_output
    from rankiqa.errors import InputError

    given = [path for path in (options.votes, options.out, options.html) if path and path != "-"]
    if len({os.path.abspath(path) for path in given}) < len(given):
        raise InputError("is given twice", path=options.out, cure="give files that differ")
    for path in (options.out, options.html):
        check_output(path, ())
    if options.photos is not None and not os.path.isdir(options.photos):
        raise InputError("no such folder", path=options.photos)


def _said(scale: Scale, options: argparse.Namespace) -> list[str]:
    """What the command prints."""
    from rankiqa.cli.images import decimal, table_text
    from rankiqa.printable import printable

    unit = "as ratings, 1 to 5" if scale.unit == "rating" else "in JOD around 0"
    votes, raters = sum(rater.votes for rater in scale.raters), len(scale.raters)
    lines = [
        f"{_count(len(scale.photos), 'photo')}, {_count(votes, 'vote')} of {_count(raters, 'rater')}; scores {unit}"
    ]
    if held := scale.held_out:
        lines.append(f"told right of {held.votes} held-out comparisons: {held.right:.0%} ({held.bits:.2f} bits each)")
    alphas = {"comparisons": scale.alpha_comparisons, "ratings": scale.alpha_ratings}
    known = [f"{value:.2f} on {what}" for what, value in alphas.items() if value == value]
    why = "there is one rater" if raters == 1 else "no two raters judged the same"
    lines.append(f"agreement of raters (Krippendorff's alpha): {', '.join(known) or f'unknown, as {why}'}")
    rows = [
        (
            str(rater.votes),
            decimal(_number(rater.noise), 2),
            decimal(_number(rater.bias), 2),
            decimal(_number(rater.inconsistency), 2),
            decimal(_number(rater.retest), 2),
            f"{rater.same}/{rater.repeats}" if rater.repeats else "-",
            f"{rater.wrong}/{rater.catches}" if rater.catches else "-",
            printable(rater.name),
            ", ".join(rater.remarks),
        )
        for rater in scale.raters
    ]
    headings = ("votes", "noise", "bias", "scatter", "retest", "same", "wrong", "rater", "remarks")
    lines += ["", table_text(headings, rows, 7), ""]
    if scale.unseen:
        some = ", ".join(map(printable, scale.unseen[:3])) + (", …" if len(scale.unseen) > 3 else "")
        lines.append(f"without a vote, and without a score: {_count(len(scale.unseen), 'photo')} ({some})")
    for path, what in ((options.out, "scores"), (options.html, "page")):
        if path and path != "-":
            bare = " (without pictures; --photos DIR brings them)" if what == "page" and not options.photos else ""
            lines.append(f"{what}: {printable(path)}{bare}")
    if "-" not in (options.out, options.html):
        folder, file = options.photos or "PHOTOS", shlex.quote(options.votes)
        lines.append(f"To teach a model: {printable(f'rankiqa tune {shlex.quote(folder)} {file} --out models/mine')}")
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
