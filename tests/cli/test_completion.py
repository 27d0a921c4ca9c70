"""The script for the shell, in a real one."""

import importlib
import shutil
import subprocess

import pytest

from rankiqa.cli import COMMANDS, main
from rankiqa.cli.images import MODES

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="needs bash")
# What bash does when the tab key is pressed: the words of the line, of which the last one is begun.
PRESS = 'source "$0" && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && { _rankiqa; printf "%s\\n" "${COMPREPLY[@]}"; }'


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    from rankiqa.cli.completion import script

    path = tmp_path_factory.mktemp("completion") / "rankiqa"
    path.write_text(script())
    return path


def bash(code, *arguments):
    command = [BASH, "--norc", "-u", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def complete(script):
    return lambda *words: bash(PRESS, script, "rankiqa", *words).split()


def options(command):
    parser = importlib.import_module(f"rankiqa.cli.{COMMANDS[command][0]}")._parser()
    return {option for action in parser._actions for option in action.option_strings}


def test_commands(complete):
    assert complete("") == list(COMMANDS)
    assert complete("make-r") == ["make-ranks", "make-rank-list"]
    assert complete("--debug", "sc") == ["score"]
    assert complete("--") == ["--help", "--version", "--debug"]
    assert complete("score", "rank") == []  # a file: bash itself completes it


@pytest.mark.parametrize("command", COMMANDS)
def test_options(complete, command):
    found = complete(command, "-")
    assert set(found) == options(command) | {"--debug"} and len(found) == len(set(found))


def test_an_option_that_is_begun(complete):
    assert sorted(complete("score", "a.png", "--mo")) == ["--mode", "--model"]
    assert complete("train-rank", "--batch.gro") == ["--batch.groups"]


@pytest.mark.parametrize(
    "line, expected",
    [
        ("score --mode |", MODES),
        ("score --mode r", ["random", "resize"]),
        ("score --mode = |", MODES),  # bash parts the word at the sign
        ("score --mode = gr", ["grid"]),
        ("score --debug a.png --small e", ["error"]),
        ("--debug score --small e", ["error"]),
        ("heatmap --mode |", []),  # another command's
        ("score --csv |", []),
        ("score |", []),
        ("train-rank --resume |", ["true", "false"]),
        ("train-rank --batch.across f", ["false"]),
        ("completion |", ["bash", "zsh"]),
        ("completion z", ["zsh"]),
        ("import-weights |", ["keras", "caffe"]),
        ("eval-experiments |", ["levels", "sampling", "networks", "figure"]),
        ("eval-experiments figure --c", ["--curves"]),
    ],
)
def test_choices(complete, line, expected):
    assert complete(*(word.strip("|") for word in line.split())) == list(expected)


def test_what_is_not_known_is_a_file(script):
    registered = bash('source "$0" && complete -p rankiqa', script)
    assert registered == "complete -o default -F _rankiqa rankiqa\n"


def test_zsh_takes_the_script_of_bash(script, capsys):
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == script.read_text()
    assert main(["completion", "zsh"]) == 0
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert first == "autoload -Uz compinit bashcompinit && compinit && bashcompinit"
    assert rest == script.read_text()
