"""Statistics of photos and crops by one network, kept for the heads that label_curve.py and ablation.py learn.

    python results/default_models/features.py --weights FILE --biq2021 DIR --work DIR --out imagenet

writes WORK/OUT.npy, (N, 4128) float32 in the order of photos.csv, and WORK/OUT.crops.pt and WORK/OUT.held_out.pt, of
the scenes of train and val.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from crops import LABORATORY
from network import Network
from PIL import Image
from sources import Scenes
from torch import Tensor


def of_photos(network: Network, names: list[str], folder: Path, middle: int | None = None) -> np.ndarray:
    found = []
    for name in names:
        image = np.array(Image.open(folder / name).convert("RGB"))
        if middle is not None:
            top, left = (max(0, side - middle) // 2 for side in image.shape[:2])
            image = image[top : top + middle, left : left + middle]
        found.append(network.statistics(image[None])[0].numpy())
        if len(found) % 1000 == 0:
            print(len(found), "photos", flush=True)
    return np.stack(found).astype(np.float32)


def of_crops(network: Network, scenes: Scenes, first: int | None = None) -> dict[str, Tensor]:
    """What `heads.Crops` takes, and VSI where it is known, of all scenes or the first ones."""
    count = len(scenes) if first is None else min(first, len(scenes))
    features = torch.stack([network.statistics(scenes.images(scene)) for scene in range(count)]).float()
    group = np.zeros((count, scenes.types.shape[1]), int)
    for scene, types in enumerate(scenes.types[:count]):
        names = list(dict.fromkeys(types))
        group[scene] = [scene * 8 + names.index(name) for name in types]
    found = {
        "features": features.clone(),
        "group": torch.from_numpy(group),
        "level": torch.from_numpy(scenes.level[:count]).float(),
        "quality": torch.from_numpy(scenes.quality[:count]).float(),
        "camera": ~torch.from_numpy(np.array([laboratory(types) for types in scenes.types[:count]])),
    }
    return found if scenes.vsi is None else {**found, "vsi": torch.from_numpy(scenes.vsi[:count]).float()}


def laboratory(types: np.ndarray) -> list[bool]:
    """Of each crop's types, whether the laboratories have them all."""
    known = {*LABORATORY, "ID", "pristine"}
    return [known.issuperset(kind.split(">")) for kind in types]


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="timm's, or what train.py wrote")
    parser.add_argument("--biq2021", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", required=True, help="name of the files in WORK")
    parser.add_argument("--only", choices=["photos", "crops"])
    parser.add_argument("--middle", type=int, help="look at the middle of each photo alone, a square of this side")
    parser.add_argument("--scenes", type=int, help="only the first of train")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network = Network(args.weights)
    if args.only != "photos":
        torch.save(of_crops(network, Scenes.read(args.work, "val")), args.work / f"{args.out}.held_out.pt")
        torch.save(of_crops(network, Scenes.read(args.work, "train"), args.scenes), args.work / f"{args.out}.crops.pt")
    if args.only != "crops":
        names = pd.read_csv(args.work / "photos.csv")["name"]
        np.save(args.work / f"{args.out}.npy", of_photos(network, names, args.biq2021 / "Images", args.middle))


if __name__ == "__main__":
    main()
