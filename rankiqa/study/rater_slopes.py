"""How steeply each rater answers: told by scores that the answer itself had no part in.

If slopes and scores are fitted to the same votes, and there are few votes a photo, the largest posterior is that of one
rater whose every vote is explained by scores of its own, with a slope that rises without end, and of others who are
taken for noise. So the votes are divided, scores are made of four fifths with all raters alike, and the slopes are
those that tell the other fifth best. These scores are all too small or too large by about the same factor, which is
left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from rankiqa.seeding import generator
from rankiqa.study.joint import Joint
from rankiqa.study.observations import Observations, Unknowns

FOLDS = 5
_SPREAD, _COMMON = 0.5, 1.0  # standard deviations of log β around that of all raters, and of the latter
_TIES = 1e-3  # Davidson's ν, at least


def rater_slopes(seen: Observations) -> np.ndarray:
    """(raters,) β of each; the geometric mean is 1."""
    alike, compared, ordered = np.ones(seen.raters), len(seen.left), len(seen.orders)
    if seen.raters < 2 or compared + ordered < FOLDS:
        return alike
    fold = generator(0, "slopes").permutation(compared + ordered) % FOLDS
    held: list[tuple[Joint, Unknowns]] = []
    known = None
    for k in range(FOLDS):
        joint = Joint(_votes(seen, fold != k), alike)
        known = joint.fit(known)
        held.append((Joint(_votes(seen, fold == k)), joint.unknowns(known)))

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        middle = logs.mean()
        away = logs - middle
        value = 0.5 * (away @ away) / _SPREAD**2 + 0.5 * (middle / _COMMON) ** 2
        slope = away / _SPREAD**2 + middle / _COMMON**2 / len(logs)
        for joint, found in held:
            # A tie among votes that were held out is possible, also if there is none among the others.
            chance, change = joint.of_slopes(replace(found, slope=np.exp(logs), ties=max(found.ties, _TIES)))
            value, slope = value - chance, slope - change
        return value, slope

    logs = minimize(loss, np.zeros(seen.raters), jac=True, method="L-BFGS-B").x
    return np.exp(logs - logs.mean())


def _votes(seen: Observations, kept: np.ndarray) -> Observations:
    """Some of the comparisons and orders, and all ratings."""
    compared, ordered = np.split(kept, [len(seen.left)])
    return replace(
        seen,
        left=seen.left[compared],
        right=seen.right[compared],
        better=seen.better[compared],
        by=seen.by[compared],
        orders=[order for order, there in zip(seen.orders, ordered, strict=True) if there],
        ordered_by=seen.ordered_by[ordered],
    )
