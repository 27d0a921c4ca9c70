"""Several models on several data sets, side by side: from the results of each pair to one page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rankiqa.errors import InputError
from rankiqa.evaluation_items import REPEAT, Source, default_splits, make_plan
from rankiqa.evaluation_tables import ALL
from rankiqa.intervals import paired_difference
from rankiqa.report import environment, number, read_results

TEMPLATE = "comparison_template.html.j2"
NUMBERS = ("srocc", "krocc", "lcc", "lcc_fitted", "rmse_fitted", "lcc_fitted5", "rmse_fitted5", "srocc_median")


@dataclass(frozen=True)
class Pair:
    """The results of one model on one data set, as its folder has them."""

    model: str
    dataset: str
    folder: Path
    scores: pd.DataFrame
    summary: dict

    @property
    def tables(self) -> list[dict]:
        return self.summary["tables"]


def names_of(models: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """What tables call the models: `names`, or the last part of each folder. `InputError` for two of one name."""
    if names is not None and len(names) != len(models):
        raise InputError(f"--names has {len(names)} names for {len(models)} models; give one each")
    found = list(names or (Path(model).resolve().name for model in models))
    for k, name in enumerate(found):
        if name in found[:k]:
            raise InputError(f"two models are called {name}; tell them apart with --names")
    return found


def folder_name(name: str) -> str:
    """A name as a part of a path."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("._") or "model"


def evaluate_all(
    models: Sequence[str],
    sources: Sequence[Source],
    out: str | Path,
    *,
    names: Sequence[str] | None = None,
    device: str = "auto",
    split_seed: int = 0,
    repeats: int | None = None,
    test_fraction: float = 0.2,
    all_references: bool = False,
    command: str = "",
    **options,
) -> list[Pair]:
    """Evaluate every model on every source, and compare them.

    A pair's report is in `out`/MODEL/DATASET; the comparison, from these results alone, in `out`. Whatever is wrong
    with a model, a split or a folder is found before the first image is scored. One model on one source: its report is
    in `out` itself, and there is nothing to compare.

    Args:
        models: folders, as `rankiqa.evaluation.evaluate` takes them.
        sources: of `rankiqa.evaluation_items.open_source`, with different labels.
        names: what tables call the models; None: the last part of their folders.
        options: further arguments of `rankiqa.evaluation.carry_out`.
    """
    from rankiqa.evaluation import carry_out, check_writable
    from rankiqa.models import load_model
    from rankiqa.scoring import pick_device

    out, place, names = Path(out), pick_device(device), names_of(models, names)
    labels = [source.label for source in sources]
    for k, label in enumerate(labels):
        if label in labels[:k]:
            raise InputError(f"two data sets are called {label}; evaluate them one after the other")
    check_writable(out)
    several = len(models) * len(sources) > 1
    configs = {}

    def load(folder: str) -> Mapping:
        if folder not in configs:
            configs[folder] = load_model(folder)[1]
        return configs[folder]

    plans = []
    for source in sources:
        plain = [(model, load(model)) for model in models if REPEAT not in model]
        if source.dataset is not None and source.split is None and len(models) > 1 and plain:
            # One test part for all: that of the model which was fine-tuned on this very set.
            object.__setattr__(source, "split", default_splits(plain, source))
        for name, model in zip(names, models, strict=True):
            folder = out / folder_name(name) / folder_name(source.label) if several else out
            keys = {"split_seed": split_seed, "repeats": repeats, "test_fraction": test_fraction}
            plan = make_plan(model, source, load, **keys, all_references=all_references)
            plans.append((name, source.label, folder, plan))
    folders = [folder for _, _, folder, _ in plans]
    if len(set(folders)) < len(folders):
        raise InputError("two names differ in signs that a folder cannot have; give other --names")
    for name, label, folder, plan in plans:
        check_writable(folder)
        if several and options.get("progress"):
            print(f"{name} on {label}:", flush=True)
        carry_out(plan, folder, name=name, command=command, device=place, **options)
    pairs = [Pair(name, label, folder, *read_results(folder)) for name, label, folder, _ in plans]
    if several:
        write_comparison(pairs, out, command, options.get("seed", 0), options.get("bootstrap", 0))
    return pairs


def differences(pairs: Sequence[Pair], seed: int, repeats: int) -> list[dict]:
    """Of each data set, the SROCC of every further model less that of the first, on the images that both scored.

    Rows: dataset, first, second, n, difference, low and high (95 %, the same resamples of groups for both), above_zero
    (share of the resamples where the second is better), reason.
    """
    rows = []
    for label in dict.fromkeys(pair.dataset for pair in pairs):
        of = [pair for pair in pairs if pair.dataset == label and "repeat" not in pair.scores]
        for second in of[1:]:
            both = of[0].scores.merge(second.scores[["path", "score"]], on="path", suffixes=("", "_second"))
            group = both["group"].astype(str).to_numpy() if "group" in both else None
            if repeats < 1 or both.empty:
                continue
            found = paired_difference(
                both["score_second"].to_numpy(),
                both["score"].to_numpy(),
                both["truth"].to_numpy(),
                group,
                repeats,
                seed,
            )
            numbers = {key: getattr(found, key) for key in ("difference", "low", "high", "above_zero", "reason")}
            rows.append({"dataset": label, "first": of[0].model, "second": second.model, "n": len(both), **numbers})
    return rows


def rows_of(pairs: Sequence[Pair]) -> pd.DataFrame:
    """A row a model, data set and type: model, dataset, type, n, `NUMBERS`, and the ends of the intervals."""
    rows = []
    for pair in pairs:
        for table in pair.tables:
            row = {"model": pair.model, "dataset": pair.dataset, "type": table["type"], "n": table["n"]}
            row |= {key: table.get(key) for key in NUMBERS}
            for key, (low, high) in (table.get("intervals") or {}).items():
                row |= {f"{key}_low": low, f"{key}_high": high}
            rows.append(row | {"reason": table["reason"]})
    return pd.DataFrame(rows)


def write_comparison(pairs: Sequence[Pair], out: Path, command: str, seed: int, bootstrap: int) -> Path:
    """comparison.csv, comparison.json and comparison.html, which opens without a network."""
    from rankiqa.evaluation import valid_json
    from rankiqa.images import write_atomically

    rows, found = rows_of(pairs), differences(pairs, seed, bootstrap)
    write_atomically(out / "comparison.csv", rows.to_csv(index=False, lineterminator="\n").encode())
    records = json.loads(rows.to_json(orient="records"))
    summary = valid_json({"command": command, "rows": records, "differences": found})
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(out / "comparison.json", (text + "\n").encode())
    page = (
        environment()
        .get_template(TEMPLATE)
        .render(
            command=command,
            models=list(dict.fromkeys(pair.model for pair in pairs)),
            datasets=list(dict.fromkeys(pair.dataset for pair in pairs)),
            pairs={(pair.model, pair.dataset): pair for pair in pairs},
            links={
                (pair.model, pair.dataset): (pair.folder / "report.html").relative_to(out).as_posix() for pair in pairs
            },
            total={(pair.model, pair.dataset): pair.tables[-1] for pair in pairs},
            types=_types(pairs),
            differences=found,
            number=number,
        )
    )
    write_atomically(out / "comparison.html", page.encode())
    return out / "comparison.html"


def _types(pairs: Sequence[Pair]) -> dict[str, list[dict]]:
    """Data set → a row a type: its name, and each model's row of numbers (or none)."""
    found = {}
    for label in dict.fromkeys(pair.dataset for pair in pairs):
        of = [pair for pair in pairs if pair.dataset == label]
        by_model = {pair.model: {row["type"]: row for row in pair.tables} for pair in of}
        kinds = dict.fromkeys(row["type"] for pair in of for row in pair.tables)
        names = of[0].summary["data"].get("type_names") or {}
        found[label] = [
            {
                "name": f"{kind} {names[kind]}" if kind in names else kind,
                "all": kind == ALL,
                "rows": {model: rows.get(kind) for model, rows in by_model.items()},
            }
            for kind in kinds
        ]
    return found


def as_text(pairs: Sequence[Pair], found: Sequence[dict]) -> str:
    """SROCC and fitted LCC of ALL, a line a model and data set, and the differences."""
    width = max(len(pair.model) for pair in pairs)
    lines = []
    for pair in pairs:
        row = pair.tables[-1]
        low, high = (row.get("intervals") or {}).get("srocc", (None, None))
        between = f" [{number(low)}, {number(high)}]" if low is not None else ""
        lines.append(
            f"{pair.model:{width}s}  {pair.dataset}: SROCC {number(row['srocc'])}{between}, LCC {number(row['lcc'])}, "
            f"after the logistic {number(row['lcc_fitted'])}{'  ' + row['reason'] if row['reason'] else ''}"
        )
    for row in found:
        lines.append(
            f"{row['dataset']}: SROCC of {row['second']} less that of {row['first']}: {number(row['difference'])} "
            f"[{number(row['low'])}, {number(row['high'])}]"
        )
    return "\n".join(lines)
