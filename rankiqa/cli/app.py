"""app: a local page with photos and their scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankiqa.cli import HelpFormatter, guarded
from rankiqa.cli.label import serving_options

if TYPE_CHECKING:
    from rankiqa.scoring.scorer import Scorer

PORT = 8766
MODELS = ("default", "ranks")  # those of rankiqa.models.bundled
_EPILOG = """\
Photos can be dropped on the page too; they lie in a temporary folder until the command ends. Nothing leaves this
machine.

examples:
  rankiqa app
  rankiqa app photos/
  rankiqa app photos/ --model runs/live_ft
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa app",
        description="Show photos, best and worst first, on a local page: scores, percentiles, heat maps, two beside "
        "each other, and a CSV file of it all.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="images, folders, patterns, as for score (default: none)"
    )
    parser.add_argument("--model", metavar="DIR|RUN|HUB_ID", help="a model to choose beside the bundled ones, default "
        "and ranks, and the one to begin with (default: default)")  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    serving_options(parser, PORT)
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.cli.images import expand, report, stoppable
    from rankiqa.extras import need
    from rankiqa.models.locate import check_model
    from rankiqa.scoring.device import check_device
    from rankiqa.web.serving import addresses, listen

    need("label", "starlette", "uvicorn")
    paths, problems = expand(options.paths) if options.paths else ([], [])
    check_model(options.model)
    check_device(options.device)
    with listen(options.host, options.port) as taken:
        import secrets

        from rankiqa.web.app import photo_app
        from rankiqa.web.judging import Judging
        from rankiqa.web.pictures import Pictures
        from rankiqa.web.serving import serve
        from rankiqa.web.shelf import Shelf

        for problem in problems:
            if problem.error is not None:
                report(problem.error)
        token = secrets.token_urlsafe(18)
        models = list(dict.fromkeys([*([options.model] if options.model else []), *MODELS]))
        found = addresses(taken, token)
        with Shelf(paths) as shelf:
            pictures = Pictures("", shelf.photos)
            judging = Judging(shelf, lambda name: _load(name, options.device), pictures.keep_small)
            print(*(f"open {address}" for address in found), sep="\n")
            print("Ctrl-C stops it", flush=True)
            try:
                with stoppable():
                    app = photo_app(shelf, judging, pictures, models, token)
                    serve(app, taken, None if options.no_browser else found[0])
            finally:
                pictures.close()
                judging.close()
    return 0


def _load(name: str, device: str) -> Scorer:
    import rankiqa

    return rankiqa.load(name, device)
