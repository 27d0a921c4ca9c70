"""Models against votes as they are: how many of them each has right, how sure that is, and what could be reached."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rankiqa.datasets.leakage import own_paths
from rankiqa.datasets.neighbours import content_groups
from rankiqa.datasets.pairs import Pairs
from rankiqa.errors import InputError
from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.files import write_atomically
from rankiqa.metrics.preferences import Agreement, Mean, mean_over_pairs, right
from rankiqa.scoring.scorer import Scorer
from rankiqa.text_table import text_table

SUMMARY = "pairs.json"


def evaluate_pairs(
    models: Mapping[str, str], pairs: Pairs, root: str | Path, out: str | Path, options: EvaluationOptions | None = None
) -> dict[str, Any]:
    """Score the photos that were voted on by each model, count the votes, and write pairs.json.

    Args:
        models: what tables call a model → its folder.
        pairs: the votes.
        root: the folder of the photos.
        out: the folder to write to.
        options: how. Photos that one of the models learned from are left out, unless `all_references`.

    Returns:
        What pairs.json holds.

    Raises:
        InputError: a missing model, a photo that cannot be scored (where `strict`), no vote that is left.
    """
    options = options or EvaluationOptions()
    scorers = {name: Scorer.load(folder, options.device) for name, folder in models.items()}
    keep = np.ones(len(pairs.photos), bool)
    if not options.all_references:
        learned = {path for scorer in scorers.values() for path in own_paths(scorer.settings.get("finetuned_on"))}
        keep = np.array([photo not in learned for photo in pairs.photos])
    scores = {name: _scores(scorer, pairs, Path(root), keep, options) for name, scorer in scorers.items()}
    scored = np.all([np.isfinite(found) for found in scores.values()], axis=0)
    held = pairs.within(scored)
    plain = held.select(~held.tied)
    if not len(plain):
        learned_from = f"{(~keep).sum()} of the {len(keep)} photos were learned from by a model"
        raise InputError(
            f"no vote is left that says which photo is better; {learned_from}",
            path=pairs.source,
            cure="give votes on other photos, or take these all the same",
            options=("all_references=True",),
        )
    group = content_groups([Path(root) / photo for photo in pairs.photos], workers=options.workers)
    of_model = {name: right(found, plain.better, plain.worse) for name, found in scores.items()}
    first = next(iter(of_model.values()))
    rows = []
    for name, values in of_model.items():
        share = _mean(values, plain, group)
        gain = None if values is first else _facts(_mean(values - first, plain, group))
        rows.append({"model": name, "folder": models[name], "right": _facts(share), "gain": gain})
    agreement = Agreement.of(held.shares()[0])
    found = {
        "votes": held.votes,
        "ties": held.select(held.tied).votes,
        "photos": int(scored.sum()),
        "left_out": {"learned_from": int((~keep).sum()), "not_scored": int((keep & ~scored).sum())},
        "models": rows,
        "agreement": agreement.facts() | {"text": agreement.text()},
        "command": options.command,
    }
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(Path(out) / SUMMARY, (text + "\n").encode())
    return found


def _scores(scorer: Scorer, pairs: Pairs, root: Path, keep: np.ndarray, options: EvaluationOptions) -> np.ndarray:
    """(N,) of the photos; NaN of those that are not asked for, or have none."""
    found = np.full(len(pairs.photos), np.nan)
    places = np.flatnonzero(keep)
    files = [root / pairs.photos[place] for place in places]
    results = scorer.score_files(files, options.view, icc=options.icc, workers=options.workers)
    for place, result in zip(places, results, strict=True):
        if not isinstance(result, InputError):
            found[place] = result.value
        elif options.strict:
            raise result
        else:
            print(f"warning: left out: {result}", file=sys.stderr)
    return found


def _mean(values: np.ndarray, pairs: Pairs, group: Sequence[str]) -> Mean:
    return mean_over_pairs(values, pairs.better, pairs.worse, pairs.weight, group)


def _facts(mean: Mean) -> dict[str, Any]:
    return asdict(mean) | {"interval": list(mean.interval)}


def pairs_as_text(found: Mapping[str, Any]) -> str:
    """What `evaluate_pairs` found, as a table and lines below it."""
    rows: list[tuple[str, ...]] = [("model", "votes it has right", "95 %", "more than the first", "95 %")]
    for row in found["models"]:
        gain = row["gain"]
        low, high = (min(max(bound, 0), 1) for bound in row["right"]["interval"])
        more = ("", "") if gain is None else (_points(gain["value"]), " to ".join(map(_points, gain["interval"])))
        rows.append((row["model"], f"{row['right']['value']:.1%}", f"{low:.1%} to {high:.1%}", *more))
    rows = rows if len(rows) > 2 else [row[:3] for row in rows]
    ties = f", {found['ties']} of them ties, which are left aside" if found["ties"] else ""
    lines = [
        text_table(rows, "<><><"[: len(rows[0])]),
        "",
        f"{found['votes']} votes on {found['photos']} photos{ties}.",
    ]
    if out := found["left_out"]["learned_from"]:
        lines.append(f"{out} photos that a model learned from are left out (--all-references keeps them).")
    lines.append(found["agreement"]["text"])
    return "\n".join(lines)


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
