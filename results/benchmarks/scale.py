"""`rankiqa scale` on studies of up to ten thousand photos: processor time and memory, beside a dense covariance.

The votes are those of simulated raters on pairs drawn at random, on a ring, which joins all photos, and so many more.
The dense way is the one that the intervals are checked by: L-BFGS, differences of the gradient in every unknown, and
the inverse of that matrix.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from rankiqa.study.joint import Joint
from rankiqa.study.observations import Observations
from rankiqa.study.vote_file import Photo, VoteFile

HERE = Path(__file__).parent
RUN = "import sys; from rankiqa.cli import main; sys.exit(main())"
STUDIES = ((100, 500, 0), (1000, 6000, 0), (10_000, 40_000, 0), (10_000, 60_000, 8000))  # photos, comparisons, ratings
DENSE = (1000, 6000)  # photos and comparisons that the dense way is tried with
RATERS, STEP = 20, 1e-5


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--out", type=Path, default=HERE / "scale.md", help="where the table goes")
    args = parse.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for sizes in STUDIES:
            seconds, peak, page = _command(Path(folder, "-".join(map(str, sizes))), *sizes)
            rows.append(f"| {' | '.join(f'{size:,}' for size in sizes)} | {seconds:.1f} | {peak:.0f} | {page:.1f} |")
            print(rows[-1], flush=True)
    here, dense, apart = _against_dense(*DENSE)
    command = shlex.join(["python", "results/benchmarks/scale.py", *argv])
    text = f"""\
# `rankiqa scale` on large studies

    {command}

On one thread; {RATERS} raters. Seconds are those of the processor, of the whole command with its page, whose pictures,
of photos that are not there, are left out.

| photos | comparisons | ratings | seconds | peak MiB | page, MB |
|---|---|---|---|---|---|
{chr(10).join(rows)}

The fit and its intervals alone, of {DENSE[0]:,} photos and {DENSE[1]:,} comparisons: {here:.2f} s; with L-BFGS and a
dense covariance {dense:.2f} s, {dense / here:.1f} times that. The ends of the intervals differ by {apart:.1g} JOD
at most.
"""
    args.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


def _votes(photos: int, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Left and right photos, +1, −1 or 0 for a tie, and raters; and the quality that they go by."""
    draw = np.random.default_rng(0)
    quality, ring = draw.normal(0, 1.5, photos), draw.permutation(photos)
    left = np.r_[ring, draw.integers(0, photos, number - photos)]
    right = np.r_[np.roll(ring, -1), (left[photos:] + draw.integers(1, photos, number - photos)) % photos]
    by, slope = draw.integers(0, RATERS, number), np.exp(draw.normal(0, 0.4, RATERS))
    half = slope[by] * (quality[left] - quality[right]) / 2
    shares = np.stack([np.exp(half), np.full(number, 0.5), np.exp(-half)])
    place = (draw.random(number) * shares.sum(0) > np.cumsum(shares, axis=0)).sum(0)
    return left, right, 1.0 - place, by, quality


def _command(folder: Path, photos: int, number: int, ratings: int) -> tuple[float, float, float]:
    """Seconds of the processor, peak of memory in MiB, and the size of the page in MB, of the command."""
    folder.mkdir()
    file, draw = folder / "votes.sqlite", np.random.default_rng(1)
    left, right, better, by, quality = _votes(photos, number)
    VoteFile.create(file, [Photo(f"{k:05}.jpg", "", 640, 480) for k in range(photos)]).close()
    answers = {1.0: "left", -1.0: "right", 0.0: "tie"}
    ends = zip(by.tolist(), left.tolist(), right.tolist(), better.tolist(), strict=True)
    rows = [(1 + rater, "comparison", json.dumps([a, b]), answers[sign]) for rater, a, b, sign in ends]
    for photo in draw.integers(0, max(1, ratings // 4), ratings).tolist():  # some four for each of those that have any
        score = int(np.clip(np.round(3 + 0.5 * quality[photo] + 0.6 * draw.normal()), 1, 5))
        rows.append((1 + int(draw.integers(RATERS)), "rating", json.dumps([photo]), str(score)))
    with sqlite3.connect(file) as opened:  # all at once: `VoteFile.add` has each on the disk when it returns
        opened.executemany("INSERT INTO rater VALUES (?, ?)", [(1 + k, f"rater {k:02}") for k in range(RATERS)])
        opened.executemany(
            "INSERT INTO vote (uid, rater, kind, purpose, photos, answer, seconds, at) "
            "VALUES (?, ?, ?, 'ask', ?, ?, 2.0, '')",
            [(str(k), *row) for k, row in enumerate(rows)],
        )
    opened.close()
    given = ["scale", str(file), "--out", str(folder / "scores.csv"), "--html", str(folder / "scale.html")]
    running = subprocess.Popen(
        [sys.executable, "-c", RUN, *given],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    _, status, used = os.wait4(running.pid, 0)
    if status:
        raise SystemExit(f"rankiqa scale ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, (folder / "scale.html").stat().st_size / 1e6


def _against_dense(photos: int, number: int) -> tuple[float, float, float]:
    """Seconds of the processor of the fit with its intervals, and of the dense way; and how far both are apart."""
    left, right, better, by, _ = _votes(photos, number)
    nothing = np.zeros(0, int)
    joint = Joint(Observations(photos, RATERS, left, right, better, by, [], nothing, nothing, np.zeros(0), np.zeros(0)))
    start = time.process_time()
    score, error = joint.on_a_scale(joint.fit())
    here, start = time.process_time() - start, time.process_time()
    known, wide = _dense(joint, photos, 2 * RATERS + 3)
    dense = time.process_time() - start
    ends = [np.abs(score + sign * 1.96 * error - known - sign * 1.96 * wide).max() for sign in (-1, 1)]
    return here, dense, max(ends)


def _dense(joint: Joint, photos: int, others: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores in JOD and their standard errors, by L-BFGS and the inverse of all second derivatives."""
    begin = np.zeros(photos + others)
    begin[-3:] = np.log(0.5), 3, np.log(0.5)  # the means of the prior
    options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 1e-13, "gtol": 1e-7}
    top = minimize(joint.value, begin, jac=True, method="L-BFGS-B", options=options).x
    _, slope = joint.value(top)
    curvature = np.empty((len(top), len(top)))
    for k in range(len(top)):
        there = top.copy()
        there[k] += STEP
        curvature[k] = (joint.value(there)[1] - slope) / STEP
    covariance = np.linalg.inv((curvature + curvature.T) / 2)[:photos, :photos]
    middle = covariance.mean(1)
    variance = covariance.diagonal() - 2 * middle + middle.mean()
    scores = top[:photos]
    return (scores - scores.mean()) / np.log(3), np.sqrt(variance) / np.log(3)


if __name__ == "__main__":
    sys.exit(main())
