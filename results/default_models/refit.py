"""A new head on the frozen statistics of a trained network: larger batches than the training's, and no noise of theirs.

    python results/default_models/refit.py --weights WORK/default/final.safetensors --biq2021 DIR --work DIR --out FILE

The published default model: 3,600 photos of the training part, 1,300 scenes of crops, 1,500 steps, rank loss 1 : 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from ablation import on_crops
from features import of_crops, of_photos
from heads import Crops, People, train_head, with_people
from network import Network
from sources import Scenes

PHOTOS, SCENES, STEPS, BATCH = 3600, 1300, 1500, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "biq2021", "work", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--weight", type=float, default=1.0, help="of the rank loss; .1, .3 and 1 were tried on val")
    args = parser.parse_args()
    network = Network(args.weights)
    photos = pd.read_csv(args.work / "photos.csv")
    chosen = photos[photos["part"] == "train"].sample(PHOTOS, random_state=1)
    table = pd.concat([chosen, photos[photos["part"] == "val"]]).reset_index(drop=True)
    scenes = Scenes.read(args.work, "train")
    kept = np.random.default_rng(3).permutation(len(scenes))[:SCENES]
    with torch.inference_mode():
        features = torch.from_numpy(of_photos(network, list(table["name"]), args.biq2021 / "Images"))
        found = {name: value.clone() for name, value in of_crops(network, scenes).items()}
        held_out = {name: value.clone() for name, value in of_crops(network, Scenes.read(args.work, "val")).items()}
    people, crops = People(features, table), Crops(**{name: value[kept] for name, value in found.items()})
    head = train_head(people, people.rows("train"), crops, args.weight, steps=STEPS, scenes=BATCH)
    for what, of in (("before", network.head.eval()), ("after", head)):
        print(what, with_people(of, people, "val") | on_crops(of, held_out))
    network.head.load_state_dict({**head.state_dict(), "centre": head.centre, "spread": head.spread})
    network.save(args.out)


if __name__ == "__main__":
    main()
