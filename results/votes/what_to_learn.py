r"""What votes should be let to move: maps of several features beside the default model's score, of several strengths.

python results/votes/what_to_learn.py --biq2021 DIR --photos photos.csv --work WORK

Raters, photos and halves are those of label_curve.py. The head as a whole is taken as what it is for small changes of
its weights: linear in them (the neural tangent kernel, Jacot et al. 2018).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from label_curve import Raters, halves, over_pairs, statistics, unit
from scipy.stats import spearmanr
from torch.nn import functional as F

from rankiqa.datasets.pairs import Pairs
from rankiqa.models.parts import statistics_of
from rankiqa.scoring.scorer import Scorer
from rankiqa.training.preference_fit import Features, fit_preferences
from rankiqa.training.tuning import Photos

NUMBERS, DRAWS, DEVIATIONS = (200, 1000, 3000), 3, (0.25, 0.5, 1.0, 2.0, 4.0)
HERE = Path(__file__).parent


def of_products(products: np.ndarray) -> Features:
    """Features of which the (N, N) products of any two photos are known, and no more."""
    centred = products - products.mean(0) - products.mean(1)[:, None] + products.mean()
    centred /= centred.diagonal().mean()
    eigenvalues, vectors = np.linalg.eigh(centred)
    kept = eigenvalues > eigenvalues[-1] * 1e-9
    return Features(np.zeros(0), 1.0, vectors[:, kept] * np.sqrt(eigenvalues[kept]), np.zeros((0, 0)))


def features(scorer: Scorer, photos: Photos) -> dict[str, Features]:
    net = statistics_of(scorer.network)
    inputs = torch.from_numpy(photos.inputs).float()
    before = net.hidden(inputs).detach().requires_grad_()
    units = F.gelu(before)
    units.sum().backward()
    slopes = (before.grad * net.output.weight.detach()[0]).double().numpy()  # of the score in each unit's input
    head = (photos.inputs @ photos.inputs.T + 1) * (slopes @ slopes.T) + (units @ units.T).detach().double().numpy()
    return {
        "the last layer": Features.of(units.detach().double().numpy()),
        "the whole head, linearised": of_products(head),
        "all statistics, each counts the same": Features.of(photos.inputs),
        "all statistics, each stage counts the same": Features.of(photos.inputs * photos.share),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("biq2021", "photos", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    scorer = Scorer.load(None, "cpu")
    table, photos, colours = statistics(args, scorer)
    voted, tested = halves(photos.group)
    people, colour = unit(table["mos"].to_numpy()), unit(np.sqrt(colours))
    maps = features(scorer, photos)
    rows = []
    for target, quality in {"BIQ2021": people, "BIQ2021 and colour": unit(people + colour)}.items():
        raters = Raters.of(quality)
        for number in NUMBERS:
            drawn = [numbered(raters.votes(voted, number, np.random.default_rng([number, k]))) for k in range(DRAWS)]
            for name, one in maps.items():
                for deviation in DEVIATIONS:
                    fits = [fit_preferences(pairs, photos.known, one, deviation) for pairs in drawn]
                    scores = [fit.scores(photos.known, one) for fit in fits]
                    srocc = np.mean([spearmanr(s[tested], quality[tested])[0] for s in scores])
                    right = np.mean([over_pairs(raters.right(s, tested), np.ones(len(tested))) for s in scores])
                    rows.append((target, number, name, deviation, srocc, right))
            print(target, number, flush=True)
    columns = ["target", "votes", "learned", "deviation", "srocc", "pairs"]
    pd.DataFrame(rows, columns=columns).round(4).to_csv(HERE / "what_to_learn.csv", index=False)


def numbered(pairs: Pairs) -> Pairs:
    """Over all photos, by their numbers: the names of the votes are these."""
    place = np.array([int(name) for name in pairs.photos])
    names = tuple(str(number) for number in range(place.max() + 1))
    return Pairs(names, place[pairs.better], place[pairs.worse], pairs.weight, pairs.vote)


if __name__ == "__main__":
    main()
