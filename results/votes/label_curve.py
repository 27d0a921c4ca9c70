r"""What tuning on votes buys: agreement with simulated raters against the number of their votes.

python results/votes/label_curve.py --biq2021 DIR --photos photos.csv --weights WEIGHTS --work WORK

`photos.csv` is what results/default_models/photos.py wrote; its part `val`, which the default model did not learn from,
is halved by group. Raters vote on random pairs of the one half; models are measured on the other. WORK keeps the
statistics of the photos.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from raters import Raters, Setting, arguments, over_pairs, write_rows
from scipy.stats import spearmanr

from rankiqa.datasets.pairs import Pairs
from rankiqa.metrics.intervals import resamples
from rankiqa.models.parts import statistics_of
from rankiqa.scoring.scorer import Scorer
from rankiqa.training.tuning import Photos, apply, learn

NUMBERS, DRAWS, RESAMPLES = (50, 100, 200, 500, 1000, 2000, 3000), 3, 300
HERE = Path(__file__).parent


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
    args = arguments(__doc__)
    setting = Setting.of(args)
    photos, tested = setting.photos, setting.tested
    rows = []
    for target, raters in setting.raters(args.only):
        print(target, "noise", raters.deviation, "ceiling", raters.best(tested), flush=True)
        for number in (0, *NUMBERS):
            drawn = []
            for draw in range(DRAWS if number else 1):
                rng = np.random.default_rng([number, draw])
                votes = raters.votes(setting.voted, number, rng) if number else None
                drawn.append((photos.raw, "-") if votes is None else tuned_scores(setting.scorer, photos, votes))
            rows.append({"target": target, "votes": number} | measures(raters, drawn, photos, tested))
            print(rows[-1], flush=True)
    draw_curve(write_rows(pd.DataFrame(rows), HERE / "label_curve.csv", args.only))


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
