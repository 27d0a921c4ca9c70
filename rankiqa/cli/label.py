"""label: a local page on which people say which photo is better."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rankiqa.cli import DEBUG, HelpFormatter, at_least, guarded

if TYPE_CHECKING:
    from rankiqa.web.modes import Mode
    from rankiqa.web.opening import Study

MODES = ("compare", "rate", "sort")  # those of rankiqa.web.modes
PRIORS = ("default", "ranks", "none")
PORT = 8765
_JOINED = 1.15  # votes for each photo after which votes join all photos; of 20 to 200 it was 1.05 to 1.15
_EPILOG = """\
Give the address, which has a token in it, to whoever shall vote; each rater is asked for a name, and several may vote
at once. Each vote is on the disk before the next photos are shown, so the command may be stopped or killed at any time,
and the same command goes on. Beside the file of votes lies its secret, FILE.secret, which keeps the address the same;
remove it to shut out those who know the address.

The pages are reached from this machine alone. With --host 0.0.0.0 others in the network reach them too, over plain
HTTP: for a network that you trust, as at home. Nobody reaches files but the photos, and these without their names.

examples:
  rankiqa label photos/ --out votes.sqlite
  rankiqa label photos/ --out votes.sqlite --mode rate
  rankiqa label photos/ --out votes.sqlite --mode sort --limit 6
  rankiqa label photos/ --out votes.sqlite --host 0.0.0.0 --no-browser      for a phone, or several people
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa label",
        description="Let people say on a local page which of two photos is better, how good one is, or in which order "
        "a few come, and keep their votes in a file.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("photos", metavar="DIR", help="the folder with the photos, at any depth")
    add("--out", required=True, metavar="FILE", help="the file of votes (SQLite), made where there is none")
    add("--mode", choices=MODES, default="compare", help="what is asked: which of two photos is better, chosen so that "
        "each answer tells most; how good one is, in the five words of ITU-T P.910; or the order of a few")  # fmt: skip
    add("--limit", type=at_least(2), default=8, metavar="N", help="with --mode sort, photos that are sorted at once")
    add("--prior", choices=PRIORS, default="none", help="with --mode compare, start from the scores of a bundled "
        "model: fewer votes are needed where it is right, it is outvoted where it is not; scoring takes time "
        "once; FILE.prior.csv keeps the scores")  # fmt: skip
    serving_options(parser, PORT)
    return parser


def serving_options(parser: argparse.ArgumentParser, port: int) -> None:
    """The options of a command that serves pages."""
    add = parser.add_argument_group("the page").add_argument
    add("--host", default="127.0.0.1", help="the address to listen at; 0.0.0.0: all of this machine, for others too")
    add("--port", type=int, default=port, help="the port to listen at; 0: one that is free")
    add("--no-browser", action="store_true", help="do not open the page in a browser here")
    add(DEBUG, action="store_true", help="show the traceback where otherwise an error is one line")


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    # Choosing takes many small products of matrices. Threads gain nothing there, and where other work keeps the
    # processors busy they wait for each other. NumPy, which is not imported yet, reads this; PyTorch does not.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from rankiqa.cli.images import check_output
    from rankiqa.extras import need
    from rankiqa.web.serving import listen, secret_of

    need("label", "starlette", "uvicorn")
    check_output(options.out, ())
    least = 1 if options.mode == "rate" else 2
    with listen(options.host, options.port) as taken, _opened(options, least) as study:
        from rankiqa.web.modes import make_mode  # with SciPy, which takes longer than a look at the folder

        prior = None
        if options.prior != "none" and options.mode == "compare":
            prior = _scores(options, study)
        secret = secret_of(f"{options.out}.secret")
        mode = make_mode(options.mode, study.votes, study.usable, prior, options.limit)
        _serve(options, study, mode, secret, taken)
    return 0


@contextmanager
def _opened(options: argparse.Namespace, least: int) -> Iterator[Study]:
    """The study, whose file is closed in the end; what is left out of it is told."""
    from rankiqa.web.opening import open_study

    study = open_study(options.photos, options.out, least, _say)
    with study.votes:
        for problem in study.problems:
            _say(f"left out: {problem}")
        yield study


def _serve(options: argparse.Namespace, study: Study, mode: Mode, secret: bytes, taken: socket.socket) -> None:
    from rankiqa.cli.images import stoppable
    from rankiqa.errors import InputError
    from rankiqa.printable import printable
    from rankiqa.web.labelling import label_app
    from rankiqa.web.pictures import Pictures
    from rankiqa.web.serving import addresses, serve, token_of
    from rankiqa.web.session import Session

    votes = study.votes
    session = Session(votes, mode, secret)

    def broken(number: int, error: InputError) -> None:
        if number in study.usable:  # the others were told of at the start
            _say(f"left out: {error}")
        session.leave_out(number, error)

    pictures = Pictures(options.photos, votes.photos, hashed=votes.set_hashes, broken=broken)
    found = addresses(taken, token_of(secret))
    print(f"{len(study.usable)} photos; {_count(study)} in {printable(options.out)}")
    print(*(f"open {address}" for address in found), sep="\n")
    print("Ctrl-C stops it; the same command goes on", flush=True)
    try:
        pictures.look_ahead()
        with stoppable():
            app = label_app(session, pictures, options.mode, secret, _then(options.out))
            serve(app, taken, None if options.no_browser else found[0])
    finally:
        pictures.close()
    print(f"\n{_ended(study, session.progress(), options)}")


def _ended(study: Study, progress: dict[str, Any], options: argparse.Namespace) -> str:
    """How far the study is, and what can be done next."""
    from rankiqa.printable import printable

    said, photos = f"{_count(study)} in {printable(options.out)}", len(study.usable)
    if not study.votes.raters():
        return f"{said}; the same command goes on"
    if options.mode == "compare":
        wanted = "enough" if progress["given"] >= progress["wanted"] else f"of about {progress['wanted']}"
        said += f", {wanted}"
    if progress["sure"] is not None:
        said += f"; the order is {int(100 * progress['sure'])} % sure"
    joined = min(math.ceil(_JOINED * photos), photos * (photos - 1) // 2)
    if options.mode == "compare" and progress["given"] < joined:
        return f"{said}\nThe same command goes on; a scale of all photos needs some {joined} votes"
    return f"{said}\nThe same command goes on; {_then(options.out)} makes scores of the votes"


def _then(out: str) -> str:
    """The command that goes on with the votes."""
    from rankiqa.printable import printable

    return f"rankiqa scale {shlex.quote(printable(out))} --out scores.csv"


def _count(study: Study) -> str:
    votes = [*study.votes.comparisons(), *study.votes.ratings(), *study.votes.orders()]
    count, raters = len(votes), len({vote.rater for vote in votes})  # not those whose votes were all taken back
    return f"{count} vote{'s' * (count != 1)} of {raters} rater{'s' * (raters != 1)}"


def _say(text: str) -> None:
    from rankiqa.printable import printable

    print(printable(text), file=sys.stderr)


def _scores(options: argparse.Namespace, study: Study) -> list[float]:
    """What a model says of each photo of a study, made once."""
    from rankiqa.web.prior import prior_scores

    votes = study.votes
    return prior_scores(options.prior, options.photos, votes, study.usable, f"{votes.path}.prior.csv")
