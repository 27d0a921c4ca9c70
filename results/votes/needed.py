"""How many comparisons an order of 100 photos needs: chosen, at random, sorted. See README.md.

python results/votes/needed.py results/votes
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rankiqa.metrics.correlation import srocc
from rankiqa.seeding import generator
from rankiqa.study.choosing import SPREAD, Chooser
from rankiqa.study.posterior import Votes, fit
from rankiqa.study.simulated_raters import SimulatedRater

PHOTOS, DRAWS, GOAL = 100, 8, 0.95
NOISES = (0.25, 0.5, 1.0)  # of the answer to a pair; the scores have a standard deviation of 1
EACH, STAYS = 10, 5  # votes between two looks, and looks in a row that must reach the goal
MOST = 3000  # votes
RATERS = 4  # alike, in turn

Vote = tuple[int, int, float]  # left, right, +1 or −1
Ask = Callable[[int, int], float]
Method = Callable[[Ask, np.random.Generator], Iterator[Vote]]


def chosen(**options: object) -> Method:
    """Pairs of `rankiqa.study.choosing`."""

    def votes(ask: Ask, draw: np.random.Generator) -> Iterator[Vote]:
        chooser = Chooser(PHOTOS, seed=int(draw.integers(2**31)), **options)
        for k in range(MOST):
            question = chooser.question(rater := f"rater {k % RATERS}")
            better = ask(question.left, question.right)
            answer = "left" if better > 0 else "right"
            chooser.told(rater, question.left, question.right, answer, question.purpose)
            yield question.left, question.right, better

    return votes


def at_random(ask: Ask, draw: np.random.Generator) -> Iterator[Vote]:
    """Any pair, as likely as any other."""
    while True:
        left, right = (int(k) for k in draw.choice(PHOTOS, 2, replace=False))
        yield left, right, ask(left, right)


def merge_sort(ask: Ask, draw: np.random.Generator) -> Iterator[Vote]:
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


def swiss(ask: Ask, draw: np.random.Generator) -> Iterator[Vote]:
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


METHODS: dict[str, Method] = {
    "chosen": chosen(checks=False),
    "chosen, with checks": chosen(),
    "by information": chosen(checks=False, by="information"),
    "Swiss": swiss,
    "merge sort": merge_sort,
    "random": at_random,
}


def scores(votes: list[Vote]) -> np.ndarray:
    """What all methods are judged by: the scale of these votes."""
    left, right, better = np.array(votes, dtype=float).reshape(-1, 3).T
    return fit(Votes(left.astype(int), right.astype(int), better), np.zeros(PHOTOS), SPREAD).mean


def curve(method: str, noise: float, number: int) -> list[float]:
    """SROCC after each ten votes, until it stays at the goal. The scores of a draw are the same for all methods."""
    truth = generator(0, "scores", number).standard_normal(PHOTOS)
    draw = generator(0, method, noise, number)
    rater = SimulatedRater(noise)

    def ask(left: int, right: int) -> float:
        return 1.0 if rater.compare(truth[left], truth[right], draw) == "left" else -1.0

    found: list[float] = []
    votes: list[Vote] = []
    for vote in METHODS[method](ask, draw):
        votes.append(vote)
        if len(votes) % EACH == 0:
            found.append(srocc(scores(votes), truth))
            if (min(found[-STAYS:]) >= GOAL and len(found) >= STAYS) or len(votes) >= MOST:
                return found
    raise AssertionError("a method ends")


def needed(found: list[float]) -> int:
    """Votes at the first of the looks that reach the goal to stay."""
    return EACH * (len(found) - STAYS + 1)


def main(out: Path) -> None:
    """Compute, and write curves.csv, needed.csv, needed.md and needed.png."""
    jobs = [(method, noise, number) for noise in NOISES for method in METHODS for number in range(DRAWS)]
    curves = {job: curve(*job) for job in tqdm(jobs, disable=None)}
    with open(out / "needed.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("method", "noise", "draw", "comparisons"))
        writer.writerows((*job, needed(found)) for job, found in curves.items())
    mean = {
        (method, noise): np.mean([needed(curves[method, noise, k]) for k in range(DRAWS)])
        for method in METHODS
        for noise in NOISES
    }
    lines = ["| pairs | " + " | ".join(f"noise {noise:g}" for noise in NOISES) + " |", "|---|" + "---|" * len(NOISES)]
    for method in METHODS:
        cells = []
        for noise in NOISES:
            error = np.std([needed(curves[method, noise, k]) for k in range(DRAWS)], ddof=1) / np.sqrt(DRAWS)
            share = mean[method, noise] / mean["random", noise]
            cells.append(f"{mean[method, noise]:.0f} ± {error:.0f} ({share:.0%})")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    (out / "needed.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw_figure(curves, out / "needed.png")
    print("\n".join(lines))


def draw_figure(curves: dict[tuple[str, float, int], list[float]], path: Path) -> None:
    """SROCC against comparisons, a panel for each noise; a line is the mean of the draws, while all go on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    colours = dict(zip(METHODS, ("#0072b2", "#56b4e9", "#009e73", "#cc79a7", "#e69f00", "#555555"), strict=True))
    for axes, noise in zip(figure.subplots(1, len(NOISES), sharey=True), NOISES, strict=True):
        for method in METHODS:
            found = [curves[method, noise, k] for k in range(DRAWS)]
            short = min(map(len, found))
            mean = np.mean([one[:short] for one in found], axis=0)
            axes.plot(EACH * np.arange(1, short + 1), mean, color=colours[method], label=method, linewidth=1.6)
        axes.axhline(GOAL, color="#999999", linewidth=0.8)
        axes.set(title=f"noise {noise:g}", xlabel="comparisons", xscale="log", ylim=(0.4, 1))
        axes.grid(alpha=0.25)
    figure.axes[0].set_ylabel("SROCC with the true scores")
    figure.axes[-1].legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
