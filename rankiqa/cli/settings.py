"""Settings of a run from a YAML file and flags: what the training commands share."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

SWITCHES = ("--resume", "--overwrite")


def _parser(config: type, program: str, description: str):
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog=program,
        description=f"{description} Every setting is a key of the YAML file and a flag of the same name.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="a YAML file of settings; flags after it win")
    parser.add_class_arguments(config, as_group=False)
    return parser


def _arguments(argv: Sequence[str]) -> list[str]:
    """`--resume` alone means true; and without --config it takes the settings that the run was started with.

    --freeze-until is --freeze_until.
    """
    args = [
        f"{a}=true" if a in SWITCHES and (i + 1 == len(argv) or argv[i + 1].startswith("--")) else a
        for i, a in enumerate(map(_underscored, argv))
    ]
    if "--resume=true" in args and not any(a.split("=")[0] == "--config" for a in args):
        for i, a in enumerate(args):
            out = (
                a.split("=", 1)[1]
                if a.startswith("--out=")
                else args[i + 1]
                if a == "--out" and i + 1 < len(args)
                else None
            )
            if out and (Path(out) / "config.yaml").is_file():
                return ["--config", str(Path(out) / "config.yaml"), *args]
    return args


def _underscored(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def parse_settings(argv: Sequence[str], config: type, program: str, description: str) -> Any:
    """The `config` of a command line; `InputError`, naming the key (and the file), for what it does not know."""
    from jsonargparse import ArgumentError

    from rankiqa.errors import InputError

    parser = _parser(config, program, description)
    args = _arguments(argv)
    try:
        values = parser.instantiate(parser.parse_args(args)).as_dict()
    except ArgumentError as error:
        files = [b for a, b in pairwise(args) if a == "--config"]
        files += [a.split("=", 1)[1] for a in args if a.startswith("--config=")]
        message = " ".join(str(error).split())
        named = not files or any(name in message for name in files)
        raise InputError(message if named else f"{message} (settings: {', '.join(files)} and flags)") from error
    return config(**{key: value for key, value in values.items() if key != "config"})


@dataclass(frozen=True)
class TrainingCommand:
    """A command that trains: its settings from the command line, then its stage.

    `config` is a class of `rankiqa.config`, `trainer` a module and the `rankiqa.training.Trainer` in it; both are
    imported when they are needed.
    """

    program: str
    description: str
    config: str
    trainer: str

    def parse(self, argv: Sequence[str]) -> Any:
        """The settings of a command line."""
        config = getattr(importlib.import_module("rankiqa.config"), self.config)
        return parse_settings(argv, config, self.program, self.description)

    def main(self, argv: Sequence[str] | None = None) -> int:
        from rankiqa.cli import guarded

        return guarded(self._train, argv)

    def _train(self, argv: Sequence[str]) -> int:
        config = self.parse(argv)
        module, name = self.trainer.split(":")
        return train(getattr(importlib.import_module(module), name)(config))


def train(trainer: Any) -> int:
    """Run a `rankiqa.training.Trainer`, and say what it reached and where the model is."""
    rows = trainer.run()
    if trainer.accelerator.is_main_process:
        for name, row in (rows or {}).items():
            print(f"{name:8s} {trainer.describe(row)}")
        print(f"model: {Path(trainer.config.out) / 'model'}")
    return 0
