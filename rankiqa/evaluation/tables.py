"""The numbers of an evaluation: a row for each type of distortion and for all images, over one split or several."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rankiqa.evaluation.items import SHARE_COLUMNS, VOTE_COLUMNS
from rankiqa.images.photos import PRISTINE
from rankiqa.metrics.close_pairs import close_pairs, close_pairs_difference, default_edges
from rankiqa.metrics.correlation import agreement, lcc, srocc
from rankiqa.metrics.intervals import STATISTICS, over_splits
from rankiqa.metrics.intervals import bootstrap as bootstrap_intervals
from rankiqa.metrics.logistic import logistic_fit
from rankiqa.metrics.ordered_pairs import ordered_across, ordered_within
from rankiqa.metrics.votes import NUMBERS, vote_numbers

ALL, BARE = "ALL", "ALL without pristine"
OVER = ("srocc", "krocc", "lcc", "lcc_fitted", "rmse_fitted")  # what is averaged over splits


def is_ranked(scores: pd.DataFrame) -> bool:
    """Whether a table of scores is measured against levels: there are some, and nobody scored the images."""
    return bool(scores["level"].notna().all()) and ("native" not in scores or bool(scores["native"].isna().all()))


def measure(scores: pd.DataFrame, bootstrap: int = 0, seed: int = 0) -> list[dict]:
    """One row of numbers for each type of distortion, then one for ALL.

    `scores` has path, reference, group (may be missing: the reference), distortion, level, native (may be missing),
    truth, score, median. A row holds type; n, srocc, lcc, krocc, rmse, reason of
    `rankiqa.metrics.correlation.agreement` between score and truth; `lcc_fitted`, `rmse_fitted` and `fit` (the
    parameters) after the 4-parameter logistic, the same with "5" at the end, `fit_reason`; and srocc_median and
    lcc_median, of the median over the crops in place of the mean. What cannot be computed is NaN.

    Ranked sets: a pristine image is level 0 of each type that its photo has; in ALL it counts once for the
    correlations. There are also `within_ordered` of `within_pairs` pairs of one photo and one type, and
    `across_ordered` of `across_pairs` pairs of different photos and one type; those of ALL are the sum over the types.

    Human scores: pristine images count in ALL only; where there are some, a row before it is "ALL without pristine".

    With `bootstrap` repeats, `intervals` has [low, high] of 95 % for srocc, krocc, lcc, lcc_fitted over the groups,
    drawn with `seed` (of ranks without lcc_fitted), and `interval_reason` why one is missing.
    """
    ranked = is_ranked(scores)
    pristine = scores["distortion"] == PRISTINE
    rows = []

    def add(kind: str, of: pd.Series) -> None:
        rows.append({"type": kind, **_numbers(scores[of], bootstrap, seed)})

    for kind in dict.fromkeys(scores.loc[~pristine, "distortion"]):
        if not kind:  # a label file without types
            continue
        of = scores["distortion"] == kind
        if ranked:
            of |= pristine & scores["reference"].isin(scores.loc[of, "reference"])
        add(kind, of)
        if ranked:
            rows[-1].update(_pairs(scores[of]))
    types = list(rows)
    if not ranked and pristine.any() and not pristine.all():
        add(BARE, ~pristine)
    add(ALL, pristine | True)
    for key in ("within_ordered", "within_pairs", "across_ordered", "across_pairs"):
        if types and all(key in row for row in types):
            rows[-1][key] = sum(row[key] for row in types)
    return rows


def measure_splits(scores: pd.DataFrame, parts: Sequence[tuple[int, pd.Series]]) -> dict:
    """The rows of each test part, and mean, median and standard deviation over the parts.

    `parts`: repeat and (n,) booleans, the images of its test part. Returns `runs`, a repeat and its tables (`measure`)
    each, and `over`, a row a type: type, and for each of `OVER` the numbers of `rankiqa.metrics.intervals.over_splits`.
    """
    runs: list[dict[str, Any]] = [{"repeat": repeat, "tables": measure(scores[of])} for repeat, of in parts]
    present = dict.fromkeys(row["type"] for run in runs for row in run["tables"])
    # ALL comes last, also when a later split brings a type that the first lacks
    kinds = sorted(present, key=lambda kind: (kind == BARE) + 2 * (kind == ALL))
    over = []
    for kind in kinds:
        rows = [row for run in runs for row in run["tables"] if row["type"] == kind]
        found = {key: over_splits([row[key] for row in rows]) for key in OVER}
        over.append({"type": kind, "images": float(np.mean([row["n"] for row in rows])), **found})
    return {"runs": runs, "over": over}


def split_parts(scores: pd.DataFrame, tests: Sequence[Collection[str]]) -> list[tuple[int, pd.Series]]:
    """The parts for `measure_splits` of one model: repeat and the images whose path is in its test part."""
    return [(repeat, scores["path"].isin(test)) for repeat, test in enumerate(tests)]


def mean_tables(splits: dict) -> list[dict]:
    """Rows as `measure` gives them, each number the mean over the splits (a split without the number is left out)."""
    keys = [key for key, value in splits["runs"][0]["tables"][0].items() if isinstance(value, float | int)]
    tables = []
    for found in splits["over"]:
        rows = [row for run in splits["runs"] for row in run["tables"] if row["type"] == found["type"]]
        reasons = [row["reason"] for row in rows]
        tables.append(
            {
                "type": found["type"],
                **{key: over_splits([row[key] for row in rows])["mean"] for key in keys},
                "n": round(found["images"]),
                "reason": "" if not all(reasons) else reasons[0],
                "fit_reason": "",
            }
        )
    return tables


def measure_close_pairs(
    scores: pd.DataFrame, score_range: Sequence[float], edges: Sequence[float] | None = None
) -> dict:
    """The share of pairs in order, from close ones to far ones: edges, bins, and reason why there are none.

    The bins are those of `rankiqa.metrics.close_pairs.close_pairs`; without `edges` they divide the score range. Where
    each split has a model of its own, two images may have been scored by two models: there are no bins.
    """
    edges = list(edges or default_edges(score_range))
    if "repeat" in scores:
        return {"edges": edges, "bins": [], "reason": "each split has a model of its own, and their scores do not mix"}
    bins = close_pairs(scores["score"], scores["truth"], _groups(scores), edges=edges)
    return {"edges": edges, "bins": bins, "reason": ""}


def compare_close_pairs(first: pd.DataFrame, second: pd.DataFrame, edges: Sequence[float]) -> list[dict]:
    """How many more close pairs the second model has in order, on the images that both scored; n says how many.

    The bins are those of `rankiqa.metrics.close_pairs.close_pairs_difference`, of the second model less the first.
    """
    both = second.merge(first[["path", "score"]], on="path", suffixes=("", "_first"))
    scores, less, truth = (both[key] for key in ("score", "score_first", "truth"))
    return [{"n": len(both), **row} for row in close_pairs_difference(scores, less, truth, _groups(both), edges=edges)]


def measure_votes(scores: pd.DataFrame) -> dict | None:
    """The numbers of `rankiqa.metrics.votes.vote_numbers`; None where people, or the model, did not vote.

    Where each split has a model of its own: their means over the splits, `splits` of them.
    """
    if not {*VOTE_COLUMNS, *SHARE_COLUMNS} <= set(scores):
        return None
    parts = [scores] if "repeat" not in scores else [part for _, part in scores.groupby("repeat")]
    found = [vote_numbers(part[list(SHARE_COLUMNS)], part[list(VOTE_COLUMNS)]) for part in parts]
    if "repeat" not in scores:
        return found[0]
    means = {key: over_splits([float(numbers[key]) for numbers in found])["mean"] for key in NUMBERS}
    reasons = {key: next((n[key] for n in found if n[key]), "") for key in ("reason", "reason_std")}
    return {
        "n": round(float(np.mean([float(numbers["n"]) for numbers in found]))),
        "splits": len(found),
        **means,
        **reasons,
    }


def _groups(scores: pd.DataFrame) -> np.ndarray:
    return scores["group" if "group" in scores else "reference"].to_numpy(str)


def _numbers(scores: pd.DataFrame, repeats: int, seed: int) -> dict:
    x, y = scores["score"].to_numpy(np.float64), scores["truth"].to_numpy(np.float64)
    numbers: dict[str, Any] = {**agreement(x, y)}
    reason = numbers.pop("reason")
    for parameters, end in ((4, ""), (5, "5")):
        fit = logistic_fit(x, y, parameters=parameters)
        numbers[f"lcc_fitted{end}"], numbers[f"rmse_fitted{end}"] = fit.lcc, fit.rmse
        numbers[f"fit{end}"], numbers[f"fit{end}_reason"] = _plain(fit.parameters), fit.reason
    numbers |= {"srocc_median": srocc(scores["median"], y), "lcc_median": lcc(scores["median"], y)}
    if repeats:
        group = _groups(scores)
        # of ranks no logistic is reported, and it takes most of the time
        statistics = STATISTICS[:3] if is_ranked(scores) else STATISTICS
        found = bootstrap_intervals(x, y, group, repeats=repeats, seed=seed, statistics=statistics)
        numbers["intervals"] = {key: [interval.low, interval.high] for key, interval in found.items()}
        numbers["interval_reason"] = next((i.reason for i in found.values() if i.reason), "")
    return {**numbers, "reason": reason}


def _plain(parameters: Sequence[float] | None) -> list[float]:
    return [] if parameters is None else [float(value) for value in parameters]


def _pairs(scores: pd.DataFrame) -> dict[str, int]:
    values, level, photo = (
        np.asarray(scores[key].to_numpy(), dtype=kind)
        for key, kind in (("score", float), ("level", int), ("reference", str))
    )
    within, across = ordered_within(values, level, photo), ordered_across(values, level, photo)
    return {
        "within_ordered": within[0],
        "within_pairs": within[1],
        "across_ordered": across[0],
        "across_pairs": across[1],
    }
