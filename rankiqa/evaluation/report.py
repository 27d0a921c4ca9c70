"""The report of an evaluation: tables, plots and one page, made from scores.csv and summary.json alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rankiqa.errors import InputError
from rankiqa.evaluation.items import SHARE_COLUMNS, VOTED
from rankiqa.evaluation.plots import draw_levels, draw_scatter, draw_types, name_of, png_of
from rankiqa.evaluation.tables import ALL, OVER, is_ranked
from rankiqa.evaluation.worst_images import worst_placed
from rankiqa.images.crops import FULL, LEAST_SIDE, MOST_SIDE, WHOLE
from rankiqa.metrics.logistic import logistic_fit
from rankiqa.pages import data_address, environment
from rankiqa.text_table import text_table

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE = "report.html.j2"
# (group, heading, key of a table row, decimals); shares are handled apart
RANKED = (
    ("", "n", "n", 0),
    ("", "SROCC", "srocc", 3),
    ("", "LCC", "lcc", 3),
    ("", "KROCC", "krocc", 3),
    ("", "RMSE", "rmse", 3),
    ("", "SROCC of median", "srocc_median", 3),
)
HUMAN = (
    ("", "n", "n", 0),
    ("as scored", "SROCC", "srocc", 3),
    ("as scored", "KROCC", "krocc", 3),
    ("as scored", "LCC", "lcc", 3),
    ("4-parameter logistic", "LCC", "lcc_fitted", 3),
    ("4-parameter logistic", "RMSE", "rmse_fitted", 3),
    ("5-parameter logistic", "LCC", "lcc_fitted5", 3),
    ("5-parameter logistic", "RMSE", "rmse_fitted5", 3),
    ("median of crops", "SROCC", "srocc_median", 3),
    ("median of crops", "LCC", "lcc_median", 3),
)
SPLITS = dict(zip(OVER, ("SROCC", "KROCC", "LCC", "LCC, logistic fit", "RMSE, logistic fit"), strict=True))
SHARES = {"ordered, same photo": "within", "ordered, other photos": "across"}
SHORT = {"SROCC of median": "median", "ordered, same photo": "same photo", "ordered, other photos": "others"}
# (group, heading, key) of `rankiqa.metrics.votes.vote_numbers`
VOTES = (
    ("", "accuracy", "accuracy"),
    ("mean", "SROCC", "srocc"),
    ("mean", "LCC", "lcc"),
    ("standard deviation", "SROCC", "srocc_std"),
    ("standard deviation", "LCC", "lcc_std"),
    ("", "EMD", "emd"),
)
PLOTS = ("scatter.png", "levels.png", "types.png")


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Draw the plots and write report.html, from `folder`/scores.csv and `folder`/summary.json.

    Writes scatter.png, levels.png (of ranked sets only), types.png (of human scores with several types, or with
    published values) and report.html, which holds all it needs and opens without a network. Returns the path of the
    page. `InputError` names a missing or damaged file.
    """
    from rankiqa.files import write_atomically

    folder = Path(folder)
    scores, summary = read_results(folder)
    data, published = summary["data"], _published(summary)
    names = data.get("type_names") or {}
    plots = {"scatter.png": draw_scatter(scores, data.get("higher_is_better", True), names)}
    if is_ranked(scores):
        plots["levels.png"] = draw_levels(scores)
    elif published or len(summary["tables"]) > 2:
        plots["types.png"] = draw_types(summary["tables"], published, names)
    pictures = {name: png_of(figure) for name, figure in plots.items()}
    for name, png in pictures.items():
        write_atomically(folder / name, png)
    for name in PLOTS:
        if name not in pictures:  # of an earlier report in this folder
            (folder / name).unlink(missing_ok=True)
    page = folder / "report.html"
    images = {name: data_address(png, "image/png") for name, png in pictures.items()}
    write_atomically(page, render(scores, summary, images, published).encode())
    return page


def read_results(folder: Path) -> tuple[pd.DataFrame, dict]:
    """scores.csv, names as text even where they look like numbers, and summary.json."""
    text = {"path": str, "reference": str, "group": str, "distortion": str}
    try:
        scores = pd.read_csv(
            folder / "scores.csv",
            dtype={**text, "level": "Int64"},
            na_values={key: [""] for key in ("level", "native", "score", "median", "std", *VOTED)},
            keep_default_na=False,
        )
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        summary["tables"], scores["truth"], scores["score"]
    except FileNotFoundError as error:
        raise InputError("no such file", path=error.filename, cure="an evaluation writes it") from error
    except (ValueError, KeyError, TypeError) as error:
        what = f"scores.csv or summary.json is damaged ({error})"
        raise InputError(what, path=folder, cure="evaluate again") from error
    return scores, summary


def columns_of(tables: Sequence[dict]) -> tuple[tuple[str, str, str, int], ...]:
    """The columns of a table: those of ranks where pairs were counted or there is no other, else of human scores."""
    return RANKED if "within_pairs" in tables[-1] else HUMAN


def table_cells(tables: Sequence[dict], names: Mapping[str, str] | None = None) -> list[list[tuple[str, str]]]:
    """Rows of (number, interval) as text; what is NaN or null is "–", where there is no interval it is empty."""
    rows = []
    for row in tables:
        cells = [(name_of(row["type"], names), "")]
        for *_, key, digits in columns_of(tables):
            low, high = (row.get("intervals") or {}).get(key, (None, None))
            known = low is not None and np.isfinite([low, high]).all()
            cells.append((number(row[key], digits), f"{number(low, 2)} to {number(high, 2)}" if known else ""))
        for key in _shares(tables).values():
            pairs = row[f"{key}_pairs"]
            cells.append((f"{100 * row[f'{key}_ordered'] / pairs:.1f} %" if pairs else "–", ""))
        rows.append(cells)
    return rows


def notes_of(row: dict) -> list[str]:
    """Why numbers of a row are missing."""
    if row["reason"]:
        return [row["reason"]]
    notes = []
    for key, what in (("fit_reason", "4-parameter logistic"), ("fit5_reason", "5-parameter logistic")):
        if row.get(key):
            notes.append(f"{what}: {row[key]}")
    if row.get("interval_reason"):
        notes.append(f"interval: {row['interval_reason']}")
    return notes


def as_text(tables: Sequence[dict], names: Mapping[str, str] | None = None) -> str:
    """The numbers as an aligned table, and a line for each type whose numbers cannot be computed."""
    columns = columns_of(tables)
    mark = {"as scored": "", "4-parameter logistic": " (4)", "5-parameter logistic": " (5)", "median of crops": " med."}
    headings = ["type", *(SHORT.get(title, title) + mark.get(group, "") for group, title, *_ in columns)]
    lines = [[*headings, *(SHORT[heading] for heading in _shares(tables))]]
    wide = any(interval for row in table_cells(tables) for _, interval in row)
    if wide:
        lines[0].insert(3, "95 %")
    for cells in table_cells(tables, names):
        line = [text for text, _ in cells]
        if wide:
            line.insert(3, cells[2][1] or "–")
        lines.append(line)
    text = [text_table(lines, "<" + ">" * (len(lines[0]) - 1))]
    for row in tables:
        text += [f"{row['type']}: {'no correlation: ' if row['reason'] else ''}{note}" for note in notes_of(row)]
    return "\n".join(text)


def votes_text(votes: Mapping) -> str:
    """The numbers of `rankiqa.metrics.votes.vote_numbers` in a few lines."""
    over = f"mean of {votes['splits']} splits" if "splits" in votes else f"{votes['n']} images"
    lines = [f"votes ({over}): accuracy at mean 5 {votes_number(votes, 'accuracy')}, EMD {number(votes['emd'])}"]
    for group, end, reason in (("mean", "", "reason"), ("standard deviation", "_std", "reason_std")):
        why = f": {votes[reason]}" if votes[reason] else ""
        lines.append(f"{group}: SROCC {number(votes['srocc' + end])}, LCC {number(votes['lcc' + end])}{why}")
    return "\n".join(lines)


def votes_number(votes: Mapping, key: str) -> str:
    """A number of votes as text: the accuracy in percent; "–" for none."""
    value = votes.get(key)
    return share(value) if key == "accuracy" else number(value)


def bin_name(row: Mapping) -> str:
    """What a bin of `rankiqa.metrics.close_pairs` is called.

    >>> bin_name({"from": 0.45, "to": 0.9})
    '0.45 to 0.9'
    """
    return f"above {row['from']:g}" if row["to"] is None else f"{row['from']:g} to {row['to']:g}"


def small_text(summary: Mapping[str, Any]) -> str:
    """What became of images smaller than the crop; "" where there were none."""
    count, crop = summary.get("small_images") or 0, summary["model"]["crop"]
    what = {"reflect": "mirrored at its borders", "resize": "enlarged"}.get(summary.get("small") or "", "")
    if not count or not what:
        return ""
    images = "1 image was" if count == 1 else f"{count} images were"
    than = f"{LEAST_SIDE} px" if summary["mode"] == FULL else f"the crop of {crop} px"
    return f"{images} smaller than {than}, and {what.replace('its', 'its' if count == 1 else 'their')}"


def view_text(summary: Mapping) -> str:
    """What the network was shown of an image."""
    mode, side = summary["mode"] or "random", summary["model"]["crop"]
    if mode == FULL:
        return f"the whole image in one pass, reduced where its longer side has more than {MOST_SIDE} pixels"
    if mode == "native":
        return "the whole image as it is"
    if mode == "resize":
        return f"the whole image, resized to {side}×{side} pixels whatever its shape"
    if mode == "dense":
        return f"all windows of {side}×{side} pixels, from one pass over the whole image (dense)"
    most = " at most" if mode == "grid" else ""
    return f"{summary['patches']} crops{most} of {side}×{side} pixels ({mode})"


def splits_cells(splits: dict) -> list[list[tuple[str, str]]]:
    """Rows of (mean ± standard deviation, median) as text, over several splits."""
    rows = []
    for row in splits["over"]:
        cells = [(row["type"], ""), (number(row["images"], 0), "")]
        for key in SPLITS:
            found = row[key]
            spread = f" ± {number(found['std'])}" if found["std"] is not None and np.isfinite(found["std"]) else ""
            missing = f"; {found['nan']} of {found['n'] + found['nan']} undefined" if found["nan"] else ""
            cells.append((number(found["mean"]) + spread, f"median {number(found['median'])}{missing}"))
        rows.append(cells)
    return rows


def report_environment() -> Environment:
    """The templates, with what turns numbers into text."""
    found = environment()
    found.globals |= {"number": number, "share": share, "bin_name": bin_name, "votes_number": votes_number}
    return found


def render(scores: pd.DataFrame, summary: dict, images: dict[str, str], published: Sequence = ()) -> str:
    """The page; `images` maps the name of each plot to its data: address."""
    tables, splits, data = summary["tables"], summary.get("splits"), summary["data"]
    names = data.get("type_names") or {}
    columns = columns_of(tables)
    groups = [(group, sum(g == group for g, *_ in columns)) for group in dict.fromkeys(g for g, *_ in columns)]
    rows = table_cells(tables, names)
    worst = summary.get("worst") if not is_ranked(scores) else None
    fit = None if is_ranked(scores) else logistic_fit(scores["score"], scores["truth"])
    return (
        report_environment()
        .get_template(TEMPLATE)
        .render(
            summary=summary,
            total=headline(tables, splits),
            ranked=data["kind"] == "ranks",
            sign=1 if data.get("higher_is_better", True) else -1,
            groups=groups if len(groups) > 1 else [],
            headings=["type", *(title for _, title, *_ in columns), *_shares(tables)],
            rows=[(cells, row, notes_of(row)) for cells, row in zip(rows, tables, strict=True)],
            splits=splits,
            split_rows=splits_cells(splits) if splits else [],
            split_headings=["type", "images", *SPLITS.values()],
            worst=worst_placed(scores) if worst is None else worst,
            fit=fit if fit is not None and np.isfinite(fit.parameters).all() else None,
            view=view_text(summary),
            small=small_text(summary),
            whole=summary["mode"] in WHOLE,
            voting=SHARE_COLUMNS[0] in scores,
            vote_columns=VOTES,
            published=_published_table(published),
            published_columns=_published_columns(published),
            images=images,
        )
    )


def number(value: float | None, digits: int = 3) -> str:
    """Fixed decimals with a true minus sign; large values lose decimals, not digits; "–" for none."""
    if value is None or not np.isfinite(value):
        return "–"
    if digits and (abs(value) >= 1e4 or (digits > 2 and 0 < abs(value) < 1e-3)):
        return f"{value:.{digits}g}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def share(value: float | None) -> str:
    """A share in percent with one decimal; "–" for none."""
    return f"{100 * value:.1f} %" if value is not None and np.isfinite(value) else "–"


def _shares(tables: Sequence[dict]) -> dict[str, str]:
    return {heading: key for heading, key in SHARES.items() if f"{key}_pairs" in tables[-1]}


def headline(tables: Sequence[dict], splits: dict | None) -> dict:
    """The row for all images; over several splits with the means."""
    if not splits:
        return tables[-1]
    return {**tables[-1], **{key: splits["over"][-1][key]["mean"] for key in OVER}}


def _published(summary: dict) -> list:
    """The published values for a data set: SROCC, then LCC, then those of votes."""
    from rankiqa.evaluation.published import METRICS, published

    name, metrics = summary["data"].get("dataset"), dict.fromkeys(("srocc", "lcc", *METRICS))
    return [row for metric in metrics for row in published(name, metric)] if name else []


def _published_columns(rows: Sequence) -> list[tuple[str, str]]:
    """Heading and metric: SROCC and LCC, or with numbers of votes all of them."""
    if not any(row.metric == "accuracy" for row in rows):
        return [("SROCC", "srocc"), ("LCC", "lcc")]
    return [(heading + " of std" * key.endswith("_std"), key) for _, heading, key in VOTES]


def _published_table(rows: Sequence) -> list[dict]:
    """Label, network, protocol, source and the values over all images, of each label."""
    found: dict[str, dict] = {}
    for row in rows:
        entry = found.setdefault(row.label, {"label": row.label, "network": row.network, "protocol": row.protocol})
        value = row.values.get(ALL)
        entry[row.metric] = votes_number({row.metric: value}, row.metric) + (" *" if ALL in row.from_memory else "")
        entry["source"] = row.source
        entry["memory"] = entry.get("memory", False) or bool(row.from_memory)
    return [{"srocc": "–", "lcc": "–", **entry} for entry in found.values()]
