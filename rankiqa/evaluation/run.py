"""Score many images and measure how far the scores agree with ranks or with people."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError, explain_os_error
from rankiqa.evaluation.environment import commit, describe, environment_versions
from rankiqa.evaluation.plan import (
    SHARE_COLUMNS,
    VOTED,
    Plan,
    Source,
    leave_out_training,
    make_plan,
    open_source,
    ranked_items,
)
from rankiqa.evaluation.tables import (
    mean_tables,
    measure,
    measure_close_pairs,
    measure_splits,
    measure_votes,
    split_parts,
)
from rankiqa.evaluation.worst_images import worst_images
from rankiqa.images.photos import PRISTINE
from rankiqa.metrics.close_pairs import check_edges
from rankiqa.scoring.patches import PATCHES, pick_device, score_files, view_of
from rankiqa.votes import std_of

__all__ = ["PRISTINE", "evaluate", "leave_out_training", "measure", "ranked_items", "score_items"]

COLUMNS = (
    *("path", "reference", "group", "distortion", "level", "native", "truth"),
    *("score", "median", "std", "patches"),
)
BOOTSTRAP = 1000  # repeats


def score_items(
    model: nn.Module, items: pd.DataFrame, strict: bool = False, progress: bool = False, **options
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Score the files of `items`: a table with `COLUMNS`, and path and reason of each image left out.

    Of the columns `VOTED` the table has vote1 … vote10 if `items` has them, and of a model that predicts votes their
    shares p1 … p10 (over several crops the mean) and standard deviation.

    `options` are those of `rankiqa.scoring.patches.score_files`. An image that cannot be scored is left out with a
    warning on stderr; with `strict` it is an `InputError`. So it is when no image can be scored.
    """
    from tqdm import tqdm

    results = score_files(model, list(items["file"]), **options)
    # a log file gets a line now and then in place of a moving bar
    interval = 0.1 if sys.stderr.isatty() else 30
    numbers, skipped, votes = [], [], {}
    bar = tqdm(
        zip(items["path"], results, strict=True),
        total=len(items),
        desc="scoring",
        unit="image",
        mininterval=interval,
        disable=not progress,
    )
    for place, (path, result) in enumerate(bar):
        if isinstance(result, InputError):
            if strict:
                raise result
            bar.write(f"warning: left out: {result}", file=sys.stderr)
            skipped.append({"path": path, "reason": str(result)})
            numbers.append([math.nan] * 3 + [0])
        else:
            numbers.append([result.mean, result.median, result.std, len(result.scores)])
            if result.votes is not None:
                votes[items.index[place]] = result.votes.mean(0)
    if len(skipped) == len(items):
        more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
        raise InputError(f"no image could be scored: {skipped[0]['reason']}{more}" if skipped else "no images")
    scored = pd.DataFrame(numbers, columns=["score", "median", "std", "patches"], index=items.index)
    if votes:
        shares = np.stack(list(votes.values()))
        predicted = pd.DataFrame(shares, columns=SHARE_COLUMNS, index=list(votes)).assign(votes_std=std_of(shares))
        scored = scored.join(predicted)
    table = pd.concat([items, scored], axis=1)
    table = table[[*COLUMNS, *(column for column in VOTED if column in table)]]
    return table[table["patches"] > 0].reset_index(drop=True), skipped


def evaluate(
    model_folder: str | Path,
    out: str | Path,
    *,
    ranks: str | Path | None = None,
    labels: str | Path | None = None,
    images: str | Path | None = None,
    label_options: dict | None = None,
    dataset: str | ScoredSet | None = None,
    root: str | Path | None = None,
    split: str | Path | None = None,
    split_seed: int = 0,
    repeats: int | None = None,
    test_fraction: float = 0.2,
    dataset_options: dict | None = None,
    all_references: bool = False,
    bootstrap: int = BOOTSTRAP,
    patches: int = PATCHES,
    mode: str | None = None,
    seed: int = 0,
    small: str = "error",
    convert: bool = False,
    strict: bool = False,
    device: str = "auto",
    workers: int = 2,
    progress: bool = False,
    thumbnails: bool = True,
    pair_edges: Sequence[float] | None = None,
    command: str = "",
) -> dict:
    """Evaluate a model on a ranked set or on human scores, and write the report.

    Args:
        model_folder: what `rankiqa.models.load_model` reads. With {repeat} in it, one model for each of `repeats`
            splits, each tested on the split.csv of its own run.
        out: folder for scores.csv, summary.json, report.html and the plots; older ones are replaced.
        ranks: folder of a ranked set; truth is −level. Photos that the model was trained on are left out
            unless `all_references`.
        labels, images: in place of `ranks`, a CSV of human scores and its folder; `label_options` are
            name_column, score_column and direction of `rankiqa.datasets.csv_file.read_labels`.
        dataset, root: in place of both, a `ScoredSet`, or a name of `rankiqa.datasets.registry.DATASETS` and its
            folder; `dataset_options` are further arguments of `open_dataset`.
        split: of the human scores, the part "test" of it is scored: a spec of `rankiqa.datasets.splits.make_split`.
            None: split.csv of the model's run if it was fine-tuned on this set, else all. A split that tests on what
            the model was fine-tuned on is refused unless `all_references`.
        split_seed, test_fraction: of a random split.
        repeats: how many random splits; each is measured, and each image scored once. Of {repeat}, how many models;
            None: as many as there are.
        bootstrap: repeats of the bootstrap for the 95 % intervals, seeded with `seed`; 0: no intervals.
        patches, mode, seed, small, convert, workers: of `rankiqa.scoring.patches.score_files`.
        strict: an image that cannot be scored is an error, not a warning.
        device: auto, cpu, cuda or cuda:N.
        progress: show a bar and what is left out on stderr.
        thumbnails: show the worst-placed images in the report; without, their names alone, for images that may not be
            passed on.
        pair_edges: of human scores, in their unit: the edges of the bins of `rankiqa.metrics.close_pairs`. None: a
            40th, 20th, 10th and 5th of the score range.
        command: the command line, for the summary.

    Returns:
        The summary, as written to summary.json.

    Raises:
        InputError: of the inputs; nothing left to score; `out` cannot be written to (found before the work).
    """
    human = labels is not None or dataset is not None
    if (ranks is None) != human or (labels is None) != (images is None) or (labels is not None and dataset is not None):
        raise InputError("give a ranked set, or a label file together with its folder of images, or a data set")
    check_writable(out)
    options = {**(label_options or {}), **(dataset_options or {})}
    if labels is not None:
        dataset, root = "csv", images
    source = open_source(ranks, dataset, root, None if split is None else str(split), labels, **options)
    return evaluate_source(
        model_folder,
        source,
        out,
        split_seed=split_seed,
        repeats=repeats,
        test_fraction=test_fraction,
        all_references=all_references,
        bootstrap=bootstrap,
        strict=strict,
        progress=progress,
        thumbnails=thumbnails,
        pair_edges=pair_edges,
        command=command,
        patches=patches,
        mode=mode,
        seed=seed,
        small=small,
        device=device,
        convert=convert,
        workers=workers,
    )


def evaluate_source(
    model_folder: str | Path,
    source: Source,
    out: str | Path,
    *,
    name: str | None = None,
    split_seed: int = 0,
    repeats: int | None = None,
    test_fraction: float = 0.2,
    all_references: bool = False,
    bootstrap: int = BOOTSTRAP,
    pair_edges: Sequence[float] | None = None,
    device: str = "auto",
    **options,
) -> dict:
    """`evaluate` on a source that is open; `name` is what tables call the model, by default its folder."""
    if bootstrap < 0:
        raise InputError(f"bootstrap must be at least 0, not {bootstrap}")
    place = pick_device(device)
    if pair_edges is not None:
        options["pair_edges"] = check_edges(pair_edges, "pair_edges")
    check_writable(out)
    loaded: dict = {}

    def load(folder: str) -> dict:
        from rankiqa.models import load_model

        loaded.clear()  # one at a time
        loaded[folder] = load_model(folder, device=place)
        return loaded[folder][1]

    plan = make_plan(
        str(model_folder),
        source,
        load,
        split_seed=split_seed,
        repeats=repeats,
        test_fraction=test_fraction,
        all_references=all_references,
    )
    name = name or str(model_folder)
    return carry_out(plan, out, name=name, bootstrap=bootstrap, loaded=loaded, device=place, **options)


def carry_out(
    plan: Plan,
    out: str | Path,
    *,
    name: str,
    bootstrap: int,
    strict: bool,
    progress: bool,
    command: str,
    thumbnails: bool = True,
    pair_edges: Sequence[float] | None = None,
    loaded: dict | None = None,
    **scoring,
) -> dict:
    """Score what a plan says, measure it and write the report: the long part of `evaluate`, whose summary it returns.

    `name` is what the tables call the model, `loaded` has (model, config) of folders that are loaded already, and
    `scoring` the arguments of `rankiqa.scoring.patches.score_files`.
    """
    from rankiqa.evaluation.report import write_report

    start = time.perf_counter()
    if progress:
        _tell(plan)
    scores, skipped, view = _score_jobs(plan, loaded or {}, strict=strict, progress=progress, **scoring)
    several = plan.jobs[0].repeat is not None
    splits = None
    if several:
        parts = [(job.repeat, scores["repeat"] == job.repeat) for job in plan.jobs]
        splits = measure_splits(scores, parts)
        for run, job in zip(splits["runs"], plan.jobs, strict=True):
            run["model"] = job.folder
    elif plan.tests:
        splits = measure_splits(scores, split_parts(scores, plan.tests))
    config = plan.jobs[0].config
    device = scoring["device"]
    summary = {
        "command": command,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - start, 1),
        "model": {
            "name": name,
            "folder": str(Path(plan.jobs[0].folder)) if not several else name,
            "architecture": (config.get("architecture") or {}).get("name"),
            "crop": view["crop"],
            "sha256": None if several else config.get("weights_sha256"),
            "score_range": config.get("score_range"),
            "trained_on": _trained_on(config),
        },
        "data": plan.data,
        **{key: view[key] for key in ("patches", "mode")},
        **{key: scoring[key] for key in ("seed", "small", "convert")},
        "bootstrap": bootstrap,
        "device": describe(device),
        "images": len(scores),
        "skipped": {"count": len(skipped), "images": skipped},
        "training_references": plan.training,
        "commit": commit(),
        "versions": environment_versions(),
        "tables": mean_tables(splits) if several else measure(scores, bootstrap, scoring["seed"]),
        "splits": splits,
    }
    if plan.data["kind"] != "ranks":
        files = {key: file for job in plan.jobs for key, file in zip(job.items["path"], job.items["file"], strict=True)}
        summary["worst"] = worst_images(scores, files if thumbnails else {})
        summary["close_pairs"] = measure_close_pairs(scores, plan.data["score_range"], pair_edges)
        if (votes := measure_votes(scores)) is not None:
            summary["votes"] = votes
    summary = valid_json(summary)
    _write(Path(out), scores, summary)
    write_report(out)
    return summary


def _score_jobs(plan: Plan, loaded: dict, **options) -> tuple[pd.DataFrame, list[dict[str, str]], dict]:
    """The scores of all jobs one below the other, what was left out, and what the network was shown of an image:
    patches, mode and crop, the side of its input in pixels."""
    from rankiqa.models import load_model

    tables, skipped, view = [], [], {}
    for job in plan.jobs:
        model, _ = loaded.pop(job.folder, None) or load_model(job.folder, device=options["device"])
        scores, left_out = score_items(model, job.items, **options)
        if job.repeat is not None:
            scores.insert(0, "repeat", job.repeat)
        tables.append(scores)
        skipped += [entry for entry in left_out if entry not in skipped]
        patches, mode = view_of(model, options["patches"], options["mode"])
        view = {"patches": patches, "mode": mode, "crop": model.crop}
    return pd.concat(tables, ignore_index=True), skipped, view


def _write(out: Path, scores: pd.DataFrame, summary: dict) -> None:
    from rankiqa.files import write_atomically

    write_atomically(out / "scores.csv", scores.to_csv(index=False, lineterminator="\n").encode())
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(out / "summary.json", (text + "\n").encode())


def _trained_on(config) -> str:
    """What a model learned from, in a few words."""
    parts = []
    photos = config.get("training_photos") or config.get("training_references")
    init = ((config.get("provenance") or {}).get("settings") or {}).get("init")
    if photos:
        parts.append(f"ranks of {len(photos)} photos")
    elif init:
        parts.append(f"what {init} was")
    if tuned := config.get("finetuned_on"):
        for entry in (*reversed(tuned.get("earlier") or ()), tuned):
            parts.append(f"human scores of {entry.get('dataset')} ({len(entry.get('paths') or ())} images)")
    return ", then ".join(parts) or "unknown"


def _tell(plan: Plan) -> None:
    if left_out := plan.training["left_out"]:
        count = f"left out {left_out} photos that the model was trained on"
        print(f"{count} (--all-references keeps them)", flush=True)
    lines = list(plan.warnings)
    if missing := plan.data.get("left_out", {}).get("count"):
        first = plan.data["left_out"]["images"][0]
        lines.append(f"{missing} listed images are left out, the first is {first['path']}: {first['reason']}")
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def check_writable(out: str | Path) -> None:
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise explain_os_error(error, out) from error


def valid_json(value):
    """`value` with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: valid_json(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [valid_json(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
