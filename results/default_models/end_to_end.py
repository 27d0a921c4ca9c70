r"""Three points of the label curve with all weights learning: SROCC on BIQ2021's test list from 50, 500, 5,000 scores.

python results/default_models/end_to_end.py --weights WEIGHTS --ranks WORK/ranks.safetensors \
    --imagenet WORK/imagenet.npy --crops WORK/imagenet.crops.pt --biq2021 DIR --work DIR

ImageNet's network begins with a head learned on its frozen statistics, alone or jointly with ranks; the ranks model
with its own head, as the paper fine-tunes one. Appends to end_to_end.csv, and leaves out what stands there.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from heads import Crops, People, train_head, with_people
from network import Network
from PIL import Image
from sources import Photos, Scenes, rank_loss

from rankiqa.losses import preference_loss

STARTS = ("ImageNet", "ranks model", "ImageNet, joint with ranks")
STEPS = {50: 50, 500: 80, 5000: 140}  # scores → steps
PHOTOS, SIDE = 16, 256  # of a step
SCENES, WEIGHT = 4, 0.1  # of the joint start's ranks, in a step, and in the loss, as in label_curve.py
MIDDLE = 320  # of each test photo, a square
LR, HEAD_LR = 1e-4, 3e-4
RESULTS = Path(__file__).parent / "end_to_end.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "ranks", "imagenet", "crops", "biq2021", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--part", choices=["test", "val"], default="test", help="val while settings are chosen")
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1, 2], help="two processes can share them out")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    people = People.read(args.imagenet, args.work / "photos.csv", args.biq2021)
    tested = Tested(people, args.biq2021 / "Images", args.part)
    crops, scenes = Crops(**torch.load(args.crops, weights_only=True)), Scenes.read(args.work, "train")
    pool = people.rows("train", "val") if args.part == "test" else people.rows("train")
    known = pd.read_csv(RESULTS).values.tolist() if RESULTS.exists() else []
    for draw in args.draws:
        for number, steps in STEPS.items():
            # The photos that label_curve.py draws.
            chosen = np.random.default_rng([number, draw]).choice(pool, number, replace=False)
            for start in STARTS:
                if args.part == "test" and any(row[:3] == [start, number, draw] for row in known):
                    continue
                torch.manual_seed(draw)
                joint = start == STARTS[2]
                if start == STARTS[1]:
                    network = Network(args.ranks)
                else:
                    head = train_head(people, chosen, crops if joint else None, WEIGHT, seed=draw)
                    network = Network(args.weights)
                    network.head.load_state_dict(head.state_dict())
                learn(network, of_rows(people, chosen, args.biq2021), scenes if joint else None, steps, draw)
                row = {"start": start, "scores": number, "draw": draw, "steps": steps}
                row |= tested.measure(network)
                print(row, flush=True)
                if args.part == "test":
                    pd.DataFrame([row]).round(4).to_csv(RESULTS, mode="a", header=not RESULTS.exists(), index=False)


class Tested:
    """The middle of each photo of a part, and what people say of them."""

    def __init__(self, people: People, folder: Path, part: str) -> None:
        self.people, self.part, self.images = people, part, []
        for name in people.table["name"].iloc[people.rows(part)]:
            image = np.array(Image.open(folder / name).convert("RGB"))
            top, left = (max(0, side - MIDDLE) // 2 for side in image.shape[:2])
            self.images.append(image[top : top + MIDDLE, left : left + MIDDLE])

    @torch.inference_mode()
    def measure(self, network: Network) -> dict[str, float]:
        network.eval()
        statistics = torch.cat([network.statistics(image[None]) for image in self.images])
        features = torch.zeros(len(self.people.table), statistics.shape[1])
        features[torch.from_numpy(self.people.rows(self.part))] = statistics
        found = with_people(network.head, People(features, self.people.table), self.part)
        network.train()
        return found


def of_rows(people: People, rows: np.ndarray, biq2021: Path) -> Photos:
    table = people.table
    deviation = 0.5 * float(table["mos"][people.rows("train")].std())
    return Photos(biq2021 / "Images", table["name"].iloc[rows].tolist(), table["mos"].to_numpy()[rows], deviation)


def learn(network: Network, photos: Photos, scenes: Scenes | None, steps: int, seed: int) -> None:
    optimizer = torch.optim.AdamW(
        [{"params": network.net.parameters(), "lr": LR}, {"params": network.head.parameters(), "lr": HEAD_LR}],
        weight_decay=0.02,
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        rng = np.random.default_rng([seed, step])
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min(1, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * step / steps))
        images, mos = photos.batch(PHOTOS, SIDE, rng)
        preference_loss(network(images), mos, photos.deviation).backward()
        if scenes is not None:
            images, *order = scenes.batch(SCENES, 224, rng)
            (WEIGHT * rank_loss(network(images), *order)).backward()
        optimizer.step()
        optimizer.zero_grad()


if __name__ == "__main__":
    main()
