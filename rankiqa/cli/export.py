"""export: a model for other runtimes, or in another precision."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rankiqa.cli import HelpFormatter, guarded

_ONNX = """\
examples:
  rankiqa export onnx --out models/onnx
  rankiqa export onnx --model runs/live_ft --what dense --out models/live_onnx
"""
_FLOAT32 = """\
example:
  rankiqa export float32 models/half --out models/to_train
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv, interrupted="interrupted; no file was left half written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa export",
        description="Write a model in a format that runs without PyTorch, or in another precision.",
        epilog=_ONNX,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT")
    onnx = formats.add_parser(
        "onnx",
        help="ONNX files, for onnxruntime and others",
        description="Write crop.onnx: crops (N, 3, side, side) → scores (N,), of a NIMA votes (N, 10) too; or, of a "
        "model that sees whole images, whole.onnx: image (N, 3, H, W) of any size from 64 on → score (N,); and "
        "dense.onnx: image (N, 3, H, W) of any size from the crop's on → score (N,), the mean over all windows, and "
        "map (N, rows, columns), the score of each. The input is uint8 RGB, 0–255; a higher score is better. Each file "
        "is compared with PyTorch and not kept if it differs. What it takes and gives is also told in its metadata.",
        epilog=_ONNX,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    onnx.add_argument(
        "--model",
        metavar="DIR|OWNER/NAME",
        help="a model folder, a training run, a model of the Hugging Face hub, or a bundled one, default or ranks",
    )
    onnx.add_argument("--out", required=True, metavar="DIR", help="the folder to write the files into")
    onnx.add_argument(
        "--what",
        choices=("crop", "whole", "dense", "both"),
        default="both",
        help="which files; not every network allows dense (default: both that the model has)",
    )
    onnx.add_argument("--overwrite", action="store_true", help="replace files that are there (default: refuse)")
    wide = formats.add_parser(
        "float32",
        help="a model in half precision, to train from",
        description="Write a model that is kept in half precision anew in float32: the same numbers, the same scores, "
        "twice the bytes. Training starts from such models alone.",
        epilog=_FLOAT32,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    wide.add_argument(
        "model", metavar="MODEL", help="a model folder, or OWNER/NAME of the Hugging Face hub, in half precision"
    )
    wide.add_argument("--out", required=True, metavar="DIR", help="the folder to make")
    wide.add_argument("--overwrite", action="store_true", help="replace a model that is there (default: refuse)")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.models.locate import check_model

    check_model(options.model)
    if options.format == "float32":
        from rankiqa.models.checkpoint import widen_model
        from rankiqa.models.locate import locate

        widen_model(locate(options.model), options.out, options.overwrite)
        print(f"{options.out}: the model in float32; its scores are the same")
        return 0
    from rankiqa.errors import InputError
    from rankiqa.integrations.onnx_export import export_onnx, kinds_of
    from rankiqa.models.parts import statistics_of, window_of
    from rankiqa.scoring.scorer import Scorer

    scorer = Scorer.load(options.model, "cpu")
    kinds, notes = [options.what], []
    if options.what == "both":
        kinds = list(kinds_of(scorer.network))
        try:
            if statistics_of(scorer.network) is None:
                window_of(scorer.network)
        except InputError as error:
            kinds, notes = ["crop"], [f"note: no dense.onnx: {error}"]
    for file in export_onnx(scorer, options.out, kinds, options.overwrite):
        print(
            f"{file.path}: {file.bytes / 1e6:.1f} MB; the largest difference from PyTorch is {file.difference:.1e}, "
            f"over images of {file.inputs} sizes"
        )
    for note in notes:
        print(note)
    return 0
