"""Make ranked images from pristine photos: each photo distorted in several ways, at rising levels."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from rankiqa.cli import guarded

DEFAULT_OUT = "results/demo/ranks"


def main(argv: Sequence[str] | None = None) -> int:
    return guarded(_run, argv)


def _at_least(least: int):
    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {value}")
        return value

    parse.__name__ = "whole number"  # argparse names it in its message
    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make_ranks",
        description="Make ranked images from pristine photos. Interrupted, the same command goes on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    positive = _at_least(1)
    add("--pristine", metavar="DIR", help="photos, at any depth; without it: five photos of scikit-image")
    add("--out", metavar="DIR", default=DEFAULT_OUT, help="folder of the ranked set")
    add("--distortions", metavar="NAMES", default="live", help="a set (live) or names: GB,GN,JPEG,JP2K")
    add("--workers", type=positive, default=os.cpu_count() or 1, help="processes")
    add("--seed", type=_at_least(0), default=0, help="seed of the noise and of the choice of photos")
    add("--format", choices=("png", "bmp"), default="png", help="of the images made; both lose nothing")
    add("--per-folder", type=positive, metavar="N", help="take N photos of each folder")
    add("--limit", type=positive, metavar="N", help="take N photos in all")
    add("--min-side", type=positive, metavar="N", default=224, help="leave out photos with a shorter side")
    add("--convert", action="store_true", help="convert grey, transparent, CMYK and 16-bit images to RGB")
    add("--strict", action="store_true", help="stop at the first image that cannot be used")
    add("--verify", action="store_true", help="make nothing: compare the files in --out with the manifest")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    return _verify(options) if options.verify else _make(options)


def _make(options: argparse.Namespace) -> int:
    from rankiqa.contact_sheet import SHEET, write_sheet
    from rankiqa.distortions import resolve
    from rankiqa.make_ranked_set import Source, make_ranked_set
    from rankiqa.ranked_set import MANIFEST, RankedSet

    distortions = resolve(options.distortions)
    source = Source.find(options.pristine, options.per_folder, options.limit, options.seed)
    summary = make_ranked_set(
        source,
        options.out,
        distortions,
        seed=options.seed,
        kind=options.format,
        min_side=options.min_side,
        convert=options.convert,
        strict=options.strict,
        workers=options.workers,
    )
    sheet = os.path.join(options.out, SHEET)
    if summary.made or not os.path.exists(sheet):
        write_sheet(RankedSet.read(options.out))
    print(
        f"{summary.made} images made, {summary.kept} kept, {len(summary.skipped)} photos left out\n"
        f"manifest: {os.path.join(options.out, MANIFEST)}\n"
        f"sheet: {sheet}"
    )
    return 0


def _verify(options: argparse.Namespace) -> int:
    from rankiqa.ranked_set import RankedSet, verify

    found = verify(RankedSet.read(options.out), options.workers)
    for path in found.extra:
        print(f"warning: {path}: is not in the manifest", file=sys.stderr)
    for line in found.bad:
        print(f"error: {line}", file=sys.stderr)
    print(f"{found.checked - len(found.bad)} of {found.checked} files are as the manifest says")
    return 2 if found.bad else 0
