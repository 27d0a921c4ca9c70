"""Scoring on the workers of a dask scheduler: some files a job, the scores in the order of the files."""

from __future__ import annotations

import functools
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rankiqa.errors import InputError
from rankiqa.parallel import run
from rankiqa.scoring.scorer import Score, Scorer
from rankiqa.scoring.view import View

JOB = 32  # files of a job: some seconds on one core
_one_at_a_time = threading.Lock()  # as PyTorch has threads of its own


@dataclass(frozen=True)
class Task:
    """What a worker needs to score files as this process would.

    Attributes:
        model: as `Scorer.load` takes it; a folder is read by the workers too.
        weights: SHA-256 of its file of weights.
        view: what the network is shown.
        icc: of `Scorer.score_files`.
        precision: of `Scorer.load`.
        device: of `Scorer.load`, on the workers.
    """

    model: str | None
    weights: str | None
    view: View
    icc: str = "convert"
    precision: str = "fp32"
    device: str = "auto"


def score_on_cluster(task: Task, paths: Sequence[str], scheduler: str) -> Iterator[Score | InputError]:
    """Score files on a cluster: for each path, in order, its score or why it has none.

    Args:
        task: how.
        paths: of files that the workers read by the same absolute paths.
        scheduler: see `rankiqa.parallel.run`.

    Raises:
        InputError: the scheduler or its workers are gone, or a worker has another model or no such one.
        MissingExtra: dask is not installed.
    """
    if task.model is not None and Path(task.model).exists():
        task = replace(task, model=os.path.abspath(task.model))
    jobs = (
        (task, first, [os.path.abspath(path) for path in paths[first : first + JOB]])
        for first in range(0, len(paths), JOB)
    )
    early: dict[int, list[Score | InputError]] = {}
    following = 0
    for first, scores in run(_score_some, jobs, scheduler=scheduler):
        early[first] = scores
        while (ready := early.pop(following, None)) is not None:
            for path, score in zip(paths[following:], ready, strict=False):
                yield score.but(path=path) if isinstance(score, InputError) else score
            following += len(ready)


def _score_some(task: Task, first: int, paths: list[str]) -> tuple[int, list[Score | InputError]]:
    """On a worker."""
    with _one_at_a_time:
        scorer = _load(task.model, task.device, task.precision)
        if scorer.settings.get("weights_sha256") != task.weights:
            reason = f"a worker on {socket.gethostname()} has another model of this name"
            raise InputError(reason, path=scorer.source, cure="give them the same")
        return first, list(scorer.score_files(paths, task.view, icc=task.icc))


@functools.lru_cache(1)
def _load(model: str | None, device: str, precision: str) -> Scorer:
    return Scorer.load(model, device, precision)
