"""Does dense mode rank as the mean over 30 random crops does, and how much faster is it?

For networks that learned from crops: one that ends in statistics of its stages, as the bundled ones, sees whole photos.
Photos are distorted with every type of a set at each level; each image is scored both ways by the same network.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--model", nargs="+", required=True, help="folders, runs or hub ids")
    parse.add_argument("--pristine", type=Path, help="folder of photos; none: those of scikit-image")
    parse.add_argument("--photos", type=int, default=8, help="how many photos, from the first in the order of names")
    parse.add_argument("--distortions", default="live", help="set or names of types")
    parse.add_argument("--threads", type=int, default=2, help="CPU threads")
    parse.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parse.add_argument("--out", type=Path, default=HERE / "dense.md", help="where the table goes")
    args = parse.parse_args(argv)

    import numpy as np
    import torch

    import rankiqa
    from rankiqa.files import write_atomically
    from rankiqa.images.photos import PRISTINE
    from rankiqa.metrics.correlation import srocc
    from rankiqa.ranks.online import OnlineSet
    from rankiqa.scoring.patches import score_image
    from rankiqa.scoring.view import View
    from rankiqa.training.rank_validation import validation_items

    torch.set_num_threads(args.threads)
    ranks = OnlineSet.find(args.pristine, args.distortions)
    ranks = ranks.select(ranks.references[: args.photos])
    items = list(dict.fromkeys(i if i[2] else (i[0], PRISTINE, 0) for i in validation_items(ranks)))
    rows = []
    for name in args.model:
        scorer = rankiqa.load(name, args.device)
        ways = {"random": View(), "again": View(seed=1), "dense": View(mode="dense")}
        seconds, scores = dict.fromkeys(ways, 0.0), {way: [] for way in ways}
        for item in items:
            image = ranks.image(*item)
            for way, view in ways.items():
                start = time.perf_counter()
                scores[way].append(score_image(scorer.network, image, view).mean)
                seconds[way] += time.perf_counter() - start
        kinds = np.array([kind for _, kind, _ in items])
        each = [
            srocc(np.array(scores["random"])[kinds == kind], np.array(scores["dense"])[kinds == kind])
            for kind in ranks.distortions
        ]
        worst = int(np.argmin(each))
        rows.append(
            f"| {scorer.network.name} | {len(items)} | {srocc(scores['random'], scores['dense']):.4f} | "
            f"{each[worst]:.4f} ({ranks.distortions[worst]}) | {srocc(scores['random'], scores['again']):.4f} | "
            f"{seconds['random'] / seconds['dense']:.1f} |"
        )
    text = "\n".join(
        [
            "# Dense mode against 30 random crops",
            "",
            f"    {shlex.join(['python', 'results/benchmarks/dense.py', *argv])}",
            "",
            f"{len(ranks.references)} photos, pristine and with {len(ranks.distortions)} types at each level; "
            f"{args.threads} threads. SROCC between the two scores of the same images: of all, of the type where it is "
            "lowest, and, to compare, between 30 random crops and 30 others.",
            "",
            "| network | images | SROCC dense – 30 crops | lowest of a type | SROCC 30 crops – 30 others | "
            "dense is faster by |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    write_atomically(args.out, text.encode())
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
