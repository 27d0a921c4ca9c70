"""score: the quality of images, as a table, CSV or JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankiqa.cli import guarded
from rankiqa.cli.images import (
    INTERRUPTED,
    STATUS,
    append_all,
    decimal,
    images_parser,
    load_scorer,
    look_at,
    score_all,
    table_text,
    view_of,
    write_text,
)
from rankiqa.printable import printable

if TYPE_CHECKING:
    from rankiqa.scoring.scorer import Scorer

GOES_ON = "the same command goes on where it stopped"
_EPILOG = f"""\
what is read, and what is done to it:
  formats          PNG, JPEG, BMP, TIFF, WebP, JPEG 2000, GIF and AVIF, HEIC with the extra heic, JPEG XL with the extra
                   jxl; told by their content
  alpha            laid on white
  grey             copied to the three channels
  over 8 bits      scaled to 8 and rounded
  colour profiles  converted to sRGB (relative colorimetric); --icc ignore takes the numbers as they are stored
  CMYK             by its profile; without one as Pillow does
  rotation         applied: EXIF's, and that of HEIC, AVIF and JPEG XL
  HDR gain maps    left aside, and said so once
  several frames   the first one, of animations and of pages; an animated JPEG XL is refused
  small            below 32 px on a side: refused; smaller than the model's crop, or than 64 px where the model sees the
                   whole image: mirrored at the borders, and noted (or as --small says)
  large            with a longer side above 1024 px, where the model sees the whole image: reduced to 1024, and noted;
                   above 200 megapixels: refused

The same image gets the same number, whatever is scored before or beside it (with the same --runtime; between the two
the seventh digit may differ). A score has no unit but the model's own:
the line under the table says what the numbers mean. --csv and --json write file, score, unit (0 to 1), percentile,
spread (standard deviation over the crops, or over windows of the whole image), patches and note; a file's name that a
spreadsheet would run as a formula (it begins with =, +, - or @) is written with ./ before it in CSV.

--out is for many images: a row is written as soon as an image is scored, nothing is kept in memory, and no table is
shown. What is killed goes on with the same command, without scoring an image twice; an image that could not be scored
is a row whose note begins with "error: ". FILE.run.json beside a CSV file says what its scores are made with; a Parquet
file has it in itself, and until it is finished its rows are in FILE.rows.csv.

examples:
  rankiqa score photo.jpg
  rankiqa score photos/ --sort --csv scores.csv
  rankiqa score archive/ --out scores.parquet
  rankiqa score 'photos/**/*.jpg' --model runs/live_ft --mode grid --json - | jq '.images[].score'

{STATUS}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv, INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = images_parser("score", "Score images without a reference: higher is better.", _EPILOG)
    output = parser.add_argument_group("output")
    output.add_argument("--sort", action="store_true", help="best first (default: in the order given)")
    file = output.add_mutually_exclusive_group()
    file.add_argument("--csv", metavar="FILE", help="write a CSV file too; -: on stdout, in place of the table")
    file.add_argument("--json", metavar="FILE", help="write a JSON file too; -: on stdout, in place of the table")
    file.add_argument("--out", metavar="FILE", help="write a .csv or .parquet file row by row, in place of the table; "
        "the same command goes on with it")  # fmt: skip
    how = parser.add_argument_group("how it is computed")
    how.add_argument("--runtime", choices=("auto", "torch", "onnx"), default="auto", help="what computes on a CPU: "
        "PyTorch, or ONNX runtime (extra onnx), whose graph is made at first use and kept; auto: the faster one for so "
        "many images. Their scores differ by less than 1e-4 of the scale")  # fmt: skip
    how.add_argument("--backend", choices=("threads", "dask"), default="threads", help="threads: this machine; dask: a "
        "cluster, which scores by PyTorch")  # fmt: skip
    how.add_argument("--scheduler", metavar="ADDRESS", help="of the dask scheduler, such as tcp://10.0.0.1:8786")
    return parser


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.out and options.sort:
        parser.error("--out writes rows in the order given: leave --sort away")
    if (options.backend == "dask") != (options.scheduler is not None):
        parser.error("--backend dask and --scheduler ADDRESS go together")
    if options.scheduler and options.runtime == "onnx":
        parser.error("--backend dask scores by PyTorch: leave --runtime onnx away")
    return _write_rows(options) if options.out else _show(options)


def _write_rows(options: argparse.Namespace) -> int:
    from rankiqa.scoring.score_file import ScoreFile, check_suffix
    from rankiqa.scoring.score_table import about, meaning

    check_suffix(options.out)
    paths, problems = look_at(options, options.out)
    scorer = _load(options, len(paths))
    run = about(scorer, view_of(options).of(scorer.network)) | {"icc": options.icc}
    with ScoreFile(options.out, run) as file:
        try:
            append_all(file, scorer, paths, problems, options)
        except KeyboardInterrupt:
            print(f"interrupted: {file.total} of {len(paths)} images are in {file.rows}; {GOES_ON}", file=sys.stderr)
            return 130
        file.finish()
    print(f"{options.out}: {file.total - file.failed} images scored", end="")
    print(f", {file.failed} not" if file.failed else "", end="\n\n")
    print(meaning(scorer))
    return 1 if file.failed or problems else 0


def _load(options: argparse.Namespace, images: int) -> Scorer:
    """The model, with the runtime that is asked for, or is faster for so many images."""
    from functools import partial

    from rankiqa.errors import InputError
    from rankiqa.extras import MissingExtra

    scorer = load_scorer(options)
    if options.runtime == "torch" or options.scheduler:
        return scorer
    asked = options.runtime == "onnx"
    try:
        from rankiqa.integrations.runtime import pays

        if asked or pays(scorer, images):
            from rankiqa.integrations.onnx_runtime import onnx_network

            span = 1.0 if scorer.low is None else scorer.high - scorer.low
            scorer.score_by(partial(onnx_network, span=span))
    except (InputError, MissingExtra):
        if asked:
            raise
    return scorer


def _show(options: argparse.Namespace) -> int:
    from rankiqa.scoring.score_table import about, best_first, csv_text, json_text, meaning

    target = options.csv or options.json
    paths, problems = look_at(options, target)
    scorer = _load(options, len(paths))
    outcome = score_all(scorer, paths, problems, options)
    results = best_first(outcome.results) if options.sort else outcome.results
    if outcome.is_worth_writing():
        try:
            if options.csv:
                write_text(options.csv, csv_text(results))
            elif options.json:
                how = about(scorer, view_of(options))
                write_text(options.json, json_text(results, how | {"complete": outcome.stopped is None}))
        finally:
            if target != "-" and outcome.scored:
                print(_table(results), meaning(scorer), sep="\n\n")
    return outcome.status(target)


def _table(results: Sequence) -> str:
    rows = [
        (
            decimal(result.score.value),
            decimal(result.score.unit),
            decimal(result.score.percentile, 1),
            decimal(result.score.spread),
            printable(result.file),
            result.score.note,
        )
        for result in results
        if result.score is not None
    ]
    return table_text(("score", "[0,1]", "percentile", "spread", "file", "note"), rows, 4)
