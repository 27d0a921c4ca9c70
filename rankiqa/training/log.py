"""What a run reports while it goes: CSV files to compute with, TensorBoard to look at."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import IO

from rankiqa.extras import extra


class RunLog:
    """log.csv (a line of training), val.csv (a line a distortion type) and tensorboard/ in `folder`.

    Args:
        folder: of the run.
        step: steps done; what an interrupted run wrote after that step is dropped.
        train: columns of log.csv, step first.
        val: columns of val.csv, step first and distortion second.
    """

    def __init__(self, folder: Path, step: int, train: tuple[str, ...], val: tuple[str, ...]) -> None:
        with extra("train"):
            from torch.utils.tensorboard import SummaryWriter

        self._files: list[IO[str]] = []
        self._train = self._open(folder / "log.csv", train, step)
        self._val = self._open(folder / "val.csv", val, step)
        self._board = SummaryWriter(folder / "tensorboard", purge_step=step + 1 if step else None)

    def _open(self, path: Path, columns: tuple[str, ...], step: int) -> csv.DictWriter:
        kept = []
        if step and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                # A line that the end of the process tore has no whole last value; it is past the checkpoint anyway.
                kept = [r for r in csv.DictReader(file) if (r["step"] or "").isdigit() and int(r["step"]) <= step]
                # On another device the run has another column, or one less.
                kept = [{name: r.get(name) for name in columns} for r in kept]
        opened = path.open("w", newline="", encoding="utf-8")
        self._files.append(opened)
        writer = csv.DictWriter(opened, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        opened.flush()
        return writer

    def train(self, **row: float) -> None:
        """A line of log.csv: the numbers of the steps up to `step`, which is one of them."""
        self._train.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
        for name, value in row.items():
            if name != "step":
                self._board.add_scalar(f"train/{name}", value, row["step"])
        self._flush()

    def val(self, step: int, rows: dict[str, dict[str, float]]) -> None:
        """The lines of val.csv after `step` steps; `rows`: distortion (and ALL, their mean) → its numbers."""
        for distortion, row in rows.items():
            self._val.writerow({"step": step, "distortion": distortion} | {k: f"{v:.6g}" for k, v in row.items()})
            for name, value in row.items():
                self._board.add_scalar(f"val_{name}/{distortion}", value, step)
        self._flush()

    def _flush(self) -> None:
        for file in self._files:
            file.flush()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()
        self._board.close()
