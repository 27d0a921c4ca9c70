"""Heads of one hidden layer on frozen statistics: what the label curve and the ablation train, in seconds each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from network import Head
from scipy.stats import pearsonr, spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

from rankiqa.datasets.biq2021 import LISTS
from rankiqa.losses import ordered_pairs, preference_loss

STEPS, PHOTOS, SCENES = 250, 64, 12  # of a training; photos and scenes of crops in a batch
TWINS = (1.01, 0.97, 0.8)  # test photos without a look-alike in the training list above this correlation


@dataclass(frozen=True)
class People:
    """Photos with human scores, and their statistics.

    Attributes:
        features: (N, D).
        table: name, mos, part (train, val, test), twin: the correlation with the nearest training photo.
    """

    features: Tensor
    table: pd.DataFrame

    @classmethod
    def read(cls, features: Path, photos: Path, biq2021: Path | None = None) -> People:
        """What features.py and photos.py wrote; `biq2021`: also the scores of the test list, which photos.csv lacks."""
        table = pd.read_csv(photos)
        if biq2021 is not None:
            scores = pd.read_csv(biq2021 / LISTS["test"]).iloc[:, :2].set_axis(["name", "mos"], axis=1)
            tested = table["list"] == "test"
            table.loc[tested, "mos"] = scores["mos"].to_numpy()  # in the list's order, as photos.py took them
        return cls(torch.from_numpy(np.load(features)), table)

    def rows(self, *parts: str) -> np.ndarray:
        return np.flatnonzero(self.table["part"].isin(parts))


@dataclass(frozen=True)
class Crops:
    """Scenes of five crops, the first of them pristine: statistics, types, strengths and the judges' quality.

    Attributes:
        features: (S, 5, D).
        group: (S, 5) whole numbers, one for each scene and type.
        level: (S, 5) t of the strength; 0 is pristine.
        quality: (S, 5) of the judges, in [0, 1].
        camera: (S, 5) whether a type that the laboratories do not have took part.
    """

    features: Tensor
    group: Tensor
    level: Tensor
    quality: Tensor
    camera: Tensor


def train_head(
    people: People | None = None,
    rows: np.ndarray | None = None,
    crops: Crops | None = None,
    weight: float = 1.0,
    judge: bool = True,
    camera: bool = True,
    seed: int = 0,
    steps: int = STEPS,
    scenes: int = SCENES,
) -> nn.Module:
    """A head learned from the scores of some photos, from ranked crops, or from both, where `weight` is the ranks'."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    known = [people.features[people.rows("train", "val")]] if people is not None else []
    known += [crops.features.flatten(0, 1)] if crops is not None else []
    spread, centre = torch.std_mean(torch.cat(known), 0)
    head = Head(centre, spread.clamp(min=1e-3))
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.02)
    mos = torch.tensor(people.table["mos"].to_numpy(), dtype=torch.float32) if people is not None else None
    deviation = 0.5 * float(people.table["mos"][people.rows("train")].std()) if people is not None else 1.0
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
        loss = torch.zeros(())
        if rows is not None:
            chosen = rng.choice(rows, min(PHOTOS, len(rows)), replace=False)
            loss = loss + preference_loss(head(people.features[chosen]), mos[chosen], deviation)
        if crops is not None:
            loss = loss + weight * rank_loss(head, crops, rng.choice(len(crops.group), scenes, False), judge, camera)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head.eval()


def rank_loss(head: nn.Module, crops: Crops, scenes: np.ndarray, judge: bool, camera: bool) -> Tensor:
    """softplus(−2 · difference): the mean over the pairs inside a scene, and that over all others."""
    keep = torch.ones_like(crops.camera[scenes]).bool() if camera else ~crops.camera[scenes]
    scene = torch.arange(len(scenes))[:, None].expand(-1, crops.group.shape[1])[keep]
    scores = head(crops.features[scenes][keep])
    level, quality = crops.level[scenes][keep], crops.quality[scenes][keep]
    one = scene[:, None] == scene[None, :]
    inside = crops.group[scenes][keep]
    if judge:
        near = ordered_pairs(inside, level, quality, 0.01) & one
        far = ordered_pairs(inside, level, quality, 0.03) & ~one
    else:
        near = ordered_pairs(inside, level)
        # The pristine crop is better than every version of itself.
        near |= one & (level[:, None] == 0) & (level[None, :] > 0)
        far = torch.zeros_like(near)
    losses = F.softplus(-2 * (scores[:, None] - scores[None, :]))
    means = [losses[mask].mean() for mask in (near, far) if mask.any()]
    return torch.stack(means).mean()


@torch.inference_mode()
def with_people(head: nn.Module, people: People, part: str = "test") -> dict[str, float]:
    """SROCC and LCC with people, of all photos of a part and of those without look-alikes in the training list."""
    rows = people.rows(part)
    scores = head(people.features[rows]).numpy()
    table = people.table.iloc[rows]
    found = {"lcc": float(pearsonr(scores, table["mos"])[0])}
    for limit in TWINS:
        own = ~(table["twin"].to_numpy() >= limit)
        found["srocc" if limit > 1 else f"srocc_{limit:g}"] = float(spearmanr(scores[own], table["mos"][own])[0])
    return found
