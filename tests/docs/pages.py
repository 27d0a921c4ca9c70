"""The pages for users, and what in them can be run: fenced blocks and commands."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import rankiqa.config
from rankiqa.cli import COMMANDS, settings
from rankiqa.cli.settings import TrainingCommand

REPOSITORY = Path(__file__).parents[2]
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *DOCS]
CHANGELOG = REPOSITORY / "CHANGELOG.md"  # names what is no more, so that its links alone are checked

WRITTEN = ("--out", "-o", "--csv", "--html")  # options with a file or folder that a command writes

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OURS = re.compile(r"(rankiqa|python data_gen/\w+\.py|python eval/\w+\.py|bash train/\w+\.sh) ")
_INLINE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Piece:
    """A part of a page that can be run; `line` is the number of its first line there."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Block(Piece):
    """A fenced block; its language is empty where it names none."""

    language: str


class Command(Piece):
    """A command line."""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    def check(self, status: int, said: str) -> None:
        """Fail unless the command did what its page says, in the current folder: its status, and what it has written.

        `rankiqa verify` counts: of a small copy of a data set it must say that it is small, and nothing else.
        """
        if self.words[:2] == ["rankiqa", "verify"] and f"\n{said.count('count: ')} faults" in said:
            status = 0
        assert status == 0, f"{self}: {self.text}\n{said}"
        for option, path in pairwise(self.words):
            assert option not in WRITTEN or Path(path).exists(), f"{self}: {path} is not there"


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The fenced blocks of a page, all or those of a language."""
    text = page.read_text(encoding="utf-8")
    found = [Block(page, text.count("\n", 0, m.start(2)) + 1, m[2], m[1]) for m in _FENCE.finditer(text)]
    return [block for block in found if language in (None, block.language)]


def commands(page: Path) -> list[Command]:
    """The commands in the bash blocks of a page, and in those that name no language, in their order.

    What a bash block has is for us to run; a block without a name may hold anything, of which our commands are taken.
    """
    found = []
    for block in blocks(page):
        for number, line in enumerate(block.text.splitlines(), block.line):
            if line.strip() and (block.language == "bash" or (not block.language and _OURS.match(line))):
                found.append(Command(page, number, line))
    return found


def inline_code(page: Path) -> Iterator[Piece]:
    """The code in the sentences of a page, each piece in one line."""
    text = page.read_text(encoding="utf-8")
    prose = _FENCE.sub(lambda m: "\n" * m[0].count("\n"), text)
    for match in _INLINE.finditer(prose):
        yield Piece(page, prose.count("\n", 0, match.start()) + 1, " ".join(match[1].split()))


def inline_commands(page: Path) -> list[Command]:
    """The commands with options in the sentences of a page; those without are mere names."""
    found = [code for code in inline_code(page) if _OURS.match(code.text) and " --" in code.text]
    return [Command(code.page, code.line, code.text) for code in found if not re.search("…|rankiqa --", code.text)]


@cache
def known_options() -> set[str]:
    """The options of all commands."""
    found: set[str] = set()
    for name, _ in COMMANDS.values():
        module = importlib.import_module(f"rankiqa.cli.{name}")
        found |= set(_options(_parser_of(module)))
        command = getattr(module, "command", None)
        if isinstance(command, TrainingCommand):  # keys of groups in a list too
            found |= {f"--{key}" for key in settings._keys(getattr(rankiqa.config, command.config))}
    return found


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from _options(part)


def _parser_of(module: Any) -> argparse.ArgumentParser:
    command = getattr(module, "command", None)
    if isinstance(command, TrainingCommand):
        return settings._parser(getattr(rankiqa.config, command.config), command.program, command.description)
    return (getattr(module, "_parser", None) or module.parser)()


def parse(command: Command) -> Any:
    """What the command's own parser makes of a command line; raises what it raises.

    Paths of settings are looked up from the repository, which must be the current folder.
    """
    module, argv = _program(command.words)
    if isinstance(getattr(module, "command", None), TrainingCommand):
        config = module.parse(argv)
        config.check()
        return config
    parser = _parser_of(module)
    parser.allow_abbrev = False  # a page names an option in full
    return parser.parse_args(argv)


def _program(words: list[str]) -> tuple[Any, list[str]]:
    """The module of `rankiqa.cli` that a command line ends in, and what it is given."""
    start, name, *argv = words
    if start == "rankiqa":
        return importlib.import_module(f"rankiqa.cli.{COMMANDS[name][0]}"), argv
    script = REPOSITORY / name
    assert (start, script.suffix) in (("python", ".py"), ("bash", ".sh")) and script.is_file(), f"no program: {name}"
    recipe = re.search(r"^launch_with (\S+)", script.read_text(), re.MULTILINE)
    if recipe and "--config" not in argv:
        argv = ["--config", f"train/configs/{recipe[1]}", *argv]
    return importlib.import_module(f"rankiqa.cli.{script.stem}"), argv
