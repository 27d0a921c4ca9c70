"""Make ranked images from pristine photos: each photo distorted in several ways, at rising levels."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankiqa.cli import HelpFormatter, at_least, guarded
from rankiqa.cli.images import ICC, ICC_HELP

if TYPE_CHECKING:
    from rankiqa.distortions.sets import Strengths

DEFAULT_OUT = "results/demo/ranks"
_EXAMPLES = """\
examples:
  rankiqa make-ranks --pristine photos/ --out ranks/live --workers 8
  rankiqa make-ranks --pristine photos/ --out ranks/mine --distortions GB,JPEG --levels psnr
  rankiqa make-ranks --pristine photos/ --out ranks/today --distortions camera,codecs,photo
  rankiqa make-ranks --distortions tid2013 --levels even:7 --list
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa make-ranks",
        description="Make ranked images from pristine photos. Interrupted, the same command goes on.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    positive = at_least(1)
    add("--pristine", metavar="DIR", help="photos, at any depth; without it: five photos of scikit-image")
    add("--out", metavar="DIR", default=DEFAULT_OUT, help="folder of the ranked set")
    add(
        "--distortions",
        metavar="SET|NAMES",
        default="live",
        help="live, tid2013 (17 types of the paper), tid2013-24 (all 24), mlive, kadid10k, all (of these), camera, "
        "codecs, photo (chains of their faults), names of types, or several with commas: camera,GB; --list tells all",
    )
    add(
        "--levels",
        metavar="TABLE",
        default="paper",
        help="paper: the published strengths; even:7: 7 of each type, evenly from its mildest to its strongest; psnr: "
        "for each image those that give it 33, 30, 27, 24, 21 dB, as in TID2013; or a YAML file with your own, such as "
        "GB: [1, 2, 4]",
    )
    add("--list", action="store_true", help="make nothing: list types and strengths of --distortions and --levels")
    add("--workers", type=positive, default=os.cpu_count() or 1, help="processes, with --backend joblib")
    add("--backend", choices=("joblib", "dask"), default="joblib", help="joblib: this machine; dask: a cluster")
    add("--scheduler", metavar="ADDRESS", help="of the dask scheduler, such as tcp://10.0.0.1:8786")
    add("--seed", type=at_least(0), default=0, help="seed of the noise and of the choice of photos")
    add("--format", choices=("png", "bmp"), default="png", help="of the images made; both lose nothing")
    add("--per-folder", type=positive, metavar="N", help="take N photos of each folder")
    add("--limit", type=positive, metavar="N", help="take N photos in all")
    add("--min-side", type=positive, metavar="N", default=224, help="leave out photos with a shorter side")
    add(
        "--judge",
        metavar="NAMES",
        default="none",
        help="also write how good each image is beside its pristine one, a column of the manifest a metric: mdsi, "
        "haarpsi, vsi, several with commas, or mean (all three); of a set that is there already, too",
    )
    add("--convert", action="store_true", help="convert grey, transparent, CMYK and 16-bit images to RGB")
    add("--icc", choices=ICC, default="convert", help=ICC_HELP)
    add("--strict", action="store_true", help="stop at the first image that cannot be used")
    add("--verify", action="store_true", help="make nothing: compare the files in --out with the manifest")
    return parser


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if (options.backend == "dask") != (options.scheduler is not None):
        parser.error("--backend dask and --scheduler ADDRESS go together")
    if options.list:
        return _list(options)
    return _verify(options) if options.verify else _make(options)


def _list(options: argparse.Namespace) -> int:
    from rankiqa.distortions import DISTORTIONS

    for name, strengths in _plan(options).items():
        distortion = DISTORTIONS[name]
        numbers = ", ".join(f"{strength:.4g}" for strength in strengths or ()) or "by PSNR"
        print(f"{name:10s} {distortion.title}: {distortion.unit.format(numbers)}")
    return 0


def _plan(options: argparse.Namespace) -> Strengths:
    """Types and strengths; says which types are left out, and what stands in for them."""
    from rankiqa.distortions import plan
    from rankiqa.distortions.sets import stand_ins

    strengths = plan(options.distortions, options.levels)
    for line in stand_ins(strengths, options.distortions):
        print(f"note: {line}", file=sys.stderr)
    return strengths


def _make(options: argparse.Namespace) -> int:
    from rankiqa.extras import need
    from rankiqa.judge import Judge
    from rankiqa.ranks.pristine_photos import PristinePhotos

    need("train", "matplotlib", *(["joblib"] if options.scheduler is None else []))  # the one for the sheet, at the end
    judge = Judge.parse(options.judge)
    if judge is not None:
        judge.need()
    photos = PristinePhotos.find(options.pristine, options.per_folder, options.limit, options.seed, options.icc)
    strengths = _plan(options)

    from rankiqa.ranks.contact_sheet import SHEET, write_sheet
    from rankiqa.ranks.making import make_ranked_set
    from rankiqa.ranks.manifest import MANIFEST
    from rankiqa.ranks.ranked_set import RankedSet

    summary = make_ranked_set(
        photos,
        options.out,
        strengths,
        seed=options.seed,
        kind=options.format,
        min_side=options.min_side,
        convert=options.convert,
        strict=options.strict,
        workers=options.workers,
        scheduler=options.scheduler,
        judge=judge,
    )
    sheet = os.path.join(options.out, SHEET)
    judged = f", {summary.judged} judged" if judge is not None else ""
    if summary.made or not os.path.exists(sheet):
        write_sheet(RankedSet.read(options.out))
    print(
        f"{summary.made} images made, {summary.kept} kept{judged}, {len(summary.skipped)} photos left out\n"
        f"manifest: {os.path.join(options.out, MANIFEST)}\n"
        f"sheet: {sheet}"
    )
    return 0


def _verify(options: argparse.Namespace) -> int:
    from rankiqa.ranks.manifest import check_manifest

    check_manifest(options.out)

    from rankiqa.ranks.ranked_set import RankedSet
    from rankiqa.ranks.verification import verify_ranked_set

    found = verify_ranked_set(RankedSet.read(options.out), options.workers)
    for path in found.extra:
        print(f"warning: {path}: is not in the manifest", file=sys.stderr)
    for error in found.bad:
        print(f"error: {error}", file=sys.stderr)
    print(f"{found.checked - len(found.bad)} of {found.checked} files are as the manifest says")
    return 2 if found.bad else 0
