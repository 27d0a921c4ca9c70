"""What becomes of a scale when repeats count as other votes do, half, or not at all. See README.md.

python results/votes/repeats.py results/votes
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rankiqa.metrics.correlation import srocc
from rankiqa.seeding import generator
from rankiqa.study.choosing import SPREAD, Chooser
from rankiqa.study.posterior import Votes, fit
from rankiqa.study.ratings import subject_model

PHOTOS, RATERS, DRAWS = 40, 4, 100
VOTES = 300  # of all raters, chosen as `rankiqa label` does, with its repeats and catch trials
NOISE = 1.7  # standard deviation of what a rater adds to a difference; about that of the scale's own model
SCATTER, EACH = 0.7, 12  # of ratings: a rater's noise, and how many of them one is a repeat of
SHARES = (0.0, 0.5, 1.0)  # of the variance of the noise that is the same whenever a rater sees the same photos
WEIGHTS = (1.0, 0.5, 0.0)  # of a repeat
NORMAL = 1.96


def comparisons(share: float, draw: np.random.Generator) -> dict[float, tuple[float, float]]:
    """By the weight of repeats: SROCC with the truth, and how many intervals of differences hold it."""
    truth = draw.normal(0, SPREAD, PHOTOS)
    own = np.sqrt(share) * NOISE * draw.standard_normal((RATERS, PHOTOS, PHOTOS))  # of a pair, for good
    chooser = Chooser(PHOTOS, seed=int(draw.integers(2**31)))
    left, right, better, repeat = [], [], [], []
    for k in range(VOTES):
        who = k % RATERS
        question = chooser.question(f"rater {who}")
        assert question is not None
        a, b = question.left, question.right
        same = own[who, a, b] if a < b else -own[who, b, a]
        seen = truth[a] - truth[b] + same + np.sqrt(1 - share) * NOISE * draw.standard_normal()
        chooser.told(f"rater {who}", a, b, "left" if seen > 0 else "right", question.purpose)
        left, right, better = [*left, a], [*right, b], [*better, np.sign(seen)]
        repeat.append(question.purpose == "repeat")
    found, (one, other) = {}, np.triu_indices(PHOTOS, 1)
    for weight in WEIGHTS:
        weights = np.where(repeat, weight, 1.0)
        votes = Votes(np.array(left), np.array(right), np.array(better, dtype=float), weights)
        known = fit(votes, np.zeros(PHOTOS), SPREAD)
        mean, variance = known.difference(one, other)
        held = np.abs(mean - (truth[one] - truth[other])) < NORMAL * np.sqrt(variance)
        found[weight] = srocc(known.mean, truth), float(held.mean())
    return found


def ratings(share: float, draw: np.random.Generator) -> dict[float, tuple[float, float]]:
    """As `comparisons`, with the intervals of scores; a repeat counts as any rating, or not."""
    truth, bias = draw.uniform(1.5, 4.5, PHOTOS), 0.3 * draw.standard_normal(RATERS)
    photo, rater = (part.ravel() for part in np.meshgrid(np.arange(PHOTOS), np.arange(RATERS), indexing="ij"))
    again = np.concatenate([draw.choice(np.flatnonzero(rater == k), PHOTOS // EACH) for k in range(RATERS)])
    own = np.sqrt(share) * SCATTER * draw.standard_normal(len(photo))
    rows = np.r_[np.arange(len(photo)), again]
    seen = truth[photo] + bias[rater] + own
    score = np.clip(np.round(seen[rows] + np.sqrt(1 - share) * SCATTER * draw.standard_normal(len(rows))), 1, 5)
    found = {}
    for weight, count in ((1.0, len(rows)), (0.0, len(photo))):
        kept = rows[:count]
        model = subject_model(photo[kept], rater[kept], score[:count], SCATTER, 5.0)
        away = model.quality - truth
        held = np.abs(away - away.mean()) < NORMAL * model.error  # a bias that all share cannot be told
        found[weight] = srocc(model.quality, truth), float(held.mean())
    return found


def table(kind: str, study: Callable[[float, np.random.Generator], dict[float, tuple[float, float]]]) -> list[str]:
    lines = []
    for share in SHARES:
        label = f"repeats {kind} {share}"
        draws = [study(share, generator(0, label, k)) for k in tqdm(range(DRAWS), label, leave=False)]
        for weight in draws[0]:
            values = np.array([each[weight] for each in draws])
            change = values[:, 0] - np.array([each[0.0][0] for each in draws])
            error = change.std(ddof=1) / np.sqrt(DRAWS)
            gain = "" if weight == 0 else f"{change.mean():+.4f} ± {error:.4f}"
            mean, held = values.mean(0)
            lines.append(f"| {kind} | {share:.0%} | {weight:g} | {mean:.4f} | {gain} | {held:.1%} |")
    return lines


def main(out: Path) -> None:
    head = [
        "| votes | same noise again | weight of a repeat | SROCC | against none | intervals that hold |",
        "|---" * 6 + "|",
    ]
    text = "\n".join([*head, *table("comparisons", comparisons), *table("ratings", ratings), ""])
    (out / "repeats.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
