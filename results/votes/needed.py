"""How many comparisons an order of 100 photos needs: chosen, at random, sorted, by an oracle. See README.md.

python results/votes/needed.py results/votes
python results/votes/needed.py results/votes oracle   # this method again; the others stay as needed.csv has them
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm
from tqdm import tqdm

from rankiqa.metrics.correlation import srocc
from rankiqa.seeding import generator
from rankiqa.study.choosing import SPREAD, Chooser
from rankiqa.study.posterior import Posterior, Votes, expected_curvature, fit
from rankiqa.study.simulated_raters import SimulatedRater

PHOTOS, GOAL = 100, 0.95
DRAWS, MORE_DRAWS = 8, 16  # the latter of MORE
MORE = ("chosen", "random")
NOISES = (0.25, 0.5, 1.0)  # of the answer to a pair; the scores have a standard deviation of 1
EACH, STAYS = 10, 5  # votes between two looks, and looks in a row that must reach the goal
MOST = 3000  # votes
RATERS = 4  # alike, in turn, each asked once about a pair
LOGISTIC = 1.7  # slope of the logistic curve that is nearest to the normal distribution function

Vote = tuple[int, int, float]  # left, right, +1 or −1


@dataclass(frozen=True)
class Rater:
    """Who answers; the truth and the noise are for the oracle alone."""

    truth: np.ndarray
    noise: float
    draw: np.random.Generator

    def __call__(self, left: int, right: int) -> float:
        answer = SimulatedRater(self.noise).compare(self.truth[left], self.truth[right], self.draw)
        return 1.0 if answer == "left" else -1.0


Method = Callable[[Rater, np.random.Generator], Iterator[Vote]]


def chosen(**options: object) -> Method:
    """Pairs of `rankiqa.study.choosing`."""

    def votes(ask: Rater, draw: np.random.Generator) -> Iterator[Vote]:
        chooser = Chooser(PHOTOS, seed=int(draw.integers(2**31)), **options)
        for k in range(MOST):
            question = chooser.question(rater := f"rater {k % RATERS}")
            better = ask(question.left, question.right)
            answer = "left" if better > 0 else "right"
            chooser.told(rater, question.left, question.right, answer, question.purpose)
            yield question.left, question.right, better

    return votes


def at_random(ask: Rater, draw: np.random.Generator) -> Iterator[Vote]:
    """Any pair, as likely as any other."""
    while True:
        left, right = (int(k) for k in draw.choice(PHOTOS, 2, replace=False))
        yield left, right, ask(left, right)


def merge_sort(ask: Rater, draw: np.random.Generator) -> Iterator[Vote]:
    """The photos in random order are sorted by merging, again and again."""
    while True:
        runs = [[int(k)] for k in draw.permutation(PHOTOS)]
        while len(runs) > 1:
            merged = []
            for a, b in zip(runs[::2], runs[1::2], strict=False):
                one: list[int] = []
                while a and b:
                    better = ask(a[0], b[0])
                    yield a[0], b[0], better
                    one.append((a if better > 0 else b).pop(0))
                merged.append(one + a + b)
            runs = merged + runs[2 * len(merged) :]


def swiss(ask: Rater, draw: np.random.Generator) -> Iterator[Vote]:
    """In each round everyone meets a neighbour in the order so far, as far as they have not met."""
    votes: list[Vote] = []
    met: set[frozenset[int]] = set()
    while True:
        mean = scores(votes) + 1e-6 * draw.standard_normal(PHOTOS)
        waiting = [int(k) for k in np.argsort(-mean)]
        while len(waiting) > 1:
            first = waiting.pop(0)
            other = next((k for k in waiting if frozenset((first, k)) not in met), waiting[0])
            waiting.remove(other)
            met.add(frozenset((first, other)))
            votes.append((first, other, ask(first, other)))
            yield votes[-1]


def oracle(ask: Rater, draw: np.random.Generator) -> Iterator[Vote]:
    """The pair whose answer is expected to bring the ranks nearest to the true ones, which the oracle knows.

    Greedy, with ranks linear in the scores around the posterior's mean, and the step that an answer makes there.
    """
    truth = LOGISTIC / ask.noise * ask.truth  # in the unit of the posterior
    left, right = np.triu_indices(PHOTOS, 1)
    answer = 2 * ndtr((ask.truth[left] - ask.truth[right]) / ask.noise) - 1  # on average
    asked = np.zeros(len(left), dtype=int)
    votes: list[Vote] = []
    while True:
        known = posterior(votes)
        mean, variance = known.difference(left, right)
        near = np.zeros((PHOTOS, PHOTOS))
        near[left, right] = np.exp(-(mean**2) / (2 * variance)) / np.sqrt(variance)
        near += near.T
        ranks = np.diag(near.sum(1)) - near  # per score: a photo's rank moves against those around it
        moved = ranks @ known.covariance
        along = moved.T @ ranks @ (known.mean - truth)
        squares = moved.T @ moved
        size = squares[left, left] + squares[right, right] - 2 * squares[left, right]
        expected = np.tanh(mean / 2)
        step = 1 / (1 + expected_curvature(mean, variance) * variance)
        gain = (answer - expected) * step * (along[left] - along[right])
        gain += (1 - 2 * answer * expected + expected**2) / 4 * step**2 * size
        best = int(np.argmin(np.where(asked < RATERS, gain, np.inf)))
        asked[best] += 1
        a, b = int(left[best]), int(right[best])
        votes.append((a, b, ask(a, b)))
        yield votes[-1]


METHODS: dict[str, Method] = {
    "chosen": chosen(checks=False),
    "chosen, with checks": chosen(),
    "by information": chosen(checks=False, by="information"),
    "Swiss": swiss,
    "merge sort": merge_sort,
    "random": at_random,
    "oracle": oracle,
}


def posterior(votes: list[Vote]) -> Posterior:
    """The scale of these votes."""
    left, right, better = np.array(votes, dtype=float).reshape(-1, 3).T
    return fit(Votes(left.astype(int), right.astype(int), better), np.zeros(PHOTOS), SPREAD)


def scores(votes: list[Vote]) -> np.ndarray:
    """What all methods are judged by."""
    return posterior(votes).mean


def needed(method: str, noise: float, number: int) -> int:
    """Votes at the first of the looks that reach the goal to stay. A draw has the same scores for all methods."""
    truth = generator(0, "scores", number).standard_normal(PHOTOS)
    draw = generator(0, method, noise, number)
    found: list[float] = []
    votes: list[Vote] = []
    for vote in METHODS[method](Rater(truth, noise, draw), draw):
        votes.append(vote)
        if len(votes) % EACH == 0:
            found.append(srocc(scores(votes), truth))
            if (min(found[-STAYS:]) >= GOAL and len(found) >= STAYS) or len(votes) >= MOST:
                break
    return EACH * (len(found) - STAYS + 1)


def at_best(noise: float) -> float:
    """The share of random pairs' votes that an all-knowing choice would need, in the limit of many votes.

    A Thurstone answer to a difference of x standard deviations of the noise has the Fisher information
    φ(x)² / Φ(x) Φ(−x), most at 0. The variance of a score is at least one over the information in the photo's answers,
    and that of its rank the square of the density of scores there times it. Random pairs ask about all photos alike,
    and tell little about those at the ends. The best choice gets the most from every answer, and asks about a photo in
    proportion to the density there: so the sum of (density² / answers) is least.
    """
    score = np.linspace(-5, 5, 1001)
    share = norm.pdf(score) / norm.pdf(score).sum()
    apart = (score[:, None] - score) / noise
    each = norm.pdf(apart) ** 2 / np.maximum(ndtr(apart) * ndtr(-apart), 1e-300)
    random = share @ (norm.pdf(score) ** 2 / (each @ share))
    best = (share @ norm.pdf(score)) ** 2 / each.max()
    return float(best / random)


def main(out: Path, methods: Sequence[str]) -> None:
    """Compute these methods, and write needed.csv, needed.md and needed.png."""
    jobs = [
        (method, noise, number)
        for noise in NOISES
        for method in METHODS
        for number in range(MORE_DRAWS if method in MORE else DRAWS)
    ]
    kept = {} if set(methods) == set(METHODS) else {row[:3]: row[3] for row in read(out / "needed.csv")}
    kept |= {job: needed(*job) for job in tqdm([job for job in jobs if job[0] in methods], disable=None)}
    write([(*job, kept[job]) for job in jobs], out)


def read(path: Path) -> list[tuple[str, float, int, int]]:
    """The rows that `write` takes."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [(method, float(noise), int(number), int(comparisons)) for method, noise, number, comparisons in rows]


def write(rows: list[tuple[str, float, int, int]], out: Path) -> None:
    """The rows (method, noise, draw, comparisons), their table and their figure."""
    with open(out / "needed.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("method", "noise", "draw", "comparisons"))
        writer.writerows(rows)
    each = {
        (method, noise): np.array([row[3] for row in rows if row[:2] == (method, noise)])
        for method in METHODS
        for noise in NOISES
    }
    lines = ["| pairs | " + " | ".join(f"noise {noise:g}" for noise in NOISES) + " |", "|---|" + "---|" * len(NOISES)]
    for method in METHODS:
        cells = []
        for noise in NOISES:
            found = each[method, noise]
            share = found.mean() / each["random", noise][: len(found)].mean()  # of the same draws of scores
            cells.append(f"{found.mean():.0f} ± {found.std(ddof=1) / np.sqrt(len(found)):.0f} ({share:.0%})")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    lines.append("| at best, by theory | " + " | ".join(f"({at_best(noise):.0%})" for noise in NOISES) + " |")
    (out / "needed.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw_figure(each, out / "needed.png")
    print("\n".join(lines))


def draw_figure(each: dict[tuple[str, float], np.ndarray], path: Path) -> None:
    """A panel for each noise: a bar is the mean, a dot a draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    names = list(METHODS)[::-1]
    for axes, noise in zip(figure.subplots(1, len(NOISES), sharey=True), NOISES, strict=True):
        for place, method in enumerate(names):
            found = each[method, noise]
            axes.barh(place, found.mean(), color="#0072b2" if method.startswith("chosen") else "#b9c2cc", height=0.6)
            axes.plot(found, np.full(len(found), place), "o", color="#1d232b", markersize=3, alpha=0.6)
        axes.set(title=f"noise {noise:g}", xlabel="comparisons until SROCC stays at .95", yticks=range(len(names)))
        axes.set_yticklabels(names)
        axes.grid(axis="x", alpha=0.25)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(METHODS))
