"""Score many images and measure how far the scores agree with ranks or with people."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from rankiqa.errors import InputError, explain_os_error
from rankiqa.metrics import agreement, ordered_across, ordered_within, srocc
from rankiqa.scoring import PATCHES, pick_device, score_files

if TYPE_CHECKING:
    from rankiqa.ranked_set import RankedSet

PRISTINE = "pristine"
COLUMNS = ("path", "reference", "distortion", "level", "truth", "score", "median", "std", "patches")
VERSIONS = ("torch", "torchvision", "numpy", "scipy", "pandas", "pillow", "opencv-python", "matplotlib")


def ranked_items(ranks: RankedSet) -> pd.DataFrame:
    """The images of a ranked set, pristine ones included, each once.

    Columns path (in the folder), file, reference, distortion, level, and truth = −level: higher is better.
    """
    table = ranks.table.reset_index(drop=True)
    rows = zip(table["reference"], table["distortion"], table["level"], strict=True)
    files = [ranks.row_path(*row) for row in rows]
    return pd.DataFrame(
        {
            "path": table["path"],
            "file": files,
            "reference": table["reference"],
            "distortion": table["distortion"],
            "level": table["level"].astype("Int64"),
            "truth": -table["level"].astype("float64") + 0.0,  # + 0: no minus zero
        }
    )


def score_items(
    model: nn.Module, items: pd.DataFrame, strict: bool = False, progress: bool = False, **options
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Score the files of `items`: a table with `COLUMNS`, and path and reason of each image left out.

    `options` are those of `rankiqa.scoring.score_files`. An image that cannot be scored is left out with a
    warning on stderr; with `strict` it is an `InputError`. So it is when no image can be scored.
    """
    from tqdm import tqdm

    results = score_files(model, list(items["file"]), **options)
    # a log file gets a line now and then in place of a moving bar
    interval = 0.1 if sys.stderr.isatty() else 30
    numbers, skipped = [], []
    bar = tqdm(
        zip(items["path"], results, strict=True),
        total=len(items),
        desc="scoring",
        unit="image",
        mininterval=interval,
        disable=not progress,
    )
    for path, result in bar:
        if isinstance(result, InputError):
            if strict:
                raise result
            bar.write(f"warning: left out: {result}", file=sys.stderr)
            skipped.append({"path": path, "reason": str(result)})
            numbers.append([math.nan] * 3 + [0])
        else:
            numbers.append([result.mean, result.median, result.std, len(result.scores)])
    if len(skipped) == len(items):
        more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
        raise InputError(f"no image could be scored: {skipped[0]['reason']}{more}" if skipped else "no images")
    scored = pd.DataFrame(numbers, columns=["score", "median", "std", "patches"], index=items.index)
    table = pd.concat([items, scored], axis=1)[list(COLUMNS)]
    return table[table["patches"] > 0].reset_index(drop=True), skipped


def measure(scores: pd.DataFrame) -> list[dict]:
    """One row of numbers for each type of distortion, then one for ALL.

    `scores` has `COLUMNS`. A row holds type, the numbers of `rankiqa.metrics.agreement` between score and
    truth, `srocc_median` (of the median over the crops in place of the mean) and, where there are levels,
    `within_ordered` of `within_pairs` pairs of one photo and one type, and `across_ordered` of
    `across_pairs` pairs of different photos and one type. A pristine image is level 0 of each type that its
    photo has; in ALL it counts once for the correlations. The pairs of ALL are the sum over the types.
    """
    pristine = scores["distortion"] == PRISTINE
    rows = []
    for kind in dict.fromkeys(scores.loc[~pristine, "distortion"]):
        if not kind:  # a label file without types
            continue
        of = scores["distortion"] == kind
        of |= pristine & scores["reference"].isin(scores.loc[of, "reference"])
        rows.append({"type": kind, **_numbers(scores[of])})
        if scores["level"].notna().all():
            rows[-1].update(_pairs(scores[of]))
    every = {"type": "ALL", **_numbers(scores)}
    for key in ("within_ordered", "within_pairs", "across_ordered", "across_pairs"):
        if rows and all(key in row for row in rows):
            every[key] = sum(row[key] for row in rows)
    return [*rows, every]


def _numbers(scores: pd.DataFrame) -> dict:
    numbers = agreement(scores["score"], scores["truth"])
    reason = numbers.pop("reason")
    return {**numbers, "srocc_median": srocc(scores["median"], scores["truth"]), "reason": reason}


def _pairs(scores: pd.DataFrame) -> dict[str, int]:
    arrays = (scores[key].to_numpy() for key in ("score", "level", "reference"))
    values = [np.asarray(a, dtype=t) for a, t in zip(arrays, (float, int, str), strict=True)]
    within, across = ordered_within(*values), ordered_across(*values)
    return {
        "within_ordered": within[0],
        "within_pairs": within[1],
        "across_ordered": across[0],
        "across_pairs": across[1],
    }


def leave_out_training(ranks: RankedSet, config: Mapping[str, Any]) -> tuple[RankedSet, list[str], list[str]]:
    """The part of `ranks` that a model was not trained on, the references left out, and those to doubt.

    `config` is the model's. Its training_photos (SHA-256 of the pixels → name) tell a photo whatever kind of file it is
    in. An older model has training_references (SHA-256 of the pristine file → name), which miss a photo that was
    stored anew. In doubt is a reference that only has the name of a training photo: another picture of that name,
    the same at another size or, with an older model, the same in another file. A pristine photo that cannot be read is
    told by its name only.
    """
    from rankiqa.ranked_set import Photo, read_photos

    photos, files = config.get("training_photos") or {}, config.get("training_references") or {}
    known = set()
    if photos:
        found = read_photos(ranks.pristine_paths)
        known = {name for name, photo in found.items() if isinstance(photo, Photo) and photo.sha256 in photos}
    out = [name for name in ranks.references if name in known or ranks.pristine_sha256(name) in files]
    rest = [name for name in ranks.references if name not in set(out)]
    doubt = [name for name in rest if name in {*photos.values(), *files.values()}]
    return (ranks.select(rest) if out and rest else ranks), out, doubt


def evaluate(
    model_folder: str | Path,
    out: str | Path,
    *,
    ranks: str | Path | None = None,
    labels: str | Path | None = None,
    images: str | Path | None = None,
    label_options: dict | None = None,
    all_references: bool = False,
    patches: int = PATCHES,
    mode: str = "random",
    seed: int = 0,
    small: str = "error",
    convert: bool = False,
    strict: bool = False,
    device: str = "auto",
    workers: int = 2,
    progress: bool = False,
    command: str = "",
) -> dict:
    """Evaluate a model on a ranked set or on human scores, and write the report.

    Args:
        model_folder: what `rankiqa.models.load_model` reads.
        out: folder for scores.csv, summary.json, report.html and the plots; older ones are replaced.
        ranks: folder of a ranked set; truth is −level. Photos that the model was trained on are left out
            unless `all_references`.
        labels, images: in place of `ranks`, a CSV of human scores and its folder; `label_options` are
            the further arguments of `rankiqa.datasets.csv.read_labels`.
        patches, mode, seed, small, convert, workers: of `rankiqa.scoring.score_files`.
        strict: an image that cannot be scored is an error, not a warning.
        device: auto, cpu, cuda or cuda:N.
        progress: show a bar and what is left out on stderr.
        command: the command line, for the summary.

    Returns:
        The summary, as written to summary.json.

    Raises:
        InputError: of the inputs; nothing left to score; `out` cannot be written to (found before the work).
    """
    from rankiqa.images import write_atomically
    from rankiqa.models import load_model
    from rankiqa.report import write_report

    start = time.perf_counter()
    if (ranks is None) == (labels is None) or (labels is None) != (images is None):
        raise InputError("give a ranked set, or a label file together with its folder of images")
    place = pick_device(device)
    out = Path(out)
    _check_writable(out)
    model, config = load_model(model_folder, device=place)
    knows = any(config.get(key) is not None for key in ("training_photos", "training_references"))
    left_out: list[str] = []
    doubt: list[str] = []
    if ranks is not None:
        items, left_out, doubt = _held_out(ranks, model_folder, config, all_references)
        data = {"ranks": str(ranks), "manifest_sha256": _sha256(Path(ranks) / "manifest.csv")}
    else:
        from rankiqa.datasets.csv import read_labels

        items = read_labels(labels, images, **(label_options or {}))
        data = {"labels": str(labels), "images": str(images), "labels_sha256": _sha256(Path(labels))}
    if progress:
        _tell_left_out(left_out, doubt, ranks is not None and not knows)
    scores, skipped = score_items(
        model,
        items,
        strict=strict,
        progress=progress,
        patches=patches,
        mode=mode,
        seed=seed,
        small=small,
        device=place,
        convert=convert,
        workers=workers,
    )
    summary = {
        "command": command,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - start, 1),
        "model": {
            "folder": str(model_folder),
            "architecture": (config.get("architecture") or {}).get("name"),
            "crop": model.crop,
            "sha256": config.get("weights_sha256"),
            "score_range": config.get("score_range"),
        },
        "data": {"kind": "ranks" if ranks is not None else "labels", **data},
        "patches": patches,
        "mode": mode,
        "seed": seed,
        "small": small,
        "convert": convert,
        "device": _describe(place),
        "images": len(scores),
        "skipped": {"count": len(skipped), "images": skipped},
        "training_references": {
            "known": knows,
            "left_out": len(left_out),
            "same_name": doubt,
            "all_references": all_references,
        },
        "commit": _commit(),
        "versions": _versions(),
        "tables": measure(scores),
    }
    summary = _valid_json(summary)
    write_atomically(out / "scores.csv", scores.to_csv(index=False, lineterminator="\n").encode())
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(out / "summary.json", (text + "\n").encode())
    write_report(out)
    return summary


def _held_out(
    folder: str | Path, model_folder: str | Path, config: dict, all_references: bool
) -> tuple[pd.DataFrame, list[str], list[str]]:
    from rankiqa.ranked_set import RankedSet

    ranks = RankedSet.read(folder)
    if all_references:
        return ranked_items(ranks), [], []
    held_out, left_out, doubt = leave_out_training(ranks, config)
    if len(left_out) == len(ranks.references):
        raise InputError(
            f"{folder}: {model_folder} was trained on all of its {len(left_out)} photos; make a ranked "
            "set from other photos (data_gen/make_ranks.py), or score them all the same with --all-references"
        )
    return ranked_items(held_out), left_out, doubt


def _tell_left_out(left_out: list[str], doubt: list[str], unknown: bool) -> None:
    if left_out:
        count = f"left out {len(left_out)} photos that the model was trained on"
        print(f"{count} (--all-references keeps them)", flush=True)
    if doubt:
        print(
            f"warning: {len(doubt)} photos bear the name of a training photo but are other files, "
            f"the first is {doubt[0]}; if they are the same pictures the numbers are too good",
            file=sys.stderr,
        )
    if unknown:
        print("warning: the model does not say what it was trained on; no photo is left out", file=sys.stderr)


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise explain_os_error(error, out) from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _describe(device) -> str:
    if device.type == "cuda":
        import torch

        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.processor() or platform.machine()})"


def _commit() -> str | None:
    """The commit of this source, with + when files differ from it; None where it is not a checkout."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    try:
        run = [
            subprocess.run(["git", "-C", here, *words], capture_output=True, text=True, timeout=20, check=True)
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return run[0].stdout.strip() + ("+" if run[1].stdout.strip() else "")


def _versions() -> dict[str, str]:
    import rankiqa

    found = {"rankiqa": rankiqa.__version__, "python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _valid_json(value):
    """`value` with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _valid_json(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_valid_json(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
