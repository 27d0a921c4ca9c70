"""heatmap: where in a photo the quality is lost."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rankiqa.cli import HelpFormatter, at_least, guarded
from rankiqa.cli.images import ICC, ICC_HELP

_EXAMPLES = """\
examples:
  rankiqa heatmap photo.jpg -o map.png
  rankiqa heatmap photo.jpg -o map.png --scale image     the full range of colours, also for a good photo
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa heatmap",
        description="Show where in a photo the quality is lost: the photo in grey, with the scores of its places in "
        "colour over it. Good places stay grey; yellow to dark red ones are worse and worse.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "image",
        metavar="IMAGE",
        help="PNG, JPEG, BMP, TIFF, WebP, JPEG 2000, GIF or AVIF; with their extras HEIC or JPEG XL",
    )
    add("-o", "--out", required=True, metavar="PNG", help="the picture to write")
    add("--model", metavar="DIR|RUN|HUB_ID", help="a model, as for score (default: the bundled one)")
    add(
        "--scale",
        choices=("model", "image"),
        default="model",
        help="what the colours span: the model's scale from 0 to 1, so that two photos compare, or this photo's lowest "
        "to highest score (default: model)",
    )
    add("--alpha", type=float, default=0.7, help="how much the worst places are covered, 0 to 1 (default: 0.7)")
    add(
        "--window",
        type=at_least(32),
        metavar="N",
        help="side in pixels of the windows that are scored, of a model that sees the whole image: smaller ones show "
        "more and are less sure (default: 128)",
    )
    add("--small", choices=("error", "reflect", "resize"), default="reflect", help="a photo smaller than the network's "
        "crop: refuse it, continue it as in a mirror, or enlarge it (default: reflect)")  # fmt: skip
    add("--icc", choices=ICC, default="convert", help=f"{ICC_HELP} (default: convert)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from pathlib import Path

    from rankiqa.errors import InputError
    from rankiqa.extras import need
    from rankiqa.models.locate import check_model
    from rankiqa.scoring.device import check_device

    need("report", "matplotlib")
    if Path(options.out).suffix.lower() != ".png":
        raise InputError(
            "the picture is a PNG", path=options.out, cure="give a name that ends in .png", options=("out",)
        )
    if not Path(options.image).exists():
        raise InputError("no such file", path=options.image)
    check_model(options.model)
    check_device(options.device)

    from rankiqa.scoring.heatmap import quality_map, write_heatmap
    from rankiqa.scoring.scorer import Scorer

    scorer = Scorer.load(options.model, options.device)
    try:
        quality = quality_map(scorer, options.image, options.small, options.icc, options.window)
    except InputError as error:
        raise error.at(options.image) from error
    mean = quality.scores.mean()
    write_heatmap(options.out, quality, Path(options.image).name, options.scale, options.alpha)
    worst = divmod(int(quality.scores.argmin()), quality.scores.shape[1])
    print(
        f"{options.out}: mean over the places {mean:.4g}, lowest {quality.scores.min():.4g} near "
        f"x {quality.x[worst[1]]:.0f}, y {quality.y[worst[0]]:.0f} px, highest {quality.scores.max():.4g}"
    )
    return 0
