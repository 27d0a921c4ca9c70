"""NIMA's network: votes, their mean, the head, and the way to disk and back."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rankiqa.errors import InputError
from rankiqa.models import Nima, build_model, build_nima, load_model, save_model

NETWORKS = ("shallow", "alexnet", "vgg16", "squeezenet1_1", "resnet10t", "mobilenetv1_100")


def images(n, side, seed=0):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NETWORKS)
def test_ten_shares_sum_to_one_and_the_score_is_their_mean(name):
    torch.manual_seed(0)
    side = {"shallow": 227}.get(name, 96)
    model = build_nima(name, crop=side).eval()
    x = images(3, side)
    with torch.inference_mode():
        votes = model(x, distribution=True)
        assert votes.shape == (3, 10)
        assert votes.sum(1).numpy() == pytest.approx(np.ones(3), abs=1e-6)
        assert model(x).numpy() == pytest.approx((votes @ torch.arange(1.0, 11)).numpy(), abs=1e-5)
        # The head is the last layer: with its weights at zero the votes are those of its bias alone.
        head = model.backbone.get_submodule(model.head)
        head.weight.zero_()
        head.bias.copy_(torch.arange(10.0))
        assert model(x, distribution=True)[1].numpy() == pytest.approx(torch.arange(10.0).softmax(0).numpy(), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_mean_vote_keeps_its_digits_in_mixed_precision(dtype):
    torch.manual_seed(0)
    model = build_nima("squeezenet1_1", crop=64).eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=dtype):
        votes, scores = model(images(8, 64), distribution=True), model(images(8, 64))
    assert scores.dtype == torch.float32
    assert scores.numpy() == pytest.approx(votes.double().numpy() @ np.arange(1, 11), abs=1e-5)
    assert len(set(scores.tolist())) == 8


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet10t"])
def test_every_parameter_receives_a_gradient(name):
    torch.manual_seed(0)
    model = build_nima(name, crop=64, dropout=0.0)
    for parameter in model.parameters():
        # timm starts the last norm of a residual branch at zero, which would hide the branch.
        if parameter.ndim == 1 and not parameter.any():
            torch.nn.init.constant_(parameter, 0.1)
    (model(images(3, 64), distribution=True) ** 2).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert sum(model.is_head(n) for n, _ in model.named_parameters()) == 2


def test_dropout_is_three_quarters_before_the_last_layer_alone():
    torch.manual_seed(0)
    for name in ("squeezenet1_1", "inception_resnet_v2"):
        model = build_nima(name)
        rates = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout) and module.p]
        assert rates == [0.75]
        assert (model.crop, model.resize) == (224, 256)
    assert model.preprocessing.config()["mean"] == model.preprocessing.config()["std"] == [0.5] * 3  # [−1, 1]


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet10t"])
def test_a_saved_model_scores_as_before_and_says_that_it_votes(name, tmp_path):
    torch.manual_seed(0)
    model = build_nima(name, crop=64, dropout=0.5).eval()
    save_model(model, tmp_path / "model", score_range=(1, 10))
    again, config = load_model(tmp_path / "model")
    assert isinstance(again, Nima)
    assert (again.dropout, again.crop, again.resize) == (0.5, 64, 73)
    x = images(2, 64)
    with torch.inference_mode():
        assert torch.equal(model(x, distribution=True), again(x, distribution=True))
    assert config["architecture"] == {"name": name, "dropout": 0.5, "votes": 10}
    assert not any("scale" in key for key in again.state_dict())


def test_a_model_of_other_votes_is_refused(tmp_path):
    save_model(build_nima("squeezenet1_1", crop=64), tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    config["architecture"]["votes"] = 5
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="a model of 5 votes, but this version reads 10"):
        load_model(tmp_path / "model")


def test_the_convolutions_come_from_a_file_of_the_classifier(tmp_path):
    torch.manual_seed(0)
    import torchvision

    net = torchvision.models.squeezenet1_1()
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    model = build_nima("squeezenet1_1", str(tmp_path / "w.safetensors"), crop=64).eval()
    x = images(2, 64)
    with torch.inference_mode():
        pooled = net.eval().features(model.preprocessing(x)).mean((2, 3))
        wanted = model.backbone.head(pooled).softmax(1)
        assert model(x, distribution=True).numpy() == pytest.approx(wanted.numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nonsense"}, "unknown network 'nonsense'"),
        ({"name": "squeezenet1_1", "dropout": 1.0}, r"dropout must be in \[0, 1\)"),
        ({"name": "squeezenet1_1", "crop": 224, "resize": 200}, "resize must be at least model.crop, 224 px, got 200"),
        ({"name": "squeezenet1_1", "crop": 0}, "crop must be at least 1"),
        ({"name": "squeezenet1_1", "weights": "no.safetensors"}, "no such weights file"),
        ({"name": "squeezenet1_1", "preprocessing": "x"}, "unknown 'x'"),
    ],
)
def test_settings_that_no_nima_has_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build_nima(**options)


def test_a_network_of_votes_and_one_of_a_score_are_told_apart(tmp_path):
    save_model(build_model("squeezenet1_1", crop=64), tmp_path / "model")
    assert not isinstance(load_model(tmp_path / "model")[0], Nima)
