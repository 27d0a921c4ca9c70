"""What can be known without PyTorch is told without it. Times differ from machine to machine, this does not."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rankiqa.cli import COMMANDS, import_weights, make_rank_list

ROOT = Path(__file__).parents[2]
TORCH = ["torch", "torchvision", "timm", "accelerate", "safetensors"]
TABLES = ["pandas", "scipy", "skimage", "cv2", "matplotlib", "joblib"]
ARRAYS = ["numpy", "PIL"]
SCORING = ["score", "compare", "rank", "heatmap"]
# Runs commands, a line of JSON each; a package that they shall do without stops the process where it is imported.
CODE = """\
import contextlib, io, json, sys
from importlib.machinery import ModuleSpec, PathFinder

class Imported(BaseException):
    pass  # that nobody catches

class Refuse:
    def find_spec(self, name, path, target=None):  # to ask whether it is there, and where, is no import
        if name not in refused:
            return None
        spec, found = ModuleSpec(name, self), PathFinder.find_spec(name, path)
        spec.submodule_search_locations = found and found.submodule_search_locations
        return spec

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


def answers(refused, lines, folder):
    """(status, stdout, stderr) of each command, in one fresh process that must not import what is refused."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps([refused, [shlex.split(line) for line in lines]]),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(lines, json.loads(done.stdout), strict=True))


@pytest.fixture
def folder(tmp_path):
    """A place with an image and ranks that nobody looks into, an empty folder, and one that holds no model."""
    (tmp_path / "photo.png").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    (tmp_path / "ranks").mkdir()
    (tmp_path / "ranks" / "manifest.csv").touch()
    return tmp_path


def refusals(refused, lines, folder):
    """Run commands, each of which is refused with status 2 and a line."""
    found = answers(refused, list(lines), folder)
    for line, said in lines.items():
        status, out, err = found[line]
        assert (status, out) == (2, ""), (line, out, err)
        assert err.splitlines()[-1].startswith(f"error: {said}"), (line, err)


def test_a_refused_package_is_noticed(folder):
    with pytest.raises(AssertionError, match=r"\['doctor', '--json'\] imports torch"):
        answers(TORCH, ["doctor --json"], folder)


def test_help_and_wrong_options_wait_for_no_library(folder):
    light = [command for command in COMMANDS if not command.startswith(("train", "finetune"))]
    commands = [f"{command} {option}" for command in light for option in ("--help", "--nonsense")]
    commands += ["score photo.png --patches 0", "rank photo.png --mode odd"]
    for line, (status, out, err) in answers([*TORCH, *TABLES, *ARRAYS], commands, folder).items():
        assert status == (0 if line.endswith("--help") else 2), line
        assert (out if status == 0 else err).startswith("usage: rankiqa "), line


def test_the_help_of_trainings_waits_for_no_arrays(folder):
    commands = [f"{command} --help" for command in COMMANDS if command.startswith(("train", "finetune"))]
    assert len(commands) == 5
    for status, out, _ in answers([*TORCH, *TABLES, *ARRAYS], commands, folder).values():
        assert status == 0 and out.startswith("usage: rankiqa ")


def test_the_scripts_of_train_refuse_before_they_launch(folder):
    stubs = folder / "stubs"
    stubs.mkdir()
    (stubs / "torch.py").write_text("raise SystemExit('torch was imported')\n")
    for name, does in (("python", f'exec {shlex.quote(sys.executable)} "$@"'), ("accelerate", "echo launched")):
        (stubs / name).write_text(f"#!/bin/sh\n{does}\n")
        (stubs / name).chmod(0o755)
    places = {"PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": f"{stubs}{os.pathsep}{ROOT}"}
    for line, said in {
        "train_rank.sh --model.colour red": "error: unrecognized arguments: --model.colour red",
        "finetune.sh --config gone.yaml": "error: gone.yaml: no such file",
        "train_rank.sh --out new --data.ranks ranks": "launched",
    }.items():
        done = subprocess.run(
            ["bash", *shlex.split(f"{ROOT}/train/{line}")],
            cwd=folder,
            env=os.environ | {"VIRTUAL_ENV": str(stubs)} | places,
            capture_output=True,
            text=True,
        )
        assert (done.stdout + done.stderr).startswith(said), line
        assert done.returncode == (0 if said == "launched" else 2), line


def test_choices_are_those_of_the_library():
    from rankiqa.compat import caffe_weights, keras_weights, rank_list
    from rankiqa.config import common
    from rankiqa.datasets import paired, places, registry
    from rankiqa.models import build, names, preprocessing

    assert (make_rank_list.LOWER, make_rank_list.ORDERS) == (rank_list.LOWER, rank_list.ORDERS)
    assert list(places.SCORED_SETS) == list(registry.DATASETS)
    assert list(places.PAIRED_SETS) == list(paired.PAIRED_SETS)
    of_tests = {"topped", "unpadded"}  # which are there while some tests run
    assert list(names.NETWORKS) == [name for name in build.ARCHITECTURES if name not in of_tests]
    assert list(common.PREPROCESSING) == list(preprocessing.PREPROCESSING)
    assert tuple(keras_weights.KERAS_MODELS) == import_weights.KERAS_MODELS
    assert tuple(caffe_weights.CAFFE_MODELS) == import_weights.CAFFE_MODELS


def test_scoring_tells_at_once_what_cannot_be(folder):
    lines = {
        f"{command} {images}{' -o map.png' * (command == 'heatmap')}{more}": said
        for command in SCORING
        for images, more, said in (
            ("gone.jpg", "", "gone.jpg: no such file"),
            ("gone.jpg", " --model nowhere", "gone.jpg: no such file"),
            ("photo.png", " --model nowhere", "nowhere: no such model folder"),
            ("photo.png", " --model there", "there: no config.json in it"),
            ("photo.png", " --device abacus", "device must be auto, cpu, cuda, cuda:N or mps, not 'abacus'"),
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


def test_so_do_the_other_commands(folder):
    out = "--out new"
    lines = {
        f"make-ranks --pristine gone {out}": "gone: no such folder",
        f"make-ranks --pristine empty {out}": "empty: holds no images",
        f"make-ranks --pristine empty --judge odd {out}": "unknown judge 'odd'",
        "make-ranks --verify --out there": "there/manifest.csv: no such file; make the set with make_ranks",
        "make-rank-list --ranks gone": "gone/manifest.csv: no such file",
        "make-rank-list --read gone --order lower-is-better --root .": "gone: no such file",
        "reference --model ranks --scores gone.csv --out new": "gone.csv: no such file",
        "reference --model ranks --scores photo.png --out there": "there: is there already",
        "export onnx --model nowhere --out new": "nowhere: no such model folder",
        "export float32 nowhere --out new": "nowhere: no such model folder",
        "import-weights keras gone.h5 --model nima-mobilenet --out new": "gone.h5: no such file",
        "import-weights keras gone.h5 --model vgg16 --out new": "--model: unknown 'vgg16'; known: nima-inception",
        "import-weights caffe gone --model vgg16 --out there": "there: exists already",
    }
    refusals([*TORCH, *TABLES], lines, folder)


def test_so_do_those_that_read_tables(folder):
    lines = {
        "verify odd --root empty": "dataset: unknown 'odd'; known: tid2013, live",
        "verify live --root gone": "gone: no such folder; give that of the data set live (--root)",
        "verify live --root empty": "empty/dmos.mat: no such file",
        "verify pieapp --root gone": "gone: no such folder",
        "verify csv --root empty --labels gone": "gone: no such file",
        "make-finetune-list --labels gone.csv --images empty": "gone.csv: no such file",
        "eval --model nowhere --ranks ranks": "nowhere: no such model folder",
        "eval --model there --ranks ranks": "there: no config.json in it",
        "eval --model default --ranks gone": "gone/manifest.csv: no such file",
        "eval --model default --dataset odd --root empty": "dataset: unknown 'odd'",
        "eval --model default --dataset live --root gone": "gone: no such folder",
        "eval --model default --dataset live --root empty": "empty/dmos.mat: no such file",
        "eval --model default --labels gone.csv --images empty": "gone.csv: no such file",
        "eval --model default --pairs gone.sqlite --images empty": "gone.sqlite: no such file",
        "eval --model nowhere --pairs photo.png --images empty": "nowhere: no such model folder",
        "eval --model default --pairs photo.png --images gone": "gone: no such folder",
        "eval --model default --device abacus --ranks gone": "device must be",
        "tune gone photo.png --out new": "gone: no such folder",
        "tune empty gone.sqlite --out new": "gone.sqlite: no such file",
        "tune empty photo.png --out new": "photo.png, line 1: the column 'x' is unknown",
        "tune empty photo.png --out there": "there: is there already",
        "tune empty photo.png --out new --model nowhere": "nowhere: no such model folder",
        "tune empty photo.png --out new --device abacus": "device must be",
    }
    refusals([*TORCH, "pandas", "scipy", "skimage", "matplotlib"], lines, folder)


def test_so_do_the_experiments(folder):
    recipes = ROOT / "train" / "configs"
    sampling = f"eval-experiments sampling --out new --config {recipes}/quick.yaml --ranks ranks"
    networks = f"eval-experiments networks --out new --config {recipes}/finetune_squeezenet.yaml --dataset"
    lines = {
        "eval-experiments levels --out new --model nowhere --ranks ranks": "nowhere: no such model folder",
        "eval-experiments levels --out new --model default --ranks gone": "gone/manifest.csv: no such file",
        "eval-experiments levels --out new --model default --ranks ranks --device abacus": "device must be",
        f"{sampling} --test ranks --config gone.yaml": "gone.yaml: no such file",
        f"{sampling} --test gone": "gone/manifest.csv: no such file",
        f"{sampling} --test ranks --network nosuch": "model.name: unknown network 'nosuch'",
        f"{sampling} --test ranks --weights gone": "gone: no such weights file",
        f"{networks} odd --root empty --network shallow=there=none": "dataset: unknown 'odd'",
        f"{networks} live --root gone --network shallow=there=none": "gone: no such folder",
        f"{networks} live --root empty --network shallow=there=gone": "gone: no such weights file",
        f"{networks} live --root empty --network nosuch=there=none": "model.name: unknown network 'nosuch'",
        f"{networks} live --root empty --network shallow=nowhere=none": "nowhere: no such model folder",
        "eval-experiments figure --out new --curves gone": "gone/curves.csv: no such file",
    }
    refusals([*TORCH, *TABLES], lines, folder)


def test_so_does_labelling(folder):
    lines = {
        "label gone --out votes.sqlite": "gone: no such folder",
        "label empty --out votes.sqlite": "empty: holds no images",
        "label ranks --out photo.png": "photo.png: is the name of an image",
        "label . --out there": "there: is a folder",
        "label . --out photo": "photo: is not a file of votes",
        "label . --out votes.sqlite": ".: holds 0 photos that can be read; this needs 2 or more",
        "label . --out votes.sqlite --mode rate": ".: holds 0 photos that can be read; this needs 1 or more",
    }
    lines |= {
        "app gone.jpg": "gone.jpg: no such file",
        "app empty": "empty: holds no images",
        "app --model nowhere": "nowhere: no such model folder",
        "app --device abacus": "device must be",
    }
    import sqlite3

    sqlite3.connect(folder / "photo").execute("CREATE TABLE x (y)").connection.close()
    found = answers([*TORCH, "pandas", "scipy", "skimage", "matplotlib"], list(lines), folder)
    for line, said in lines.items():
        status, out, err = found[line]
        assert (status, out) == (2, "") and err.splitlines()[-1].startswith(f"error: {said}"), (line, err)


def test_so_do_trainings(folder):
    (folder / "run").mkdir()
    (folder / "run" / "config.yaml").write_text("steps: 5\n")
    tuned = "finetune --out new --model.name shallow"
    lines = {
        "train-rank --config gone.yaml": "gone.yaml: no such file",
        "train-rank --model.colour red": "unrecognized arguments: --model.colour red",
        "train-rank --steps 0 --data.ranks ranks --out new": "steps must be at least 1",
        "train-rank --out gone --resume": "gone: holds no run to go on with",
        "train-rank --out run --data.ranks ranks": "run: holds a run already; go on with it, start anew",
        "train-rank --out new --data.ranks gone": "gone/manifest.csv: no such file",
        "train-rank --out new --data.ranks ranks --data.val gone": "gone/manifest.csv: no such file",
        "train-rank --out new --data.source online --data.pristine gone": "gone: no such folder",
        f"{tuned} --dataset odd --root empty": "dataset: unknown 'odd'",
        f"{tuned} --dataset live --root gone": "gone: no such folder; give that of the data set live (--root)",
        "finetune --out new --dataset live --root empty --init nowhere": "nowhere: no such model folder",
        "finetune --out new --dataset live": "root is missing",
        "train-joint --out new --data.ranks ranks --sets '[{dataset: live, root: gone}]'": "gone: no such folder",
        "train-nima --out new --dataset ava --root empty --init there": "there: no config.json in it",
        "train-siamese-nima --out new": "there is nothing to train on",
        "train-rank --out new --data.ranks ranks --model.weights gone": "gone: no such weights file",
        f"{tuned} --dataset live --root empty --model.weights photo.png": "photo.png: weights are read from",
        "train-nima --out new --dataset ava --root empty --model.weights gone": "gone: no such weights file",
        f"{tuned} --dataset csv --root empty --data.labels gone": "gone: no such file",
        "train-joint --out new --data.ranks ranks --sets '[{dataset: csv, root: empty, labels: gone}]'": "gone: no",
        "train-siamese-nima --out new --data gone --images empty": "gone: no such file",
        "train-siamese-nima --out new --data photo.png --images gone": "gone: no such folder; give that of the data "
        "set csv (--images)",
    }
    stages = (
        "train-rank --data.ranks ranks",
        "train-joint --data.ranks ranks --sets '[{dataset: live, root: empty}]'",
        "finetune --dataset live --root empty",
        "train-nima --dataset live --root empty",
        "train-siamese-nima --dataset live --root empty",
    )
    for stage in stages:
        lines |= {
            f"{stage} --out new --model.name nosuch": "model.name: unknown network 'nosuch'; known: shallow, alexnet",
            f"{stage} --out new --model.name vgg19_b": "model.name: unknown network 'vgg19_b'; known: shallow, "
            "alexnet, vgg16, squeezenet1_1, alexnet_caffe, caffenet, and any of timm's; timm has vgg19_bn",
            f"{stage} --out new --model.name hf-hub:a/b": "model.name: unknown network 'hf-hub:a/b'",
            f"{stage} --out new --model.name shallow --model.preprocessing odd": "model.preprocessing must be one of",
            f"{stage} --out new --model.name shallow --model.dropout 1": "model.dropout must be in [0, 1), got 1.0",
        }
    refusals([*TORCH, *TABLES, *ARRAYS], lines, folder)
    lines = {
        "train-rank --out new --data.source online --data.distortions odd": "unknown distortion 'odd'",
        "train-rank --out new --data.source online --data.levels odd": "odd: no such level table or file",
    }
    refusals([*TORCH, "pandas", "scipy", "skimage"], lines, folder)


def test_types_and_strengths_are_listed_without_torch(folder):
    commands = ["make-ranks --list", "make-ranks --list --distortions all --levels even:3"]
    for status, out, _ in answers([*TORCH, "pandas", "scipy", "skimage"], commands, folder).values():
        assert status == 0 and out.startswith("GB ")
    data_gen = [
        sys.executable,
        "-c",
        "import runpy, sys; sys.modules['torch'] = None; runpy.run_path(sys.argv.pop(1), ",
    ]
    data_gen[-1] += "run_name='__main__')"
    script = str(ROOT / "data_gen" / "make_ranks.py")
    for option, begin in (("--list", "GB "), ("--help", "usage: ")):
        done = subprocess.run([*data_gen, script, option], capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0 and done.stdout.startswith(begin), done.stderr
