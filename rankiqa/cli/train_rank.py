"""train-rank: train a network on ranked images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rankiqa.cli import guarded

SWITCHES = ("--resume", "--overwrite")


def _parser():
    from jsonargparse import ArgumentParser

    from rankiqa.config import RankConfig

    parser = ArgumentParser(
        prog="train_rank",
        description="Train a network on ranked images. Every setting is a key of the YAML file and a flag of the same name.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="a YAML file of settings; flags after it win")
    parser.add_class_arguments(RankConfig, as_group=False)
    return parser


def _arguments(argv: Sequence[str]) -> list[str]:
    """`--resume` alone means true; and without --config it takes the settings that the run was started with."""
    args = [f"{a}=true" if a in SWITCHES and (i + 1 == len(argv) or argv[i + 1].startswith("--")) else a for i, a in enumerate(argv)]
    if "--resume=true" in args and not any(a.split("=")[0] == "--config" for a in args):
        for i, a in enumerate(args):
            out = a.split("=", 1)[1] if a.startswith("--out=") else args[i + 1] if a == "--out" and i + 1 < len(args) else None
            if out and (Path(out) / "config.yaml").is_file():
                return ["--config", str(Path(out) / "config.yaml"), *args]
    return args


def _train(argv: Sequence[str]) -> int:
    from jsonargparse import ArgumentError

    from rankiqa.config import RankConfig
    from rankiqa.errors import InputError

    parser = _parser()
    try:
        values = parser.parse_args(_arguments(argv))
        config = RankConfig(**{k: v for k, v in parser.instantiate(values).as_dict().items() if k != "config"})
    except ArgumentError as error:
        raise InputError(" ".join(str(error).split())) from error
    from rankiqa.training import RankTrainer, describe

    trainer = RankTrainer(config)
    rows = trainer.run()
    if trainer.accelerator.is_main_process:
        if rows:
            for name, row in rows.items():
                print(f"{name:8s} {describe(row)}")
        print(f"model: {Path(config.out) / 'model'}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    return guarded(_train, argv)
