"""Where the training begins: ImageNet's network, its statistics standardised, and a head learned on them, frozen.

python results/default_models/start.py --weights WEIGHTS --biq2021 DIR --work DIR --out start.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from network import STATISTICS, Network
from sources import Photos, Scenes, rank_loss
from validation import validate

from rankiqa.losses import preference_loss

PHOTOS, SCENES = 1500, 600  # to standardise by, and to learn the head from
STEPS, PHOTO_BATCH, SCENE_BATCH = 500, 64, 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="timm's tf_efficientnet_lite0, .safetensors")
    parser.add_argument("--biq2021", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=float, default=1.0, help="weight of their part of the loss")
    parser.add_argument("--ranks", type=float, default=0.5, help="weight of theirs")
    parser.add_argument("--seed", type=int, default=0, help="of the head's first weights and its dropout")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    network = Network(args.weights)
    photos, scenes = Photos.read(args.biq2021, args.work, "train"), Scenes.read(args.work, "train")
    rng = np.random.default_rng(5)
    rows = rng.permutation(len(photos.names))[:PHOTOS]
    chosen = rng.permutation(len(scenes))[:SCENES]
    with torch.inference_mode():
        of_crops = torch.stack([network.statistics(scenes.images(scene)) for scene in chosen])
        of_photos = torch.zeros(0, STATISTICS)
        if args.people:
            of_photos = torch.cat([network.statistics(photos.image(row)[None]) for row in rows])
    known = np.concatenate([of_crops.reshape(-1, STATISTICS).numpy(), of_photos.numpy()])
    network.head.centre.copy_(torch.from_numpy(known.mean(0)))
    network.head.spread.copy_(torch.from_numpy(known.std(0)).clamp(min=1e-3))
    of_crops, of_photos = of_crops.clone(), of_photos.clone()  # which may have gradients pass through them
    learn(network.head, args, photos.mos[rows], photos.deviation, of_photos, scenes, chosen, of_crops, rng)
    network.save(args.out)
    print("validation", validate(network, *held_out(args), 200, 60))


def learn(head, args, mos, deviation, of_photos, scenes, chosen, of_crops, rng) -> None:
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.02)
    mos = torch.tensor(mos, dtype=torch.float32)
    places = np.tile(np.arange(of_crops.shape[1]), SCENE_BATCH)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - step / STEPS)
        loss = torch.zeros(())
        if args.people:
            drawn = torch.randint(len(of_photos), (PHOTO_BATCH,))
            loss = loss + args.people * preference_loss(head(of_photos[drawn]), mos[drawn], deviation)
        if args.ranks:
            drawn = rng.choice(len(chosen), SCENE_BATCH, replace=False)
            better, same = scenes.order(np.repeat(chosen[drawn], of_crops.shape[1]), places)
            scores = head(of_crops[torch.from_numpy(drawn)].flatten(0, 1))
            loss = loss + args.ranks * rank_loss(scores, better, same)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 99:
            print(step + 1, loss.item(), flush=True)


def held_out(args: argparse.Namespace) -> tuple[Photos, Scenes]:
    return Photos.read(args.biq2021, args.work, "val"), Scenes.read(args.work, "val")


if __name__ == "__main__":
    main()
