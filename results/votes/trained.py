r"""The head trained on votes by the pair loss, and then the last stage too, beside the map that `rankiqa tune` learns.

python results/votes/trained.py --biq2021 DIR --photos photos.csv --weights WEIGHTS --work WORK

Raters, photos and halves are those of label_curve.py. The head's training begins with the default model, that of the
last stage and the head with what the head's has ended with. How many steps each takes is chosen among none and `STEPS`
by votes that were held out, of photos divided in three; all votes are then learned for so many. What the last stage
sees is computed once; of a photo it sees another window in each step.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from gradients import Late, kernels, late_part
from label_curve import tuned_scores
from raters import Raters, Setting, arguments, numbered, over_pairs, write_rows
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional as F

from rankiqa.datasets.pairs import Pairs
from rankiqa.training.preference_choice import divide_photos
from rankiqa.training.preference_fit import SLOPE

NUMBERS = (200, 1000, 3000)
FOLDS, WINDOW = 3, 8  # WINDOW: places, of 16 a side
HEAD, STAGE = "the head, trained", "... then the last stage and the head, trained"
STEPS = {HEAD: (8, 16, 32, 64, 128, 256, 512), STAGE: (4, 8, 16, 32)}
VOTES, RATES = {HEAD: 128, STAGE: 32}, {HEAD: 1e-4, STAGE: 1e-4}  # of a step
LAST = 6  # the last stage: this block, and the last convolution
AHEAD, MORE = ("BIQ2021 and nature", 200), 10
Row = tuple[str, float, float, float, np.ndarray]
HERE = Path(__file__).parent


class Learner:
    """What learns: it gives scores of photos by their numbers, in logits of a preference.

    Args:
        late: the part that learns; it is changed.
        maps, statistics: what it sees of all photos; without maps the head learns alone.
        scale: from its scores to logits.
    """

    def __init__(self, late: Late, maps: Tensor | None, statistics: Tensor, scale: float) -> None:
        self.late, self.maps, self.statistics, self.scale = late, maps, statistics, scale
        self.name = HEAD if maps is None else STAGE
        of = late.stages()
        weights = [p for name in (["head"] if maps is None else of) for p in of[name]]
        self.optimizer = torch.optim.Adam(weights, RATES[self.name])

    def scores(self, rows: np.ndarray, rng: np.random.Generator | None = None) -> Tensor:
        """(n,) of some photos; with a generator, of a window of each."""
        at = torch.from_numpy(rows)
        if self.maps is None:
            return self.late.net.top(self.statistics[at])[:, 0] * self.scale
        maps = self.maps[at].float()
        if rng is not None:
            top, left = rng.integers(0, maps.shape[-1] - WINDOW + 1, 2)
            maps = maps[..., top : top + WINDOW, left : left + WINDOW]
        maps = maps.contiguous(memory_format=torch.channels_last)
        return self.late(maps, self.statistics[at, : self.late.early]) * self.scale

    def step(self, pairs: Pairs, rng: np.random.Generator) -> None:
        """Learn from a few of the votes."""
        votes = VOTES[self.name]
        chosen = rng.integers(0, len(pairs), votes)
        rows, place = np.unique(np.concatenate([pairs.better[chosen], pairs.worse[chosen]]), return_inverse=True)
        scores = self.scores(rows, rng)[torch.from_numpy(place)]
        self.optimizer.zero_grad()
        F.softplus(scores[votes:] - scores[:votes]).mean().backward()
        self.optimizer.step()

    def all_scores(self, rows: np.ndarray) -> np.ndarray:
        """(n,) of some photos, whole."""
        with torch.inference_mode():
            return torch.cat([self.scores(part) for part in np.array_split(rows, len(rows) // 32 + 1)]).double().numpy()


@dataclass(frozen=True)
class Course:
    """How training goes.

    Attributes:
        make: what learns, with the maps or without, of the part that learns.
        head: None: the head is trained; or for how many steps it was, before the last stage learns too.
    """

    make: Callable[[Late, bool], Learner]
    late: Callable[[], Late]
    head: int | None = None

    @property
    def steps(self) -> tuple[int, ...]:
        """After how many one may stop."""
        return (0, *STEPS[HEAD if self.head is None else STAGE])

    def run(self, pairs: Pairs, seed: int) -> Iterator[Learner]:
        """Train, and give what has learned after each of `steps`."""
        rng, late = np.random.default_rng(seed), self.late()
        learner = self.make(late, False)
        for _ in range(self.head or 0):
            learner.step(pairs, rng)
        if self.head is not None:
            learner = self.make(late, True)
        for before, steps in zip((0, *self.steps), self.steps, strict=False):
            for _ in range(steps - before):
                learner.step(pairs, rng)
            yield learner

    def losses(self, pairs: Pairs, group: np.ndarray) -> np.ndarray:
        """(steps,) the log loss of votes that were held out."""
        voted = np.unique([pairs.better, pairs.worse])
        fold = np.full(len(group), -1)
        fold[voted] = divide_photos(group[voted], FOLDS, 0, 0)
        total, count = [], 0
        for held in range(FOLDS):
            inside = (fold[pairs.better] == held) & (fold[pairs.worse] == held)
            outside = (fold[pairs.better] != held) & (fold[pairs.worse] != held)
            rows = np.flatnonzero(fold == held)
            tried, found = pairs.select(inside), []
            better, worse = (np.searchsorted(rows, of) for of in (tried.better, tried.worse))
            for learner in self.run(pairs.select(outside), held):
                scores = learner.all_scores(rows)
                found.append(np.logaddexp(0, scores[worse] - scores[better]).sum())
            total.append(found)
            count += len(tried)
        return np.sum(total, 0) / count


def course(setting: Setting, args: argparse.Namespace) -> Course:
    kernels(setting.scorer, setting.files, args.work)  # keeps the maps too
    maps = torch.load(args.work / "maps.pt")
    net = late_part(setting.scorer, LAST).net
    statistics = (torch.from_numpy(setting.photos.inputs) * net.spread + net.centre).float()
    scale = SLOPE / setting.photos.spread
    return Course(
        lambda late, stage: Learner(late, maps if stage else None, statistics, scale),
        lambda: late_part(setting.scorer, LAST),
    )


def found(setting: Setting, start: Course, raters: Raters, number: int, draw: int, names: tuple[str, ...]) -> list[Row]:
    """What was learned of one draw of votes, in how many steps, the log losses before and after, and the scores."""
    votes = raters.votes(setting.voted, number, np.random.default_rng([number, draw]))
    pairs, group, head = numbered(votes), np.array(setting.photos.group), None
    nan = float("nan")
    rows: list[Row] = [
        ("nothing: the default", nan, nan, nan, setting.photos.raw),
        ("rankiqa tune", nan, nan, nan, tuned_scores(setting.scorer, setting.photos, votes)[0]),
    ]
    for name in names:
        one = replace(start, head=head)
        held_out = one.losses(pairs, group)
        best = int(held_out.argmin())
        learner = next(islice(one.run(pairs, FOLDS), best, None))
        head = one.steps[best]
        scores = np.zeros(len(group))
        scores[setting.tested] = learner.all_scores(setting.tested)
        rows.append((name, head, held_out[0], held_out[best], scores))
    return rows


def main() -> None:
    args = arguments(__doc__)
    setting = Setting.of(args)
    start, tested = course(setting, args), setting.tested
    rows = []
    for target, raters in setting.raters(args.only):
        for number in NUMBERS:
            # Where the head of the first draw was ahead of the map, more draws of both.
            for draw in range(MORE if (target, number) == AHEAD else 1):
                for name, *more, scores in found(
                    setting, start, raters, number, draw, (HEAD,) if draw else (HEAD, STAGE)
                ):
                    srocc = spearmanr(scores[tested], raters.quality[tested])[0]
                    right = over_pairs(raters.right(scores, tested), np.ones(len(tested)))
                    rows.append((target, number, draw, name, srocc, right, *more))
                    print(rows[-1], flush=True)
    columns = ["target", "votes", "draw", "learned", "srocc", "pairs", "steps", "held_out_before", "held_out"]
    write_rows(pd.DataFrame(rows, columns=columns), HERE / "trained.csv", args.only)


if __name__ == "__main__":
    main()
