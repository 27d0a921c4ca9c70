"""import-weights: a model of Keras or Caffe becomes a model folder of ours."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rankiqa.cli import HelpFormatter, guarded

if TYPE_CHECKING:
    from rankiqa.compat.importing import Imported

# Those of rankiqa.compat.keras_weights and caffe_weights, which take long to import.
KERAS_MODELS = ("nima-inception_resnet_v2", "nima-mobilenet")
CAFFE_MODELS = ("vgg16", "alexnet", "caffenet")
_CAFFE = """\
examples:
  rankiqa import-weights caffe FT_tid2013.caffemodel --model vgg16 --out models/tid2013
  rankiqa import-weights caffe FT_live.caffemodel --model vgg16 --lower-is-better --score-range 0 100 --out models/live
"""
_KERAS = """\
example:
  rankiqa import-weights keras inception_resnet_weights.h5 --model nima-inception_resnet_v2 --out models/nima
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa import-weights",
        description="Read the weights of another framework, check every tensor, print where each went, and write a "
        "model folder: model.safetensors and config.json, with the preprocessing that the weights need.",
        epilog=f"{_CAFFE}\n{_KERAS}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    kinds = parser.add_subparsers(dest="framework", required=True, metavar="FRAMEWORK")
    keras = _subparser(kinds, "keras", "FILE.h5", "weights of Keras, NIMA's", KERAS_MODELS, _KERAS)
    caffe = _subparser(kinds, "caffe", "FILE.caffemodel", "weights of Caffe, RankIQA's", CAFFE_MODELS, _CAFFE)
    for command in (keras, caffe):
        command.add_argument("--out", required=True, metavar="DIR", help="the model folder to write")
        command.add_argument("--overwrite", action="store_true", help="replace a model that is there (default: refuse)")
    caffe.add_argument(
        "--mean",
        nargs="+",
        metavar="MEAN",
        help="what was subtracted from the input in training, 0-255: three numbers B G R, or FILE.binaryproto, a "
        "mean image, of which the average per channel is taken (default: nothing, as in RankIQA)",
    )
    caffe.add_argument(
        "--lower-is-better",
        action="store_true",
        help="the network predicts DMOS, or ranks the other way (FT_live, Rank_live): its last layer is negated, as a "
        "higher score is better here (default: higher is better)",
    )
    caffe.add_argument(
        "--score-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="ends of the scale that the network was trained on, as it was (default: none, for ranking alone)",
    )
    return parser


def _subparser(kinds, name: str, file: str, what: str, models: Sequence[str], examples: str) -> argparse.ArgumentParser:
    command = kinds.add_parser(
        name,
        help=what,
        description=f"Import {what}.",
        epilog=examples,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("file", metavar=file, help="the weights")
    command.add_argument("--model", required=True, metavar="NAME", help=", ".join(models))
    return command


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    out = Path(options.out)
    _check_out(out, options.overwrite)
    _check_model(options.model, KERAS_MODELS if options.framework == "keras" else CAFFE_MODELS)
    imported, score_range = (_keras if options.framework == "keras" else _caffe)(options)

    import torch

    from rankiqa.compat.importing import import_table
    from rankiqa.files import sha256_of
    from rankiqa.models.checkpoint import save_model
    from rankiqa.version import __version__

    provenance = {
        "command": " ".join([Path(sys.argv[0]).name, "import-weights", *argv]),
        "source": Path(options.file).name,
        "source_sha256": sha256_of(options.file),
        "versions": {"rankiqa": __version__, "torch": str(torch.__version__)},
        "notes": list(imported.notes),
    }
    save_model(imported.model, out, score_range=score_range, provenance=provenance)
    print(import_table(imported))
    for note in imported.notes:
        print(f"note: {note}")
    count = sum(bool(row.source) for row in imported.rows)
    print(f"{count} tensors of {options.file} are in {out}, a model of {imported.model.name}")
    return 0


def _check_out(out: Path, overwrite: bool) -> None:
    from rankiqa.errors import InputError

    if not out.exists():
        return
    if not out.is_dir():
        raise InputError("a file is in the way", path=out, cure="choose another place", options=("out",))
    names = {path.name for path in out.iterdir()}
    if names and not overwrite:
        raise InputError(
            "exists already",
            path=out,
            cure="choose another place, or replace the model there",
            options=("out", "overwrite"),
        )
    # The folder goes as a whole: nothing but a model is replaced.
    if surplus := sorted(names - {"model.safetensors", "config.json"}):
        raise InputError(
            f"holds more than a model ({surplus[0]}), which --overwrite would delete",
            path=out,
            cure="choose another place",
            options=("out",),
        )


def _check_model(name: str, known: Iterable[str]) -> None:
    from rankiqa.errors import InputError

    if name not in known:
        raise InputError(f"--model: unknown {name!r}; known: {', '.join(known)}")


def _check_file(path: str) -> None:
    from rankiqa.errors import InputError

    if not Path(path).exists():
        raise InputError("no such file", path=path)


def _keras(options: argparse.Namespace) -> tuple[Imported, tuple[float, float]]:
    _check_file(options.file)
    from rankiqa.compat.keras_weights import import_keras
    from rankiqa.votes import VOTES

    return import_keras(options.file, options.model), (1.0, float(VOTES))


def _caffe(options: argparse.Namespace) -> tuple[Imported, tuple[float, float] | None]:
    score_range = _score_range(options.score_range, options.lower_is_better)
    mean = _mean(options.mean)
    if not isinstance(mean, list):  # numbers are judged before the file is
        _check_file(mean or options.file)
    from rankiqa.compat.caffe_weights import import_caffe

    return import_caffe(options.file, options.model, mean, not options.lower_is_better), score_range


def _score_range(given: Sequence[float] | None, lower_is_better: bool) -> tuple[float, float] | None:
    """The range of the scores of the imported model, which has its signs turned where lower was better."""
    import math

    from rankiqa.errors import InputError

    if given is None:
        return None
    low, high = given
    if not (low < high and math.isfinite(high - low)):
        raise InputError(f"--score-range: LOW must be below HIGH, got {low:g} {high:g}")
    return (0 - high, 0 - low) if lower_is_better else (low, high)


def _mean(given: Sequence[str] | None) -> list[float] | str | None:
    from rankiqa.errors import InputError

    if given is None:
        return None
    try:
        numbers = [float(text) for text in given]
    except ValueError:
        numbers = []
    if len(given) == 1 and not numbers:
        return given[0]
    if len(numbers) != 3:
        raise InputError(f"--mean takes three numbers (B G R) or a .binaryproto file, got {' '.join(given)}")
    return numbers
