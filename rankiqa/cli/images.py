"""What the commands that score photos share: options, paths, the scoring with its progress, tables and files."""

from __future__ import annotations

import argparse
import glob
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rankiqa.cli import DEBUG, HelpFormatter, at_least, debugging
from rankiqa.printable import printable
from rankiqa.text_table import text_table

if TYPE_CHECKING:
    import numpy as np

    from rankiqa.scoring.score_file import ScoreFile
    from rankiqa.scoring.score_table import Result
    from rankiqa.scoring.scorer import Scorer
    from rankiqa.scoring.view import View

# Those of rankiqa.images.crops, which takes long to import.
MODES = ("random", "grid", "dense", "whole", "resize", "native")
SMALL = ("error", "reflect", "resize")
ICC = ("convert", "ignore")  # those of rankiqa.images.icc
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")  # those of rankiqa.precision
ICC_HELP = "an embedded colour profile, such as a phone's Display P3: convert to sRGB, or ignore it"
INTERRUPTED = "interrupted; nothing is written"
STATUS = """\
exit status: 0; 1 if an image could not be scored (the others are); 2 for bad arguments, with nothing scored; 130 when
  interrupted, with what was scored until then."""


def images_parser(command: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """The parser of a command that scores images, with the paths and the options that all have."""
    parser = argparse.ArgumentParser(
        prog=f"rankiqa {command}",
        description=description,
        epilog=epilog,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="images; folders, with all images at any depth; patterns such as 'photos/**/*.jpg' (** is any depth). "
        "Of folders and patterns the images are told by their suffix, and hidden files are left out",
    )
    group = parser.add_argument_group("scoring")
    add = group.add_argument
    add(
        "--model",
        metavar="DIR|RUN|HUB_ID",
        help="a model folder, a training run, OWNER/NAME of the Hugging Face hub, or ranks, the bundled model that has "
        "seen no human score (default: default, the bundled model on people's scale)",
    )
    add("--patches", type=at_least(1), default=30, metavar="N", help="crops of each image, with random and grid")
    add(
        "--mode",
        choices=MODES,
        help="what the network sees of an image: the whole image in one pass, reduced where its longer side has more "
        "than 1024 px; crops at random places or on an even grid; every place (dense); the whole image resized to its "
        "input; or as it is, however large (default: the model's own: whole for one with statistics of its stages, "
        "resize for NIMA, random for the others)",
    )
    add("--seed", type=at_least(0), default=0, metavar="N", help="of the random places")
    add("--small", choices=SMALL, default="reflect", help="an image smaller than the model's crop, or with --mode "
        "whole than 64 px: refuse it, mirror it at its borders, or enlarge it")  # fmt: skip
    add("--icc", choices=ICC, default="convert", help=ICC_HELP)
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--precision", choices=PRECISIONS, default="fp32", help="of the computation: true float32, which gives an "
        "image the same score on every device; TF32 (CUDA); or half precision. The last three move scores")  # fmt: skip
    add("--workers", type=at_least(0), metavar="N", help="threads that read images while the network runs (default: 2, "
        "with a GPU one a core)")  # fmt: skip
    add(DEBUG, action="store_true", help="show the traceback where otherwise an error is one line")
    return parser


def load_scorer(options: argparse.Namespace) -> Scorer:
    """The model that the options of `images_parser` name; a line on stderr where its precision saves nothing."""
    import rankiqa
    from rankiqa.precision import of_no_use

    scorer = rankiqa.load(options.model, options.device, precision=options.precision)
    if note := of_no_use(options.precision, scorer.device):
        print(f"note: {note}", file=sys.stderr)
    return scorer


def expand(arguments: Sequence[str]) -> tuple[list[str], list[Result]]:
    """The images that paths, folders and patterns name, in this order, each once; and what names none.

    A path that is there is no pattern, whatever its characters. A file that is missing counts as an image, beside one
    that is there: it is told of in its place. `InputError` where no image is left.
    """
    from rankiqa.errors import InputError
    from rankiqa.scoring.score_table import Result

    found: dict[str, str] = {}
    problems = []
    for argument in arguments:
        try:
            for path in _images_of(argument):
                found.setdefault(os.path.abspath(path), path)
        except InputError as error:
            problems.append(error.at(argument))
    if not any(map(os.path.lexists, found)):
        problems += [InputError("no such file", path=path) for path in found.values()]
        for problem in problems[:-1]:
            report(problem)
        raise problems[-1]
    return list(found.values()), [Result(problem.path or "", error=problem) for problem in problems]


def look_at(options: argparse.Namespace, *outputs: str | None) -> tuple[list[str], list[Result]]:
    """The images and problems of `expand`, once all that can be known without PyTorch is known to be right.

    `outputs` are the files to write. `InputError` for one that cannot be written, no such model, and no such device.
    """
    from rankiqa.models.locate import check_model
    from rankiqa.scoring.device import check_device

    paths, problems = expand(options.paths)
    for output in outputs:
        check_output(output, paths)
    check_model(options.model)
    check_device(options.device)
    return paths, problems


def _images_of(argument: str) -> list[str]:
    from rankiqa.errors import InputError
    from rankiqa.images.listing import SUFFIXES, list_images

    if os.path.isdir(argument):
        return [str(Path(argument, name)) for name in list_images(argument)]
    if os.path.lexists(argument) or glob.escape(argument) == argument:
        return [str(Path(argument))]
    images = []
    for path in sorted(glob.glob(argument, recursive=True)):
        if not os.path.isdir(path):
            images += [str(Path(path))] * (os.path.splitext(path)[1].lower() in SUFFIXES)
        elif os.path.basename(argument) != "**":  # which matches what lies in them too
            images += _images_of(path)
    if not images:
        raise InputError("matches no image", path=argument)
    return images


def check_output(path: str | None, images: Iterable[str]) -> None:
    """Raise `InputError`, before the work, for a file that cannot be written, or should not be."""
    from rankiqa.errors import InputError
    from rankiqa.images.listing import SUFFIXES

    if path is None or path == "-":
        return
    if os.path.splitext(path)[1].lower() in SUFFIXES or os.path.abspath(path) in map(os.path.abspath, images):
        what = "is the name of an image, and would be overwritten"
        raise InputError(what, path=path, cure="give the file to write first")
    if os.path.isdir(path):
        raise InputError("is a folder", path=path, cure="give the name of a file to write")
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise InputError(f"cannot be written: {folder} is not a folder that you may write to", path=path)


@dataclass
class Outcome:
    """What became of `total` images, in the order asked for; `stopped` is what ended the scoring before its time."""

    results: list[Result]
    total: int
    stopped: BaseException | None = None

    @property
    def scored(self) -> int:
        """How many have a score."""
        return sum(result.score is not None for result in self.results)

    def is_worth_writing(self) -> bool:
        """Whether there is more to tell than that it was stopped."""
        return self.stopped is None or self.scored > 0

    def status(self, *written: str | None) -> int:
        """The exit status, once the results are in the files `written`; raises what ended the scoring."""
        if isinstance(self.stopped, KeyboardInterrupt):
            files = " and ".join(path for path in written if path not in (None, "-"))
            where = f"; they are in {files}" if files and self.scored else ""
            print(f"interrupted: {self.scored} of {self.total} images are scored{where}", file=sys.stderr)
            return 130
        if self.stopped is not None:
            raise self.stopped
        return 0 if self.scored == len(self.results) else 1


def score_all(
    scorer: Scorer,
    paths: Sequence[str],
    problems: Sequence[Result],
    options: argparse.Namespace,
    pictures: bool = False,
) -> Outcome:
    """Score files with a progress bar; each error is a line on stderr. `pictures` asks for thumbnails.

    Whatever stops it, Ctrl-C or an error, what has been scored is returned.
    """
    from tqdm import tqdm

    for problem in problems:
        if problem.error is not None:
            report(problem.error)
    outcome = Outcome([], len(paths))
    with stoppable(), tqdm(total=len(paths), unit=" images", disable=None, leave=False) as bar:
        try:
            for result in _results(scorer, paths, options, pictures):
                outcome.results.append(result)
                if result.error is not None:
                    report(result.error)
                bar.update()
        except (Exception, KeyboardInterrupt) as error:
            outcome.stopped = error
    outcome.results += problems
    return outcome


def append_all(
    file: ScoreFile, scorer: Scorer, paths: Sequence[str], problems: Sequence[Result], options: argparse.Namespace
) -> None:
    """Score the files that have no row yet, with a progress bar; an error is a row, and a line on stderr."""
    from tqdm import tqdm

    for problem in problems:
        if problem.error is not None:
            report(problem.error)
    left, done = file.left(paths), file.total
    with stoppable(), tqdm(total=done + len(left), initial=done, unit=" images", disable=None, leave=False) as bar:
        for result in _results(scorer, left, options, pictures=False):
            file.append(result)
            if result.error is not None:
                report(result.error)
            bar.update()


def view_of(options: argparse.Namespace) -> View:
    """What the options say that the network is shown of an image."""
    from rankiqa.scoring.view import View

    return View(options.patches, options.mode, options.seed, options.small)


def _results(scorer: Scorer, paths: Sequence[str], options: argparse.Namespace, pictures: bool) -> Iterator[Result]:
    from rankiqa.errors import InputError
    from rankiqa.images.thumbnail import thumbnail
    from rankiqa.scoring.gallery import THUMBNAIL
    from rankiqa.scoring.score_table import Result

    if getattr(options, "scheduler", None):  # of the commands that have it
        from rankiqa.scoring.cluster import Task, score_on_cluster

        weights = scorer.settings.get("weights_sha256")
        task = Task(options.model, weights, view_of(options), options.icc, options.precision, options.device)
        for path, score in zip(paths, score_on_cluster(task, paths, options.scheduler), strict=True):
            yield Result(path, error=score) if isinstance(score, InputError) else Result(path, score)
        return
    small: dict[str, bytes] = {}
    workers = options.workers
    if workers is None:
        workers = 2 if scorer.device.type == "cpu" else os.cpu_count() or 2

    def look(path: str, pixels: np.ndarray) -> None:
        small[path] = thumbnail(pixels, THUMBNAIL)

    found = scorer.score_files(
        *(paths, view_of(options)), icc=options.icc, workers=workers, look=look if pictures else None
    )
    for path, score in zip(paths, found, strict=True):
        picture = small.pop(path, None)
        if isinstance(score, InputError):
            yield Result(path, error=score, thumbnail=picture)
        else:
            yield Result(path, score, thumbnail=picture)


@contextmanager
def stoppable() -> Iterator[None]:
    """A polite kill, or a terminal that closes, counts as Ctrl-C: what is scored is not lost."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(error: BaseException) -> None:
    """An error as one line on stderr, above the progress bar; with --debug its traceback before it."""
    from tqdm import tqdm

    lines = traceback.format_exception(error) if debugging() else []
    tqdm.write("".join([*lines, f"error: {error}"]), file=sys.stderr)


def table_text(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: int) -> str:
    """Columns of text, the first `numbers` of them to the right; a text column that is empty throughout is left out."""
    kept = [i for i in range(len(headings)) if i < numbers or any(row[i] for row in rows)]
    lines = [[row[i] for i in kept] for row in (headings, *rows)]
    return text_table(lines, "".join("><"[i >= numbers] for i in kept))


def decimal(value: float, decimals: int = 3) -> str:
    """A number of a table; - for one that there is not."""
    return f"{value:.{decimals}f}" if abs(value) < float("inf") else "-"


def write_text(path: str, text: str) -> None:
    """Write a file at once, or to stdout for "-". Bytes of a file's name that are no text become escapes."""
    from rankiqa.files import write_atomically

    data = text.encode("utf-8", "backslashreplace")
    if path != "-":
        write_atomically(path, data)
    elif sys.stdout.isatty():
        print("\n".join(map(printable, data.decode().split("\n"))), end="")
    else:
        sys.stdout.write(data.decode())


def write_sheet(path: str, results: Sequence[Result], scorer: Scorer, options: argparse.Namespace) -> None:
    """Write a page with the images of `results` and their scores."""
    from rankiqa.scoring.gallery import gallery
    from rankiqa.scoring.score_table import about

    how = about(scorer, view_of(options))
    view = {
        "random": f"{options.patches} crops at random places (seed {options.seed})",
        "grid": f"at most {options.patches} crops on an even grid",
        "dense": "every place",
        "whole": "the whole image, reduced to 1024 px where it is larger",
        "resize": "the whole image, resized",
        "native": "the whole image",
    }[how["mode"]]
    more = f" and {len(options.paths) - 1} more" if len(options.paths) > 1 else ""
    title = f"Image quality: {os.path.basename(os.path.abspath(options.paths[0]))}{more}"
    details = f"Scored over {view}, with rankiqa {how['rankiqa']}."
    write_text(path, gallery(results, os.path.dirname(os.path.abspath(path)), title, how["meaning"], details))
