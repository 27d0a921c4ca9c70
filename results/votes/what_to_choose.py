r"""Which of the maps to take, by votes that were held out: the simplest one within one standard error, or the best.

python results/votes/what_to_choose.py --biq2021 DIR --photos photos.csv --weights WEIGHTS --work WORK

Raters, photos and halves are those of label_curve.py; the draws of votes are others. And raters who answer at random,
with whom nothing is to be learned: models are measured by BIQ2021's scores there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from raters import Raters, Setting, arguments, write_rows
from scipy.stats import spearmanr

from rankiqa.datasets.pairs import Pairs
from rankiqa.metrics.preferences import Mean, mean_over_pairs
from rankiqa.training.preference_choice import Candidate, Validation, validate
from rankiqa.training.preference_fit import PreferenceFit
from rankiqa.training.tuning import FOLDS, REPEATS, Photos

NUMBERS, DRAWS = (50, 100, 200, 400), range(100, 120)
ALL = 5  # candidates: nothing, and four maps of all stages; behind them those of either half
CHANCE = "chance"
HERE = Path(__file__).parent


def simplest(found: Sequence[Mean]) -> int:
    """The first one that is within one standard error of the best."""
    best = min(found, key=lambda mean: mean.value)
    return next(k for k, mean in enumerate(found) if mean.value <= best.value + best.error)


def best(found: Sequence[Mean]) -> int:
    """The first one, where it is within one standard error of the best; or the best."""
    return 0 if simplest(found) == 0 else min(range(len(found)), key=lambda k: found[k].value)


RULES: dict[str, tuple[Callable[[Sequence[Mean]], int], int | None]] = {
    "the simplest map of all stages": (simplest, ALL),
    "the best map of all stages": (best, ALL),
    "the simplest map of all stages, or of a half": (simplest, None),
    "the best map of all stages, or of a half": (best, None),
}


def means(validation: Validation, pairs: Pairs, group: tuple[str, ...]) -> list[Mean]:
    """The log loss of each candidate on votes that were held out."""
    tried = np.isfinite(validation.losses[0])
    held = pairs.select(tried)
    return [mean_over_pairs(of[tried], held.better, held.worse, held.weight, group) for of in validation.losses]


def everywhere(chosen: Candidate, fit: PreferenceFit, voted: Photos, photos: Photos) -> np.ndarray:
    """The scores of all photos by what was learned of some."""
    if chosen.features is None:
        return photos.raw  # the score stays as it was
    weights = photos.share[chosen.of] * (chosen.features.back @ fit.weights) / chosen.features.size
    return fit.slope * photos.raw / voted.spread + photos.inputs[:, chosen.of] @ weights


def main() -> None:
    args = arguments(__doc__)
    setting = Setting.of(args)
    photos, tested = setting.photos, setting.tested
    rows = []
    people = setting.tastes["BIQ2021"]
    chance = [(CHANCE, Raters(np.zeros(len(people)), 1.0))] if not args.only or CHANCE in args.only else []
    for target, raters in chain(setting.raters(args.only), chance):

        def srocc(scores: np.ndarray, quality: np.ndarray = people if target == CHANCE else raters.quality) -> float:
            return float(spearmanr(scores[tested], quality[tested])[0])

        default = srocc(photos.raw)
        for number in NUMBERS:
            found: dict[str, list[float]] = {rule: [] for rule in RULES}
            for draw in DRAWS:
                pairs = raters.votes(setting.voted, number, np.random.default_rng([number, draw]))
                voted = photos.select(np.array([int(name) for name in pairs.photos]))
                candidates = voted.candidates()
                validation = validate(candidates, pairs, voted.known, voted.group, FOLDS, REPEATS, 0)
                losses = means(validation, pairs, voted.group)
                for rule, (choose, first) in RULES.items():
                    chosen = candidates[choose(losses[:first])]
                    found[rule].append(srocc(everywhere(chosen, chosen.fit(pairs, voted.known), voted, photos)))
            for rule, of in found.items():
                changed = int(np.sum(np.abs(np.array(of) - default) > 1e-9))
                rows.append((target, number, rule, np.mean(of), np.std(of) / len(of) ** 0.5, min(of), changed, default))
                print(rows[-1], flush=True)
    columns = ["target", "votes", "chosen", "srocc", "error", "srocc_worst", "changed", "default"]
    write_rows(pd.DataFrame(rows, columns=columns), HERE / "what_to_choose.csv", args.only)


if __name__ == "__main__":
    main()
