"""Experiment 3: networks with and without the ranking stage, fine-tuned on the same splits of one data set."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rankiqa.config import FinetuneConfig
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.experiments.output import figure_of, markdown_table, save_figure
from rankiqa.files import write_atomically
from rankiqa.metrics.correlation import lcc, srocc
from rankiqa.metrics.intervals import over_splits
from rankiqa.metrics.logistic import logistic_fit
from rankiqa.models import load_model
from rankiqa.scoring.patches import score_files
from rankiqa.scoring.view import PATCHES, View
from rankiqa.training.finetuning import FineTuner

STAGES = {"ranks": "ranks only", "baseline": "fine-tuned", "finetuned": "ranks, then fine-tuned"}
COLOURS = {"ranks": "#8fb8d8", "baseline": "#e3a857", "finetuned": "#1f5f99"}


def numbers_on(model: str | Path, dataset: ScoredSet, patches: int, seed: int) -> dict[str, float]:
    """SROCC, LCC and LCC after the 4-parameter logistic of a model on all of `dataset`."""
    network, _ = load_model(model)
    results = score_files(network, list(dataset.table["file"]), View(patches=patches, seed=seed))
    scores = []
    for result in results:
        if isinstance(result, Exception):
            raise result
        scores.append(result.mean)
    truth = dataset.truth
    fitted = logistic_fit(scores, truth)
    return {"n": len(scores), "srocc": srocc(scores, truth), "lcc": lcc(scores, truth), "lcc_fitted": fitted.lcc}


def run(
    config: FinetuneConfig,
    networks: Mapping[str, tuple[str, str]],
    out: str | Path,
    *,
    repeats: int = 1,
    patches: int = PATCHES,
    command: str = "",
) -> pd.DataFrame:
    """Fine-tune every network `repeats` times from its ranking run and from where that began, and test all three.

    Args:
        config: data set, split, loss, optimizer and steps of every fine-tuning.
        networks: name of the architecture → (ranking run, weights that it began with: imagenet, none or a file).
        out: folder of networks.csv, networks.md, networks.png and the runs.
        repeats: splits, if `config.split` is random; a published split is one.
        patches: crops of each test image.
        command: the command line, for the table.

    Returns:
        A row a network, stage and repeat: n, srocc, lcc, lcc_fitted on the test part.
    """
    out, rows = Path(out), []
    for repeat in range(repeats):
        for name, (run_folder, weights) in networks.items():
            for stage in ("baseline", "finetuned"):
                model = replace(config.model, name=name, weights=weights if stage == "baseline" else "none")
                setting = replace(
                    config,
                    init=None if stage == "baseline" else run_folder,
                    model=model,
                    data=replace(config.data, repeat=repeat),
                    out=str(out / "runs" / f"{name}-{stage}-{repeat}"),
                    overwrite=True,
                )
                tuner = FineTuner(setting)
                tuner.run()
                test = tuner.dataset.select(tuner.split.mask("test"))
                found = [(stage, setting.out)]
                if stage == "finetuned":
                    found.insert(0, ("ranks", run_folder))
                for what, folder in found:
                    numbers = numbers_on(folder, test, patches, config.seed)
                    rows.append({"network": name, "stage": what, "repeat": repeat, **numbers})
                    print(
                        f"{name}, {STAGES[what]}, split {repeat}: SROCC {numbers['srocc']:.3f}",
                        file=sys.stderr,
                        flush=True,
                    )
                # What there is so far is kept if a later run fails.
                write(pd.DataFrame(rows), out, command)
    return pd.DataFrame(rows)


def write(table: pd.DataFrame, out: Path, command: str) -> None:
    """networks.csv, networks.md and networks.png."""
    write_atomically(out / "networks.csv", table.to_csv(index=False, lineterminator="\n", float_format="%.6g").encode())
    lines, groups = [], list(_groups(table))
    for network, stage, rows in groups:
        cells = [_cell(rows[key]) for key in ("srocc", "lcc", "lcc_fitted")]
        lines.append([network, STAGES[stage], str(len(rows)), *cells])
    head = ["network", "trained by", "splits", "SROCC", "LCC", "LCC, logistic fit"]
    text = f"# Networks\n\n    {command}\n\nOn the test part; mean ± standard deviation over the splits.\n\n"
    write_atomically(out / "networks.md", (text + markdown_table(head, lines)).encode())
    figure, axes = figure_of(1, 2, width=4.2, height=3.2)
    names = list(dict.fromkeys(table["network"]))
    for axis, (key, title) in zip(axes[0], {"srocc": "SROCC", "lcc": "LCC"}.items(), strict=True):
        for k, (stage, label) in enumerate(STAGES.items()):
            values = [table[(table["network"] == name) & (table["stage"] == stage)][key] for name in names]
            x = np.arange(len(names)) + 0.26 * (k - 1)
            axis.bar(x, [v.mean() for v in values], 0.24, color=COLOURS[stage], label=label)
            for place, value in zip(x, values, strict=True):
                axis.plot([place] * len(value), value, ".", color="black", markersize=3)
        axis.set_xticks(range(len(names)), names)
        axis.set_title(f"test {title}, a dot a split", fontsize=9)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, fontsize=9
    )
    save_figure(figure, out / "networks.png")


def _groups(table: pd.DataFrame):
    for network in dict.fromkeys(table["network"]):
        for stage in STAGES:
            rows = table[(table["network"] == network) & (table["stage"] == stage)]
            if len(rows):
                yield network, stage, rows


def _cell(values: Sequence[float]) -> str:
    found = over_splits(list(values))
    spread = f" ± {found['std']:.3f}" if np.isfinite(found["std"]) else ""
    return f"{found['mean']:.3f}{spread}"
