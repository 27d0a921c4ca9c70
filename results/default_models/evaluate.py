"""A model of the package on people's scores and on ranks that it has not seen.

    python results/default_models/evaluate.py default --biq2021 DIR --work DIR

Prints SROCC with its 95 % bootstrap interval, LCC and the error on BIQ2021's test list, the same without look-alikes of
training photos, and how the model orders the crops of part val; writes biq2021_test_NAME.csv beside this file.
With --part val it is that part of the training list, and nothing is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from ablation import by_vsi
from features import laboratory
from heads import TWINS
from scipy.stats import pearsonr, spearmanr
from sources import Scenes

import rankiqa
from rankiqa.datasets.biq2021 import LISTS
from rankiqa.scoring.scorer import Scorer

HERE = Path(__file__).parent
DRAWS = 2000  # of the bootstrap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a model of the package, or a folder")
    parser.add_argument("--biq2021", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--part", choices=["test", "val"], default="test")
    args = parser.parse_args()
    scorer = rankiqa.load(args.model)
    on_crops(scorer, Scenes.read(args.work, "val"))
    table = pd.read_csv(args.work / "photos.csv")
    table = table[table["part"] == args.part].reset_index(drop=True)
    if args.part == "test":
        # In the list's order, as photos.py took the names.
        table["mos"] = pd.read_csv(args.biq2021 / LISTS["test"]).iloc[:, 1].to_numpy()
    table["score"] = [scorer.score(args.biq2021 / "Images" / name).value for name in table["name"]]
    for limit in TWINS:
        on_photos(table[~(table["twin"] >= limit)], f"look-alikes below {limit}" if limit < 1 else "all photos")
    if args.part == "test":
        kept = table[["name", "twin", "score", "mos"]].round(4)
        kept.to_csv(HERE / f"biq2021_test_{Path(args.model).name}.csv", index=False)


def on_photos(table: pd.DataFrame, what: str) -> None:
    score, mos = table["score"].to_numpy(), table["mos"].to_numpy()
    rng = np.random.default_rng(0)
    drawn = [rng.integers(len(mos), size=len(mos)) for _ in range(DRAWS)]
    low, high = np.quantile([spearmanr(score[rows], mos[rows])[0] for rows in drawn], [0.025, 0.975])
    print(
        f"{what} ({len(mos)}): SROCC {spearmanr(score, mos)[0]:.3f} ({low:.3f} to {high:.3f}), LCC "
        f"{pearsonr(score, mos)[0]:.3f}, root mean square error {np.sqrt(np.mean((score - mos) ** 2)):.3f}",
        flush=True,
    )


@torch.inference_mode()
def on_crops(scorer: Scorer, scenes: Scenes) -> None:
    scores = []
    for row in range(len(scenes)):
        images = torch.from_numpy(scenes.images(row)).permute(0, 3, 1, 2).float() / 255
        scores.append(scorer.network(images).flatten().numpy())
    outside = ~np.array([laboratory(types) for types in scenes.types])
    print({name: round(value, 3) for name, value in by_vsi(np.stack(scores), scenes.vsi, outside).items()}, flush=True)


if __name__ == "__main__":
    main()
