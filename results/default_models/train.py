"""Train all weights of the network on people's scores and ranks together, or, with --people 0, on ranks alone.

python results/default_models/train.py --init start.safetensors --biq2021 DIR --work DIR --out DIR

Writes OUT/final.safetensors, the average of the weights over the steps, and OUT/checkpoint.pt, from which the same
command goes on.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from network import Network
from sources import Photos, Scenes, rank_loss
from validation import validate

from rankiqa.losses import preference_loss

WARM_UP = 60  # steps
DECAY = 0.02  # of weights with more than one dimension


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", type=Path, required=True, help="what start.py wrote")
    parser.add_argument("--biq2021", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=float, default=1.0, help="weight of their part of the loss; 0: none")
    parser.add_argument("--ranks", type=float, default=0.5, help="weight of theirs; 0: none")
    parser.add_argument("--steps", type=int, default=1300)
    parser.add_argument("--photos", type=int, default=16, help="of people, in a step")
    parser.add_argument("--photo-side", type=int, default=368)
    parser.add_argument("--photo-fixed", type=int, default=3, help="stages that learn nothing from people")
    parser.add_argument("--scenes", type=int, default=8, help="of four crops each, in a step")
    parser.add_argument("--crop-side", type=int, default=224)
    parser.add_argument("--lr", type=float, default=2.5e-4, help="of the network; falls to 0 by a cosine")
    parser.add_argument("--head-lr", type=float, default=5e-4)
    parser.add_argument("--average", type=float, default=0.99, help="of the weights, kept from a step to the next")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    args = options()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    network = Network(args.init)
    photos, scenes = (kind.read(*where, "train") for kind, where in sources(args))
    held_out = [kind.read(*where, "val") for kind, where in sources(args)]
    optimizer = optimizer_of(network, args)
    rates = [group["lr"] for group in optimizer.param_groups]
    average = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    checkpoint, step = args.out / "checkpoint.pt", 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        torch.set_rng_state(kept["dropout"])
        average, step = kept["average"], kept["step"]
        print("goes on from step", step, flush=True)
    begun, losses = time.time(), []
    network.train()
    while step < args.steps:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min(1, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        losses.append(learn(network, photos, scenes, args, np.random.default_rng([args.seed, step])))
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        share = 1 - min(args.average, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            average[name].lerp_(tensor, share)
        if step % 10 == 0:
            people, ranks = np.mean(losses[-20:], 0)
            print(f"{step} {time.time() - begun:.0f} s, people {people:.4f}, ranks {ranks:.4f}", flush=True)
        if step % 150 == 0 or step == args.steps:
            kept = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
            kept |= {"step": step, "dropout": torch.get_rng_state()}
            torch.save(kept, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
        if step % 300 == 0 or step == args.steps:
            current = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            network.load_state_dict(average)
            counts = (2000, 400) if step == args.steps else (250, 80)
            print("validation", step, validate(network, *held_out, *counts), flush=True)
            network.load_state_dict(current)
    network.load_state_dict(average)
    network.save(args.out / "final.safetensors")


def sources(args: argparse.Namespace) -> tuple:
    return (Photos, (args.biq2021, args.work)), (Scenes, (args.work,))


def optimizer_of(network: Network, args: argparse.Namespace) -> torch.optim.Optimizer:
    weights = list(network.net.parameters())
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "lr": args.lr, "weight_decay": DECAY},
        {"params": [p for p in weights if p.ndim == 1], "lr": args.lr, "weight_decay": 0},
        {"params": network.head.parameters(), "lr": args.head_lr, "weight_decay": DECAY},
    ]
    return torch.optim.AdamW(groups)


def learn(
    network: Network, photos: Photos, scenes: Scenes, args: argparse.Namespace, rng: np.random.Generator
) -> tuple[float, float]:
    """Add the gradients of a batch of each source; both losses, NaN for a source that is left out."""
    people = ranks = torch.tensor(float("nan"))
    # Drawn before anything is learned: both sources share a generator.
    scored = photos.batch(args.photos, args.photo_side, rng) if args.people else None
    ordered = scenes.batch(args.scenes, args.crop_side, rng) if args.ranks else None
    if scored:
        images, mos = scored
        people = preference_loss(network(images, args.photo_fixed), mos, photos.deviation)
        (args.people * people).backward()
    if ordered:
        images, *order = ordered
        ranks = rank_loss(network(images), *order)
        (args.ranks * ranks).backward()
    return people.item(), ranks.item()


if __name__ == "__main__":
    main()
