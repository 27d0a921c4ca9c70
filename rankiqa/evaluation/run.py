"""Evaluate a model: score many images, and measure how far the scores agree with ranks or with people."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from rankiqa.errors import worded
from rankiqa.evaluation.environment import commit, describe, environment_versions
from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.evaluation.plan import Plan, make_plan
from rankiqa.evaluation.report import write_report
from rankiqa.evaluation.scores import score_items
from rankiqa.evaluation.source import Source
from rankiqa.evaluation.summary import check_writable, trained_on, valid_json, write_results
from rankiqa.evaluation.tables import (
    mean_tables,
    measure,
    measure_close_pairs,
    measure_splits,
    measure_votes,
    split_parts,
)
from rankiqa.evaluation.worst_images import worst_images
from rankiqa.extras import need
from rankiqa.models import RankModel, load_model
from rankiqa.scoring.device import pick_device
from rankiqa.scoring.folded import for_scoring

Loaded = dict[str, tuple[RankModel, dict[str, Any]]]  # a model's folder → the model and its config


def evaluate(
    model_folder: str | Path,
    source: Source,
    out: str | Path,
    options: EvaluationOptions | None = None,
    *,
    name: str | None = None,
) -> dict[str, Any]:
    """Evaluate a model on a ranked set or on human scores, and write the report.

    Args:
        model_folder: what `rankiqa.models.load_model` reads. With {repeat} in it, one model for each of
            `options.repeats` splits, each tested on the split.csv of its own run.
        source: what is scored, and against what: see `rankiqa.evaluation.source.open_source`. Photos of a ranked set
            that the model was trained on are left out, and a split that tests on what it was fine-tuned on is refused,
            unless `options.all_references`.
        out: folder for scores.csv, summary.json, report.html and the plots; older ones are replaced.
        options: how; None: the defaults.
        name: what tables call the model; None: its folder.

    Returns:
        The summary, as written to summary.json.

    Raises:
        InputError: of the inputs; nothing left to score; `out` cannot be written to (found before the work).
    """
    options = options or EvaluationOptions()
    need("report", "jinja2", "matplotlib")
    device = pick_device(options.device)
    check_writable(out)
    loaded: Loaded = {}

    def load(folder: str) -> dict[str, Any]:
        loaded.clear()  # one at a time
        loaded[folder] = load_model(folder, device=device)
        return loaded[folder][1]

    plan = make_plan(str(model_folder), source, load, options)
    return carry_out(plan, out, options, name=name or str(model_folder), loaded=loaded)


def carry_out(
    plan: Plan, out: str | Path, options: EvaluationOptions, *, name: str, loaded: Loaded | None = None
) -> dict[str, Any]:
    """Score what a plan says, measure it and write the report: the long part of `evaluate`.

    Args:
        plan: of `rankiqa.evaluation.plan.make_plan`.
        out: as for `evaluate`.
        options: as for `evaluate`.
        name: what tables call the model.
        loaded: models that are loaded already, by their folders.

    Returns:
        The summary.
    """
    start = time.perf_counter()
    if options.progress:
        _tell(plan)
    scores, skipped, shown = _score_jobs(plan, loaded or {}, options)
    several = plan.jobs[0].repeat is not None
    splits = None
    if several:
        parts = [(job.repeat or 0, scores["repeat"] == job.repeat) for job in plan.jobs]
        splits = measure_splits(scores, parts)
        for run, job in zip(splits["runs"], plan.jobs, strict=True):
            run["model"] = job.folder
    elif plan.tests:
        splits = measure_splits(scores, split_parts(scores, plan.tests))
    config, view = plan.jobs[0].config, options.view
    averaged = splits if several else None
    tables = mean_tables(averaged) if averaged is not None else measure(scores, options.bootstrap, view.seed)
    summary = {
        "command": options.command,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - start, 1),
        "model": {
            "name": name,
            "folder": str(Path(plan.jobs[0].folder)) if not several else name,
            "architecture": (config.get("architecture") or {}).get("name"),
            "crop": shown["crop"],
            "sha256": None if several else config.get("weights_sha256"),
            "score_range": config.get("score_range"),
            "trained_on": trained_on(config),
        },
        "data": plan.data,
        **{key: shown[key] for key in ("patches", "mode")},
        "seed": view.seed,
        "small": view.small,
        "convert": options.convert,
        "icc": options.icc,
        "bootstrap": options.bootstrap,
        "device": describe(pick_device(options.device)),
        "images": len(scores),
        "small_images": shown["small_images"],
        "skipped": {"count": len(skipped), "images": skipped},
        "training_references": plan.training,
        "commit": commit(),
        "versions": environment_versions(),
        "tables": tables,
        "splits": splits,
    }
    if plan.data["kind"] != "ranks":
        files = {key: file for job in plan.jobs for key, file in zip(job.items["path"], job.items["file"], strict=True)}
        summary["worst"] = worst_images(scores, files if options.thumbnails else {}, options.icc)
        summary["close_pairs"] = measure_close_pairs(scores, plan.data["score_range"], options.pair_edges)
        if (votes := measure_votes(scores)) is not None:
            summary["votes"] = votes
    summary = valid_json(summary)
    write_results(Path(out), scores, summary)
    write_report(out)
    return summary


def _score_jobs(
    plan: Plan, loaded: Loaded, options: EvaluationOptions
) -> tuple[pd.DataFrame, list[dict[str, str]], dict[str, Any]]:
    """The scores of all jobs one below the other, what was left out, and what the network was shown.

    The last has patches, mode, crop (the side of its input in pixels) and small_images (how many were smaller than it).
    """
    tables, skipped, shown, small = [], [], {}, 0
    for job in plan.jobs:
        model, _ = loaded.pop(job.folder, None) or load_model(job.folder, device=pick_device(options.device))
        model = for_scoring(model)
        found = score_items(model, job.items, options)
        table = found.table
        if job.repeat is not None:
            table.insert(0, "repeat", job.repeat)
        tables.append(table)
        skipped += [entry for entry in found.skipped if entry not in skipped]
        view, small = options.view.of(model), small + found.small
        shown = {"patches": view.patches, "mode": view.mode, "crop": model.crop}
    return pd.concat(tables, ignore_index=True), skipped, shown | {"small_images": small}


def _tell(plan: Plan) -> None:
    if left_out := plan.training["left_out"]:
        count = f"left out {left_out} photos that the model was trained on"
        print(f"{count} ({worded('all_references=True')} keeps them)", flush=True)
    lines = list(plan.warnings)
    if missing := plan.data.get("left_out", {}).get("count"):
        first = plan.data["left_out"]["images"][0]
        lines.append(f"{missing} listed images are left out, the first is {first['path']}: {first['reason']}")
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)
