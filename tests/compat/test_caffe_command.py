"""import-weights caffe: the model that it writes, and options that cannot be."""

import hashlib
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from rankiqa.cli import import_weights, main
from rankiqa.compat.caffe_weights import CAFFE_MODELS, import_caffe
from rankiqa.models import load_model
from tests.compat import caffe_encoder as caffe
from tests.compat.caffe_models import alexnet_file, images

pytestmark = pytest.mark.usefixtures("small")


def command(*arguments):
    return main(["import-weights", "caffe", *map(str, arguments)])


def test_the_command_writes_a_model_that_scores_the_same(alexnet_weights, write, tmp_path, capsys):
    path, out = write(alexnet_file(alexnet_weights, old=True, legacy=True)), tmp_path / "models" / "m"
    options = ("--model", "alexnet", "--out", out)
    assert command(path, *options, "--mean", "104", "117", "123", "--lower-is-better", "--score-range", "0", "100") == 0
    printed = capsys.readouterr().out
    table = [line.split() for line in printed.splitlines()]
    assert ["fc6", "weight", "1×1×24×9216", "fc6.weight"] in table
    assert ["fc8", "bias", "1×1×1×1", "fc8.bias", "negated"] in table
    assert "note: the last layer is negated" in printed
    assert printed.splitlines()[-1] == f"16 tensors of {path} are in {out}, a model of alexnet_caffe"
    model, config = load_model(out)
    expected = import_caffe(path, "alexnet", (104, 117, 123), higher_is_better=False).model
    with torch.inference_mode():
        assert torch.equal(model(images()), expected(images()))
    assert config["score_range"] == [-100, 0] and config["higher_is_better"] is True
    assert config["preprocessing"] == {
        "crop": 227,
        "channels": "bgr",
        "scale": 255.0,
        "mean": [104.0, 117.0, 123.0],
        "std": [1.0, 1.0, 1.0],
    }
    assert config["provenance"]["source"] == "net.caffemodel" and "import-weights" in config["provenance"]["command"]
    assert config["provenance"]["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(config["provenance"]["versions"]) == {"rankiqa", "torch"}

    # The model stays unless it is to go.
    before = (out / "config.json").read_bytes()
    assert command(path, *options) == 2
    said = "exists already; choose another place, or replace the model there (--out, --overwrite)"
    assert said in capsys.readouterr().err
    assert (out / "config.json").read_bytes() == before
    assert command(path, *options, "--overwrite") == 0
    assert load_model(out)[1]["score_range"] is None
    assert sorted(p.name for p in out.parent.iterdir()) == ["m"]


def test_the_command_takes_a_mean_image(alexnet_weights, write, tmp_path):
    mean = write(caffe.blob(np.full((1, 3, 4, 4), 100, np.float32), legacy=True), "mean.binaryproto")
    path = write(alexnet_file(alexnet_weights))
    assert command(path, "--model", "alexnet", "--out", tmp_path / "m", "--mean", mean) == 0
    assert load_model(tmp_path / "m")[1]["preprocessing"]["mean"] == [100, 100, 100]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "vgg19"], "--model: unknown 'vgg19'; known: vgg16, alexnet, caffenet"),
        (["--model", "alexnet"], "none.caffemodel: no such file"),
        (
            ["--model", "alexnet", "--mean", "1", "2"],
            "--mean takes three numbers (B G R) or a .binaryproto file, got 1 2",
        ),
        (["--model", "alexnet", "--mean", "7"], "--mean takes three numbers"),
        (["--model", "alexnet", "--mean", "1", "2", "x"], "--mean takes three numbers"),
        (["--model", "alexnet", "--mean", "1", "2", "300"], "mean must be three numbers in 0–255"),
        (["--model", "alexnet", "--mean", "no.binaryproto"], "no.binaryproto: no such file"),
        (["--model", "alexnet", "--score-range", "9", "1"], "--score-range: LOW must be below HIGH, got 9 1"),
    ],
)
def test_bad_options_are_named_in_one_line(tmp_path, capsys, options, message):
    assert command(tmp_path / "none.caffemodel", "--out", tmp_path / "m", *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "m").exists()


def test_overwriting_deletes_nothing_but_a_model(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    for name, message in (("photos", "holds more than a model (cat.png)"), ("file", "a file is in the way")):
        options = ("--model", "alexnet", "--out", tmp_path / name, "--overwrite")
        assert command("none.caffemodel", *options) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"x"


def test_the_command_hands_keras_files_to_their_importer(alexnet_weights, write, tmp_path, capsys, monkeypatch):
    path, out = write(alexnet_file(alexnet_weights)), tmp_path / "m"
    asked = []
    stand_in = types.ModuleType("keras_weights")
    stand_in.import_keras = lambda *arguments: asked.append(arguments) or import_caffe(path, "alexnet")
    monkeypatch.setitem(sys.modules, "rankiqa.compat.keras_weights", stand_in)
    monkeypatch.setattr(import_weights, "KERAS_MODELS", ("nima-x", "nima-y"))
    argv = ["import-weights", "keras", str(path), "--out", str(out), "--model"]
    assert main([*argv, "nima-z"]) == 2
    assert capsys.readouterr().err == "error: --model: unknown 'nima-z'; known: nima-x, nima-y\n"
    assert main([*argv, "nima-y"]) == 0
    assert asked == [(str(path), "nima-y")] and load_model(out)[1]["score_range"] == [1, 10]


def test_the_help_names_every_network_and_reads_no_torch():
    code = (
        "import sys; from rankiqa.cli import main\ntry: main(sys.argv[1:])\nfinally: assert 'torch' not in sys.modules"
    )
    argv = [sys.executable, "-c", code, "import-weights", "caffe", "--help"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in CAFFE_MODELS) and "default: nothing" in done.stdout
