"""The ONNX files against PyTorch's own path."""

import importlib
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.torch_version import TorchVersion

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

import onnx
import onnxruntime

import rankiqa
from rankiqa.cli import export as command
from rankiqa.errors import InputError
from rankiqa.integrations import onnx_export
from rankiqa.integrations.onnx_export import compare, export_onnx
from rankiqa.integrations.onnx_graphs import DenseGraph
from rankiqa.models import build_model, build_nima, save_model
from rankiqa.models.parts import parts_of, window_of
from rankiqa.scoring.dense import window_scores
from rankiqa.scoring.patches import score_image
from rankiqa.scoring.scorer import Scorer
from rankiqa.scoring.view import View


def random_model(name, nima=False):
    """Random weights; the last layer is such that an image of noise and a black one differ by one."""
    torch.manual_seed(0)
    network = (build_nima if nima else build_model)(name).eval()
    head = network.backbone.get_submodule(network.head)
    nn.init.normal_(head.weight)
    with torch.no_grad():
        scores = network(torch.stack([torch.rand(3, network.crop, network.crop), torch.zeros(3, *[network.crop] * 2)]))
        if not nima:
            head.weight /= (scores[0] - scores[1]).abs()
    return Scorer(network, {"weights_sha256": "ab" * 32}, "mine")


def picture(height, width, seed=0):
    """Half noise, half a slope."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image[:, : width // 2] = np.linspace(0, 255, height).astype(np.uint8)[:, None, None]
    return image


def run(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: np.stack(images).transpose(0, 3, 1, 2)})


def check_crop(path, network):
    crops = [picture(network.crop, network.crop, seed) for seed in range(5)]
    for count in (1, 5):
        (scores,) = run(path, crops[:count])
        wanted = [score_image(network, crop, View(patches=1)).mean for crop in crops[:count]]
        np.testing.assert_allclose(scores, wanted, atol=1e-4)
    assert np.std(wanted) > 1e-3


def check_dense(path, network):
    crop = network.crop
    for height, width in ((crop, crop), (crop + 1, crop + 63), (2 * crop - 1, crop + 100)):
        images = [picture(height, width, seed) for seed in range(2)]
        score, windows = run(path, images)
        for k, image in enumerate(images):
            found = score_image(network, image, View(mode="dense"))
            np.testing.assert_allclose(windows[k].ravel(), found.scores, atol=1e-4)
            assert score[k] == pytest.approx(found.mean, abs=1e-4)
            assert run(path, [image])[0][0] == pytest.approx(found.mean, abs=1e-4)
        assert windows.shape == (2, *windows.shape[1:]) and score.shape == (2,)
    assert windows.std() > 1e-3


def network_of_statistics():
    """Small, with convolutions that pad as TensorFlow does, and batch norms with activations."""
    torch.manual_seed(0)
    network = build_model("test_efficientnet", crop=96, head="statistics").eval()
    nn.init.normal_(network.backbone.output.weight)
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network of statistics, as the bundled models are, but small; the exporter takes long for its windows."""
    model = Scorer(network_of_statistics(), {"weights_sha256": "ab" * 32, "score_range": [0, 1]}, "mine")
    out = tmp_path_factory.mktemp("exported")
    export_onnx(model, out, ["whole"])
    return model, out


@pytest.mark.slow
def test_the_bundled_model_gives_the_same_numbers(tmp_path):
    model, out = rankiqa.load(device="cpu"), tmp_path
    whole, dense = export_onnx(model, out)
    image = picture(251, 300)
    assert run(out / "whole.onnx", [image])[0][0] == pytest.approx(score_image(model.network, image).mean, abs=1e-4)
    score, windows = run(out / "dense.onnx", [image])
    found = score_image(model.network, image, View(mode="dense"))
    np.testing.assert_allclose(windows.ravel(), found.scores, atol=1e-4)
    assert score[0] == pytest.approx(found.mean, abs=1e-4)
    assert (whole.path, dense.path) == (out / "whole.onnx", out / "dense.onnx")
    assert max(whole.difference, dense.difference) < 1e-4
    assert sorted(path.name for path in out.iterdir()) == ["dense.onnx", "whole.onnx"]


@pytest.mark.parametrize("kind", ["whole", pytest.param("dense", marks=pytest.mark.slow)])
def test_a_file_tells_what_it_is(exported, kind):
    scorer, out = exported
    if kind == "dense":
        export_onnx(scorer, out, [kind])
    model = onnx.load(out / f"{kind}.onnx", load_external_data=False)
    onnx.checker.check_model(model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["weights_sha256"] == scorer.settings["weights_sha256"]
    assert facts["rankiqa"] == rankiqa.__version__ and facts["crop"] == str(scorer.network.crop)
    assert (float(facts["low"]), float(facts["high"])) == (scorer.low, scorer.high)
    assert facts["higher_is_better"] == "true" and facts["architecture"] == "test_efficientnet"
    assert "uint8 RGB 0-255" in model.doc_string and "higher is better" in model.doc_string
    (image,) = model.graph.input
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    sides = [[side.dim_param or side.dim_value for side in v.type.tensor_type.shape.dim] for v in model.graph.output]
    assert sides == ([["N"]] if kind == "whole" else [["N"], ["N", "rows", "columns"]])
    names = [value.name for value in (image, *model.graph.output)]
    assert names == (["image", "score"] if kind == "whole" else ["image", "score", "map"])
    assert not any(tensor.data_location for tensor in model.graph.initializer)  # nothing beside the file


SLOW = [
    pytest.param(name, marks=pytest.mark.slow) for name in ("shallow", "alexnet", "vgg16", "alexnet_caffe", "resnet10t")
]


@pytest.mark.parametrize("name", ["squeezenet1_1", *SLOW])
def test_other_networks(name, tmp_path):
    """Tops that take a mean, tops that are linear in all features of a window, and timm's."""
    model = random_model(name)
    export_onnx(model, tmp_path)
    check_crop(tmp_path / "crop.onnx", model.network)
    check_dense(tmp_path / "dense.onnx", model.network)


VGG = pytest.param("vgg16", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["shallow", "squeezenet1_1", VGG, "alexnet_caffe", "caffenet", "resnet10t"])
@torch.no_grad()
def test_the_graph_has_the_scores_of_the_loop(name):
    network = random_model(name).network
    images = torch.from_numpy(np.stack([picture(network.crop + 70, network.crop + 40, k) for k in range(2)]))
    images = images.permute(0, 3, 1, 2)
    score, windows = DenseGraph(network).eval()(images)
    wanted = window_scores(parts_of(network), window_of(network), images.float() / 255)
    torch.testing.assert_close(windows, wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(score, wanted.mean((1, 2)), atol=1e-5, rtol=1e-4)
    assert wanted.std() > 1e-3


@torch.no_grad()
def test_a_top_of_another_kind_sees_each_window():
    network = random_model("resnet10t").network
    graph = DenseGraph(network).eval()
    assert graph.pools and graph.convolutions is None
    graph.pools = False
    images = torch.from_numpy(picture(290, 270)).permute(2, 0, 1)[None]
    wanted = window_scores(parts_of(network), window_of(network), images.float() / 255)
    torch.testing.assert_close(graph(images)[1], wanted, atol=1e-5, rtol=1e-4)


def test_the_network_is_left_as_it_was():
    model = random_model("squeezenet1_1")
    pools = [module for module in model.network.modules() if isinstance(module, nn.MaxPool2d)]
    DenseGraph(model.network)
    assert [module for module in model.network.modules() if isinstance(module, nn.MaxPool2d)] == pools != []


def test_a_network_of_statistics_sees_whole_images_of_any_size(exported):
    model, out = exported
    scores = []
    for size in ((64, 64), (151, 100), (193, 320)):
        images = [picture(*size, seed) for seed in range(2)]
        scores += [score_image(model.network, image).mean for image in images]
        np.testing.assert_allclose(run(out / "whole.onnx", images)[0], scores[-2:], atol=1e-4)
    assert np.std(scores) > 1e-3
    text = onnx.load(out / "whole.onnx").doc_string
    assert "H and W at least 64" in text and "more than 1024 pixels" in text
    with pytest.raises(InputError, match=r"sees whole images, so there is no crop.onnx; take whole \(what=whole\)"):
        export_onnx(model, out, ["crop"])
    with pytest.raises(InputError, match=r"sees crops, so there is no whole.onnx; take crop \(what=crop\)"):
        export_onnx(random_model("squeezenet1_1"), out / "other", ["whole"])


@torch.no_grad()
def test_the_graph_of_a_network_of_statistics_has_the_scores_of_its_windows():
    network = network_of_statistics()
    images = torch.from_numpy(np.stack([picture(130, 161, k) for k in range(2)])).permute(0, 3, 1, 2)
    score, windows = DenseGraph(network).eval()(images)
    wanted = np.stack([Scorer(network, {}, "mine").map(image) for image in images])
    np.testing.assert_allclose(windows, wanted, atol=1e-5)
    np.testing.assert_allclose(score, wanted.mean((1, 2)), atol=1e-5)
    assert wanted.std() > 1e-5


@pytest.mark.slow
def test_the_windows_of_a_network_of_statistics(tmp_path):
    """The exporter takes long for them."""
    network = network_of_statistics()
    (dense,) = export_onnx(Scorer(network, {}, "mine"), tmp_path, ["dense"])
    check_dense(dense.path, network)


def test_a_nima_gives_votes(tmp_path):
    model = random_model("squeezenet1_1", nima=True)
    export_onnx(model, tmp_path, ["crop"])
    images = [picture(224, 224, seed) for seed in range(3)]
    scores, votes = run(tmp_path / "crop.onnx", images)
    for k, image in enumerate(images):
        found = score_image(model.network, image)
        np.testing.assert_allclose(votes[k], found.votes[0], atol=1e-5)
        assert scores[k] == pytest.approx(found.mean, abs=1e-4)
    assert votes.shape == (3, 10) and votes.std() > 0.01
    with pytest.raises(InputError, match="squeezenet1_1: a NIMA sees the whole image at once"):
        export_onnx(model, tmp_path, ["dense"])


@pytest.mark.parametrize("version, older", [("2.9.1", True), ("2.13.0+cpu", True), ("2.14.0", False), ("3.0", False)])
def test_where_an_older_pytorch_fails_a_newer_one_is_named(tmp_path, monkeypatch, version, older):
    scorer = rankiqa.load(device="cpu")

    def fails(*given, **options):
        raise RuntimeError("Constraints violated (H, W)")

    monkeypatch.setattr(torch, "__version__", TorchVersion(version))
    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(InputError, match="exporter does not take it") as caught:
        export_onnx(scorer, tmp_path / "new")
    cure = f"update PyTorch, which is {version} here: with 2.14 every network is known to be exported"
    assert caught.value.cure == (cure if older else "")
    assert "\n" not in str(caught.value)


def test_a_file_that_differs_is_not_kept(tmp_path, monkeypatch):
    model = random_model("shallow")
    normal = onnx_export._program

    def spoilt(graph, *rest):
        program = normal(graph, *rest)
        with torch.no_grad():
            model.network.backbone.head.bias += 1e-2
        return program

    monkeypatch.setattr(onnx_export, "_program", spoilt)
    monkeypatch.setattr(onnx_export, "KNOWN", (99, 1))  # so that this PyTorch may be why
    said = r"differs from PyTorch by 0\.01 on images of 227×227 and is not kept; update PyTorch, which is [^ ]* here: "
    with pytest.raises(InputError, match=said + "with 99.1 every network"):
        export_onnx(model, tmp_path, ["crop"])
    assert list(tmp_path.iterdir()) == []


def test_the_comparison_sees_shapes_and_nan(exported):
    _, out = exported
    for spoil in (lambda scores: scores[None], lambda scores: scores * torch.nan):
        with pytest.raises(InputError, match="differs from PyTorch"):
            compare(out / "whole.onnx", lambda crops, spoil=spoil: [spoil(torch.zeros(len(crops)))], [(1, 224, 224)])


def test_the_command(tmp_path, capfd):
    save_model(random_model("shallow").network, tmp_path / "model", score_range=(0, 1))
    arguments = ["onnx", "--model", str(tmp_path / "model"), "--what", "crop", "--out", str(tmp_path / "out")]
    assert command.main(arguments) == 0
    text, noise = capfd.readouterr()
    assert text.startswith(f"{tmp_path / 'out' / 'crop.onnx'}: 0.7 MB; the largest difference from PyTorch is ")
    assert text.count("\n") == 1 and noise == ""
    assert command.main(arguments) == 2
    assert (
        "crop.onnx: exists already; choose another folder, or replace it (--out, --overwrite)\n"
        in capfd.readouterr().err
    )
    assert command.main([*arguments, "--overwrite"]) == 0


def test_both_of_a_network_without_dense(tmp_path, capfd, monkeypatch):
    save_model(build_nima("shallow"), tmp_path / "nima")
    asked = []
    monkeypatch.setattr(onnx_export, "export_onnx", lambda scorer, out, what, overwrite: asked.append(what) or [])
    assert command.main(["onnx", "--model", str(tmp_path / "nima"), "--out", str(tmp_path)]) == 0
    assert asked == [["crop"]]
    assert "note: no dense.onnx: shallow: a NIMA sees the whole image" in capfd.readouterr().out


def test_a_missing_package_is_one_line(monkeypatch, capfd, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "rankiqa.integrations.onnx_export")
    with pytest.raises(ImportError, match=r'the package onnxruntime is needed for this: pip install "rankiqa\[onnx\]"'):
        importlib.import_module("rankiqa.integrations.onnx_export")
    assert command.main(["onnx", "--out", str(tmp_path)]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_help_shows_defaults_and_an_example(capsys):
    for arguments in (["--help"], ["onnx", "--help"]):
        with pytest.raises(SystemExit):
            command.main(arguments)
        assert "rankiqa export onnx --out models/onnx" in capsys.readouterr().out
