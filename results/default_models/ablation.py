r"""What each source brings: heads on the same ImageNet statistics, learned from levels, judges, camera faults, people.

python results/default_models/ablation.py --imagenet WORK/imagenet.npy --crops WORK/imagenet.crops.pt \
    --held-out WORK/imagenet.held_out.pt --photos WORK/photos.csv --biq2021 DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from heads import Crops, People, train_head, with_people
from scipy.stats import spearmanr

DRAWS = 3
HERE = Path(__file__).parent
# Name → whether people's scores, ranks, the judges and camera faults took part.
SOURCES = {
    "ranks by level only": (False, True, False, False),
    "+ judges": (False, True, True, False),
    "+ camera faults, codecs, chains": (False, True, True, True),
    "+ people": (True, True, True, True),
    "people only": (True, False, False, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("imagenet", "crops", "held-out", "photos"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--biq2021", type=Path, help="for the scores of the test list")
    parser.add_argument("--part", default="test", help="val while settings are chosen; the test list once")
    args = parser.parse_args()
    if args.part == "test" and not args.biq2021:
        parser.error("--part test needs --biq2021")
    people = People.read(args.imagenet, args.photos, args.biq2021)
    crops = Crops(**torch.load(args.crops, weights_only=True))
    held_out = torch.load(args.held_out, weights_only=True)
    rows = []
    for name, (scores, ranks, judge, camera) in SOURCES.items():
        for draw in range(DRAWS):
            chosen = people.rows("train") if scores else None
            weight = 0.1 if scores else 1.0
            # Centre and spread come from photos and crops, those of the last row from photos alone.
            head = train_head(people, chosen, crops if ranks else None, weight, judge, camera, draw)
            rows.append(
                {"learned from": name, "draw": draw} | with_people(head, people, args.part) | on_crops(head, held_out)
            )
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).groupby("learned from", sort=False).mean().drop(columns="draw")
    print(table.round(3).to_string())
    if args.part == "test":
        pd.DataFrame(rows).round(4).to_csv(HERE / "ablation.csv", index=False)


@torch.inference_mode()
def on_crops(head: torch.nn.Module, held_out: dict[str, torch.Tensor]) -> dict[str, float]:
    """Order of held-out photos' crops against VSI, which no network learned from, and inside a scene."""
    scores = head(held_out["features"]).numpy()
    return by_vsi(scores, held_out["vsi"].numpy(), held_out["camera"].numpy())


def by_vsi(scores: np.ndarray, vsi: np.ndarray, camera: np.ndarray) -> dict[str, float]:
    """All (S, 5), the pristine crop first; `camera`: a type that the laboratories do not have took part."""
    lab = ~camera[:, 1:]
    ahead = scores[:, :, None] - scores[:, None]
    truth = vsi[:, :, None] - vsi[:, None]
    sure = truth > 0.002
    return {
        "vsi": float(spearmanr(scores[:, 1:].ravel(), vsi[:, 1:].ravel())[0]),
        "vsi_laboratory": float(spearmanr(scores[:, 1:][lab], vsi[:, 1:][lab])[0]),
        "inside": float(np.mean(ahead[sure] > 0)),
    }


if __name__ == "__main__":
    main()
