"""summary.json: what was measured, of which model, on which data, by which command and versions."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rankiqa.errors import explain_os_error
from rankiqa.files import write_atomically


def write_results(out: Path, scores: pd.DataFrame, summary: Mapping[str, Any]) -> None:
    """Write scores.csv and summary.json into a folder."""
    write_atomically(out / "scores.csv", scores.to_csv(index=False, lineterminator="\n").encode())
    write_json(out / "summary.json", summary)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON with a space for each level; NaN and infinity are to be null already, see `valid_json`."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def trained_on(config: Mapping[str, Any]) -> str:
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


def check_writable(out: str | Path) -> None:
    """Make the folder; `InputError` where nothing can be written into it, which is better known before the work."""
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise explain_os_error(error, out) from error


def valid_json(value: Any) -> Any:
    """`value` with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: valid_json(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [valid_json(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
