"""What a machine with a GPU does, in eight minutes: tests, training beside its bare step, scores beside the CPU's.

No internet is needed: the photos are scikit-image's, the networks start at random. Rates of one row are of one run; the
bare step is the recipe's own on one batch that is already on the device.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gpu_recipes import recipes
from measuring import Clock, photos, timed

ROOT = Path(__file__).parents[2]
SHARES = {"tests": 0.25, "scores": 0.2}  # of the time; the recipes have the rest


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--out", type=Path, default=ROOT / "results" / "local" / "gpu", help="folder of the results")
    parse.add_argument("--device", default="cuda", help="cuda, mps or cpu; cpu is to try this script")
    parse.add_argument("--minutes", type=float, default=7.5, help="after which nothing new is begun")
    parse.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2), help="loader processes")
    parse.add_argument("--only", nargs="+", choices=("tests", "scores", "recipes"), help="parts; none: all")
    parse.add_argument("--quick", action="store_true", help="a few seconds of each part, to try this script")
    args = parse.parse_args(argv)

    import torch

    if args.device != "cpu" and not getattr(torch, args.device, torch.cuda).is_available():
        print(
            f"no GPU here: PyTorch {torch.__version__} finds no {args.device} device; --device cpu --quick tries this"
        )
        return 2
    clock = Clock(60 * args.minutes)
    args.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {
        "command": " ".join(["python", "results/benchmarks/gpu.py", *argv]),
        "machine": machine(args),
    }
    parts: dict[str, Callable[[], Any]] = {
        "tests": lambda: tests(args, clock),
        "scores": lambda: scores(args, clock),
        "recipes": lambda: recipes(args, clock),
        "two processes on one device": lambda: two_processes(args),
    }
    for name, part in parts.items():
        if args.only and name not in args.only:
            continue
        print(f"{name} … ({clock.left:.0f} s left)", flush=True)
        try:
            found[name] = part()
        except Exception as error:  # the other parts are worth having
            found[name] = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        (args.out / "gpu.json").write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")
    text = table(found)
    (args.out / "gpu.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"written: {args.out / 'gpu.json'} and gpu.md, after {clock.whole - clock.left:.0f} s")
    return 0


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """What it is, and how many TFLOP/s a large matrix product makes in each precision."""
    import torch

    from rankiqa.precision import PRECISIONS, computing

    device = torch.device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, {platform.machine()}"
    found: dict[str, Any] = {
        "device": name,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    side = 8192 if device.type == "cuda" else 512
    a = torch.randn(side, side, device=device)
    halves = {"bf16": torch.bfloat16, "fp16": torch.float16}
    for precision in PRECISIONS:
        factor = a.to(halves.get(precision, torch.float32))
        with computing("tf32" if precision == "tf32" else "fp32", device.type):
            seconds = timed(lambda factor=factor: factor @ factor, device, 0.5)
        found[f"{precision} TFLOP/s"] = round(2 * side**3 / seconds / 1e12, 2)
    return found


# Tests


def tests(args: argparse.Namespace, clock: Clock) -> dict[str, Any]:
    """Those that compare the device with the CPU, and then the fast ones, on the CPU, as far as the time goes."""
    most = SHARES["tests"] * clock.whole
    walks = ["tests/devices/test_pretend.py"] if args.quick else ["tests/devices"]
    found = {
        "tests/devices on the device": pytest_run(
            walks, {"RANKIQA_TEST_GPU": "1"} if args.device == "cuda" else {}, most / 2
        )
    }
    if not args.quick:
        workers = str(max(1, (os.cpu_count() or 2) - 1))
        found["all fast tests"] = pytest_run(["-n", workers, "-m", "not slow and not keras and not fuzz"], {}, most)
    return found


def pytest_run(arguments: list[str], environment: dict[str, str], seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rfE", "--tb=line", *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=max(20, seconds)
        )
        output, ended = done.stdout, f"status {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output, ended = (error.stdout or b"").decode(errors="replace"), f"stopped after {seconds:.0f} s"
    last = [line for line in output.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    bad = [line[:300] for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    # -q of the project and -q here leave no summary: the dots count.
    dots = "".join(re.findall(r"^[.sFExX]+(?= |$)", output, re.MULTILINE))
    counts = {"passed": dots.count("."), "failed": dots.count("F") + dots.count("E"), "skipped": dots.count("s")}
    return counts | {"ended": ended, "summary": last[-1:] or None, "bad": bad}


def two_processes(args: argparse.Namespace) -> str:
    import torch

    count = torch.cuda.device_count()
    if count < 2:
        return f"skipped: {count} CUDA devices, and NCCL wants one for each process; on the CPU the fast tests do it"
    return f"not measured: {count} CUDA devices; LAUNCH='--num_processes {count}' bash train/train_rank.sh uses them"


# Scores


def scores(args: argparse.Namespace, clock: Clock) -> list[dict[str, Any]]:
    """Each model in each precision on the device: photos/s from files, and how far the scores are from the CPU's."""

    import rankiqa

    limit = clock.left - SHARES["scores"] * clock.whole
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = photos(Path(folder), 2 if args.quick else 24)
        for model in ("default", "ranks"):
            cpu = rankiqa.load(model, "cpu")
            span = (cpu.high - cpu.low) if cpu.low is not None else 1.0
            modes = ("whole",) if args.quick else ("whole", "dense", "random")
            wanted = {mode: values(cpu, files[:12], mode)[0] for mode in modes}
            for where, precision in [("cpu", "fp32"), *((args.device, p) for p in ("fp32", "tf32", "bf16"))]:
                if clock.left < limit:
                    rows.append({"model": model, "device": where, "precision": precision, "why not": "no time left"})
                    continue
                row: dict[str, Any] = {"model": model, "device": where, "precision": precision}
                try:
                    rows += [row | one for one in device_rows(model, where, precision, files, wanted, span)]
                except Exception as error:  # the other rows are worth having
                    rows.append(row | {"why not": " ".join(str(error).split())[:160]})
            rows.append(onnx_row(model, cpu, files[: len(wanted["whole"])], wanted["whole"], span))
    return rows


def device_rows(
    model: str, where: str, precision: str, files: list[Path], wanted: dict[str, list[float]], span: float
) -> list[dict[str, Any]]:
    """A row a mode."""
    import numpy as np

    import rankiqa

    scorer, rows = rankiqa.load(model, where, precision=precision), []
    for mode, known in wanted.items():
        found, _ = values(scorer, files[: len(known)], mode)  # which warms up, too
        many = files * 20 if where != "cpu" and mode == "whole" else files
        _, rate = values(scorer, many, mode)
        away = float(np.abs(np.array(found) - np.array(known)).max() / span)
        rows.append({"mode": mode, "photos/s": round(rate, 1), "largest difference from the CPU, of the range": away})
    return rows


def values(scorer: Any, files: list[Path], mode: str) -> tuple[list[float], float]:
    """The scores of some files, and how many a second."""
    start = time.perf_counter()
    found = [score.value for score in scorer.score_files(files, mode=mode, workers=8)]
    return found, len(files) / (time.perf_counter() - start)


def onnx_row(model: str, cpu: Any, files: list[Path], wanted: list[float], span: float) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model, "device": "cpu, onnxruntime", "precision": "fp32", "mode": "whole"}
    try:
        from rankiqa.integrations.onnx_runtime import onnx_network
        from rankiqa.scoring.patches import score_files
        from rankiqa.scoring.view import View

        network = onnx_network(cpu.network, span)
        start = time.perf_counter()
        found = [result.mean for result in score_files(network, files, View(mode="whole"))]
        row["photos/s"] = round(len(files) / (time.perf_counter() - start), 1)
        away = max(abs(a - b) for a, b in zip(found, wanted, strict=True)) / span
        row["largest difference from the CPU, of the range"] = away
    except Exception as error:  # the extra is not installed, or the exporter fails
        row["why not"] = " ".join(str(error).split())[:120]
    return row


# The table


def table(found: dict[str, Any]) -> str:
    lines = ["# On a machine with a GPU", "", f"    {found['command']}", ""]
    lines += [", ".join(f"{key} {value}" for key, value in found["machine"].items()), ""]
    for name, rows in found.items():
        if name in ("command", "machine"):
            continue
        lines += [f"## {name[0].upper()}{name[1:]}", ""]
        if isinstance(rows, str):
            lines += [rows, ""]
        elif isinstance(rows, dict):
            for what, counts in rows.items():
                told = ", ".join(f"{counts[key]} {key}" for key in ("passed", "failed", "skipped"))
                lines += [f"- {what}: {told}; {counts['ended']}", *(f"  - {line}" for line in counts["bad"])]
            lines += [""]
        else:
            columns = list(dict.fromkeys(key for row in rows for key in row))
            lines += [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
            lines += [f"| {' | '.join(shown(row.get(column)) for column in columns)} |" for row in rows]
            lines += [""]
    return "\n".join(lines)


def shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2g}" if isinstance(value, float) and abs(value) < 0.1 else str(value).replace("|", "/")


if __name__ == "__main__":
    sys.exit(main())
