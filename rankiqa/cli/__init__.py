"""The command line: `rankiqa COMMAND`, and what the scripts of data_gen/, train/ and eval/ call.

One file a command, each with `main(argv=None) -> int`. Imports stay inside the functions, so that the help
is there at once.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

COMMANDS = {
    "make-ranks": ("make_ranks", "make ranked images from pristine photos"),
    "make-rank-list": ("make_rank_list", "write or read the original's lists of ranked images"),
    "make-finetune-list": ("make_finetune_list", "lists of images with human scores, split by reference"),
    "train-rank": ("train_rank", "train a network on ranked images"),
    "finetune": ("finetune", "fine-tune one branch on human scores"),
    "train-nima": ("train_nima", "train a NIMA on the distribution of votes"),
    "train-siamese-nima": ("train_siamese_nima", "sharpen a NIMA on pairs of images"),
    "import-weights": ("import_weights", "make a model of weights of Keras or Caffe"),
    "verify": ("verify", "is a copy of a data set whole?"),
    "eval": ("eval_all", "score images and report SROCC, LCC, KROCC and RMSE"),
    "eval-experiments": ("eval_experiments", "the three experiments of the paper, with their figures"),
}


def guarded(command: Callable[[Sequence[str]], int], argv: Sequence[str] | None) -> int:
    """Run `command(argv)`; an `InputError` becomes one line on stderr and status 2.

    `RANKIQA_DEBUG=1` in the environment shows the traceback too. A launcher that swallows the exit status
    (accelerate's does) finds it in the file that `RANKIQA_STATUS_FILE` names.
    """
    from rankiqa.errors import InputError, explain_os_error

    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        status = command(argv)
    except (InputError, OSError) as error:
        if os.environ.get("RANKIQA_DEBUG"):
            traceback.print_exc()
        if isinstance(error, OSError):
            error = explain_os_error(error, error.filename) if error.filename else InputError(str(error))
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        status = 130
    if path := os.environ.get("RANKIQA_STATUS_FILE"):
        with open(path, "w", encoding="ascii") as file:
            file.write(str(status))
    return status


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: rankiqa COMMAND [options]\n\ncommands:")
        for name, (_, summary) in COMMANDS.items():
            print(f"  {name:20s}{summary}")
        print("\nrankiqa COMMAND --help tells the options of each.")
        return 0
    if argv[0] not in COMMANDS:
        print(f"error: unknown command {argv[0]!r}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"rankiqa.cli.{COMMANDS[argv[0]][0]}")
    return module.main(argv[1:])
