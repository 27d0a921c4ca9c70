"""The script for the shell, in real ones."""

import importlib
import os
import pty
import select
import shutil
import subprocess
import sys
import time

import pytest

from rankiqa.cli import COMMANDS, main
from rankiqa.cli.images import MODES

pytest.importorskip("shtab")
BASH = shutil.which("bash")
# What bash does when the tab key is pressed: the words of the line, of which the last one is begun.
PRESS = 'source "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _shtab_rankiqa; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A folder with the files "bash", and "_rankiqa" for zsh."""
    from rankiqa.cli.completion import script

    folder = tmp_path_factory.mktemp("completion")
    (folder / "bash").write_text(script("bash"))
    (folder / "_rankiqa").write_text(script("zsh"))
    return folder


@pytest.fixture
def folder(tmp_path):
    """Files and folders to complete."""
    for name in ("model 1", "models"):
        (tmp_path / name).mkdir()
    for name in ("models.csv", "photo.png", "my photo.png"):
        (tmp_path / name).touch()
    return tmp_path


def bash(code, *arguments, folder):
    command = [BASH, "--norc", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, cwd=folder)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def complete(scripts, folder):
    if BASH is None:
        pytest.skip("needs bash")
    return lambda *words: bash(PRESS, scripts / "bash", "rankiqa", *words, folder=folder).rstrip("\n").split("\n")


def options(command):
    parser = importlib.import_module(f"rankiqa.cli.{COMMANDS[command][0]}")._parser()
    return {option for action in parser._actions for option in action.option_strings}


def test_commands(complete):
    assert complete("") == list(COMMANDS)
    assert complete("make-r") == ["make-ranks", "make-rank-list"]
    assert complete("--debug", "sco") == ["score"]
    assert complete("--") == ["--help", "--version", "--debug"]


@pytest.mark.parametrize("command", COMMANDS)
def test_options(complete, command):
    found = complete(command, "-")
    assert set(found) == options(command) | {"--debug"} and len(found) == len(set(found))


def test_an_option_that_is_begun(complete):
    assert sorted(complete("score", "a.png", "--mo")) == ["--mode", "--model"]
    assert complete("train-rank", "--batch.gro") == ["--batch.groups"]
    assert complete("eval", "--model", "a", "b", "--rank") == ["--ranks"]  # it takes several, any number


FILES = ["model 1", "models", "models.csv", "my photo.png", "photo.png"]


@pytest.mark.parametrize(
    "line, expected",
    [
        ("score --mode |", MODES),
        ("score --mode r", ["random", "resize"]),
        ("score --debug a.png --small e", ["error"]),
        ("--debug score --small e", ["error"]),
        ("score |", FILES),
        ("score photo.png m", FILES[:4]),
        ("score --csv |", FILES),
        ("score --model |", FILES[:2]),  # the folders
        ("score --patches |", [""]),  # a number
        ("train-rank --data.ranks |", FILES),
        ("train-rank --steps |", [""]),
        ("train-rank --resume |", ["true", "false"]),
        ("train-rank --batch.across f", ["false"]),
        ("completion |", ["bash", "zsh"]),
        ("completion z", ["zsh"]),
        ("import-weights |", ["keras", "caffe"]),
        ("import-weights --debug caffe --lo", ["--lower-is-better"]),
        ("import-weights caffe |", FILES),
        ("export onnx --what b", ["both"]),
        ("eval-experiments |", ["levels", "sampling", "networks", "figure"]),
        ("eval-experiments figure --c", ["--curves"]),
    ],
)
def test_what_stands_where(complete, line, expected):
    found = complete(*(word.strip("|") for word in line.split()))
    assert (sorted(found) == expected) if expected[0] in FILES else (found == list(expected))


def typed(shell, setup, line, folder):
    """`line` after the tab key, in an interactive shell on a terminal of its own."""
    terminal, inner = pty.openpty()
    environment = os.environ | {"HOME": str(folder), "TERM": "dumb"}
    files = {"stdin": inner, "stdout": inner, "stderr": inner}
    process = subprocess.Popen(shell, **files, cwd=folder, env=environment, start_new_session=True)
    os.close(inner)

    def wait_for(path):
        end = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < end, f"{shell}: {shown}"
            if select.select([terminal], [], [], 0.05)[0]:  # a full terminal would hold the shell up
                shown.append(os.read(terminal, 65536))

    shown = []
    try:
        os.write(terminal, f"{setup}; : > .ready\n".encode())
        wait_for(folder / ".ready")
        os.write(terminal, f"{line}\t\x18d".encode())
        wait_for(folder / ".done")
        return (folder / ".line").read_text()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.fixture(params=["bash", "zsh"])
def tab(request, scripts, folder):
    program = shutil.which(request.param) or pytest.skip(f"needs {request.param}")
    keep = "> .line && : > .done"
    if request.param == "bash":
        shell = [program, "--norc", "-i"]
        setup = f"""source {scripts}/bash; bind -x '"\\C-xd": printf %s "$READLINE_LINE" {keep}' """
    else:
        shell = [program, "-f", "-i"]
        setup = f"fpath=({scripts} $fpath); autoload -Uz compinit; compinit -u -D; "
        setup += f'dump() {{ print -rn -- "$BUFFER" {keep} }}; zle -N dump; bindkey "^Xd" dump'
    return lambda line: typed(shell, setup, line, folder)


@pytest.mark.parametrize(
    "line, rest",
    [
        ("rankiqa sco", "re "),
        ("rankiqa --debug eval-", "experiments "),
        ("rankiqa score --mode gr", "id "),
        ("rankiqa score photo.png --sm", "all "),
        ("rankiqa score ph", "oto.png "),
        ("rankiqa score photo.png my", "\\ photo.png "),
        ("rankiqa score photo.png my\\ ph", "oto.png "),
        ("rankiqa score ~/ph", "oto.png "),
        ("rankiqa score --model models", "/"),
        ("rankiqa score --csv models.", "csv "),
        ("rankiqa train-rank --batch.across f", "alse "),
        ("rankiqa eval --model models --ran", "ks "),
        ("rankiqa import-weights caffe --low", "er-is-better "),
        ("rankiqa completion z", "sh "),
    ],
)
def test_the_tab_key(tab, line, rest):
    assert tab(line) == line + rest


def test_the_command_prints_the_script(scripts, capsys):
    for shell, file in (("bash", "bash"), ("zsh", "_rankiqa")):
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == (scripts / file).read_text() + "\n"


def test_without_shtab_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == 'error: the package shtab is needed for this: pip install "rankiqa[completion]"\n'
