"""Raters' slopes fitted with the scores, all alike, or told by held-out votes: how well a scale has the order.

    python results/votes/rater_slopes.py

20 simulated raters, whose slopes have a spread of .4 in their logarithm, compare random pairs. Prints a table.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from rankiqa.study.joint import Joint
from rankiqa.study.observations import Observations
from rankiqa.study.rater_slopes import rater_slopes

RATERS, SPREAD = 20, 0.4
SIZES = ((30, 300, 20), (30, 900, 20), (100, 500, 20), (100, 2000, 20), (1000, 6000, 5), (10_000, 40_000, 1))
WAYS = {
    "with the scores": lambda seen: None,
    "all alike": lambda seen: np.ones(RATERS),
    "by held-out votes": rater_slopes,
}


def main() -> None:
    print("| photos | votes | draws | slopes | SROCC of the scores | error of log slopes |\n|---|---|---|---|---|---|")
    for photos, votes, draws in SIZES:
        found = {name: [] for name in WAYS}
        for draw in range(draws):
            seen, quality, logs = study(photos, votes, draw)
            for name, way in WAYS.items():
                joint = Joint(seen, way(seen))
                now = joint.unknowns(joint.fit())
                error = np.sqrt(np.mean((np.log(now.slope) - logs) ** 2))
                found[name].append((spearmanr(now.scores, quality)[0], error))
        for name, rows in found.items():
            (order, error), spread = np.mean(rows, 0), np.std(rows, 0)[0] / max(draws - 1, 1) ** 0.5
            plus = f" ± {spread:.4f}" if draws > 1 else ""
            print(f"| {photos:,} | {votes:,} | {draws} | {name} | {order:.4f}{plus} | {error:.2f} |", flush=True)


def study(photos: int, votes: int, seed: int) -> tuple[Observations, np.ndarray, np.ndarray]:
    """The votes, the quality that raters go by, and the logarithms of their slopes around their mean."""
    draw = np.random.default_rng(seed)
    quality, logs = draw.normal(0, 1.5, photos), draw.normal(0, SPREAD, RATERS)
    left = draw.integers(0, photos, votes)
    right = (left + draw.integers(1, photos, votes)) % photos
    by = draw.integers(0, RATERS, votes)
    half = np.exp(logs[by]) * (quality[left] - quality[right]) / 2
    shares = np.stack([np.exp(half), np.full(votes, 0.5), np.exp(-half)])
    place = (draw.random(votes) * shares.sum(0) > np.cumsum(shares, axis=0)).sum(0)
    nothing, none = np.zeros(0, int), np.zeros(0)
    seen = Observations(photos, RATERS, left, right, 1.0 - place, by, [], nothing, nothing, none, none)
    return seen, quality, logs - logs.mean()


if __name__ == "__main__":
    main()
