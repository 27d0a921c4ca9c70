"""What is learned from: photos with people's scores, and scenes of crops in a known order. Batches of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional as F

GAP_INSIDE, GAP_BETWEEN = 0.01, 0.03  # of the judges, in a scene and between two: nearer images have no order


@dataclass(frozen=True)
class Photos:
    """Photos of one part with scores in [0, 1].

    Attributes:
        deviation: of the scores of part train, halved: that of a difference between two ratings.
    """

    folder: Path
    names: list[str]
    mos: np.ndarray
    deviation: float

    @classmethod
    def read(cls, biq2021: Path, work: Path, part: str) -> Photos:
        table = pd.read_csv(work / "photos.csv")
        of_part = table[table["part"] == part]
        deviation = 0.5 * float(table["mos"][table["part"] == "train"].std())
        return cls(biq2021 / "Images", of_part["name"].tolist(), of_part["mos"].to_numpy(), deviation)

    def image(self, row: int) -> np.ndarray:
        return np.array(Image.open(self.folder / self.names[row]).convert("RGB"))

    def batch(self, count: int, side: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """uint8 (count, side, side, 3) at random places, mirrored by chance, and the scores (count,)."""
        rows = rng.choice(len(self.names), count, replace=len(self.names) < count)
        images = []
        for row in rows:
            image = self.image(row)
            height, width = image.shape[:2]
            if min(height, width) * 2 <= side:
                image = np.asarray(Image.fromarray(image).resize((side, side)))
            elif min(height, width) < side:
                image = np.pad(image, ((0, max(0, side - height)), (0, max(0, side - width)), (0, 0)), "reflect")
            y, x = rng.integers(image.shape[0] - side + 1), rng.integers(image.shape[1] - side + 1)
            crop = image[y : y + side, x : x + side]
            images.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
        return torch.from_numpy(np.stack(images)), torch.tensor(self.mos[rows], dtype=torch.float32)


@dataclass(frozen=True)
class Scenes:
    """What crops.py made of one part.

    Attributes:
        crops: (numbers, 5, 288, 288, 3), on disk.
        number: (S,) of each scene that is known.
        types: (S, 5) names.
        level: (S, 5) t; 0 is pristine.
        quality: (S, 5) in [0, 1]: mean of the ranks, among all crops of the part, that MDSI and HaarPSI give; 1 for the
            pristine crop.
        vsi: (S, 5), of part val alone.
    """

    crops: np.ndarray
    number: np.ndarray
    types: np.ndarray
    level: np.ndarray
    quality: np.ndarray
    vsi: np.ndarray | None

    @classmethod
    def read(cls, work: Path, part: str) -> Scenes:
        lines = [line for path in work.glob(f"crops_{part}.*.jsonl") for line in path.read_text().splitlines()]
        rows = sorted((json.loads(line) for line in lines), key=lambda row: row[0])
        mdsi, haarpsi = np.array([row[3] for row in rows]), np.array([row[4] for row in rows])
        quality = (rankdata(-mdsi.ravel()) + rankdata(haarpsi.ravel())) / 2 / mdsi.size
        ones = np.ones((len(rows), 1))
        return cls(
            crops=np.load(work / f"crops_{part}.npy", mmap_mode="r"),
            number=np.array([row[0] for row in rows]),
            types=np.array([[kind for kind, _, _ in row[2]] for row in rows], dtype=object),
            level=np.array([[t for _, _, t in row[2]] for row in rows]),
            quality=np.concatenate([ones, quality.reshape(mdsi.shape)], 1),
            vsi=np.concatenate([ones, np.array([row[5] for row in rows])], 1) if rows[0][5] else None,
        )

    def __len__(self) -> int:
        return len(self.number)

    def images(self, scene: int) -> np.ndarray:
        """(5, 288, 288, 3)."""
        return np.array(self.crops[self.number[scene]])

    def batch(self, count: int, side: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Four crops of each of `count` scenes, uint8 (4·count, side, side, 3), and `order` of them.

        In half of the scenes it is the pristine one that is left out, in the others any.
        """
        images, scenes, places = [], [], []
        last = self.crops.shape[2] - side
        for scene in rng.choice(len(self), count, replace=False):
            y, x = rng.integers(last + 1), rng.integers(last + 1)
            mirrored = rng.random() < 0.5
            used = list(range(self.types.shape[1]))
            used.pop(rng.integers(len(used)) if rng.random() < 0.5 else 0)
            for place in used:
                crop = self.crops[self.number[scene], place, y : y + side, x : x + side]
                images.append(np.array(crop[:, ::-1] if mirrored else crop))
                scenes.append(scene)
                places.append(place)
        return torch.from_numpy(np.stack(images)), *self.order(np.array(scenes), np.array(places))

    def order(self, scene: np.ndarray, place: np.ndarray) -> tuple[Tensor, Tensor]:
        """(N,) scenes and places in them → (N, N): whether i is better than j, and whether both are of one scene.

        Inside a scene the levels of a type, from the pristine crop on, are in order by themselves; everything else is
        the judges'.
        """
        kind, level, quality = self.types[scene, place], self.level[scene, place], self.quality[scene, place]
        same = scene[:, None] == scene[None]
        pristine = kind == "pristine"
        by_level = same & ((kind[:, None] == kind[None]) | pristine[:, None] | pristine[None])
        lower = level[:, None] < level[None]
        judged = (quality[:, None] - quality[None]) > np.where(same, GAP_INSIDE, GAP_BETWEEN)
        return torch.from_numpy((by_level & lower) | (judged & ~by_level)), torch.from_numpy(same)


def rank_loss(scores: Tensor, better: Tensor, same: Tensor) -> Tensor:
    """softplus(−2 · difference) of pairs in order: half the mean inside scenes, half that between them."""
    losses = F.softplus(-2 * (scores[:, None] - scores[None]))
    nothing = losses.sum() * 0
    between, inside = (losses[mask].mean() if mask.any() else nothing for mask in (better & ~same, better & same))
    return (between + inside) / 2
