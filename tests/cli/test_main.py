"""What all commands have in common."""

import argparse
import importlib
import io
import os
import pkgutil
import re
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

import rankiqa
from rankiqa import cli
from rankiqa.cli import COMMANDS, RESUMES, doctor, main
from rankiqa.errors import InputError

PARTS = ["eval-experiments levels", "eval-experiments sampling", "eval-experiments networks"]
PARTS += ["eval-experiments figure", "import-weights keras", "import-weights caffe", "export onnx"]
RUN = "import sys; from rankiqa.cli import main; sys.exit(main())"


def start(*arguments, **more):
    command = [sys.executable, "-c", RUN, *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **more)


def help_of(command):
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    return out.getvalue()


def test_every_command_is_listed(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    listed = re.findall(r"^  ([a-z-]+) {2,}\S", out, re.MULTILINE)
    assert listed == list(COMMANDS)
    modules = {module.name for module in pkgutil.iter_modules(cli.__path__)}
    assert modules - {"images", "installation", "settings"} == {module for module, _ in COMMANDS.values()}
    assert max(map(len, out.splitlines())) <= 120
    for same in ([], ["-h"], ["--debug"], ["--help", "--debug"]):
        assert main(same) == 0 and capsys.readouterr().out == out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rankiqa {rankiqa.__version__}\n"


@pytest.mark.parametrize(
    "word, hint",
    [
        ("scroe", "did you mean score?"),
        ("make_ranks", "did you mean make-ranks?"),
        ("train", "did you mean train-rank?"),
        ("photo 1.png", "to score an image: rankiqa score 'photo 1.png'"),
        ("zzz", None),
        ("--sort", None),
    ],
)
def test_an_unknown_command_is_one_line_with_a_hint(word, hint, tmp_path, monkeypatch, capsys):
    (tmp_path / "photo 1.png").touch()
    monkeypatch.chdir(tmp_path)
    assert main([word, "more"]) == 2
    out, err = capsys.readouterr()
    hint = f" ({hint})" if hint else ""
    assert (out, err) == ("", f"error: unknown command {word!r}{hint}; rankiqa --help lists all\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_and_has_an_example(command):
    text = help_of(command)
    assert text.startswith(f"usage: rankiqa {command} ")
    assert re.search(rf"^examples?:\n(  .*\n)*  rankiqa {command} ", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("command", [*COMMANDS, *PARTS])
def test_help_shows_the_defaults(command):
    name, *part = command.split()
    parser = importlib.import_module(f"rankiqa.cli.{COMMANDS[name][0]}")._parser()
    for word in part:
        parser = parser._subparsers._group_actions[0].choices[word]
    _, options = help_of(command).split("\noptions:\n")
    told = {}
    for entry in re.split(r"\n {2,4}(?=-)", f"\n{options}".split("\nexample")[0]):
        names, _, text = entry.replace("\n", "  ").partition("  ")
        told |= dict.fromkeys(re.findall(r"-[-\w.]+", names), text)
    for action in parser._actions:
        if action.option_strings and action.default not in (None, False, "", argparse.SUPPRESS):
            assert "default" in told[action.option_strings[0]], action
    assert "default: )" not in options


@pytest.mark.parametrize("arguments", [["--debug", "scroe"], ["scroe", "--debug"], ["doctor", "--debug"]])
def test_debug_shows_the_traceback_for_as_long_as_the_command(arguments, monkeypatch, capsys):
    def fail(argv):
        assert argv == []
        raise InputError("the disk is made of cheese")

    monkeypatch.setattr(doctor, "_run", fail)
    monkeypatch.delenv("RANKIQA_DEBUG", raising=False)
    assert main(arguments) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("Traceback") and "InputError" in err[-2] and err[-1].startswith("error: ")
    assert main(["scroe"]) == 2 and capsys.readouterr().err.count("\n") == 1


def test_after_two_dashes_debug_is_a_name(monkeypatch):
    monkeypatch.setattr(doctor, "_run", lambda argv: 7 if argv == ["--", "--debug"] and not cli.debugging() else 0)
    assert main(["doctor", "--", "--debug"]) == 7


@pytest.mark.parametrize(
    "error, status, line",
    [
        (KeyboardInterrupt(), 130, RESUMES),
        (InputError("a\nb"), 2, r"error: a\nb"),
        (
            *(OSError(28, "No space left on device", "x.csv"), 2),
            "error: x.csv: cannot be written: no space left on the device; free some or choose another place",
        ),
        (OSError("odd"), 2, "error: odd"),
    ],
)  # fmt: skip
def test_what_stops_a_command_is_one_line_and_a_status(error, status, line, monkeypatch, tmp_path, capsys):
    def stop(argv):
        raise error

    monkeypatch.setattr(doctor, "_run", stop)
    monkeypatch.setenv("RANKIQA_STATUS_FILE", str(tmp_path / "status"))
    assert main(["doctor"]) == status
    assert capsys.readouterr() == ("", f"{line}\n")
    assert (tmp_path / "status").read_text() == str(status)


@pytest.mark.parametrize("arguments", [["--help"], ["completion", "zsh"]])
def test_a_reader_that_leaves_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = start(*arguments, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", ["", "score", "compare", "rank", "heatmap", "doctor", "make-ranks", "eval"])
def test_the_help_waits_for_no_library(command):
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {RUN}"
    done = subprocess.run([sys.executable, "-c", code, *command.split(), "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "rankiqa.cli" in done.stderr.split()
    assert not {"torch", "numpy", "PIL", "cv2", "scipy", "pandas"} & set(done.stderr.split())
