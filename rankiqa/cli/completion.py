"""completion: a script by which a shell completes commands, options, their choices, and files."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from rankiqa.cli import COMMANDS, DEBUG, HelpFormatter, guarded
from rankiqa.extras import extra

# What shtab leaves out of its scripts: bash shall complete by itself what is not known, as names with ~ or spaces, and
# zsh a second file of those that a command takes.
_FIXES: dict[str, Callable[[str], str]] = {
    "bash": lambda script: f"{script}\ncomplete -o bashdefault -o default -F _shtab_rankiqa rankiqa",
    "zsh": lambda script: script.replace('"(*):', '"*:'),
}
_EPILOG = """\
examples:
  rankiqa completion bash > ~/.local/share/bash-completion/completions/rankiqa
  rankiqa completion zsh > ~/.zfunc/_rankiqa

Where bash has no bash-completion, source the file from ~/.bashrc. zsh finds the file in a folder of its fpath: put
fpath=(~/.zfunc $fpath) before compinit in ~/.zshrc. Write it anew after an update.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa completion",
        description="Print a script that makes a shell complete commands, options, their choices, and files.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=tuple(_FIXES), help="the shell")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    print(script(options.shell))
    return 0


def script(shell: str) -> str:
    """The script for "bash" or "zsh"; `MissingExtra` without shtab."""
    with extra("completion"):
        import shtab

    parser = argparse.ArgumentParser(prog="rankiqa")
    parser.add_argument("--version", action="store_true", help="show the version")
    commands = parser.add_subparsers()
    for name, (module, summary) in COMMANDS.items():
        commands.add_parser(name, help=summary)
        commands.choices[name] = importlib.import_module(f"rankiqa.cli.{module}")._parser()
        commands.choices[name].description = summary
    _prepare(parser, shtab.FILE, shtab.DIRECTORY)
    return _FIXES[shell](shtab.complete(parser, shell))


def _prepare(parser: argparse.ArgumentParser, file: dict[str, Any], folder: dict[str, Any]) -> None:
    """Add --debug to all parsers, and mark the arguments that may be files: text of no given choices.

    They are folders where the metavar begins with DIR.
    """
    if DEBUG not in parser._option_string_actions:
        parser.add_argument(DEBUG, action="store_true", help="show the traceback of an error")
    for action in parser._actions:
        kind = getattr(action, "_typehint", action.type)  # that of jsonargparse
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                _prepare(subparser, file, folder)
        elif kind is bool:
            action.choices = ("true", "false")
        elif action.nargs != 0 and not action.choices and kind in (None, str, str | None):
            marked = folder if str(action.metavar).startswith("DIR") else file
            if action.option_strings and action.nargs == "+":
                marked = marked | {"bash": ""}  # else no other option could follow there
            action.complete = marked  # type: ignore[attr-defined]  # it is shtab's
