"""The report of an evaluation: tables, plots and one page, made from scores.csv and summary.json alone."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rankiqa.errors import InputError
from rankiqa.metrics import linear_fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE = "report_template.html.j2"
PRISTINE = "pristine"
WORST = 8
TABLE = {  # heading → (key of a table row, decimals); shares are handled apart
    "n": ("n", 0),
    "SROCC": ("srocc", 3),
    "LCC": ("lcc", 3),
    "KROCC": ("krocc", 3),
    "RMSE": ("rmse", 3),
    "SROCC of median": ("srocc_median", 3),
}
SHARES = {"ordered, same photo": "within", "ordered, other photos": "across"}
PALETTE = (  # Okabe and Ito's, told apart by colour-blind readers too; yellow is left out: too pale on white
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#333333",
)
MARKERS = "osv^Dx"
GOLDEN = (5**0.5 - 1) / 2  # its multiples modulo 1 are spread evenly, and the same each time


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Draw the plots and write report.html, from `folder`/scores.csv and `folder`/summary.json.

    Writes scatter.png, levels.png (of ranked sets only) and report.html, which holds all it needs and opens
    without a network. Returns the path of the page. `InputError` names a missing or damaged file.
    """
    from rankiqa.images import write_atomically

    folder = Path(folder)
    scores, summary = read_results(folder)
    plots = {"scatter.png": draw_scatter(scores)}
    if scores["level"].notna().all():
        plots["levels.png"] = draw_levels(scores)
    data = {name: _png(figure) for name, figure in plots.items()}
    for name, png in data.items():
        write_atomically(folder / name, png)
    if "levels.png" not in data:  # of an earlier report in this folder
        (folder / "levels.png").unlink(missing_ok=True)
    images = {name: "data:image/png;base64," + base64.b64encode(png).decode() for name, png in data.items()}
    page = folder / "report.html"
    write_atomically(page, render(scores, summary, images).encode())
    return page


def read_results(folder: Path) -> tuple[pd.DataFrame, dict]:
    """scores.csv, names as text even where they look like numbers, and summary.json."""
    text = {"path": str, "reference": str, "distortion": str}
    try:
        scores = pd.read_csv(
            folder / "scores.csv",
            dtype={**text, "level": "Int64"},
            na_values={key: [""] for key in ("level", "score", "median", "std")},
            keep_default_na=False,
        )
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        summary["tables"], scores["truth"], scores["score"]
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file; eval_all writes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: scores.csv or summary.json is damaged ({error}); run eval_all again") from error
    return scores, summary


def table_cells(tables: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text of `rankiqa.evaluation.measure`'s numbers; what is NaN or null is "–"."""
    shares = {heading: key for heading, key in SHARES.items() if f"{key}_pairs" in tables[-1]}
    rows = []
    for row in tables:
        cells = [row["type"], *(_number(row[key], digits) for key, digits in TABLE.values())]
        for key in shares.values():
            pairs = row[f"{key}_pairs"]
            cells.append(f"{100 * row[f'{key}_ordered'] / pairs:.1f} %" if pairs else "–")
        rows.append(cells)
    return ["type", *TABLE, *shares], rows


def as_text(tables: list[dict]) -> str:
    """The numbers as an aligned table, and a line for each type whose numbers cannot be computed."""
    short = {
        "SROCC of median": "median",
        "ordered, same photo": "same photo",
        "ordered, other photos": "others",
    }
    headings, rows = table_cells(tables)
    lines = [[short.get(heading, heading) for heading in headings], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
    text += [f"{row['type']}: no correlation: {row['reason']}" for row in tables if row["reason"]]
    return "\n".join(text)


def worst_placed(scores: pd.DataFrame, count: int = WORST) -> list[dict]:
    """The images whose truth is farthest from the least-squares line through all scores, farthest first.

    Each has path, distortion, level, score, truth, `fitted` (what the line makes of the score, in the
    truth's unit) and `difference` = fitted − truth: positive where the score is too good. Empty where there
    is no line.
    """
    fitted = linear_fit(scores["score"], scores["truth"])
    if not np.isfinite(fitted).all():
        return []
    table = scores.assign(fitted=fitted, difference=fitted - scores["truth"])
    # a stable sort: the order of equal differences is that of the file
    order = np.argsort(-table["difference"].abs().to_numpy(), kind="stable")[:count]
    return table.iloc[order].to_dict("records")


def render(scores: pd.DataFrame, summary: dict, images: dict[str, str]) -> str:
    """The page; `images` maps the name of each plot to its data: address."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    headings, rows = table_cells(summary["tables"])
    return environment.get_template(TEMPLATE).render(
        summary=summary,
        total=summary["tables"][-1],
        headings=headings,
        rows=list(zip(rows, summary["tables"], strict=True)),
        worst=worst_placed(scores),
        images=images,
        number=_number,
    )


def draw_scatter(scores: pd.DataFrame) -> Figure:
    """Score against truth, one colour and mark a type; in a ranked set the types stand beside each other."""
    figure, axes = _figure(7.2, 4.6)
    kinds = list(dict.fromkeys(scores["distortion"]))
    kinds.sort(key=lambda kind: kind == PRISTINE)  # last: drawn on top, in grey
    ranked = scores["level"].notna().all()
    distorted = [kind for kind in kinds if kind != PRISTINE]
    size = float(np.clip(6000 / max(len(scores), 1), 4, 22))
    for k, kind in enumerate(kinds):
        of = scores[scores["distortion"] == kind]
        x = of["truth"].to_numpy(float)
        if ranked:  # levels are integers: a strip for each type, and a width for it, lest points hide each other
            strip = 0.7 / max(1, len(distorted))
            if kind != PRISTINE:
                x = x + strip * (k + 0.5) - 0.35
            x = x + 0.6 * strip * (np.arange(len(x)) * GOLDEN % 1 - 0.5)
        style = {"color": "#888888", "marker": "o"}
        if kind != PRISTINE:
            marker = MARKERS[k // len(PALETTE) % len(MARKERS)]
            style = {"color": PALETTE[k % len(PALETTE)], "marker": marker}
        axes.scatter(
            x,
            of["score"],
            s=size,
            alpha=0.65,
            linewidths=0.6,
            label=kind or None,
            **({"edgecolors": "none"} if style["marker"] != "x" else {}),
            **style,
        )
    truth = "truth = −level (0: pristine)" if ranked else "truth: human score, higher is better"
    axes.set_xlabel(truth, fontsize=9)
    axes.set_ylabel("score, higher is better", fontsize=9)
    if ranked:
        axes.set_xticks(sorted(scores["truth"].unique()))
    if any(kinds):
        axes.legend(
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            ncols=1 + (len(kinds) - 1) // 16,
            frameon=False,
            fontsize=8,
            markerscale=1.4,
            handletextpad=0.2,
        )
    return figure


def draw_levels(scores: pd.DataFrame) -> Figure:
    """Histogram of the scores per level, one panel a type, one colour a level (the paper's experiment 1)."""
    from matplotlib import colormaps

    kinds = [kind for kind in dict.fromkeys(scores["distortion"]) if kind != PRISTINE]
    levels = sorted(int(level) for level in scores["level"].unique())
    columns = next(c for most, c in ((1, 1), (4, 2), (9, 3), (np.inf, 4)) if len(kinds) <= most)
    lines = max(1, -(-len(kinds) // columns))
    figure, axes = _figure(7.2 + 0.8 * (columns > 3), 0.7 + (1.9 if columns > 1 else 3) * lines, lines, columns)
    # from the pristine blue to the worst red, through shades that print apart
    colours = {k: colormaps["turbo"](0.08 + 0.84 * i / max(1, len(levels) - 1)) for i, k in enumerate(levels)}
    scores = scores[np.isfinite(scores["score"])]
    flat = np.atleast_1d(axes).reshape(-1)
    for panel, kind in zip(flat, kinds, strict=False):
        of = scores["distortion"] == kind
        of |= (scores["distortion"] == PRISTINE) & scores["reference"].isin(scores.loc[of, "reference"])
        bins = _bins(scores.loc[of, "score"].to_numpy())
        for level in levels:
            values = scores.loc[of & (scores["level"] == level), "score"]
            panel.hist(values, bins=bins, color=colours[level], alpha=0.28)
            panel.hist(values, bins=bins, color=colours[level], histtype="step", linewidth=1.1)
        panel.set_title(kind, fontsize=9)
        panel.yaxis.get_major_locator().set_params(integer=True)
    for panel in flat[len(kinds) :]:
        panel.set_visible(False)
    figure.supxlabel("score, higher is better", fontsize=9)
    figure.supylabel("images", fontsize=9)
    from matplotlib.patches import Patch

    figure.legend(
        handles=[Patch(color=colours[k], alpha=0.75, label="0 pristine" if k == 0 else str(k)) for k in levels],
        title="level",
        loc="outside right center",
        frameon=False,
        fontsize=8,
        title_fontsize=8,
    )
    return figure


def _bins(values: np.ndarray) -> np.ndarray:
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    size = max(abs(low), abs(high)) or 1.0
    if high - low < 1e-6 * size:  # (nearly) the same everywhere
        low, high = low - 0.5 * size, high + 0.5 * size
    return np.linspace(low, high, int(np.clip(1.5 * np.sqrt(len(values)), 15, 50)) + 1)


def _figure(width: float, height: float, rows: int = 1, columns: int = 1):
    # the object-oriented interface: no global state, no display, safe beside the user's own figures
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    axes = figure.subplots(rows, columns)
    for panel in np.atleast_1d(axes).reshape(-1):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#e4e4e4", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=8)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _number(value: float | None, digits: int = 3) -> str:
    """Fixed decimals with a true minus sign; large values lose decimals, not digits; "–" for none."""
    if value is None or not np.isfinite(value):
        return "–"
    if digits and value and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits}g}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")
