"""Settings from a file and from flags: what is wrong names the file, and errors name the flags that there are."""

import ast
import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest

import rankiqa
from rankiqa.cli.train_rank import main
from rankiqa.config import JointSetConfig

PACKAGE = Path(rankiqa.__file__).parent
COMMANDS = {
    name: importlib.import_module(f"rankiqa.cli.{name}").command
    for name in ("train_rank", "train_joint", "finetune", "train_nima", "train_siamese_nima")
}
ON_SCORES = ("finetune", "train_nima", "train_siamese_nima")
# Which commands run what is in a file of rankiqa/training/ or config/; those that are not here: all.
RUN_BY = {
    "ranking": ("train_rank", "train_joint"),
    "joint": ("train_joint",),
    "joint_sets": ("train_joint",),
    "finetuning": ("finetune",),
    "nima": ("train_nima", "train_siamese_nima"),
    "siamese_nima": ("train_siamese_nima",),
    "bucket_pairs": ("train_siamese_nima",),
    "scored": ON_SCORES,
    "scored_data": ON_SCORES,
    "voted_set": ("finetune",),
    "scores": ON_SCORES,
}
# Not in every command that runs the file: a batch of pairs has no number of images, and NIMA takes images of any size.
ELSEWHERE = {("scored_data", "batch.images", "train_siamese_nima")} | {
    ("scored_data", small, name)
    for small in ("small=reflect", "small=resize")
    for name in ("train_nima", "train_siamese_nima")
}
READERS = ("images", "datasets", "ranks", "distortions", "models", "scoring")


def options_in(file: Path) -> set[str]:
    """What a source file gives as the options of errors; a part that is filled in when it runs becomes x."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.keyword) and node.arg == "options"):
            continue
        if isinstance(node.value, ast.Dict):  # of `torch.compile`
            continue
        for part in ast.walk(node.value):
            if isinstance(part, ast.JoinedStr):
                pieces = [piece.value if isinstance(piece, ast.Constant) else "x" for piece in part.values]
                found.add("".join(pieces))
        inner = {id(piece) for part in ast.walk(node.value) if isinstance(part, ast.JoinedStr) for piece in part.values}
        found |= {
            part.value
            for part in ast.walk(node.value)
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in inner
        }
    return found


def flags_of(command) -> set[str]:
    found = set(re.findall(r"--[\w.]+", command.parser().format_help()))
    # What `--sets.help` tells.
    return found | {f"--sets.{field.name}" for field in fields(JointSetConfig) if "--sets.help" in found}


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    return {name: flags_of(command) for name, command in COMMANDS.items()}


def test_what_training_names_as_options_are_flags_of_the_command(known):
    seen = 0
    for folder in ("training", "config"):
        for file in sorted((PACKAGE / folder).glob("*.py")):
            for option in sorted(options_in(file) - {"model.x"}):
                for name in RUN_BY.get(file.stem, COMMANDS) if folder == "training" or file.stem == "scores" else ():
                    flag = COMMANDS[name].word(option)
                    assert (flag.split(" ")[0] in known[name]) or (file.stem, option, name) in ELSEWHERE, (file, option)
                    seen += 1
    assert seen > 40


def test_what_readers_name_as_options_is_no_flag_that_is_not_there(known):
    options = {option for folder in READERS for file in (PACKAGE / folder).glob("*.py") for option in options_in(file)}
    for name, command in COMMANDS.items():
        for option in options | {"convert=True", "missing=record", "labels", "frames=first", "model", "root"}:
            flag = command.word(option).split(" ")[0]
            assert not flag or flag in known[name], (name, option)


@pytest.mark.parametrize(
    ("command", "option", "flag"),
    [
        ("train_rank", "out", "--out"),
        ("train_rank", "overwrite=True", "--overwrite"),
        ("train_rank", "convert=True", "--data.convert true"),
        ("train_rank", "levels", "--data.levels"),
        ("train_rank", "model.crop", "--model.crop"),
        ("train_rank", "missing=record", ""),
        ("train_joint", "missing=record", "--sets.missing record"),
        ("train_joint", "sets.direction", "--sets.direction"),
        ("train_joint", "convert=True", "--data.convert true"),
        ("finetune", "missing=record", "--data.missing record"),
        ("finetune", "small=reflect", "--data.small reflect"),
        ("finetune", "frames=first", ""),
        ("finetune", "model", ""),
        ("train_siamese_nima", "missing=record", "--scores.missing record"),
        ("train_siamese_nima", "data", "--data"),
        ("train_siamese_nima", "edges", "--batch.edges"),
    ],
)
def test_an_option_becomes_the_flag_of_the_command_or_nothing(command, option, flag):
    assert COMMANDS[command].word(option) == flag


def test_a_file_of_settings_or_a_run_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["--config", str(tmp_path / "mine.yaml")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'mine.yaml'}: no such file; give a YAML file")
    assert main(["--out", str(tmp_path / "run"), "--resume"]) == 2
    line = f"error: {tmp_path / 'run'}: holds no run to go on with; give the folder of one (--out)\n"
    assert capsys.readouterr().err == line


def test_a_config_s_unknown_key_and_broken_yaml_name_the_file(tmp_path, capsys):
    for text in ("model:\n  nme: x\n", "model: [\n", "optim:\n  lr: fast\n"):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        assert main(["--config", str(path)]) == 2
        error = capsys.readouterr().err.strip()
        assert str(path) in error and "\n" not in error
