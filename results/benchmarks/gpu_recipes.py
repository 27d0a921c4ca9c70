"""Each recipe of train/configs on a device: images/s of its training from files, beside its bare step's.

The bare step is the recipe's own on one batch that is already on the device; both rates of a row are of one run. The
photos are scikit-image's and the networks start at random, so nothing is downloaded. `gpu.py` runs this.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Clock, photos, timed

CONFIGS = Path(__file__).parents[2] / "train" / "configs"
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
