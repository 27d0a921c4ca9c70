"""What a machine with a GPU does, in eight minutes: tests, training beside its bare step, scores beside the CPU's.

No internet is needed: the photos are scikit-image's, the networks start at random. Rates of one row are of one run; the
bare step is the recipe's own on one batch that is already on the device.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "train" / "configs"
# The most wanted first: what the time is too short for is told.
FIRST = (
    "rank_live_vgg16",
    "rank_live_squeezenet",
    "joint_efficientnet",
    "nima_ava",
    "siamese_nima",
    "finetune_live_vgg16",
)
QUICK = ("rank_live_squeezenet", "finetune_squeezenet")
STAGES = {"finetune": "finetune", "joint": "train_joint", "nima": "train_nima", "siamese": "train_siamese_nima"}
SHARES = {"tests": 0.25, "scores": 0.2}  # of the time; the recipes have the rest


class Clock:
    """How much time is left."""

    def __init__(self, seconds: float) -> None:
        self.whole, self.start = seconds, time.monotonic()

    @property
    def left(self) -> float:
        return self.whole - (time.monotonic() - self.start)


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


def timed(run: Callable[[], Any], device: Any, seconds: float) -> float:
    """Seconds of one call, of as many as fit into the time, after two to warm up."""
    for _ in range(2):
        run()
    synchronise(device)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or count < 2:
        run()
        count += 1
        if count % 4 == 0:
            synchronise(device)
    synchronise(device)
    return (time.perf_counter() - start) / count


def synchronise(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


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


def photos(folder: Path, count: int, side: int = 512) -> list[Path]:
    """JPEG files of parts of scikit-image's photos, 512×512."""
    import numpy as np
    from PIL import Image

    from rankiqa.images import builtin_photos

    folder.mkdir(parents=True, exist_ok=True)
    large = [np.array(Image.open(builtin_photos.folder() / name)) for name in builtin_photos.PHOTOS]
    rng, files = np.random.default_rng(0), []
    for k in range(count):
        image = Image.fromarray(large[k % len(large)])
        scale = max(1.0, side / min(image.size))
        image = image.resize((max(side, round(image.width * scale)), max(side, round(image.height * scale))))
        left, top = (int(rng.integers(free - side + 1)) for free in image.size)
        files.append(folder / f"{k:03}.jpg")
        image.crop((left, top, left + side, top + side)).save(files[-1], quality=95)
    return files


# Recipes


class Data:
    """Ranked sets and scored photos to train on, made when a recipe first asks."""

    def __init__(self, folder: Path, quick: bool) -> None:
        self.folder, self.quick, self.made = folder, quick, {}

    def ranks(self, types: str) -> Path:
        """Built-in photos under every distortion of a set."""
        out = self.folder / f"ranks-{types}"
        if types not in self.made:
            from rankiqa.cli.make_ranks import main as make_ranks

            pristine = self.folder / "pristine"
            if not pristine.is_dir():
                for file in photos(pristine, 2 if self.quick else 8, 240 if self.quick else 512):
                    from PIL import Image

                    Image.open(file).save(file.with_suffix(".png"))
                    file.unlink()
            chosen = "GB" if self.quick else types
            workers = str(max(1, min(14, (os.cpu_count() or 2) - 1)))
            with contextlib.redirect_stdout(io.StringIO()):
                status = make_ranks(
                    ["--pristine", str(pristine), "--out", str(out), "--distortions", chosen, "--workers", workers]
                )
            self.made[types] = status
        if self.made[types]:
            raise RuntimeError(f"make_ranks.py of the set {types} ended with status {self.made[types]}")
        return out

    def scored(self) -> tuple[Path, Path]:
        """A folder of photos, and a CSV file with a score, votes and a label of each."""
        import numpy as np
        import pandas as pd

        folder, labels = self.folder / "scored", self.folder / "scored" / "labels.csv"
        if not folder.is_dir():
            files = photos(folder, 50 if self.quick else 400, 240 if self.quick else 512)
            rng = np.random.default_rng(1)
            votes = rng.integers(0, 20, (len(files), 10))
            mean = votes @ np.arange(1, 11) / votes.sum(1)
            table = pd.DataFrame(votes, columns=[f"vote{k}" for k in range(1, 11)])
            table.insert(0, "name", [file.name for file in files])
            table[["name", *table.columns[1:]]].to_csv(self.folder / "scored" / "votes.csv", index=False)
            pd.DataFrame({"name": table["name"], "mos": mean}).to_csv(labels, index=False)
        return folder, labels

    def nima(self, name: str) -> Path:
        import torch

        from rankiqa.models import build_nima, save_model

        folder = self.folder / f"nima-{name}"
        if not folder.is_dir():
            torch.manual_seed(0)
            save_model(build_nima(name), folder, score_range=(1, 10))
        return folder


def recipes(args: argparse.Namespace, clock: Clock) -> list[dict[str, Any]]:
    """Each recipe: images/s of its training from files, of its bare step, and the share."""
    names = sorted((file.stem for file in CONFIGS.glob("*.yaml")), key=lambda name: ([*FIRST, name].index(name), name))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = Data(Path(folder), args.quick)
        for name in names if not args.quick else QUICK:
            for precision in ("fp32",) if args.quick else ("bf16", "tf32") if name in FIRST[:1] else ("bf16",):
                row: dict[str, Any] = {"recipe": name, "precision": precision}
                if clock.left < 15:
                    rows.append(row | {"why not": "no time left"})
                    continue
                try:
                    row |= measure(args, name, precision, data, min(4.0, clock.left / 12) if not args.quick else 0.5)
                except Exception as error:  # the next recipe may do
                    row["why not"] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
                except SystemExit as error:
                    row["why not"] = f"the settings were refused (status {error.code})"
                rows.append(row)
                print("  ", row, flush=True)
    return rows


def settings(args: argparse.Namespace, name: str, precision: str, data: Data, out: Path) -> Any:
    """The recipe's own settings with data that are here, and without what has to be downloaded."""
    from importlib import import_module

    stage = STAGES.get(name.split("_")[0], "train_rank")
    module = import_module(f"rankiqa.cli.{stage}")
    given = [
        "--config",
        str(CONFIGS / f"{name}.yaml"),
        "--precision",
        precision,
        "--out",
        str(out),
        "--overwrite",
        "true",
    ]
    workers = str(args.workers)
    if stage == "train_siamese_nima":
        folder, labels = data.scored()
        network = "squeezenet1_1" if "squeezenet" in name else "inception_resnet_v2"
        given += [
            "--init",
            str(data.nima(network)),
            "--data",
            str(labels),
            "--images",
            str(folder),
            "--workers",
            workers,
        ]
        return module.parse(given)
    given += ["--model.weights", "none", "--data.workers", workers]
    if stage in ("train_rank", "train_joint"):
        types = "tid2013" if "tid2013" in name else "live"
        given += ["--data.source", "ranks", "--data.ranks", str(data.ranks(types)), "--data.holdout", "1"]
        given += ["--data.holdout_names", "[]"] if name in ("demo", "quick") else []
    given += ["--data.strengths", "levels"] if name == "joint_efficientnet" else []
    if stage == "train_joint":
        folder, labels = data.scored()
        one = {"dataset": "csv", "root": str(folder), "labels": str(labels), "score_range": [1, 10], "images": 24}
        given += ["--sets", json.dumps([one])]
    if stage in ("finetune", "train_nima"):
        folder, labels = data.scored()
        labels = labels.with_name("votes.csv") if stage == "train_nima" else labels
        given += ["--dataset", "csv", "--root", str(folder), "--data.labels", str(labels)]
        given += ["--data.score_range", "[1, 10]", "--split", "random"]
    return module.parse(given)


def trainer_of(config: Any) -> Any:
    from rankiqa.training.finetuning import FineTuner
    from rankiqa.training.joint import JointTrainer
    from rankiqa.training.nima import NimaTrainer
    from rankiqa.training.ranking import RankTrainer
    from rankiqa.training.siamese_nima import SiameseNimaTrainer

    kinds = {
        "RankConfig": RankTrainer,
        "JointConfig": JointTrainer,
        "FinetuneConfig": FineTuner,
        "NimaConfig": NimaTrainer,
        "SiameseNimaConfig": SiameseNimaTrainer,
    }
    return kinds[type(config).__name__](config)


def measure(args: argparse.Namespace, name: str, precision: str, data: Data, seconds: float) -> dict[str, Any]:
    import dataclasses

    import torch

    from rankiqa.training.precision import computing

    out = data.folder / "run"
    config = settings(args, name, precision, data, out)
    few = {"val_every": 10**9, "checkpoint_every": 10**9, "log_every": 10**9}
    few |= {"val_patches": 1} if hasattr(config, "val_patches") else {}
    few |= {"epochs": None} if hasattr(config, "epochs") else {}
    floor = trainer_of(dataclasses.replace(config, **few, steps=10**6))
    device = floor.accelerator.device
    batch = {key: value.to(device) for key, value in floor.batches()[0].items()}
    floor.model.train()
    with computing(precision):
        step = timed(lambda: floor.train_step(dict(batch)), device, seconds / 2)
    images = len(floor.train_step(dict(batch))[1])
    floor = batch = None
    shutil.rmtree(out, ignore_errors=True)
    steps = max(4, int(seconds / step))
    every = max(1, steps // 8)
    trained = trainer_of(dataclasses.replace(config, **few | {"log_every": every}, steps=steps))
    trained.validates = False
    trained.measure_reference = lambda: None
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        trained.run()
    rows = list(csv.DictReader((out / "log.csv").open(encoding="utf-8")))
    rates = [float(row["images_per_s"]) for row in rows[len(rows) // 3 :]]
    rate = len(rates) / sum(1 / one for one in rates)  # all images over all the time
    shutil.rmtree(out, ignore_errors=True)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return {
        "images a batch": images,
        "bare step, images/s": round(images / step, 1),
        "training, images/s": round(rate, 1),
        "share": round(rate * step / images, 3),
        "steps": steps,
        "seconds": round(time.perf_counter() - start, 1),
    }


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
