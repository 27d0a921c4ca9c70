r"""What votes should be let to move: maps of several features beside the default model's score, of several strengths.

python results/votes/what_to_learn.py --biq2021 DIR --photos photos.csv --weights WEIGHTS --work WORK

Raters, photos and halves are those of label_curve.py. Layers as a whole are taken as what they are for small changes
of their weights: linear in these (the neural tangent kernel, Jacot et al. 2018).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from gradients import kernels
from raters import Setting, arguments, numbered, over_pairs, write_rows
from scipy.stats import spearmanr
from torch.nn import functional as F

from rankiqa.datasets.pairs import Pairs
from rankiqa.models.parts import statistics_of
from rankiqa.training.preference_fit import Features, fit_preferences

NUMBERS, DRAWS, DEVIATIONS = (200, 1000, 3000), 3, (0.25, 0.5, 1.0, 2.0, 4.0)
EARLY = 4  # stages: those of 16 to 80 channels, on maps of up to a sixteenth of the photo's side
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Map:
    """A map of features of which the products of any two photos are known, and no more.

    Attributes:
        voted: (n,) the photos that votes may be on.
        features: of these.
        of_all: (N, n) the same coordinates of all photos.
    """

    voted: np.ndarray
    features: Features
    of_all: np.ndarray

    @classmethod
    def of(cls, products: np.ndarray, voted: np.ndarray) -> Map:
        """From (N, N) products, centred and of unit size as `equal` has them."""
        eigenvalues, vectors = np.linalg.eigh(products[np.ix_(voted, voted)])
        kept = eigenvalues > eigenvalues[-1] * 1e-9
        of_all = products[:, voted] @ (vectors[:, kept] / np.sqrt(eigenvalues[kept]))
        return cls(voted, Features(np.zeros(0), 1.0, of_all[voted], np.zeros((0, 0))), of_all)

    def learn(self, pairs: Pairs, known: np.ndarray, deviation: float) -> np.ndarray:
        """(N,) scores of all photos, from votes over all of them."""
        place = np.zeros(len(known), np.int64)
        place[self.voted] = np.arange(len(self.voted))
        inside = Pairs((), place[pairs.better], place[pairs.worse], pairs.weight, pairs.vote)
        fit = fit_preferences(inside, known[self.voted], self.features, deviation)
        return fit.slope * known + self.of_all @ fit.weights


def equal(*products: np.ndarray) -> np.ndarray:
    """The sum of (N, N) products that count the same, centred, a photo's with itself 1 on average."""
    total = np.zeros_like(products[0])
    for one in products:
        centred = one - one.mean(0) - one.mean(1)[:, None] + one.mean()
        total += centred / centred.diagonal().mean()
    return total / len(products)


def products(setting: Setting, args: argparse.Namespace) -> dict[str, np.ndarray]:
    """What may be learned → (N, N) products of any two photos."""
    net, photos = statistics_of(setting.scorer.network), setting.photos
    inputs = torch.from_numpy(photos.inputs).float()
    with torch.inference_mode():
        units = F.gelu(net.hidden(inputs)).double().numpy()
    of = kernels(setting.scorer, setting.files, args.work)
    each = photos.inputs * photos.share
    early = 2 * sum(net.channels[:EARLY])
    stages = equal(each @ each.T)
    last_two = of["stage 5"] + of["stage 6"] + of["last"] + of["head"]
    return {
        "the last layer": equal(units @ units.T),
        "the head, linearised": equal(of["head"]),
        "the last stage and the head, linearised": equal(of["stage 6"] + of["last"] + of["head"]),
        "the last two stages and the head, linearised": equal(last_two),
        "all statistics, each counts the same": equal(photos.inputs @ photos.inputs.T),
        "all statistics, each stage counts the same": stages,
        "... the first four stages alone": equal(each[:, :early] @ each[:, :early].T),
        "... the last four stages alone": equal(each[:, early:] @ each[:, early:].T),
        "... and the head, linearised": equal(stages, of["head"]),
        "... and the last two stages and the head, linearised": equal(stages, last_two),
    }


def main() -> None:
    args = arguments(__doc__)
    setting = Setting.of(args)
    known, tested = setting.photos.known, setting.tested
    maps = {name: Map.of(one, setting.voted) for name, one in products(setting, args).items()}
    rows = []
    for target, raters in setting.raters(args.only):
        for number in NUMBERS:
            rngs = [np.random.default_rng([number, draw]) for draw in range(DRAWS)]
            drawn = [numbered(raters.votes(setting.voted, number, rng)) for rng in rngs]
            for name, one in maps.items():
                for deviation in DEVIATIONS:
                    scores = [one.learn(pairs, known, deviation) for pairs in drawn]
                    srocc = np.mean([spearmanr(s[tested], raters.quality[tested])[0] for s in scores])
                    right = np.mean([over_pairs(raters.right(s, tested), np.ones(len(tested))) for s in scores])
                    rows.append((target, number, name, deviation, srocc, right))
            print(target, number, flush=True)
    columns = ["target", "votes", "learned", "deviation", "srocc", "pairs"]
    write_rows(pd.DataFrame(rows, columns=columns), HERE / "what_to_learn.csv", args.only)


if __name__ == "__main__":
    main()
