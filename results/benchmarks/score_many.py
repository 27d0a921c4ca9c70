"""`rankiqa score --out` on very many photos: is memory flat, and is each row there once after kills at random times?

The photos are small, so that what grows with their number shows beside what a photo needs. Linux alone: memory is read
from /proc.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
FIRST = 10_000  # rows from which on memory should be flat
FOLDER = 1000  # photos of a folder


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--photos", type=int, default=100_000, help="how many")
    parse.add_argument("--kills", type=int, default=20, help="SIGKILLs at random times")
    parse.add_argument("--first", type=int, default=FIRST, help="rows from which on memory should be flat")
    parse.add_argument("--kind", choices=("csv", "parquet"), default="csv", help="of the file")
    parse.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    parse.add_argument("--options", default="", help="of rankiqa score, such as '--model ranks --runtime torch'")
    parse.add_argument("--out", type=Path, default=HERE / "score_many.md", help="where the table goes")
    args = parse.parse_args(argv)

    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        names = _photos(photos, args.photos)
        straight = _run(args, photos, Path(folder, f"straight.{args.kind}"), None)
        killed = _killed(args, photos, Path(folder, f"killed.{args.kind}"), straight["seconds"])
        rows = [_rows(Path(folder, f"{name}.{args.kind}")) for name in ("straight", "killed")]
    once = [sorted(found) == sorted(names) for found in rows]
    text = _text(args, argv, straight, killed, once, rows[0] == rows[1])
    args.out.write_text(text, encoding="utf-8")
    print(text)
    return 0 if all(once) else 1


def _photos(root: Path, count: int) -> list[str]:
    """JPEGs of 64×64, some kB each: hard links to a few hundred, which takes no space."""
    import numpy as np
    from PIL import Image

    rng, names = np.random.default_rng(0), []
    for k in range(count):
        path = root / f"{k // FOLDER:04}" / f"{k:07}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if k < 256:
            small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            small.resize((64, 64), Image.Resampling.BICUBIC).save(path, quality=95)
        else:
            os.link(names[k % 256], path)
        names.append(str(path))
    return names


def _command(args: argparse.Namespace, photos: Path, out: Path) -> list[str]:
    run = "import sys; from rankiqa.cli import main; sys.exit(main())"
    return [sys.executable, "-c", run, "score", str(photos), "--out", str(out), *shlex.split(args.options)]


def _run(args: argparse.Namespace, photos: Path, out: Path, stop_after: float | None) -> dict:
    """One run: its seconds, the peaks of memory until and from `args.first` rows, MiB; killed after some seconds."""
    rows_file = out.with_name(f"{out.name}.rows.csv") if args.kind == "parquet" else out
    rows_before = _lines(rows_file)
    start = time.monotonic()
    process = subprocess.Popen(_command(args, photos, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    early = late = 0.0
    seen = rows_before
    while process.poll() is None:
        now = _resident(process.pid)
        if seen < args.first:
            seen = _lines(rows_file)
        if seen < args.first:
            early = max(early, now)
        else:
            late = max(late, now)
        if stop_after is not None and time.monotonic() - start > stop_after:
            process.kill()
            break
        time.sleep(0.2)
    errors = process.communicate()[1].decode()
    if process.returncode not in (0, -9):
        sys.exit(f"rankiqa score ended with {process.returncode}: {errors}")
    done = process.returncode == 0
    return {"seconds": time.monotonic() - start, "early": early, "late": late, "done": done}


def _killed(args: argparse.Namespace, photos: Path, out: Path, usual: float) -> dict:
    """Runs that are killed at random times, and one that is not."""
    rng, kills = random.Random(args.seed), 0
    while kills < args.kills:
        # From the start of the process on, also while it reads what is there.
        found = _run(args, photos, out, rng.uniform(0, 2 * usual / args.kills + 5))
        kills += not found["done"]
        if found["done"]:  # sooner than expected: the kills that are left come in another file
            for file in out.parent.glob(f"{out.name}*"):
                file.unlink()
    _run(args, photos, out, None)
    return {"kills": kills}


def _rows(path: Path) -> list[str]:
    """The files that rows are of, in their order."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path, columns=["file"])["file"].to_pylist()
    with open(path, encoding="utf-8", newline="") as file:
        return [row["file"] for row in csv.DictReader(file)]


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _resident(process: int) -> float:
    """MiB of its own, in memory or swapped out: pages of files come and go as the system likes."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(found) for found in re.findall(r"(?:RssAnon|VmSwap):\s*(\d+) kB", status)) / 1024


def _text(args: argparse.Namespace, argv: list[str], straight: dict, killed: dict, once: list[bool], same: bool) -> str:
    more = (
        f"{100 * (straight['late'] / straight['early'] - 1):+.1f} %" if straight["early"] and straight["late"] else "-"
    )
    rows = {
        "photos": f"{args.photos}",
        "rows after a run without a kill, each photo once": "yes" if once[0] else "NO",
        f"most memory of its own until row {args.first}": f"{straight['early']:.0f} MiB",
        f"most memory of its own from row {args.first} on": f"{straight['late']:.0f} MiB ({more})",
        "photos/s, the start with them": f"{args.photos / straight['seconds']:.1f}",
        "kills (SIGKILL, at random times)": f"{killed['kills']}",
        "rows after them, each photo once": "yes" if once[1] else "NO",
        "rows in the same order as without kills": "yes" if same else "NO",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    command = shlex.join(["python", "results/benchmarks/score_many.py", *argv])
    return "\n".join(
        ["# `rankiqa score --out` on many photos", "", f"    {command}", "", "| | |", "|---|---|", *lines, ""]
    )


if __name__ == "__main__":
    sys.exit(main())
