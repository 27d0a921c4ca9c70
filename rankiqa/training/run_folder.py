"""The folder of a run: made anew, gone on with, or its old run moved aside."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rankiqa.config import RunConfig
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.training.checkpoints import checkpoints
from rankiqa.yaml_file import read_yaml

with extra("train"):
    import yaml

# What a run, and the report of its model, write in its folder.
RUN_FILES = (
    "config.yaml",
    "log.csv",
    "val.csv",
    "split.csv",
    "splits",
    "curves.png",
    "tensorboard",
    "checkpoints",
    "model",
    "report",
)
# What may change between the parts of one run without changing its weights; a stage adds its own.
FREE_KEYS = (
    "data.workers",
    "data.decoded",
    "data.decoded_gb",
    "workers",
    "out",
    "resume",
    "overwrite",
    "log_every",
    "val_every",
    "val_patches",
    "checkpoint_every",
    "keep_checkpoints",
)


def open_run_folder(config: RunConfig, free_keys: tuple[str, ...] = ()) -> Path | None:
    """Make the folder of a run ready, and write config.yaml; nothing is touched before all is known to be right.

    Args:
        config: the run's settings. `resume`: the run in `out` goes on; `overwrite`: it is moved aside, to `out`.old1 or
            the next number that is free.
        free_keys: settings that may differ from those of the run that goes on, beside `FREE_KEYS`.

    Returns:
        The checkpoint to resume from; None for a new run.

    Raises:
        InputError: there is no run to go on with, or it has other settings; or there is one, and neither `resume` nor
            `overwrite` is set.
    """
    out = Path(config.out)
    written = out / "config.yaml"
    resume_from = None
    if config.resume:
        done = checkpoints(out / "checkpoints")
        if not done or not written.is_file():
            raise InputError("no checkpoint to resume from", path=out, cure="start a run in place of going on with one")
        _check_same(config, written, free_keys)
        resume_from = done[-1]
    elif written.exists():
        config.check_out()
        print(f"moved the run that was there to {_move_aside(out)}")
    out.mkdir(parents=True, exist_ok=True)
    now = dataclasses.asdict(config) | {"resume": False, "overwrite": False}
    written.write_text(yaml.safe_dump(now, sort_keys=False), encoding="utf-8")
    return resume_from


def _check_same(config: RunConfig, written: Path, free_keys: tuple[str, ...]) -> None:
    """Raise `InputError` for a setting that differs from the run's, and matters for its weights."""
    settings = read_yaml(written)
    if not isinstance(settings, dict):
        raise InputError("holds no settings", path=written, cure="put back the file that the run wrote")
    # A key that the run's version did not have yet is at its default.
    after = _flat(dataclasses.asdict(config))
    # Of a list of groups the empty default has a key of its own, which the items' keys take the place of.
    default = {k: v for k, v in _flat(dataclasses.asdict(type(config)())).items() if v != [] or k in after}
    before = default | _flat(settings)
    for key in sorted(before.keys() | after.keys()):
        # The length of the run shapes the cosine; a step schedule may be made longer.
        plain = re.sub(r"\.\d+\.", ".", key)  # sets.1.root is sets.root
        free = plain in FREE_KEYS + free_keys or (key == "steps" and config.optim.schedule != "cosine")
        if not free and before.get(key) != after.get(key):
            raise InputError(
                f"{key} is {after.get(key)!r}, but the run in {config.out} has {before.get(key)!r}",
                cure=f"resume with the settings in {written}, or choose another place",
                options=("out",),
            )


def _move_aside(out: Path) -> Path:
    """Move the files of a run to a new folder beside it, and nothing else: `out` may hold what is not ours."""
    aside = next(p for i in range(1, 10**6) if not (p := out.with_name(f"{out.name}.old{i}")).exists())
    aside.mkdir()
    for name in RUN_FILES:
        if (out / name).exists():
            os.rename(out / name, aside / name)
    return aside


def _flat(config: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            value = dict(enumerate(value, 1))  # sets.1.root
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
