"""completion: a script by which bash or zsh completes commands, options, their choices, and files."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence

from rankiqa.cli import COMMANDS, DEBUG, HelpFormatter, guarded

# What is neither a command, an option nor one of a few choices is a file: -o default leaves that to the shell.
_SCRIPT = """\
_rankiqa() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} at="" words="" i
    # bash parts --mode=grid in three
    if [[ $word == "=" ]]; then
        word=""
    elif [[ $before == "=" ]]; then
        before=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$at ${{COMP_WORDS[i]}}" in
            {commands}) at="$at ${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$at $before" in
{choices}
        *)
            case "$at" in
{words}
            esac
            [[ $word == -* ]] || words=${{words%% -*}}  # options, which come last, where one is begun
            ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _rankiqa rankiqa
"""
_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
_EPILOG = """\
examples:
  rankiqa completion bash > ~/.local/share/bash-completion/completions/rankiqa
  rankiqa completion zsh > ~/.rankiqa-completion.zsh && echo 'source ~/.rankiqa-completion.zsh' >> ~/.zshrc

Where bash has no bash-completion, source the file from ~/.bashrc. Write it anew after an update.
"""


def main(argv: Sequence[str] | None = None) -> int:
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa completion",
        description="Print a script that makes a shell complete commands, options, their choices, and files.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    print(("" if options.shell == "bash" else _ZSH) + script(), end="")
    return 0


def script() -> str:
    """The function for bash, which zsh understands through bashcompinit."""
    words = {"": [*COMMANDS, "--help", "--version", DEBUG]}
    choices: dict[str, list[str]] = {}
    for command, parser in _parsers():
        _collect(f" {command}", parser, words, choices)
    return _SCRIPT.format(
        commands="|".join(shlex.quote(at) for at in words if at),
        choices=_cases(choices, 8),
        words=_cases(words, 16),
    )


def _cases(words: dict[str, list[str]], indent: int) -> str:
    return "\n".join(f"{'':{indent}}{shlex.quote(at)}) words={shlex.quote(' '.join(w))} ;;" for at, w in words.items())


def _parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    import importlib

    for command, (module, _) in COMMANDS.items():
        yield command, importlib.import_module(f"rankiqa.cli.{module}")._parser()


def _collect(
    at: str, parser: argparse.ArgumentParser, words: dict[str, list[str]], choices: dict[str, list[str]]
) -> None:
    """Add what may stand after the commands `at`, and after each option that has choices."""
    words[at], options = [], [DEBUG]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            words[at] += action.choices
            for name, sub in action.choices.items():
                _collect(f"{at} {name}", sub, words, choices)
        elif not action.option_strings:
            words[at] += map(str, action.choices or ())
        elif action.help != argparse.SUPPRESS:
            options += action.option_strings
            allowed = action.choices or (("true", "false") if getattr(action, "_typehint", None) is bool else ())
            choices |= {f"{at} {option}": [str(c) for c in allowed] for option in action.option_strings if allowed}
    words[at] += ["", *dict.fromkeys(options)]
