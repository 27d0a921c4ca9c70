"""What the last stages of the default model can learn: how each weight of theirs moves the score of each photo."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from rankiqa.images.reading import read_image
from rankiqa.models.parts import statistics_of
from rankiqa.models.statistics import StageStatistics
from rankiqa.scoring.inputs import inputs_of
from rankiqa.scoring.scorer import Scorer
from rankiqa.scoring.view import View

FROM = 5  # the first of the stages, of 0 to 7, that is let learn


class Late(nn.Module):
    """The stages from one on and the head, of maps that are computed once.

    Attributes:
        first: the number of the stage.
        early: how many statistics the stages before it have.
    """

    def __init__(self, net: StageStatistics, first: int) -> None:
        super().__init__()
        self.net, self.first, self.early = net, first, 2 * sum(net.channels[:first])

    def forward(self, maps: torch.Tensor, early: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) what the first of the stages sees, and (N, early) the statistics before it → (N,) scores."""
        found = []
        for block in self.net.net.blocks[self.first :]:
            maps = block(maps)
            found.append(maps)
        found.append(self.net.net.bn2(self.net.net.conv_head(maps)))
        return self.net.top(torch.cat([early, self.net.statistics(found)], 1))[:, 0]

    def stages(self) -> dict[str, list[nn.Parameter]]:
        """Their weights."""
        blocks = {
            f"stage {k}": [*self.net.net.blocks[k].parameters()] for k in range(self.first, len(self.net.net.blocks))
        }
        last = [*self.net.net.conv_head.parameters(), *self.net.net.bn2.parameters()]
        return blocks | {"last": last, "head": [*self.net.hidden.parameters(), *self.net.output.parameters()]}


def late_part(scorer: Scorer, first: int) -> Late:
    """A copy, before its scale; its batch norms keep their statistics."""
    net = copy.deepcopy(statistics_of(scorer.network)).cpu().eval()
    net.scale = None
    return Late(net, first)


def seen(scorer: Scorer, files: list[Path], net: StageStatistics) -> Iterator[torch.Tensor]:
    """The photos as they are scored, preprocessed, (1, 3, H, W)."""
    view = View().of(scorer.network)
    for file in tqdm(files, "look at the photos", unit="photo", disable=None):
        image = inputs_of(read_image(file, convert=True, frames="first"), scorer.network.crop, view, True)
        yield scorer.network.preprocessing(image.float().div_(255))


def kernels(scorer: Scorer, files: list[Path], work: Path) -> dict[str, np.ndarray]:
    """(N, N) products of the gradients of the scores of any two photos in the weights of each of the last stages.

    Kept in WORK, with what the last stage sees of each photo, for trained.py.
    """
    place = work / "gradients.npz"
    if not place.exists():
        late = late_part(scorer, FROM)
        stages = late.stages()
        rows = {
            name: torch.empty(len(files), sum(p.numel() for p in of), dtype=torch.bfloat16)
            for name, of in stages.items()
        }
        kept = []
        for number, image in enumerate(seen(scorer, files, late.net)):
            with torch.no_grad():
                maps, early = late.net.net.bn1(late.net.net.conv_stem(image)), []
                for block in late.net.net.blocks[:FROM]:
                    maps = block(maps)
                    early.append(maps)
                statistics = late.net.statistics(early)
                kept.append(late.net.net.blocks[FROM](maps)[0].half())
            late.zero_grad()
            late(maps, statistics).backward()
            for name, of in stages.items():
                rows[name][number] = torch.cat([p.grad.flatten() for p in of]).bfloat16()
        torch.save(torch.stack(kept), work / "maps.pt")
        products = {}
        for name, of in rows.items():
            total = torch.zeros(len(files), len(files), dtype=torch.float64)
            for part in of.split(50_000, 1):
                total += (part.float() @ part.float().T).double()
            products[name] = total.numpy()
        np.savez(place, **products)
    return dict(np.load(place))
