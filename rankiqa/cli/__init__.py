"""The command line: `rankiqa COMMAND`, and what the scripts of data_gen/, train/ and eval/ call.

One file a command, each with `main(argv=None) -> int`, and `_parser()` for the completion of the shell. Imports stay
inside the functions, so that the help is there at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

# What people do → the command → its module here, and what it does.
GROUPS = {
    "score photos": {
        "score": ("score", "score images, folders and patterns"),
        "compare": ("compare", "put a few images in order, and say how sure the order is"),
        "rank": ("rank", "all images of a folder, best first, and a page with them"),
        "heatmap": ("heatmap", "show where in a photo the quality is lost"),
    },
    "your own eyes": {
        "label": ("label", "let people say on a local page which photo is better"),
        "app": ("app", "show photos and their scores on a local page"),
        "scale": ("scale", "make scores with intervals of people's votes"),
        "tune": ("tune", "lead the default model by people's votes"),
    },
    "make and train": {
        "make-ranks": ("make_ranks", "make ranked images from pristine photos"),
        "make-rank-list": ("make_rank_list", "write or read the original's lists of ranked images"),
        "make-finetune-list": ("make_finetune_list", "lists of images with human scores, split by reference"),
        "train-rank": ("train_rank", "train a network on ranked images"),
        "train-joint": ("train_joint", "train a network on ranked images and human scores at once"),
        "finetune": ("finetune", "fine-tune one branch on human scores"),
        "train-nima": ("train_nima", "train a NIMA on the distribution of votes"),
        "train-siamese-nima": ("train_siamese_nima", "sharpen a NIMA on pairs of images"),
    },
    "evaluate": {
        "eval": ("eval_all", "score images and report SROCC, LCC, KROCC and RMSE"),
        "eval-experiments": ("eval_experiments", "the three experiments of the paper, with their figures"),
        "verify": ("verify", "is a copy of a data set whole?"),
    },
    "tools": {
        "import-weights": ("import_weights", "make a model of weights of Keras or Caffe"),
        "reference": ("reference", "let the percentiles of a model refer to images of yours"),
        "export": ("export", "write a model as ONNX"),
        "doctor": ("doctor", "versions, devices, codecs and extras, and what is missing"),
        "completion": ("completion", "complete commands and options in bash or zsh"),
    },
}
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}
DEBUG, _DEBUG_VARIABLE = "--debug", "RANKIQA_DEBUG"
RESUMES = "interrupted; the same command goes on where it stopped"
_PIPE_CLOSED = 141  # what a shell says of a program that its reader has left
_EXAMPLES = """\
examples:
  rankiqa score photo.jpg
  rankiqa score photos/ --sort --csv scores.csv
  rankiqa rank photos/ --html photos.html

rankiqa COMMAND --help tells the options of each. --debug, before or after any command, shows the traceback where
otherwise an error is one line; --version tells the version."""


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Defaults in the help, where there is one to show; a text of several lines, such as examples, stays as it is."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        nothing = action.default in (None, "") or action.default is False
        return action.help if nothing or "(default" in (action.help or "") else super()._get_help_string(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def at_least(least: int) -> Callable[[str], int]:
    """A type of argparse: whole numbers from `least` on."""

    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {value}")
        return value

    parse.__name__ = "whole number"  # argparse names it in its message
    return parse


def debugging() -> bool:
    """Whether tracebacks are wanted: --debug, or RANKIQA_DEBUG in the environment."""
    return bool(os.environ.get(_DEBUG_VARIABLE))


def as_flag(option: str) -> str:
    """How an option of an error is given on a command line.

    >>> as_flag("name_column"), as_flag("convert=True"), as_flag("small=reflect")
    ('--name-column', '--convert', '--small reflect')
    """
    name, _, value = option.partition("=")
    flag = f"--{name.replace('_', '-')}"
    return flag if value in ("", "True") else f"{flag} {value}"


def guarded(
    command: Callable[[Sequence[str]], int],
    argv: Sequence[str] | None,
    interrupted: str = RESUMES,
    word: Callable[[str], str] = as_flag,
) -> int:
    """Run `command(argv)`; an `InputError` becomes one line on stderr and status 2, Ctrl-C the line `interrupted`.

    So does a package that is not installed. `word` turns an option that an error names into the flag of this command.

    --debug is taken out of `argv`; with it, or `RANKIQA_DEBUG=1` in the environment, the traceback is shown too. A
    launcher that swallows the exit status (accelerate's does) finds it in the file that `RANKIQA_STATUS_FILE` names.
    """
    from rankiqa.errors import InputError, explain_os_error, options_worded
    from rankiqa.extras import MissingExtra

    argv = list(sys.argv[1:] if argv is None else argv)
    with _debug_taken_from(argv), options_worded(word):
        try:
            try:
                status = command(argv)
            finally:
                sys.stdout.flush()  # a reader that has left is met here, not when Python ends
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still in the buffer goes there
            status = _PIPE_CLOSED
        except (InputError, MissingExtra, OSError) as error:
            if debugging():
                traceback.print_exc()
            said: Exception = error
            if isinstance(error, OSError):
                said = explain_os_error(error, error.filename) if error.filename else InputError(str(error))
            print(f"error: {said}", file=sys.stderr)
            status = 2
        except KeyboardInterrupt:
            print(interrupted, file=sys.stderr)
            status = 130
    if path := os.environ.get("RANKIQA_STATUS_FILE"):
        with open(path, "w", encoding="ascii") as file:
            file.write(str(status))
    return status


@contextmanager
def _debug_taken_from(argv: list[str]) -> Iterator[None]:
    """Take --debug out of the options, and set RANKIQA_DEBUG for as long: processes that are started see it."""
    end = argv.index("--") if "--" in argv else len(argv)
    if DEBUG not in argv[:end]:
        yield
        return
    argv[:end] = [argument for argument in argv[:end] if argument != DEBUG]
    before = os.environ.get(_DEBUG_VARIABLE)
    os.environ[_DEBUG_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_DEBUG_VARIABLE]
        else:
            os.environ[_DEBUG_VARIABLE] = before


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rankiqa COMMAND …`; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    name = next((argument for argument in argv if argument != DEBUG), None)
    if name not in COMMANDS:
        return guarded(_without_command, argv)
    argv.remove(name)
    return importlib.import_module(f"rankiqa.cli.{COMMANDS[name][0]}").main(argv)


def _without_command(argv: Sequence[str]) -> int:
    from rankiqa.errors import InputError
    from rankiqa.version import __version__

    if argv and argv[0] == "--version":
        print(f"rankiqa {__version__}")
    elif not argv or argv[0] in ("-h", "--help"):
        print(_help())
    else:
        raise InputError(f"unknown command {argv[0]!r}{_nearest(argv[0])}", cure="rankiqa --help lists all")
    return 0


def _help() -> str:
    lines = ["usage: rankiqa COMMAND [options]", "", "No-reference image quality assessment: RankIQA and NIMA.", ""]
    for group, commands in GROUPS.items():
        lines += [f"{group}:", *(f"  {name:20s}{summary}" for name, (_, summary) in commands.items()), ""]
    return "\n".join([*lines, _EXAMPLES])


def _nearest(name: str) -> str:
    import difflib
    import shlex

    if near := difflib.get_close_matches(name.replace("_", "-"), COMMANDS, 1):
        return f" (did you mean {near[0]}?)"
    return f" (to score an image: rankiqa score {shlex.quote(name)})" if os.path.exists(name) else ""
