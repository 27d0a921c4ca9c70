"""Scoring by ONNX runtime: the scores of PyTorch, by a graph that is made once and never a wrong one."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")

import onnxruntime

import rankiqa
from rankiqa.cli import main
from rankiqa.errors import InputError
from rankiqa.integrations import graph_cache, onnx_runtime
from rankiqa.integrations.graph_cache import cache_folder, graph_of
from rankiqa.integrations.onnx_graphs import exportable
from rankiqa.integrations.onnx_runtime import onnx_network
from rankiqa.integrations.runtime import FEW, MANY, pays
from rankiqa.models import build_model, save_model
from rankiqa.scoring.patches import score_image
from rankiqa.scoring.scorer import Scorer


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _kept_there(cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture
def exports(monkeypatch):
    """How often a graph is made."""
    made, usual = [], onnx_runtime.score_graph
    monkeypatch.setattr(onnx_runtime, "score_graph", lambda network: made.append(network) or usual(network))
    return made


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """A folder with a network that sees crops."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "crops"
    save_model(build_model("squeezenet1_1", crop=96), folder)
    return folder


# Odd sides, one that is reduced, one that is mirrored.
@pytest.mark.parametrize("size", [(200, 231), (97, 64), (330, 1030), (40, 90)])
def test_the_default_model_scores_as_by_pytorch(photos, size):
    photo = np.resize(photos["coffee.png"], (*size, 3))
    mine, known = rankiqa.load(device="cpu"), rankiqa.load(device="cpu")
    mine.score_by(onnx_network)
    assert mine.scoring is not known.scoring
    for mode in ("whole", "dense"):
        found, expected = (scorer.score(photo, mode=mode, patches=2) for scorer in (mine, known))
        span = known.high - known.low
        assert found.value == pytest.approx(expected.value, abs=1e-5 * span)
        assert found.spread == pytest.approx(expected.spread, abs=1e-5 * span)
        assert (found.patches, found.note) == (expected.patches, expected.note)


def test_the_graph_takes_pixels_as_an_image_has_them(photo, monkeypatch):
    """Without a copy: what ONNX runtime reads is the memory of the image."""
    network, asked = onnx_network(rankiqa.load(device="cpu").network), []
    usual = onnxruntime.InferenceSession.run

    def run(session, names, feed):
        asked.append(feed["images"])
        return usual(session, names, feed)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)
    pixels = torch.from_numpy(photo.copy())
    score_image(network, pixels.numpy())
    (taken,) = asked
    assert taken.dtype == np.uint8 and np.shares_memory(taken, pixels.numpy()) and np.array_equal(taken[0], photo)


def test_values_that_no_pixel_has_are_pytorch_s(photo):
    plain = rankiqa.load(device="cpu").network
    network, images = onnx_network(plain), torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255
    plain = exportable(plain).eval()
    with torch.no_grad():
        known = plain(images)
        assert not torch.equal(network(images), known)  # by ONNX runtime: the last digits are others
        assert network(images) == pytest.approx(known, abs=1e-4)
        for other in (images * 0.999, images + 1, images - 1, images * torch.nan):
            torch.testing.assert_close(network(other), plain(other), rtol=0, atol=0, equal_nan=True)


def test_the_graph_pads_in_onnx_s_own_words_and_gives_scores_alone():
    import onnx

    network = rankiqa.load(device="cpu").network
    onnx_network(network)
    graph = onnx.load(graph_of(network)).graph
    assert not [node for node in graph.node if node.op_type == "Pad"]
    same = [a for node in graph.node if node.op_type == "Conv" for a in node.attribute if a.s == b"SAME_UPPER"]
    assert len(same) == 5  # the stem, and four stages that halve the sides
    assert [len(value.type.tensor_type.shape.dim) for value in graph.output] == [1, 3]


def test_a_network_of_crops_scores_as_by_pytorch(crops, photo):
    mine, known = Scorer.load(crops, "cpu"), Scorer.load(crops, "cpu")
    mine.score_by(onnx_network)
    for mode in ("random", "grid", "resize", "native", "dense"):
        found, expected = (scorer.score(photo, mode=mode, patches=3).value for scorer in (mine, known))
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_graph_is_made_once_and_not_taken_for_that_of_other_weights(crops, exports, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = Scorer.load(crops, "cpu").network
    onnx_network(network)
    with monkeypatch.context() as patch:  # what makes graphs takes a second to import
        for name in ("onnx", "rankiqa.integrations.onnx_export"):
            patch.setitem(sys.modules, name, None)
        onnx_network(network)
    assert len(exports) == len(os.listdir(cache_folder())) == 1
    other = copy.deepcopy(network)
    with torch.no_grad():
        next(other.parameters()).mul_(1.01)
    onnx_network(other)
    monkeypatch.setattr(graph_cache, "FORM", 99)
    onnx_network(network)
    assert len(exports) == len(os.listdir(cache_folder())) == 3


def test_a_kept_graph_that_is_damaged_or_of_another_model_is_made_anew(crops, exports, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = Scorer.load(crops, "cpu").network
    other = copy.deepcopy(network)
    with torch.no_grad():
        next(other.parameters()).mul_(1.5)
    onnx_network(other)
    (foreign,) = cache_folder().iterdir()
    onnx_network(network)
    (mine,) = set(cache_folder().iterdir()) - {foreign}
    good = mine.read_bytes()
    for bad in (foreign.read_bytes(), good[: len(good) // 2], b""):
        mine.write_bytes(bad)
        exports.clear()
        onnx_network(network)
        assert len(exports) == 1
        exports.clear()
        onnx_network(network)
        assert not exports


def test_a_cache_that_cannot_be_written_is_done_without(crops, exports, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    onnx_network(Scorer.load(crops, "cpu").network)
    assert len(exports) == 1


def test_a_graph_with_other_scores_is_refused(crops, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    usual = onnx_runtime.score_graph

    def wrong(network):
        with torch.no_grad():
            changed = copy.deepcopy(network)
            next(changed.parameters()).mul_(1.5)
        return usual(changed)

    monkeypatch.setattr(onnx_runtime, "score_graph", wrong)
    scorer = Scorer.load(crops, "cpu")
    before = scorer.scoring
    with pytest.raises(
        InputError, match=r"its scores differ from PyTorch's by .*; score it with PyTorch \(runtime=torch"
    ):
        scorer.score_by(onnx_network)
    assert scorer.scoring is before


def test_it_pays_for_many_photos_on_a_cpu(crops, tmp_path, monkeypatch):
    default = rankiqa.load(device="cpu")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [pays(default, photos) for photos in (1, FEW, MANY - 1, MANY)] == [False, False, False, True]
    path = graph_of(default.network)
    path.parent.mkdir(parents=True)
    path.touch()
    assert [pays(default, photos) for photos in (1, FEW - 1, FEW)] == [False, False, True]
    monkeypatch.setitem(sys.modules, "rankiqa.integrations.onnx_runtime", None)  # which takes a second to import
    assert pays(default, FEW)
    assert not pays(Scorer.load(crops, "cpu"), 10 * MANY)
    assert not pays(rankiqa.load(device="cpu", precision="bf16"), 10 * MANY)


def run(crops, *arguments):
    return main(["score", "--model", str(crops), "--device", "cpu", "photo.png", *arguments])


@pytest.fixture
def here(photo, tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo).save("photo.png")


def test_the_command_takes_the_runtime_that_is_asked_for(crops, here, capsys, monkeypatch):
    assert run(crops) == 0
    expected = capsys.readouterr().out
    assert run(crops, "--runtime", "onnx") == 0
    assert capsys.readouterr().out == expected
    asked = []
    monkeypatch.setattr(onnx_runtime, "onnx_network", lambda network, span: asked.append(span) or network)
    assert run(crops, "--runtime", "torch") == run(crops) == 0 and asked == []
    assert run(crops, "--runtime", "onnx") == 0 and asked == [1.0]


def test_what_onnx_runtime_cannot_is_one_line(crops, here, capsys):
    assert run(crops, "--runtime", "onnx", "--precision", "bf16") == 2
    err = capsys.readouterr().err.splitlines()
    assert err[-1] == "error: ONNX runtime computes in float32, not in bf16; take it (--precision fp32)"


def test_onnx_runtime_reports_to_nobody(tmp_path):
    """What it would send lies in the cache first, as soon as it is imported (1.32 does)."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    for module in ("onnx_runtime", "onnx_export"):
        command = [sys.executable, "-c", f"import rankiqa.integrations.{module} as m; m.onnxruntime.SessionOptions()"]
        subprocess.run(command, env=environment, check=True)
        assert not list(tmp_path.iterdir())


def test_a_package_that_is_broken_is_one_line_and_auto_goes_without(crops, here, capsys, monkeypatch, tmp_path):
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "onnxruntime.py").write_text("raise ImportError('libgomp.so.1:\\nno such file')")
    monkeypatch.syspath_prepend(tmp_path / "stub")
    for name in ("onnxruntime", "rankiqa.integrations.onnx_runtime"):
        monkeypatch.delitem(sys.modules, name)
    assert run(crops, "--runtime", "onnx") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: what the extra onnx brings for scoring by ONNX runtime cannot be imported (libgomp")
    assert said.endswith('.so.1: no such file): pip install --force-reinstall "rankiqa[onnx]"')
    monkeypatch.setattr("rankiqa.integrations.runtime.pays", lambda scorer, images: True)
    assert run(crops) == 0


def test_without_the_extra_it_is_one_line_and_auto_goes_without(crops, here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for name in ("onnx_runtime", "onnx_export"):
        monkeypatch.delitem(sys.modules, f"rankiqa.integrations.{name}", raising=False)
    assert run(crops, "--runtime", "onnx") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "onnxruntime is needed for" in err and 'pip install "rankiqa[onnx]"' in err
    assert run(crops) == 0
