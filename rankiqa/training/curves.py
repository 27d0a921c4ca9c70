"""The curves of a training run, drawn from its log.csv and val.csv."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.files import write_atomically

# Columns of log.csv and val.csv, and what a panel of them is called; a stage's files have some of them.
PANELS = {
    "loss": "loss",
    "rank_loss": "loss of the ranks",
    "people_loss": "loss of the human scores",
    "ordered": "ordered pairs of the batch",
    "accuracy": "pairs told to be of one bucket or two",
    "active": "active pairs of the batch",
}
VAL_PANELS = {
    "srocc": "held-out SROCC",
    "lcc": "held-out LCC",
    "rmse": "held-out RMSE",
    "emd": "held-out EMD",
    "ordered_close": "held-out ordered close pairs",
    "ordered_within": "held-out ordered pairs, within a photo",
    "ordered_across": "held-out ordered pairs, between photos",
}

MOST_NAMED = 10  # types that have colours and names of their own: matplotlib has ten


def write_curves(run: str | Path, path: str | Path | None = None) -> Path:
    """Draw the curves of a run.

    The faint line of a training panel is the log itself, the strong one its running mean over 20 lines. Without a
    validation the second row is left out.

    Args:
        run: folder of the run, with log.csv and val.csv.
        path: of the PNG; None: `run`/curves.png.

    Returns:
        The PNG's path.

    Raises:
        InputError: there is no log.
    """
    with extra("train"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    run = Path(run)
    if not (run / "log.csv").is_file():
        raise InputError("no log.csv in it, so it is not a training run", path=run)
    log = pd.read_csv(run / "log.csv")
    val = pd.read_csv(run / "val.csv")
    panels = {column: title for column, title in PANELS.items() if column in log}
    val_panels = {column: title for column, title in VAL_PANELS.items() if column in val and len(val)}
    across = max(len(panels), len(val_panels))
    figure = Figure(figsize=(max(13.0, 3.6 * across), 7 if val_panels else 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if val_panels else 1, across, squeeze=False)
    for row, shown in zip(axes, (panels, val_panels), strict=False):
        for axis in row[len(shown) :]:
            axis.set_visible(False)
    for axis, (column, title) in zip(axes[0], panels.items(), strict=False):
        axis.plot(log["step"], log[column], color="C0", alpha=0.25, linewidth=0.8)
        axis.plot(log["step"], log[column].rolling(20, min_periods=1).mean(), color="C0")
        axis.set_title(title, fontsize=10)
        if column not in ("ordered", "accuracy"):
            axis.set_yscale("log" if (log[column] > 0).all() else "linear")
    for axis, (column, title) in zip(axes[-1] if val_panels else (), val_panels.items(), strict=False):
        types = val["distortion"].unique()
        for name, rows in val.groupby("distortion", sort=False):
            if rows[column].isna().all() and val[column].notna().any():
                continue  # a number that types have, and sets of human scores have not; or the other way round
            of_people = "lcc" in rows and rows["lcc"].notna().any()
            style = {"label": name}
            if name == "ALL":
                style |= {"color": "black", "linewidth": 2}
            elif len(types) > MOST_NAMED and not of_people:
                style = {"color": "C0", "alpha": 0.3, "label": "each type" if name == types[0] else None}
            axis.plot(rows["step"], rows[column], marker=".", **style)
        axis.set_title(title, fontsize=10)
        axis.legend(fontsize=8)
    for axis in axes.flat:
        axis.set_xlabel("step", fontsize=9)
        axis.grid(alpha=0.3)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=80)
    path = Path(path) if path else run / "curves.png"
    write_atomically(path, data.getvalue())
    return path
