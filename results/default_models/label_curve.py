r"""What ranking buys: SROCC on BIQ2021's test list against the number of human scores that were learned from.

python results/default_models/label_curve.py --imagenet WORK/imagenet.npy --ranks WORK/ranks.npy \
    --crops WORK/imagenet.crops.pt --photos WORK/photos.csv --biq2021 DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch
from heads import Crops, People, train_head, with_people

NUMBERS, DRAWS = (50, 150, 500, 1500, 5000), 3
HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("imagenet", "ranks", "crops", "photos"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--biq2021", type=Path, help="for the scores of the test list")
    parser.add_argument("--part", default="test", help="val while settings are chosen; the test list once")
    parser.add_argument("--weight", type=float, default=0.1, help="of the rank loss, of the joint heads")
    args = parser.parse_args()
    if args.part == "test" and not args.biq2021:
        parser.error("--part test needs --biq2021")
    starts = {name: People.read(getattr(args, name), args.photos, args.biq2021) for name in ("imagenet", "ranks")}
    crops = Crops(**torch.load(args.crops, weights_only=True))
    pool = starts["imagenet"].rows("train", "val") if args.part == "test" else starts["imagenet"].rows("train")
    rows = []
    for number in (*NUMBERS, len(pool)):
        for draw in range(DRAWS):
            # The same photos for each start.
            chosen = np.random.default_rng([number, draw]).choice(pool, number, replace=False)
            for start, people, ranks in (
                ("ImageNet", starts["imagenet"], None),
                ("ranks model", starts["ranks"], None),
                ("ImageNet, joint with ranks", starts["imagenet"], crops),
            ):
                head = train_head(people, chosen, ranks, args.weight, seed=draw)
                rows.append({"start": start, "scores": number, "draw": draw} | with_people(head, people, args.part))
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    if args.part == "test":
        table.round(4).to_csv(HERE / "label_curve.csv", index=False)
        draw_curve(table)


def draw_curve(table: pd.DataFrame) -> None:
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2))
    for start, of_start in table.groupby("start", sort=False):
        found = of_start.groupby("scores")["srocc"].agg(["mean", "min", "max"])
        line = axes.plot(found.index, found["mean"], marker="o", label=start)
        axes.fill_between(found.index, found["min"], found["max"], color=line[0].get_color(), alpha=0.15)
    axes.set(xscale="log", xlabel="human scores learned from", ylabel="SROCC, BIQ2021's test list")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(HERE / "label_curve.png", dpi=120)


if __name__ == "__main__":
    main()
