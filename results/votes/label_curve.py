r"""What tuning on votes buys: agreement with simulated raters against the number of their votes.

python results/votes/label_curve.py --biq2021 DIR --photos photos.csv --work WORK

`photos.csv` is what results/default_models/photos.py wrote; its part `val`, which the default model did not learn from,
is halved by group. Raters vote on random pairs of the one half; models are measured on the other. WORK keeps the
statistics of the photos.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import spearmanr

from rankiqa.datasets.pairs import Pairs
from rankiqa.metrics.intervals import resamples
from rankiqa.models.parts import statistics_of
from rankiqa.scoring.scorer import Scorer
from rankiqa.training.tuning import Photos, TuneOptions, apply, learn, look

NUMBERS, DRAWS, RESAMPLES = (50, 100, 200, 500, 1000, 2000, 3000), 3, 300
AGREE = 0.8  # how often two raters agree on a random pair
HERE = Path(__file__).parent


def unit(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def colourfulness(file: Path) -> float:
    """Hasler, Süsstrunk, "Measuring colourfulness in natural images", 2003."""
    red, green, blue = np.moveaxis(np.asarray(Image.open(file).convert("RGB"), np.float64), 2, 0)
    first, second = red - green, (red + green) / 2 - blue
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))


@dataclass(frozen=True)
class Raters:
    """Raters who see a quality with Gaussian noise, and say which of two photos has more of it.

    Attributes:
        quality: (N,) of the photos.
        deviation: of the noise of a difference, so that two raters agree on `AGREE` of random pairs.
    """

    quality: np.ndarray
    deviation: float

    @classmethod
    def of(cls, quality: np.ndarray) -> Raters:
        i, j = np.triu_indices(len(quality), 1)
        difference = quality[i] - quality[j]

        def agreement(deviation: float) -> float:
            p = ndtr(difference / deviation)
            return float((p**2 + (1 - p) ** 2).mean())

        return cls(quality, brentq(lambda deviation: agreement(deviation) - AGREE, 0.01, 10))

    def votes(self, rows: np.ndarray, number: int, rng: np.random.Generator) -> Pairs:
        first = rng.choice(rows, number)
        second = rng.choice(rows, number)
        while (same := first == second).any():
            second[same] = rng.choice(rows, same.sum())
        prefer = rng.random(number) < ndtr((self.quality[first] - self.quality[second]) / self.deviation)
        pairs = zip(np.where(prefer, first, second), np.where(prefer, second, first), strict=True)
        return Pairs.of([(str(better), str(worse), 1.0, False) for better, worse in pairs])

    def best(self, rows: np.ndarray) -> float:
        """The share of their votes on all pairs of some photos that the quality itself has right."""
        return over_pairs(self.right(self.quality, rows), np.ones(len(rows)))

    def right(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n, n) the share of their votes on each two of some photos that scores would have right."""
        first, second = np.meshgrid(rows, rows, indexing="ij")
        p = ndtr((self.quality[first] - self.quality[second]) / self.deviation)
        order = np.sign(scores[first] - scores[second])
        return np.where(order == 0, 0.5, np.where(order > 0, p, 1 - p))


def over_pairs(values: np.ndarray, times: np.ndarray) -> float:
    """The mean of (n, n) over all pairs of two photos that are there so many times."""
    weights = np.outer(times, times) - np.diag(times**2)
    return float((values * weights).sum() / weights.sum())


def statistics(args: argparse.Namespace, scorer: Scorer) -> tuple[pd.DataFrame, Photos, np.ndarray]:
    """The photos of part val, what the default model knows of them, and their colourfulness."""
    table = pd.read_csv(args.photos)
    table = table[table["part"] == "val"].reset_index(drop=True)
    files = [args.biq2021 / "Images" / name for name in table["name"]]
    place = args.work / "votes.npz"
    if not place.exists():
        found = look(scorer, files, tuple(table["group"].astype(str)), TuneOptions(workers=1))
        colours = np.array([colourfulness(file) for file in files])
        np.savez(place, raw=found.raw, inputs=found.inputs, share=found.share, colour=colours)
    kept = np.load(place)
    photos = Photos(kept["raw"], kept["inputs"], kept["share"], tuple(table["group"].astype(str)))
    return table, photos, kept["colour"]


def halves(group: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The rows to vote on, and those to measure on."""
    names = np.random.default_rng(0).permutation(sorted(set(group)))
    voted = np.isin(group, names[: len(names) // 2])
    return np.flatnonzero(voted), np.flatnonzero(~voted)


def tuned_scores(scorer: Scorer, photos: Photos, pairs: Pairs) -> tuple[np.ndarray, str]:
    """The scores of all photos by the model that `rankiqa tune` makes of votes on some, and what it has learned."""
    voted = photos.select(np.array([int(name) for name in pairs.photos]))
    chosen, fit = learn(pairs, voted, voted.candidates())
    network, _ = apply(scorer.network, voted, chosen, fit)
    net = statistics_of(network)
    with torch.inference_mode():
        inputs = torch.from_numpy(photos.inputs).float()
        return net.top(inputs * net.spread + net.centre)[:, 0].double().numpy(), chosen.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("biq2021", "photos", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    scorer = Scorer.load(None, "cpu")
    table, photos, colours = statistics(args, scorer)
    voted, tested = halves(photos.group)
    people, colour = unit(table["mos"].to_numpy()), unit(np.sqrt(colours))
    rows = []
    for target, quality in {
        "BIQ2021": people,
        "BIQ2021 and colour": unit(people + colour),
        "BIQ2021 and no colour": unit(people - colour),
    }.items():
        raters = Raters.of(quality)
        print(target, "noise", raters.deviation, "ceiling", raters.best(tested), flush=True)
        for number in (0, *NUMBERS):
            drawn = []
            for draw in range(DRAWS if number else 1):
                rng = np.random.default_rng([number, draw])
                found = tuned_scores(scorer, photos, raters.votes(voted, number, rng)) if number else (photos.raw, "-")
                drawn.append(found)
            rows.append({"target": target, "votes": number} | measures(raters, drawn, photos, tested))
            print(rows[-1], flush=True)
    pd.DataFrame(rows).round(4).to_csv(HERE / "label_curve.csv", index=False)
    draw_curve(pd.DataFrame(rows))


def measures(
    raters: Raters, drawn: list[tuple[np.ndarray, str]], photos: Photos, tested: np.ndarray
) -> dict[str, float | str]:
    """Of the draws on average, with 95 % intervals over the groups of the tested photos; gain is over the default."""
    group = np.array(photos.group)[tested]
    draws = [*resamples(group, len(tested), RESAMPLES, 0)]

    def of(scores: np.ndarray) -> np.ndarray:
        """(1 + RESAMPLES, 2) SROCC and pairs, of the photos and of the resamples."""
        right = raters.right(scores, tested)
        found = []
        for rows in (np.arange(len(tested)), *draws):
            times = np.bincount(rows, minlength=len(tested)).astype(float)
            srocc = spearmanr(scores[tested][rows], raters.quality[tested][rows])[0]
            found.append((srocc, over_pairs(right, times)))
        return np.array(found)

    default = of(photos.raw)
    mean = np.mean([of(scores) for scores, _ in drawn], 0)
    found: dict[str, float | str] = {}
    for column, name in enumerate(("srocc", "pairs")):
        for kind, values in ((name, mean[:, column]), (f"{name}_gain", (mean - default)[:, column])):
            low, high = np.quantile(values[1:], (0.025, 0.975))
            found |= {kind: values[0], f"{kind}_low": low, f"{kind}_high": high}
    each = [spearmanr(scores[tested], raters.quality[tested])[0] for scores, _ in drawn]
    return found | {"srocc_worst": min(each), "srocc_best": max(each), "learned": "; ".join(name for _, name in drawn)}


def draw_curve(table: pd.DataFrame) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2))
    for target, of in table.groupby("target", sort=False):
        start, curve = of[of["votes"] == 0].iloc[0], of[of["votes"] > 0]
        for axis, name in zip(axes, ("srocc", "pairs"), strict=True):
            (line,) = axis.plot(curve["votes"], curve[name], marker="o", label=target)
            axis.fill_between(
                curve["votes"], curve[f"{name}_low"], curve[f"{name}_high"], color=line.get_color(), alpha=0.15
            )
            axis.axhline(start[name], color=line.get_color(), linestyle=":")
    axes[0].set(xscale="log", xlabel="votes", ylabel="SROCC with the raters' quality")
    axes[1].set(xscale="log", xlabel="votes", ylabel="share of their votes that it has right")
    axes[0].legend(title="raters go by", fontsize=8)
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.suptitle("Tuned models on photos that nobody voted on; dotted: the default model", fontsize=10)
    figure.tight_layout()
    figure.savefig(HERE / "label_curve.png", dpi=120)


if __name__ == "__main__":
    main()
