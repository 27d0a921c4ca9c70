"""Experiment 1: a network trained on ranks alone scores other photos at every level; do the levels separate?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.evaluation.report import read_results
from rankiqa.evaluation.run import evaluate
from rankiqa.evaluation.source import open_source
from rankiqa.experiments.output import markdown_table
from rankiqa.files import write_atomically
from rankiqa.images.photos import PRISTINE


def separation(better: np.ndarray, worse: np.ndarray) -> float:
    """The share of (better, worse) image pairs, also of different photos, whose better image has the higher score.

    The area under the ROC curve: 1 where the histograms of two levels do not touch, 0.5 where they lie on each other; a
    tie counts half. `better`: (n,), `worse`: (m,) scores.
    """
    ranks = rankdata(np.concatenate([better, worse]))
    n, m = len(better), len(worse)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def level_table(scores: pd.DataFrame) -> pd.DataFrame:
    """A row a type and level: images, mean, std (ddof 1) of the scores, and the separation from the level before."""
    rows = []
    pristine = scores["distortion"] == PRISTINE
    for kind in dict.fromkeys(scores.loc[~pristine, "distortion"]):
        of = (scores["distortion"] == kind) | pristine & scores["reference"].isin(
            scores.loc[scores["distortion"] == kind, "reference"]
        )
        before = None
        for level in sorted(scores.loc[of, "level"].unique()):
            values = scores.loc[of & (scores["level"] == level), "score"].to_numpy()
            rows.append(
                {
                    "type": kind,
                    "level": int(level),
                    "images": len(values),
                    "mean": values.mean(),
                    "std": values.std(ddof=1) if len(values) > 1 else np.nan,
                    "separation": np.nan if before is None else separation(before, values),
                }
            )
            before = values
    return pd.DataFrame(rows)


def run(
    models: Sequence[str], ranks: str | Path, out: str | Path, options: EvaluationOptions | None = None
) -> pd.DataFrame:
    """Evaluate each model on a ranked set; writes a report with levels.png for each, levels.csv and levels.md.

    `options` are those of `rankiqa.evaluation.run.evaluate`. Photos that a model was trained on are left out. Returns
    the rows of `level_table` with the column network.
    """
    options, out, tables = options or EvaluationOptions(), Path(out), []
    for model in models:
        place = out / Path(model).name if len(models) > 1 else out
        evaluate(model, open_source(ranks=ranks), place, options)
        scores, _ = read_results(place)
        tables.append(level_table(scores).assign(network=Path(model).name))
    table = pd.concat(tables, ignore_index=True)
    write_atomically(out / "levels.csv", table.to_csv(index=False, lineterminator="\n", float_format="%.6g").encode())
    levels = sorted(set(table["level"]) - {0})
    rows = [
        [network, kind, *(f"{rows.set_index('level')['separation'].get(k, np.nan):.3f}" for k in levels)]
        for (network, kind), rows in table.groupby(["network", "type"], sort=False)
    ]
    head = ["network", "type", *(f"level {k} from {k - 1}" for k in levels)]
    text = (
        f"# Levels\n\n    {options.command}\n\n"
        "How well the scores tell two neighbouring levels apart: of all pairs of images, one of each level, the share "
        "in the right order\n(1: the histograms do not touch; 0.5: chance).\n\n"
    )
    write_atomically(out / "levels.md", (text + markdown_table(head, rows)).encode())
    return table
