"""What can be known without PyTorch is told without it. Times differ from machine to machine, this does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rankiqa.cli import COMMANDS, make_rank_list, verify

ROOT = Path(__file__).parents[2]
TORCH = ["torch", "torchvision", "timm", "accelerate", "safetensors"]
TABLES = ["pandas", "scipy", "skimage", "cv2", "matplotlib", "joblib"]
ARRAYS = ["numpy", "PIL"]
SCORING = ["score", "compare", "rank", "heatmap"]
# Runs commands, a line of JSON each; a package that they shall do without stops the process where it is imported.
CODE = """\
import contextlib, io, json, sys
from importlib.machinery import ModuleSpec

class Imported(BaseException):
    pass  # that nobody catches

class Refuse:
    def find_spec(self, name, path, target=None):  # to ask whether it is there is no import
        return ModuleSpec(name, self) if name in refused else None

    def create_module(self, spec):
        raise Imported(f"{argv} imports {spec.name}")

    def exec_module(self, module):
        pass

refused, commands = json.loads(sys.stdin.read())
sys.meta_path.insert(0, Refuse())
from rankiqa.cli import main
answers = []
for argv in commands:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(argv)
        except SystemExit as stop:
            status = stop.code
    answers.append((status, out.getvalue(), err.getvalue()))
assert not set(refused) & set(sys.modules)
print(json.dumps(answers))
"""


def answers(refused, commands, folder):
    """(status, stdout, stderr) of each command, in one fresh process that must not import what is refused."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps([refused, commands]),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(map(" ".join, commands), json.loads(done.stdout), strict=True))


@pytest.fixture
def folder(tmp_path):
    """A place with a file that nobody looks into, an empty folder, and one that holds no model."""
    (tmp_path / "photo.png").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    return tmp_path


def refusals(refused, lines, folder):
    """Run commands, each of which is refused with status 2 and a line."""
    found = answers(refused, [line.split() for line in lines], folder)
    for line, said in lines.items():
        status, out, err = found[line]
        assert (status, out) == (2, ""), (line, out, err)
        assert err.splitlines()[-1].startswith(f"error: {said}"), (line, err)


def test_a_refused_package_is_noticed(folder):
    with pytest.raises(AssertionError, match=r"\['doctor', '--json'\] imports torch"):
        answers(TORCH, [["doctor", "--json"]], folder)


def test_help_and_wrong_options_wait_for_no_library(folder):
    light = [command for command in COMMANDS if not command.startswith(("train", "finetune"))]
    commands = [[command, option] for command in light for option in ("--help", "--nonsense")]
    commands += [["score", "photo.png", "--patches", "0"], ["rank", "photo.png", "--mode", "odd"]]
    for line, (status, out, err) in answers([*TORCH, *TABLES, *ARRAYS], commands, folder).items():
        assert status == (0 if line.endswith("--help") else 2), line
        assert (out if status == 0 else err).startswith("usage: rankiqa "), line


def test_choices_are_those_of_the_library():
    from rankiqa.compat import rank_list
    from rankiqa.datasets import registry

    assert (make_rank_list.LOWER, make_rank_list.ORDERS) == (rank_list.LOWER, rank_list.ORDERS)
    assert list(verify.DATASETS) == list(registry.DATASETS)


def test_scoring_tells_at_once_what_cannot_be(folder):
    lines = {
        f"{command} {images}{' -o map.png' * (command == 'heatmap')}{more}": said
        for command in SCORING
        for images, more, said in (
            ("gone.jpg", "", "gone.jpg: no such file"),
            ("gone.jpg", " --model nowhere", "gone.jpg: no such file"),
            ("photo.png", " --model nowhere", "nowhere: no such model folder"),
            ("photo.png", " --model there", "there: no config.json in it"),
        )
        if (command, images) != ("compare", "photo.png")
    }
    lines |= {
        "score gone.jpg lost.jpg": "lost.jpg: no such file",
        "score gone.jpg --out rows.csv": "gone.jpg: no such file",
        "score photo.png --out there": "there: ",
        "score empty": "empty: holds no images",
        "score gone*": "gone*: matches no image",
        "score photo.png --csv there": "there: is a folder",
        "score photo.png --json photo.png": "photo.png: is the name of an image",
        "compare photo.png": "there is nothing to compare photo.png with",
        "compare photo.png gone.jpg --model nowhere": "nowhere: no such model folder",
        "rank photo.png --html photo.png": "photo.png: is the name of an image",
        "heatmap photo.png -o map.jpg": "map.jpg: the picture is a PNG",
    }
    refusals([*TORCH, *TABLES], lines, folder)
