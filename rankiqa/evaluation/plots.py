"""The plots of a report, and those of a comparison."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rankiqa.evaluation.tables import BARE, is_ranked
from rankiqa.extras import extra
from rankiqa.images.photos import PRISTINE
from rankiqa.metrics.logistic import logistic_fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rankiqa.evaluation.published import PublishedRow

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


def draw_scatter(
    scores: pd.DataFrame, higher_is_better: bool = True, type_names: Mapping[str, str] | None = None
) -> Figure:
    """Score and truth, one colour and mark a type.

    In a ranked set the types stand beside each other at each level. Human scores are shown as distributed, on an axis
    that points up to the better ones, with the fitted 4-parameter logistic.
    """
    ranked = is_ranked(scores)
    figure, axes = _figure(7.2, 4.6 if ranked else 5)
    kinds = list(dict.fromkeys(scores["distortion"]))
    kinds.sort(key=lambda kind: kind == PRISTINE)  # last: drawn on top, in grey
    distorted = [kind for kind in kinds if kind != PRISTINE]
    size = float(np.clip(6000 / max(len(scores), 1), 4, 22))
    sign = 1 if higher_is_better else -1
    for k, kind in enumerate(kinds):
        of = scores[scores["distortion"] == kind]
        style = {"color": "#888888", "marker": "o"}
        if kind != PRISTINE:
            marker = MARKERS[k // len(PALETTE) % len(MARKERS)]
            style = {"color": PALETTE[k % len(PALETTE)], "marker": marker}
        if ranked:
            x, y = _beside_each_other(of["truth"].to_numpy(float), k, kind, len(distorted)), of["score"]
        else:
            x, y = of["score"], sign * of["truth"]
        axes.scatter(
            x,
            y,
            s=size,
            alpha=0.65,
            linewidths=0.6,
            label=_short(name_of(kind, type_names), 30) or None,
            **({"edgecolors": "none"} if style["marker"] != "x" else {}),
            **style,
        )
    if ranked:
        axes.set_xlabel("truth = −level (0: pristine)", fontsize=9)
        axes.set_ylabel("score, higher is better", fontsize=9)
        axes.set_xticks(sorted(scores["truth"].unique()))
    else:
        axes.set_xlabel("score, higher is better", fontsize=9)
        axes.set_ylabel(f"human score, {'higher' if higher_is_better else 'lower'} is better", fontsize=9)
        fit = logistic_fit(scores["score"], scores["truth"])
        if np.isfinite(fit.parameters).all():
            x = np.linspace(scores["score"].min(), scores["score"].max(), 300)
            axes.plot(x, sign * fit(x), color="#111111", linewidth=1.6, label="fitted logistic" if any(kinds) else None)
        if not higher_is_better:
            axes.invert_yaxis()
    if any(kinds):
        axes.legend(
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            ncols=1 if len(kinds) < 28 else 2,
            frameon=False,
            fontsize=8 if len(kinds) < 17 else 6.5,
            markerscale=1.4,
            handletextpad=0.2,
        )
    return figure


def _beside_each_other(x: np.ndarray, k: int, kind: str, count: int) -> np.ndarray:
    """Levels are integers: a strip for each type, and a width for it, lest points hide each other."""
    strip = 0.7 / max(1, count)
    if kind != PRISTINE:
        x = x + strip * (k + 0.5) - 0.35
    return x + 0.6 * strip * (np.arange(len(x)) * GOLDEN % 1 - 0.5)


def draw_types(
    tables: Sequence[dict], published: Sequence[PublishedRow] = (), type_names: Mapping[str, str] | None = None
) -> Figure:
    """SROCC and LCC of each type as bars, with their intervals, and published values as marks on them.

    `tables` is of `rankiqa.evaluation.tables.measure`. A mark is hollow where its value is from memory.
    """
    rows = [row for row in tables if row["type"] != BARE]
    labels = list(dict.fromkeys(row.label for row in published))
    figure, panels = _figure(8.2, 1.3 + 0.15 * len(labels) / 3 + 0.27 * len(rows), 1, 2)
    panels[1].sharey(panels[0])
    places = np.arange(len(rows))
    for panel, (metric, title) in zip(panels, (("srocc", "SROCC"), ("lcc", "LCC")), strict=True):
        values = [_finite(row[metric]) for row in rows]
        colours = ["#7fb2d6" if row["type"] != "ALL" else PALETTE[0] for row in rows]
        panel.barh(places, values, 0.66, color=colours, label="this model")
        for place, row in zip(places, rows, strict=True):
            low, high = (_finite(end) for end in (row.get("intervals") or {}).get(metric, (None, None)))
            panel.plot([low, high], [place, place], color="#33475b", linewidth=1)
        for found in published:
            if found.metric != metric:
                continue
            k = labels.index(found.label)
            known = [(p, found.values[r["type"]], r["type"]) for p, r in zip(places, rows, strict=True)
                     if r["type"] in found.values]  # fmt: skip
            for sure in (True, False):
                marks = [(v, p) for p, v, kind in known if (kind not in found.from_memory) == sure]
                panel.plot(
                    *(zip(*marks, strict=True) if marks else ([], [])),
                    linestyle="none",
                    marker=("D", "o", "^", "s", "v", "P")[k % 6],
                    markersize=4.5,
                    color=PALETTE[1:][k % (len(PALETTE) - 1)],
                    markerfacecolor=None if sure else "white",
                    label=found.label + ("" if sure else " *") if marks else None,
                )
        panel.set_title(title, fontsize=9)
        ends = [v for v in values if np.isfinite(v)]
        panel.set_xlim(min(-0.05, *[v - 0.05 for v in ends], 0), 1.02)
        panel.axvline(0, color="#33475b", linewidth=0.8)
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(places, [_short(name_of(row["type"], type_names), 34) for row in rows])
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    panels[1].tick_params(labelleft=False)
    handles = {label: handle for p in panels for handle, label in zip(*p.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper center", ncols=4, frameon=False, fontsize=8
    )  # fmt: skip
    return figure


def name_of(kind: str, type_names: Mapping[str, str] | None) -> str:
    """A type with its full name, where it has one.

    >>> name_of("8", {"8": "Gaussian blur"})
    '8 Gaussian blur'
    """
    name = (type_names or {}).get(kind)
    return f"{kind} {name}" if name and name != kind else kind


def _short(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    short = textwrap.shorten(text, width, placeholder=" …")
    return short if len(short) > 2 else text[: width - 1] + "…"  # one long word


def _finite(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def draw_levels(scores: pd.DataFrame) -> Figure:
    """Histogram of the scores per level, one panel a type, one colour a level (the paper's experiment 1)."""
    with extra("report"):
        from matplotlib import colormaps
        from matplotlib.patches import Patch

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
    figure.legend(
        handles=[Patch(color=colours[k], alpha=0.75, label="0 pristine" if k == 0 else str(k)) for k in levels],
        title="level",
        loc="outside right center",
        frameon=False,
        fontsize=8,
        title_fontsize=8,
    )
    return figure


def draw_close_pairs(models: Sequence[tuple[str, Sequence[Mapping]]], names: Sequence[str]) -> Figure:
    """The share of pairs in order, a line a model, against the bins of difference, closest first.

    `models`: name, and the rows of `rankiqa.metrics.close_pairs.close_pairs` (none: no line); `names` of the bins. Bars
    are the intervals.
    """
    figure, axes = _figure(7.2, 3.8)
    places, drawn = np.arange(len(names)), [50.0]
    for k, (name, bins) in enumerate(models):
        if not bins:  # the others keep their colours
            continue
        value, low, high = (100 * np.array([_finite(row[key]) for row in bins]) for key in ("share", "low", "high"))
        # side by side, lest the bars of one model hide those of another
        x = places + 0.08 * (k - (len(models) - 1) / 2) * min(1, 6 / len(models))
        errors = np.nan_to_num([value - low, high - value])
        axes.errorbar(
            x,
            value,
            errors,
            color=PALETTE[k % len(PALETTE)],
            marker=MARKERS[k // len(PALETTE) % len(MARKERS)],
            markersize=4.5,
            linewidth=1.3,
            capsize=3,
            label=_short(name, 30),
        )
        drawn += [*value, *low, *high]
    axes.axhline(50, color="#888888", linewidth=0.9, linestyle="--")
    axes.set_xticks(places, names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(np.nanmin(drawn) - 3, min(np.nanmax(drawn) + 3, 102))
    axes.set_xlabel("difference of the human scores", fontsize=9)
    axes.set_ylabel("pairs in order, %", fontsize=9)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


def _bins(values: np.ndarray) -> np.ndarray:
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    size = max(abs(low), abs(high)) or 1.0
    if high - low < 1e-6 * size:  # (nearly) the same everywhere
        low, high = low - 0.5 * size, high + 0.5 * size
    return np.linspace(low, high, int(np.clip(1.5 * np.sqrt(len(values)), 15, 50)) + 1)


def _figure(width: float, height: float, rows: int = 1, columns: int = 1):
    # the object-oriented interface: no global state, no display, safe beside the user's own figures
    with extra("report"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    axes = figure.subplots(rows, columns)
    for panel in np.atleast_1d(axes).reshape(-1):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#e4e4e4", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=8)
    return figure, axes


def png_of(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
