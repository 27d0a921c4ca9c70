r"""How long `rankiqa tune` learns and measures where photos and votes are many, without the reading of photos.

python results/votes/many.py PHOTOS VOTES

The statistics are drawn: the time is that of their numbers.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from rankiqa.datasets.pairs import Pairs
from rankiqa.models.parts import statistics_of
from rankiqa.scoring.scorer import Scorer
from rankiqa.training.tuning import Photos, learn, measure


def main() -> None:
    photos, votes = map(int, sys.argv[1:])
    rng = np.random.default_rng(0)
    scorer = Scorer.load(None, "cpu")
    net = statistics_of(scorer.network)
    widths = 2 * np.array(net.channels)
    # Photos differ in few ways, and by noise.
    inputs = rng.normal(size=(photos, 60)) @ rng.normal(size=(60, widths.sum())) / 8
    inputs += rng.normal(size=inputs.shape) / 2
    names = tuple(map(str, range(photos)))
    seen = Photos(inputs[:, 0], inputs, np.repeat(widths, widths) ** -0.5, np.repeat(np.arange(8), widths), names)
    quality = seen.known + inputs[:, 1] / inputs[:, 1].std()
    first = rng.integers(0, photos, votes)
    second = (first + rng.integers(1, photos, votes)) % photos
    up = rng.random(votes) < 1 / (1 + np.exp(quality[second] - quality[first]))
    better, worse = np.where(up, first, second), np.where(up, second, first)
    pairs = Pairs(names, better, worse, np.ones(votes), np.arange(votes))
    begun = time.process_time()
    candidates = seen.candidates()
    chosen, fit = learn(pairs, seen, candidates)
    measure(scorer, pairs, seen, candidates, chosen, fit)
    print(f"{photos} photos, {votes} votes: {chosen.name}; {time.process_time() - begun:.0f} s of processor time")


if __name__ == "__main__":
    main()
