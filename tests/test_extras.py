"""What is installed by default is enough to score; all else names the extra that it needs."""

import ast
import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankiqa.cli import COMMANDS
from rankiqa.cli.installation import COLLECTIONS, PACKAGES, extras

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "rankiqa").rglob("*.py"))
# What is imported → the package that brings it, where it has another name.
BROUGHT_BY = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
    "google": "protobuf",
    "distributed": "dask",
    "markupsafe": "jinja2",
    "onnx_ir": "onnx-ir",
    "pillow_heif": "pillow-heif",
    "pillow_jxl": "pillow-jxl-plugin",
}
# A process that has the mandatory packages alone, whatever is installed: the others are found by nobody.
WITHOUT = """\
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent!r} else self.finder.find_spec(name, path, target)
    def find_distributions(self, *context):
        found = getattr(self.finder, "find_distributions", lambda *_: ())(*context)
        return (one for one in found if (one.name or "").lower().replace("_", "-") not in {brought!r})
sys.meta_path[:] = map(Without, sys.meta_path)
"""


def required(name):
    return re.match(r"[\w.-]+", name)[0]


def read_setup():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    packages = {required(line) for line in setup["options"]["install_requires"].split()}
    extras = {name: text.split() for name, text in setup["options.extras_require"].items()}
    return packages, extras


MANDATORY, EXTRAS = read_setup()
ABSENT = {"accelerate", "bm3d", "dask", "distributed", "google", "h5py", "huggingface_hub", "jinja2", "joblib"}
ABSENT |= {"jsonargparse", "markupsafe", "matplotlib", "onnx", "onnx_ir", "onnxruntime", "onnxscript", "openpyxl"}
ABSENT |= {"starlette", "uvicorn"}
ABSENT |= {"av", "piq", "pillow_heif", "pillow_jxl", "pyarrow", "shtab", "tensorboard", "timm", "torchmetrics", "yaml"}


BROUGHT = {required(line) for name in EXTRAS if name not in COLLECTIONS for line in EXTRAS[name]}


def test_the_list_of_what_is_absent_is_whole():
    assert {BROUGHT_BY.get(name, name) for name in ABSENT} == BROUGHT


def test_the_doctor_looks_at_the_mandatory_packages():
    assert set(PACKAGES) == MANDATORY and {"all", "dev"} == set(COLLECTIONS)


def test_all_has_every_extra_but_that_of_another_licence():
    (line,) = EXTRAS["all"]
    named = re.fullmatch(r"rankiqa\[(.*)\]", line)[1].split(",")
    assert sorted(named) == sorted(EXTRAS.keys() - {"all", "dev", "bm3d"})
    assert "rankiqa[all]" in EXTRAS["dev"]


def third_party(tree):
    """Each import of another's package: (line, its name, the extra that is named around it or None)."""

    def walk(node, extra):
        if isinstance(node, ast.With):
            for item in node.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "extra":
                    extra = getattr(call.args[0], "value", None)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in ("rankiqa", "__future__"):
                yield node.lineno, top, extra
        for child in ast.iter_child_nodes(node):
            yield from walk(child, extra)

    return list(walk(tree, None))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_import_is_of_a_mandatory_package_or_names_its_extra(path):
    covered = set()  # an import that is named makes those after it in the same file safe
    for line, name, extra in sorted(third_party(ast.parse(path.read_text(encoding="utf-8")))):
        package = BROUGHT_BY.get(name, name)
        if extra is not None:
            assert package in map(required, EXTRAS[extra]) or (extra, package) in BESIDE, f"line {line}: {name}"
            covered.add(name)
        elif (path.relative_to(ROOT).as_posix(), name) not in GUARDED:
            assert package in MANDATORY or name in covered, f"line {line}: {name} without its extra"


BESIDE = {("train", "torch")}  # torch.utils.tensorboard
GUARDED = {("rankiqa/cli/installation.py", "huggingface_hub")}


def run(code, *args, cwd):
    """Python code after which nothing of an extra can be imported."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT.format(absent=ABSENT, brought={name.replace("_", "-") for name in BROUGHT}) + code,
            *map(str, args),
        ],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RANKIQA_DEBUG": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images, a table of scores and some files that are only looked at by those who can read them."""
    folder = tmp_path_factory.mktemp("bare")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(rng.integers(256, size=(240, 250, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    (folder / "labels.csv").write_text("image,mos\na.png,1\nb.png,2\n")
    (folder / "levels.yaml").write_text("GB: [1, 2]\n")
    for name in ("x.h5", "csiq.DMOS.xlsx"):
        (folder / name).write_bytes(b"")
    (folder / "x.caffemodel").write_bytes(b"\x0a\x03abc")
    return folder


# Each command's status, and what it printed on stdout and stderr.
COMMANDS_IN_TURN = """\
import io, json
from contextlib import redirect_stderr, redirect_stdout
from rankiqa.cli import main
found = []
for command in sys.argv[1:]:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            status = main(command.split())
        except SystemExit as stop:
            status = stop.code
    found.append((status, out.getvalue(), err.getvalue()))
json.dump(found, sys.stdout)
"""


def run_commands(commands, folder):
    done = run(COMMANDS_IN_TURN, *commands, cwd=folder)
    assert done.returncode == 0, done.stderr
    return dict(zip(commands, json.loads(done.stdout), strict=True))


def test_scoring_and_the_help_need_no_extra(folder):
    helps = [f"{name} --help" for name in COMMANDS if name not in TRAINERS]
    commands = ["score a.png b.png --mode dense", "score a.png --csv -", "compare a.png b.png", "doctor", "--help"]
    found = run_commands([*commands, *helps], folder)
    assert {command: err for command, (status, _, err) in found.items() if status or err} == {}
    assert "all that is needed works" in found["doctor"][1]
    for name in extras():  # as it is installed here
        assert f'pip install "rankiqa[{name}]"' in found["doctor"][1]


TRAINERS = ("train-rank", "train-joint", "finetune", "train-nima", "train-siamese-nima")
LACKS = {
    **{f"{name} --help": ("jsonargparse", "train") for name in TRAINERS},
    "train-rank --data.ranks ranks --out run": ("jsonargparse", "train"),
    "make-ranks --pristine . --out ranks": ("matplotlib", "train"),
    "make-ranks --list --levels levels.yaml": ("pyyaml", "train"),
    "eval-experiments levels --model x --ranks ranks --out figures": ("matplotlib", "train"),
    "rank a.png b.png --html x.html": ("jinja2", "report"),
    "compare a.png b.png --html x.html": ("jinja2", "report"),
    "heatmap a.png -o x.png": ("matplotlib", "report"),
    "eval --labels labels.csv --images . --out report": ("jinja2", "report"),
    "eval --labels labels.csv --images . --out report --model a b": ("jinja2", "report"),
    "verify csiq --root .": ("openpyxl", "report"),
    "label . --out votes.sqlite": ("starlette", "label"),
    "app a.png": ("starlette", "label"),
    "scale votes.sqlite --out scores.csv --html scale.html": ("jinja2", "report"),
    "export onnx --out onnx": ("onnx-ir", "onnx"),
    "import-weights keras a.png --model nima-mobilenet --out keras": ("h5py", "keras"),
    "import-weights caffe a.png --model alexnet --out caffe": ("protobuf", "caffe"),
}


def test_a_command_names_the_extra_that_it_lacks(folder):
    before = sorted(folder.iterdir())
    found = run_commands(LACKS, folder)
    assert found == {
        command: [2, "", f'error: the package {package} is needed for this: pip install "rankiqa[{extra}]"\n']
        for command, (package, extra) in LACKS.items()
    }
    assert sorted(folder.iterdir()) == before


def test_so_does_the_library(folder):
    code = """\
import torch, rankiqa
from rankiqa.cli import main
from rankiqa.models import build_model
model = rankiqa.load(device="cpu")
model.save_pretrained("copy")
again = rankiqa.load("copy", device="cpu")
print(model.score("a.png").value == again.score("a.png").value)
print(rankiqa.load(device="cpu", as_loss=True)(torch.zeros(1, 3, 240, 240)).shape)
for call in (
    lambda: rankiqa.load("owner/name"),
    lambda: model.push_to_hub("owner/name"),
    lambda: model.generate_model_card(),
    lambda: build_model("resnet18"),
    lambda: __import__("rankiqa.training.ranking"),
    lambda: __import__("rankiqa.integrations.torchmetrics"),
):
    try:
        call()
    except ImportError as error:
        print(error)
sys.exit(main(["score", "a.png", "--model", "owner/name"]))
"""
    done = run(code, cwd=folder)
    hub = "the package huggingface_hub is needed for"
    lost = f'{hub} owner/name, which is no folder here but may be a model of the Hugging Face hub: pip install "rankiqa'
    assert done.stdout.splitlines() == [
        *("True", "torch.Size([])"),
        f'{lost}[hub]"',
        *[f'{hub} this: pip install "rankiqa[hub]"'] * 2,
        "the package timm is needed for the network 'resnet18': pip install \"rankiqa[train]\"",
        'the package accelerate is needed for this: pip install "rankiqa[train]"',
        'the package torchmetrics is needed for this: pip install "rankiqa[torchmetrics]"',
    ]
    assert (done.returncode, done.stderr) == (2, f'error: {lost}[hub]"\n')
