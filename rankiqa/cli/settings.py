"""Settings of a run from a YAML file and flags: what the training commands share."""

from __future__ import annotations

import importlib
import os
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rankiqa.config import RankDataConfig

SWITCHES = ("--resume", "--overwrite")
LOOK = "RANKIQA_LOOK"  # of the environment: whether a command shall look at its settings alone, as train/launch.sh asks


def _parser(config: type, program: str, description: str, examples: str = ""):
    from rankiqa.extras import extra

    with extra("train"):
        from jsonargparse import ArgumentParser, DefaultHelpFormatter

    class Formatter(DefaultHelpFormatter):
        """Leaves the lines of examples as they are."""

        def _fill_text(self, text: str, width: int, indent: str) -> str:
            return text if "\n" in text else super()._fill_text(text, width, indent)

    parser = ArgumentParser(
        prog=program,
        description=f"{description} Every setting is a key of the YAML file and a flag of the same name.",
        epilog=examples,
        formatter_class=Formatter,
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
            if out:
                return ["--config", str(_settings_of(Path(out))), *args]
    return args


def _settings_of(run: Path) -> Path:
    """The settings of a run that is to go on."""
    from rankiqa.errors import InputError

    if not (run / "config.yaml").is_file():
        raise InputError("holds no run to go on with", path=run, cure="give the folder of one", options=("out",))
    return run / "config.yaml"


def _underscored(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def parse_settings(argv: Sequence[str], config: type, program: str, description: str, examples: str = "") -> Any:
    """The `config` of a command line; `InputError`, naming the key (and the file), for what it does not know."""
    from rankiqa.errors import InputError
    from rankiqa.yaml_file import read_yaml

    parser = _parser(config, program, description, examples)
    from jsonargparse import ArgumentError

    args = _arguments(argv)
    files = [b for a, b in pairwise(args) if a == "--config"]
    files += [a.split("=", 1)[1] for a in args if a.startswith("--config=")]
    for file in files:
        if not Path(file).exists():
            raise InputError(
                "no such file", path=file, cure="give a YAML file of settings, such as those in train/configs"
            )
        if Path(file).is_file():
            _check_values(file, read_yaml(file), config)
    try:
        values = parser.instantiate(parser.parse_args(args)).as_dict()
    except (ArgumentError, ValueError, OverflowError) as error:  # the last two: of numbers with too many digits
        message = " ".join(str(error).split())
        named = not files or any(name in message for name in files)
        raise InputError(message if named else f"{message} (settings: {', '.join(files)} and flags)") from error
    settings = config(**{key: value for key, value in values.items() if key != "config"})
    _check_filled(settings)
    return settings


def _check_values(file: str, values: Any, config: type, prefix: str = "") -> None:
    """Raise `InputError` unless a YAML file has values for the fields of `config`, and nothing else.

    jsonargparse would import the module of a `class_path`, and read another file where a group of settings should be.
    """
    from rankiqa.errors import InputError

    if not isinstance(values, dict):
        raise InputError(f"{prefix.rstrip('.') or 'it'} must hold settings, a key and a value each", path=file)
    kinds = {field.name: typing.get_type_hints(config)[field.name] for field in fields(config)}
    for key, value in values.items():
        name, _, rest = str(key).partition(".")  # data.ranks is as good as ranks in data
        if name not in kinds:
            raise InputError(f"unknown setting {f'{prefix}{key}'!r:.80}; known: {', '.join(kinds)}", path=file)
        if rest and name in values:  # jsonargparse would forget the one that comes first
            raise InputError(f"{prefix}{key} stands beside {prefix}{name}", path=file, cure="put it in there")
        if is_dataclass(kinds[name]):
            _check_values(file, {rest: value} if rest else value, kinds[name], f"{prefix}{name}.")
        elif (item := _item(kinds[name])) and not rest and type(value) is list:
            for number, one in enumerate(value, 1):
                _check_values(file, one, item, f"{prefix}{name}.{number}.")
        elif rest or any(isinstance(v, (dict, list, set, bytes)) for v in (value if type(value) is list else [value])):
            raise InputError(f"{prefix}{name} must be a value or a list of values, no more", path=file)


def _item(kind: Any) -> type | None:
    """Of which group of settings a setting is a list; None: of none."""
    items = typing.get_args(kind) if typing.get_origin(kind) is list else ()
    return items[0] if items and is_dataclass(items[0]) and isinstance(items[0], type) else None


def _check_filled(settings: Any, prefix: str = "") -> None:
    """Raise `InputError` for a setting that is none and may not be."""
    from rankiqa.errors import InputError

    kinds = typing.get_type_hints(type(settings))
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value is None and type(None) not in typing.get_args(kinds[field.name]):
            raise InputError(f"{prefix}{field.name} needs a value")
        if is_dataclass(value):
            _check_filled(value, f"{prefix}{field.name}.")
        elif _item(kinds[field.name]):
            for number, one in enumerate(value, 1):
                _check_filled(one, f"{prefix}{field.name}.{number}.")


def _keys(config: type, prefix: str = "") -> Iterator[str]:
    """Each setting of `config` that takes a value, as its key: data.ranks; of a list of groups those of one too."""
    kinds = typing.get_type_hints(config)
    for field in fields(config):
        group = kinds[field.name]
        if not is_dataclass(group):
            yield prefix + field.name
            group = _item(group)
        if group is not None:
            yield from _keys(group, f"{prefix}{field.name}.")


@dataclass(frozen=True)
class TrainingCommand:
    """A command that trains: its settings from the command line, then its stage.

    Attributes:
        program: the command, as its help calls it.
        description: what it does.
        config: a class of `rankiqa.config`; imported when it is needed.
        trainer: a module and the `rankiqa.training.loop.Trainer` in it, with a colon between; imported when needed.
        examples: the end of the help.
    """

    program: str
    description: str
    config: str
    trainer: str
    examples: str = ""

    def _settings(self) -> type:
        return getattr(importlib.import_module("rankiqa.config"), self.config)

    def parser(self) -> Any:
        """What tells the options."""
        return _parser(self._settings(), self.program, self.description, self.examples)

    def parse(self, argv: Sequence[str]) -> Any:
        """The settings of a command line."""
        return parse_settings(argv, self._settings(), self.program, self.description, self.examples)

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Train, and say what came of it; returns the exit status."""
        from rankiqa.cli import guarded

        return guarded(self._train, argv, word=self.word)

    def word(self, option: str) -> str:
        """The flag of an option that an error names: --data.convert true, where the reader of images calls it convert.

        It is looked for among the settings by its whole key, then by its last part; of several, the first one counts.
        "" for what this command has no setting for.
        """
        name, equals, value = option.partition("=")
        keys = list(_keys(self._settings()))
        key = name if name in keys else next((key for key in keys if key.rpartition(".")[2] == name), None)
        if key is None:
            return ""
        if not equals or f"--{key}" in SWITCHES:  # they need no value
            return f"--{key}"
        return f"--{key} {value.lower() if value in ('True', 'False') else value}"

    def _train(self, argv: Sequence[str]) -> int:
        config = self.parse(argv)
        look_at(config)
        if os.environ.get(LOOK):
            return 0
        module, name = self.trainer.split(":")
        return train(getattr(importlib.import_module(module), name)(config))


def look_at(config: Any) -> None:
    """Raise `InputError` for what is wrong with a run, as far as it is known without PyTorch: its stage says the same.

    That is a setting that no run can have, an `out` that holds a run, a network by a name of none, and a set, its
    labels, a model or weights that are not there.
    """
    from rankiqa.config import RankConfig
    from rankiqa.errors import InputError

    config.check()
    # Of several processes the first one makes the folder, and of several machines another may have made it.
    if os.environ.get("RANK", "0") == "0" and not os.environ.get(LOOK):
        config.check_out()
    if isinstance(config, RankConfig):
        _look_at_ranks(config.data)
    _look_at_scores(config)
    init = getattr(config, "init", None)
    if not init:
        from rankiqa.models.locate import check_weights
        from rankiqa.models.names import check_name

        check_weights(config.model.weights)
        if config.model.name is not None:
            check_name(config.model.name)
    elif not init.lower().endswith((".h5", ".hdf5")):  # of Keras's files the stage tells more
        from rankiqa.models.locate import find_model

        try:
            find_model(init)
        except InputError as error:
            raise error.but(options=("init",) if error.options else ()) from None


def _look_at_ranks(data: RankDataConfig) -> None:
    from rankiqa.errors import InputError
    from rankiqa.ranks.manifest import check_manifest

    if data.source == "online":
        if data.pristine and not Path(data.pristine).exists():
            raise InputError("no such folder", path=data.pristine)
        from rankiqa.distortions import plan

        plan(data.distortions, data.levels)
    for ranks in (data.ranks if data.source == "ranks" else None, data.val):
        if ranks is not None:
            check_manifest(ranks)


def _look_at_scores(config: Any) -> None:
    """The folders and the files of people's scores."""
    from rankiqa.config import FinetuneConfig, JointConfig, SiameseNimaConfig
    from rankiqa.config.scores import PAIRS
    from rankiqa.errors import InputError

    of_file = isinstance(config, SiameseNimaConfig) and config.data is not None
    sets: list[tuple[Any, Any, Any]]
    if of_file:
        sets = [("csv", config.images, config.data)]
    elif isinstance(config, JointConfig):
        sets = [(one.dataset, one.root, one.labels) for one in config.sets]
    elif getattr(config, "dataset", None) is not None:
        sets = [(config.dataset, config.root, getattr(config.data, "labels", None))]
    else:
        return
    from rankiqa.datasets.places import check_place

    for dataset, root, labels in sets:
        try:
            check_place(dataset, root, (PAIRS,) if isinstance(config, (FinetuneConfig, JointConfig)) else ())
        except InputError as error:
            raise error.but(options=("images",) if of_file and error.options else error.options) from None
        if labels is not None and not Path(labels).is_file():
            raise InputError("no such file", path=labels)


def train(trainer: Any) -> int:
    """Run a `rankiqa.training.loop.Trainer`, and say what it reached and where the model is."""
    rows = trainer.run()
    if trainer.accelerator.is_main_process:
        for name, row in (rows or {}).items():
            print(f"{name:8s} {trainer.describe(row)}")
        print(f"model: {Path(trainer.config.out) / 'model'}")
    return 0
