"""A new head on the frozen statistics of a trained network: larger batches than the training's, and no noise of theirs.

    python results/default_models/refit.py --weights WORK/default/final.safetensors --biq2021 DIR --work DIR --out FILE

The network is rounded to half precision first, so that the head is learned for what the package ships. It learns from
the photos of part train, at their full size, and from 2,500 scenes of crops; with --people 0 from these alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch
from ablation import on_crops
from features import of_crops, of_photos
from heads import Crops, People, train_head, with_people
from network import Network
from safetensors.torch import load_file, save_file
from sources import Scenes

SCENES, STEPS, BATCH = 2500, 1500, 16
EXACT = ("centre", "spread")  # float32 in the package too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "biq2021", "work", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--people", type=int, choices=(0, 1), default=1, help="0: ranks alone")
    parser.add_argument(
        "--weight",
        type=float,
        nargs="*",
        default=[1.0],
        help="of the rank loss; of several the last is kept, without one the network's own head",
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tensors = load_file(args.weights)
    save_file(
        {n: t if n in EXACT or not t.is_floating_point() else t.half().float() for n, t in tensors.items()}, args.out
    )
    network = Network(args.out)
    people, rows = None, None
    with torch.inference_mode():
        if args.people:
            photos = pd.read_csv(args.work / "photos.csv")
            table = photos[photos["part"].isin(["train", "val"])].reset_index(drop=True)
            features = of_photos(network, list(table["name"]), args.biq2021 / "Images")
            people = People(torch.from_numpy(features), table)
            rows = people.rows("train")
        found = {n: value.clone() for n, value in of_crops(network, Scenes.read(args.work, "train"), SCENES).items()}
        held_out = {n: value.clone() for n, value in of_crops(network, Scenes.read(args.work, "val")).items()}
    crops, head = Crops(**found), network.head.eval()
    print("before", measures(head, people, held_out), flush=True)
    for weight in args.weight:
        head = train_head(people, rows, crops, weight, steps=STEPS, scenes=BATCH)
        print(f"after, rank loss at {weight}", measures(head, people, held_out), flush=True)
    network.head.load_state_dict({**head.state_dict(), "centre": head.centre, "spread": head.spread})
    network.save(args.out)


def measures(head: torch.nn.Module, people: People | None, held_out: dict[str, torch.Tensor]) -> dict[str, float]:
    with_scores = with_people(head, people, "val") if people is not None else {}
    return with_scores | on_crops(head, held_out)


if __name__ == "__main__":
    main()
