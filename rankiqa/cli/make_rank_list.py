"""make-rank-list: the original's list files of ranked images, from a ranked set or to one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from rankiqa.cli import HelpFormatter, guarded

# Those of rankiqa.compat.rank_list, which takes long to import.
LOWER = "lower-is-better"
ORDERS = (LOWER, "higher-is-better")
_EXAMPLES = """\
examples:
  rankiqa make-rank-list --ranks ranks/tid2013 --out lists/tid2013
  rankiqa make-rank-list --read live_train.txt --order higher-is-better --root ranks/live
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa make-rank-list",
        description="Write the original's rank lists (PATH ORDER) of a ranked set; or, with --read, check such a list "
        "and make a ranked set of the images it names.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("--ranks", metavar="DIR", default="results/demo/ranks", help="ranked set to list")
    add("--out", metavar="PREFIX", default="tid2013", help="writes PREFIX_train.txt and PREFIX_test.txt")
    add("--train-fraction", type=float, default=0.8, help="of the photos, the first ones by name, as in the original")
    add("--order", choices=ORDERS, help=f"of the numbers: {LOWER} as in TID2013's lists (0 is pristine; the default "
        "where a list is written), or as in LIVE's (0 is the worst); must be given with --read")  # fmt: skip
    add("--root", metavar="DIR", help="written in front of each path; with --read: folder that the paths start from")
    add("--read", metavar="LIST", help="a rank list: writes manifest.csv into --root, for train_rank --data.ranks")
    return parser


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    from rankiqa.errors import InputError

    if options.read is None:
        return _write(options)
    if options.order is None or options.root is None:
        parser.error("--read needs --order and --root: a list says neither")
    if not os.path.exists(options.read):
        raise InputError("no such file", path=options.read)

    from rankiqa.compat.rank_list import check_ranks, read_list, write_manifest

    found = check_ranks(options.read, read_list(options.read), options.order)
    print(f"{len(found)} images\nmanifest: {write_manifest(options.root, found, options.read)}")
    return 0


def _write(options: argparse.Namespace) -> int:
    from rankiqa.errors import InputError
    from rankiqa.ranks.manifest import check_manifest

    check_manifest(options.ranks)

    from rankiqa.compat.rank_list import list_of_ranks, write_list
    from rankiqa.ranks.ranked_set import RankedSet

    ranks = RankedSet.read(options.ranks)
    count = int(len(ranks.references) * options.train_fraction)
    if not 0 <= options.train_fraction <= 1:
        raise InputError(f"--train-fraction must be 0 to 1, not {options.train_fraction}")
    for name, references in (("train", ranks.references[:count]), ("test", ranks.references[count:])):
        file = f"{options.out}_{name}.txt"
        entries = list_of_ranks(ranks, references, options.order or LOWER, options.root or "")
        write_list(file, entries)
        print(f"{file}: {len(references)} photos, {len(entries)} lines")
    return 0
