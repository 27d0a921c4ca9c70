"""Networks: sizes against the paper's table, preprocessing against its formula, weights in and out."""

import hashlib
import json
import urllib.error

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.transforms.functional import normalize

from rankiqa.errors import InputError
from rankiqa.models import PREPROCESSING, Preprocessing, build_model, load_model, save_model
from rankiqa.models.shallow import Shallow

# Side of the input, small where the architecture allows it.
SMALL = {"shallow": 227, "alexnet": 96, "vgg16": 32, "squeezenet1_1": 64, "resnet10t": 64}


def images(n, side, seed=0):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_shallow_has_the_layer_sizes_of_the_paper():
    net = Shallow()
    sizes = []
    for layer in net.features:
        layer.register_forward_hook(lambda layer, i, out: sizes.append((type(layer).__name__, *out.shape[1:])))
    assert net(images(1, 227)).shape == (1, 1)
    assert [s[1:] for s in sizes if s[0] == "MaxPool2d"] == [(32, 57, 57), (32, 14, 14)]
    assert [s[1:] for s in sizes if s[0] == "Conv2d"][2:] == [(32, 12, 12), (32, 1, 1)]
    # Its weights, counted by hand: 3×3 from 3, 3×3 from 32 twice, 12×12 from 32, one linear; and the biases.
    count = 9 * 3 * 32 + 2 * 9 * 32 * 32 + 144 * 32 * 32 + 32 + 4 * 32 + 1
    assert sum(p.numel() for p in net.parameters()) == count


@pytest.mark.parametrize("name", ["shallow", "alexnet", "squeezenet1_1", "resnet10t"])
def test_every_parameter_receives_a_gradient_and_one_score_comes_out_per_image(name):
    torch.manual_seed(0)
    model = build_model(name, crop=SMALL[name], dropout=0.0)
    for parameter in model.parameters():
        # timm starts the last norm of a residual branch at zero, which would hide the branch.
        if parameter.ndim == 1 and not parameter.any():
            torch.nn.init.constant_(parameter, 0.1)
    x = images(3, SMALL[name])
    scores = model(x)
    assert scores.shape == (3,)
    (scores * torch.tensor([1.0, -2.0, 3.0])).sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []
    head = {n for n, _ in model.named_parameters() if model.is_head(n)}
    assert len(head) == 2 and {n.rsplit(".", 1)[1] for n in head} == {"weight", "bias"}


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet10t"])
def test_a_score_does_not_depend_on_the_other_images_and_may_be_negative(name):
    torch.manual_seed(0)
    model = build_model(name, crop=64).eval()
    x = images(6, 64)
    with torch.inference_mode():
        alone = torch.cat([model(x[i : i + 1]) for i in range(6)])
        np.testing.assert_allclose(model(x), alone, atol=1e-6)
        # The last layer is linear: with its bias far down every score is negative, which a ReLU would forbid.
        model.backbone.get_submodule(model.head).bias.fill_(-100)
        assert model(x).max() < -50


def test_preprocessing_is_its_formula():
    x = images(2, 5)
    ours = Preprocessing(**PREPROCESSING["imagenet"])(x)
    np.testing.assert_allclose(ours, normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), rtol=1e-6)
    pixel = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)  # red 255, green 127.5, blue 0
    assert Preprocessing(**PREPROCESSING["raw_bgr"])(pixel).flatten().tolist() == [0, 127.5, 255]
    assert Preprocessing(**PREPROCESSING["caffe"])(pixel).flatten().tolist() == [-104, 10.5, 132]
    assert Preprocessing(**PREPROCESSING["inception"])(pixel).flatten().tolist() == [1, 0, -1]


def test_weights_in_torchvision_s_layout_give_torchvision_s_features(tmp_path):
    torch.manual_seed(3)
    theirs = torchvision.models.squeezenet1_1().eval()
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    ours = build_model("squeezenet1_1", str(tmp_path / "w.safetensors"), crop=64).eval()
    x = images(2, 64)
    with torch.inference_mode():
        mean, std = PREPROCESSING["imagenet"]["mean"], PREPROCESSING["imagenet"]["std"]
        expected = theirs.features(normalize(x, mean, std))
        np.testing.assert_array_equal(ours.backbone.features(ours.preprocessing(x)), expected)


def test_saved_and_loaded_the_model_is_the_same_bit_for_bit(tmp_path):
    torch.manual_seed(0)
    model = build_model("squeezenet1_1", preprocessing="raw_bgr", crop=64, dropout=0.2).eval()
    model.to(memory_format=torch.channels_last)
    save_model(model, tmp_path / "m", training_photos={"ab": "a.png"}, provenance={"steps": 3})
    loaded, config = load_model(tmp_path / "m")
    x = images(2, 64)
    with torch.inference_mode():
        assert torch.equal(model.to(memory_format=torch.contiguous_format)(x), loaded(x))
    assert loaded.crop == 64 and loaded.preprocessing.config() == model.preprocessing.config()
    assert config["training_photos"] == {"ab": "a.png"} and config["higher_is_better"] is True
    digest = hashlib.sha256((tmp_path / "m" / "model.safetensors").read_bytes()).hexdigest()
    assert config["weights_sha256"] == digest
    # Saved again over itself: the new one, and nothing left lying about.
    save_model(build_model("squeezenet1_1", crop=64), tmp_path / "m")
    assert load_model(tmp_path / "m")[0].preprocessing.channels == "rgb"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.fixture
def saved(tmp_path):
    save_model(build_model("resnet10t", crop=32), tmp_path / "m")
    return tmp_path / "m"


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors: missing"),
        (lambda f: (f / "config.json").unlink(), "no config.json in it"),
        (lambda f: (f / "config.json").write_text("{"), "config.json: not a model's config"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json: not a model's config"),
        (lambda f: edit(f, format=99), "format 99, but this version reads 1"),
        (
            lambda f: edit(f, architecture={"name": "alexnet"}),
            "the weights are of another network than alexnet",
        ),
        (lambda f: edit(f, architecture={"name": "no_such_net"}), "unknown network 'no_such_net'"),
        (lambda f: edit(f, preprocessing={"crop": 32, "channel": "rgb"}), "config.json: preprocessing"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\0" * 100), "SHA-256 differs"),
    ],
)
def test_a_damaged_model_folder_is_refused_by_name(saved, damage, message):
    damage(saved)
    with pytest.raises(InputError, match=message):
        load_model(saved)


def test_bad_weights_files_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors: no such weights file"):
        build_model("squeezenet1_1", str(tmp_path / "none.safetensors"))
    (tmp_path / "w.pth").write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match="safetensors files only"):
        build_model("squeezenet1_1", str(tmp_path / "w.pth"))
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(InputError, match="not a readable safetensors file"):
        build_model("squeezenet1_1", str(tmp_path / "w.safetensors"))
    save_file(torchvision.models.squeezenet1_0().state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"w\.safetensors: the weights are of another network: .*shape"):
        build_model("squeezenet1_1", str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "vgg61"}, "unknown network 'vgg61'; known: shallow, alexnet"),
        ({"name": "shallow", "weights": "imagenet"}, "no ImageNet weights of shallow"),
        ({"name": "shallow", "preprocessing": "rgb"}, "model.preprocessing: unknown 'rgb'; known: imagenet"),
        ({"name": "shallow", "dropout": 1.0}, r"model.dropout must be in \[0, 1\), got 1.0"),
        ({"name": "shallow", "crop": -1}, "model.crop must be at least 1 px, got -1"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        build_model(**arguments)


def test_without_a_network_imagenet_weights_say_what_to_do(monkeypatch):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr("os.path.exists", lambda path: False)
    with pytest.raises(InputError, match=r"squeezenet1_1 cannot be downloaded .*model\.weights=none\)"):
        build_model("squeezenet1_1", "imagenet")


def test_timm_s_imagenet_weights_come_as_safetensors_from_its_hub(monkeypatch, tmp_path):
    torch.manual_seed(7)
    theirs = timm.create_model("resnet10t", num_classes=1000).eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    asked = []

    def download(repository, filename):
        asked.append((repository, filename))
        return str(tmp_path / filename)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    ours = build_model("resnet10t", "imagenet", crop=64).eval()
    assert asked == [("timm/resnet10t.c3_in1k", "model.safetensors")]
    x = images(2, 64)
    with torch.inference_mode():
        cfg = theirs.pretrained_cfg
        expected = theirs.forward_features(normalize(x, cfg["mean"], cfg["std"]))
        np.testing.assert_array_equal(ours.backbone.forward_features(ours.preprocessing(x)), expected)

    def offline(repository, filename):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with pytest.raises(InputError, match=r"resnet10t cannot be downloaded .*model\.weights=none\)"):
        build_model("resnet10t", "imagenet")


def test_others_may_read_the_weights_where_they_may_read_the_config(tmp_path):
    save_model(build_model("shallow", crop=32), tmp_path / "m")
    weights, config = (tmp_path / "m" / name for name in ("model.safetensors", "config.json"))
    assert weights.stat().st_mode == config.stat().st_mode
