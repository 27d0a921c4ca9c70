"""Several models on several data sets: a report of each pair, and one page that compares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from rankiqa.errors import InputError
from rankiqa.evaluation.options import BOOTSTRAP, EvaluationOptions
from rankiqa.evaluation.plan import REPEAT, default_split, make_plan, was_tuned_on
from rankiqa.evaluation.plots import draw_close_pairs, name_of, png_of
from rankiqa.evaluation.report import VOTES, bin_name, headline, number, read_results, report_environment
from rankiqa.evaluation.run import carry_out
from rankiqa.evaluation.source import Source
from rankiqa.evaluation.summary import check_writable, valid_json, write_json
from rankiqa.evaluation.tables import ALL, compare_close_pairs, measure_close_pairs
from rankiqa.extras import need
from rankiqa.files import write_atomically
from rankiqa.metrics import correlation
from rankiqa.metrics.close_pairs import default_edges
from rankiqa.metrics.intervals import over_splits, paired_difference
from rankiqa.metrics.logistic import logistic_fit
from rankiqa.metrics.vectors import LEAST_VALUES
from rankiqa.models import load_model
from rankiqa.pages import data_address
from rankiqa.scoring.device import pick_device
from rankiqa.text_table import text_table

TEMPLATE = "comparison.html.j2"
COMPARED = {"srocc": "SROCC", "lcc_fitted": "LCC, logistic fit"}
CELL_NUMBERS = ("n", "srocc", "krocc", "lcc", "lcc_fitted", "rmse_fitted")


def model_names(folders: Sequence[str], names: Sequence[str] | None = None) -> dict[str, str]:
    """What tables call each model → its folder.

    Args:
        folders: of the models.
        names: one each; None: the last part of each folder, of a run's folder `model` that of the run.

    Raises:
        InputError: another number of names, a name that cannot be a folder's, and one name for two models.
    """
    if names and len(names) != len(folders):
        raise InputError(
            f"{len(names)} names for {len(folders)} models",
            cure="give one each, in the same order",
            options=("names",),
        )
    found: dict[str, str] = {}
    for name, folder in zip(names or map(_own_name, folders), folders, strict=True):
        if not name or name.startswith(".") or "/" in name or "\\" in name:
            raise InputError(
                f"{name!r} cannot be the name of a folder", cure="leave out / and a leading dot", options=("names",)
            )
        if name in found:
            raise InputError(
                f"two models are called {name}: {found[name]} and {folder}",
                cure="give them names",
                options=("names",),
            )
        found[name] = folder
    return found


def compare(
    models: Mapping[str, str], sources: Sequence[Source], out: str | Path, options: EvaluationOptions | None = None
) -> dict[str, Any]:
    """Evaluate every model on every source, and compare them.

    Everything is checked before the first image is scored. Where no split is given, a model that was fine-tuned on a
    set takes the split.csv of its run, and the others that of the first such model: so all are compared on the same
    images.

    Args:
        models: what tables call each → its folder.
        sources: see `rankiqa.evaluation.source.open_source`; each with another label.
        out: each pair has its folder `out`/NAME/LABEL, as `rankiqa.evaluation.run.evaluate` writes it.
        options: how; None: the defaults.

    Returns:
        What `write_comparison` returns.

    Raises:
        InputError: of the inputs; two sources of one label; `out` cannot be written to.
    """
    need("report", "jinja2", "matplotlib")
    options, out = options or EvaluationOptions(), Path(out)
    pick_device(options.device)
    labels = [source.label for source in sources]
    if twice := [label for k, label in enumerate(labels) if label in labels[:k]]:
        raise InputError(
            f"two data sets are called {twice[0]}", cure="give their folders other names, or compare one by one"
        )
    configs: dict[str, dict[str, Any]] = {}

    def load(folder: str) -> dict[str, Any]:
        if folder not in configs:
            configs[folder] = load_model(folder, device="cpu")[1]
        return configs[folder]

    plans = {}
    for source in sources:
        known = [(folder, load(folder)) for folder in models.values() if REPEAT not in folder]
        shared = default_split(known, source.dataset) if source.dataset is not None and source.split is None else None
        for name, folder in models.items():
            own = shared is None or REPEAT in folder or was_tuned_on(load(folder), source.dataset)
            given = source if own else replace(source, split=shared)
            plans[name, source.label] = make_plan(folder, given, load, options)
    for pair in plans:
        check_writable(out.joinpath(*pair))
    for (name, label), plan in plans.items():
        if options.progress:
            print(f"{name} on {label}", flush=True)
        carry_out(plan, out / name / label, options, name=name)
    folders = [out / name / label for name, label in plans]
    return write_comparison(out, folders, options.bootstrap, options.view.seed, options.command)


def write_comparison(
    out: str | Path, folders: Sequence[str | Path], bootstrap: int = BOOTSTRAP, seed: int = 0, command: str = ""
) -> dict:
    """Write comparison.html, .json and .csv, and close_pairs.csv, from the scores.csv and summary.json of each folder.

    The first folder's model is the one that the others are compared with, image by image. Nothing here is an absolute
    value: a model that is upside down on a set shows a negative number.

    Args:
        out: folder of the comparison.
        folders: of the evaluations, a model and a data set each.
        bootstrap: repeats of the bootstrap for the intervals of the differences; 0: none.
        seed: of the bootstrap.
        command: the command line, for the page.

    Returns:
        What comparison.json holds: `models`, `datasets`, `cells` (numbers of each model on each set; over several
        splits the means), `differences` (of each further model less the first, with intervals over groups) and
        `close_pairs` of each set of human scores (see `rankiqa.metrics.close_pairs`).
    """
    out = Path(out)
    pairs = [(Path(folder), *read_results(Path(folder))) for folder in folders]
    models: dict[str, dict[str, Any]] = {}
    cells: list[dict[str, Any]] = []
    for folder, _, summary in pairs:
        model, data = summary["model"], summary["data"]
        keys = ("name", "folder", "architecture", "trained_on")
        models.setdefault(model["name"], {key: model.get(key) for key in keys})
        place = folder.relative_to(out) if folder.is_relative_to(out) else folder
        total, splits = headline(summary["tables"], summary.get("splits")), summary.get("splits")
        cells.append(
            {
                "model": model["name"],
                "dataset": data["label"],
                "report": str(place / "report.html"),
                "split": (data.get("split") or {}).get("spec"),
                "splits": len(splits["runs"]) if splits else None,
                "own": bool(summary["training_references"].get("same_set")),
                "tables": summary["tables"],
                "votes": summary.get("votes"),
                **{key: total.get(key) for key in (*CELL_NUMBERS, "intervals", "reason")},
            }
        )
    comparison = {
        "command": command,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "bootstrap": bootstrap,
        "seed": seed,
        "models": list(models.values()),
        "datasets": list(dict.fromkeys(cell["dataset"] for cell in cells)),
        "cells": cells,
        "differences": _differences(pairs, bootstrap, seed),
        "close_pairs": _close_pairs(pairs),
    }
    comparison = valid_json(comparison)
    write_json(out / "comparison.json", comparison)
    write_atomically(out / "comparison.csv", _table(cells).to_csv(index=False, lineterminator="\n").encode())
    if comparison["close_pairs"]:
        table = _pairs_table(comparison["close_pairs"]).to_csv(index=False, lineterminator="\n")
        write_atomically(out / "close_pairs.csv", table.encode())
    else:  # of an earlier comparison in this folder
        (out / "close_pairs.csv").unlink(missing_ok=True)
    names = {summary["data"]["label"]: summary["data"].get("type_names") or {} for *_, summary in pairs}
    write_atomically(out / "comparison.html", _render(comparison, names).encode())
    return comparison


def as_text(comparison: Mapping[str, Any]) -> str:
    """The cross table, SROCC (LCC after the logistic), and the differences, as aligned text."""
    lines = [["model", *comparison["datasets"]]]
    for model in comparison["models"]:
        found = [_cell(comparison, model["name"], label) for label in comparison["datasets"]]
        lines.append([model["name"], *(_pair_text(cell) for cell in found)])
    text = [text_table(lines, "<" + ">" * (len(lines[0]) - 1))]
    text += [
        f"{c['model']} on {c['dataset']}: no correlation: {c['reason']}" for c in comparison["cells"] if c["reason"]
    ]
    for found in comparison["differences"]:
        if found["statistic"] == "srocc":
            what = f"{found['second']} less {found['first']} on {found['dataset']}"
            text.append(f"{what}: SROCC {difference_text(found)} ({found['n']} images)")
    for entry in comparison.get("close_pairs", ()):  # an earlier version counted none
        for found in entry["differences"]:
            row = found["bins"][0]
            what = f"{found['second']} less {found['first']} on {entry['dataset']}"
            ends = f" ({points(row['low'])} to {points(row['high'])})" if row["low"] is not None else ""
            why = f": {row['reason']}" if row["reason"] else ""
            text.append(f"{what}: pairs {bin_name(row)} apart in order {points(row['difference'])} % points{ends}{why}")
    return "\n".join(text)


def difference_text(found: Mapping[str, Any]) -> str:
    """A difference with its sign and its interval, or why there is none."""
    value = found["difference"]
    sign = "+" if value is not None and value > 0 else ""
    text = sign + number(value)
    if found["low"] is not None:
        text += f" ({number(found['low'])} to {number(found['high'])})"
    return f"{text}: {found['reason']}" if found["reason"] else text


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return ("+" if value is not None and value > 0 else "") + number(None if value is None else 100 * value, 2)


def _close_pairs(pairs: Sequence[tuple[Path, pd.DataFrame, dict]]) -> list[dict]:
    """For each data set of human scores: dataset, edges, `models` (bins of each) and `differences` from the first.

    The edges are those of the first model's summary; one of an earlier version has none, and takes those of its scale.
    """
    first = pairs[0][2]["model"]["name"]
    found: dict[str, dict[str, Any]] = {}
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for _, scores, summary in pairs:
        data, name = summary["data"], summary["model"]["name"]
        if data["kind"] == "ranks" or "score_range" not in data:
            continue
        edges = (summary.get("close_pairs") or {}).get("edges") or default_edges(data["score_range"])
        entry = found.setdefault(data["label"], {"edges": list(edges), "models": [], "differences": []})
        measured = measure_close_pairs(scores, data["score_range"], entry["edges"])
        entry["models"].append({"model": name, "bins": measured["bins"], "reason": measured["reason"]})
        known = tables.setdefault(data["label"], {})
        if measured["bins"]:
            known[name] = scores
        if name != first and {name, first} <= set(known):
            bins = compare_close_pairs(known[first], scores, entry["edges"])
            entry["differences"].append({"first": first, "second": name, "bins": bins})
    return [{"dataset": label, **entry} for label, entry in found.items()]


def _differences(pairs: Sequence[tuple[Path, pd.DataFrame, dict]], repeats: int, seed: int) -> list[dict]:
    first = pairs[0][2]["model"]["name"]
    by_set: dict[str, dict[str, pd.DataFrame]] = {}
    for _, scores, summary in pairs:
        by_set.setdefault(summary["data"]["label"], {})[summary["model"]["name"]] = scores
    found = []
    for label, tables in by_set.items():
        for name, scores in tables.items():
            if name == first or first not in tables:
                continue
            for statistic in COMPARED:
                numbers = difference(tables[first], scores, statistic, repeats, seed)
                found.append({"dataset": label, "first": first, "second": name, "statistic": statistic, **numbers})
    return found


def difference(first: pd.DataFrame, second: pd.DataFrame, statistic: str, repeats: int, seed: int) -> dict:
    """How much better the second model agrees with the truth than the first, on the images that both scored.

    Returns n, difference, low, high, reason, `over`: "groups" for an interval of 95 % by the bootstrap; "splits" where
    a model is another one in each split: the mean over the splits, from the lowest to the highest.
    """
    nan = float("nan")
    keys = ["repeat", "path"] if "repeat" in first and "repeat" in second else ["path"]
    if "repeat" in first and "repeat" not in second:
        both = first.merge(second[["path", "score"]], on=keys, suffixes=("_first", ""))
    else:
        both = second.merge(first[[*keys, "score"]], on=keys, suffixes=("", "_first"))
    found = {"n": len(both), "difference": nan, "low": nan, "high": nan, "reason": "", "over": "groups"}
    if len(both) < LEAST_VALUES:
        return found | {"reason": f"{len(both)} images in common, at least {LEAST_VALUES} are needed"}
    if "repeat" in both:
        values = [_statistic(part, statistic) for _, part in both.groupby("repeat")]
        known = [value for value in values if value == value] or [nan]
        reason = "" if known[0] == known[0] else "in no split do both models have a correlation"
        mean = over_splits(values)["mean"]
        return found | {"difference": mean, "low": min(known), "high": max(known), "reason": reason, "over": "splits"}
    scores, less, truth = (both[key] for key in ("score", "score_first", "truth"))
    group = both["group" if "group" in both else "reference"].to_numpy(str)
    if not repeats:
        return found | {"difference": _statistic(both, statistic)}
    paired = paired_difference(scores, less, truth, group, repeats=repeats, seed=seed, statistic=statistic)
    return found | {key: getattr(paired, key) for key in ("difference", "low", "high", "reason")}


def _statistic(both: pd.DataFrame, statistic: str) -> float:
    """The second model's less the first's."""
    if statistic == "lcc_fitted":
        values = [logistic_fit(both[key], both["truth"]).lcc for key in ("score", "score_first")]
    else:
        values = [getattr(correlation, statistic)(both[key], both["truth"]) for key in ("score", "score_first")]
    return values[0] - values[1]


def _table(cells: Sequence[dict]) -> pd.DataFrame:
    """A row a model, data set and type."""
    rows = []
    for cell in cells:
        for row in cell["tables"]:
            low, high = (row.get("intervals") or {}).get("srocc", (None, None))
            numbers = {**{key: row.get(key) for key in CELL_NUMBERS}, "srocc_low": low, "srocc_high": high}
            rows.append({"model": cell["model"], "dataset": cell["dataset"], "type": row["type"], **numbers})
    return pd.DataFrame(rows)


def _pairs_table(close: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row a data set, model and bin; a further model's with its difference from the first."""
    rows = []
    for entry in close:
        less = {found["second"]: found for found in entry["differences"]}
        for model in entry["models"]:
            for k, row in enumerate(model["bins"]):
                found = less.get(model["model"])
                other = found["bins"][k] if found else {}
                difference = {"less": found["first"] if found else "", "difference": other.get("difference")}
                difference |= {f"difference_{end}": other.get(end) for end in ("low", "high")}
                rows.append({"model": model["model"], "dataset": entry["dataset"], **row, **difference})
    return pd.DataFrame(rows)


def _cell(comparison: Mapping[str, Any], model: str, label: str) -> dict | None:
    return next((c for c in comparison["cells"] if (c["model"], c["dataset"]) == (model, label)), None)


def _pair_text(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else f"{number(row['srocc'])} ({number(row['lcc_fitted'])})"


def _render(comparison: dict, type_names: Mapping[str, Mapping[str, str]]) -> str:
    names = [model["name"] for model in comparison["models"]]
    cross = [[_cell(comparison, name, label) for label in comparison["datasets"]] for name in names]
    types = {}
    for label in comparison["datasets"]:
        cells = [_cell(comparison, name, label) for name in names]
        found = [{row["type"]: row for row in cell["tables"]} if cell else {} for cell in cells]
        kinds = sorted(dict.fromkeys(kind for rows in found for kind in rows), key=lambda kind: kind == ALL)
        if len(kinds) > 1:
            called = type_names[label]
            types[label] = [(kind, name_of(kind, called), [rows.get(kind) for rows in found]) for kind in kinds]
    template = report_environment().get_template(TEMPLATE)
    return template.render(
        comparison=comparison,
        cross=list(zip(comparison["models"], cross, strict=True)),
        types=types,
        names=names,
        close=[{**entry, "plot": _pairs_plot(entry)} for entry in comparison["close_pairs"]],
        voting=[cell for cell in comparison["cells"] if cell["votes"]],
        vote_columns=VOTES,
        compared=COMPARED,
        points=points,
        pair_text=_pair_text,
        difference_text=difference_text,
    )


def _pairs_plot(entry: Mapping[str, Any]) -> str:
    """The plot of the close pairs as a data: address; "" where no model has any."""
    models = [(model["model"], model["bins"]) for model in entry["models"]]
    bins = next((bins for _, bins in models if bins), None)
    return data_address(png_of(draw_close_pairs(models, [*map(bin_name, bins)])), "image/png") if bins else ""


def _own_name(folder: str) -> str:
    path = Path(folder)
    return (path.parent if path.name == "model" else path).resolve().name if REPEAT not in folder else path.name
