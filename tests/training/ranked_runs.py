"""Small ranking runs: their settings, the flags that say the same, and the weights that come out."""

import dataclasses
from pathlib import Path

import yaml
from safetensors.torch import load_file

from rankiqa.config import OptimConfig, RankBatchConfig, RankConfig, RankDataConfig, RankModelConfig

ROOT = Path(__file__).resolve().parents[2]


def settings(ranks, out, **changes):
    base = {
        "data": RankDataConfig(ranks=str(ranks), holdout=1, workers=0),
        "model": RankModelConfig(name="squeezenet1_1", crop=48, dropout=0.5),
        "batch": RankBatchConfig(images=1),
        "optim": OptimConfig(lr=0.01, schedule="constant", clip=1.0, head_lr=1.0),
        "steps": 6,
        "out": str(out),
        "val_patches": 1,
        "checkpoint_every": 2,
        "log_every": 1,
    }
    return RankConfig(**(base | changes))


def weights(out):
    return load_file(Path(out) / "model" / "model.safetensors")


def flags(config):
    path = Path(config.out).with_suffix(".yaml")
    path.write_text(yaml.safe_dump(dataclasses.asdict(config)))
    return ["--config", str(path)]
