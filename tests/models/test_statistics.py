"""Networks with statistics of every stage: what they compute, their files, and what they refuse."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from rankiqa.cli.export import main
from rankiqa.errors import InputError
from rankiqa.models import build_model, load_model, save_model
from rankiqa.models.freezing import freeze_until
from rankiqa.models.statistics import HumanScale, fit_standardisation
from rankiqa.training.scored import load_start

SMALL = {"kind": "statistics", "hidden": 8, "drop_inputs": 0.5}


def small(name="test_efficientnet", head=SMALL, **options):
    torch.manual_seed(0)
    return build_model(name, crop=64, head=head, **options).eval()


def pictures(n=2, height=64, width=80, seed=0):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_statistics_are_means_and_deviations_stage_by_stage():
    backbone = small().backbone
    maps = [torch.randn(2, 3, 4, 5), torch.full((2, 1, 2, 2), 7.0)]
    found = backbone.statistics(maps).numpy()
    for image in range(2):
        first = maps[0][image].numpy().reshape(3, -1).astype(np.float64)
        wanted = [*first.mean(1), *np.sqrt(first.var(1) + 1e-6), 7.0, 1e-3]
        np.testing.assert_allclose(found[image], wanted, rtol=1e-5)


def test_stages_of_an_efficientnet_are_its_blocks_and_the_last_convolution():
    model = small()
    backbone, images = model.backbone, model.preprocessing(pictures())
    with torch.no_grad():
        maps = backbone.maps(images)
        last = backbone.net.forward_features(images)  # timm's own pass
        inner = backbone.net.forward_intermediates(images, intermediates_only=True)
    assert [m.shape[1] for m in maps] == list(backbone.channels) == [16, 24, 32, 48, 64, 256]
    torch.testing.assert_close(maps[-1], last)
    for ours, timms in zip(maps[:-1], inner, strict=True):
        torch.testing.assert_close(ours, timms)


@pytest.mark.parametrize(
    ("name", "channels"),
    [("test_resnet", (32, 32, 48, 192, 96)), ("mobilenetv3_small_050", (8, 16, 24, 24, 48, 288))],
)
def test_other_networks_give_their_stages_and_every_weight_learns(name, channels):
    model = small(name)
    assert model.backbone.channels == channels
    # The first statistic is of the first map as timm computes it, though the next stages went on from it.
    with torch.no_grad():
        images = model.preprocessing(pictures())
        first = model.backbone.maps(images)[0].mean((2, 3))
        torch.testing.assert_close(model.backbone.statistics(model.backbone.maps(images))[:, : channels[0]], first)
    model(pictures()).sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


def test_the_top_standardises_and_maps_to_the_human_scale():
    backbone = small().backbone
    width = 2 * sum(backbone.channels)
    statistics = torch.randn(3, 2, width)
    backbone.centre.normal_(generator=torch.Generator().manual_seed(1))
    backbone.spread.uniform_(0.5, 2, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        raw = backbone.top(statistics)
        backbone.scale = HumanScale(1, 5, 0.5, 0.25)
        scaled = backbone.top(statistics)
        x = ((statistics - backbone.centre) / backbone.spread).double().numpy()
    w1, b1, w2, b2 = (
        p.detach().double().numpy() for p in [*backbone.hidden.parameters(), *backbone.output.parameters()]
    )
    pre = x @ w1.T + b1
    units = pre * 0.5 * (1 + np.vectorize(math.erf)(pre / math.sqrt(2)))
    wanted = units @ w2.T + b2
    assert raw.shape == (3, 2, 1)
    np.testing.assert_allclose(raw.numpy(), wanted, atol=1e-4)
    np.testing.assert_allclose(scaled.numpy(), 1 + 4 / (1 + np.exp(-(0.5 * wanted + 0.25))), atol=1e-4)


def test_inputs_are_left_out_in_training_alone():
    model = small(dropout=0.0)
    with torch.no_grad():
        assert torch.equal(model(pictures()), model(pictures()))
        model.train()
        for module in model.backbone.net.modules():
            module.training = False
        assert not torch.equal(model(pictures()), model(pictures()))
        model.backbone.drop_inputs = 0.0
        assert torch.equal(model(pictures()), model(pictures()))


def test_autocast_leaves_the_head_in_single_precision():
    model = small()
    statistics = torch.randn(4, 2 * sum(model.backbone.channels))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = model.backbone.top(statistics)
        assert model.backbone.statistics([torch.randn(1, 2, 3, 3).bfloat16()]).dtype == torch.float32
    assert found.dtype == torch.float32
    assert torch.equal(found, model.backbone.top(statistics))


def test_standardisation_is_that_of_the_statistics_of_given_images():
    model = small()
    batches = [pictures(2), pictures(3, 64, 64, seed=1)]
    fit_standardisation(model, batches)
    backbone = model.backbone
    with torch.no_grad():
        rows = torch.cat([backbone.statistics(backbone.maps(model.preprocessing(b))) for b in batches]).numpy()
    np.testing.assert_allclose(backbone.centre.numpy(), rows.mean(0), atol=1e-5)
    np.testing.assert_allclose(backbone.spread.numpy(), np.maximum(rows.std(0), 1e-3), atol=1e-5)
    assert backbone.standardised and not small().backbone.standardised
    with pytest.raises(InputError, match="two images"):
        fit_standardisation(model, [pictures(1)])
    with pytest.raises(InputError, match="no head of statistics"):
        fit_standardisation(build_model("shallow"), batches)


def test_a_model_comes_back_from_its_folder(tmp_path):
    model = small()
    fit_standardisation(model, [pictures(3)])
    model.backbone.scale = HumanScale(0, 1, 2.0, -1.0)
    save_model(model, tmp_path / "m")
    again, config = load_model(tmp_path / "m")
    assert config["architecture"] == {
        "name": "test_efficientnet",
        "dropout": None,
        "head": {
            "kind": "statistics",
            "hidden": 8,
            "drop_inputs": 0.5,
            "scale": {"low": 0, "high": 1, "slope": 2.0, "offset": -1.0},
        },
    }
    keys = {key.split(".")[0] for key in load_file(tmp_path / "m" / "model.safetensors")}
    assert keys == {"net", "centre", "spread", "hidden", "output"}
    assert torch.equal(again(pictures()), model(pictures()))


def test_half_precision_is_saved_and_widened_and_not_trained_from(tmp_path):
    model = small()
    fit_standardisation(model, [pictures(3)])
    with torch.no_grad():
        model.backbone.net.bn1.running_var[0] = 1e6  # beyond half precision
    save_model(model, tmp_path / "m", half=True)
    file = tmp_path / "m" / "model.safetensors"
    tensors = load_file(file)
    wide = {key for key, value in tensors.items() if value.dtype == torch.float32}
    assert wide == {"centre", "spread", "net.bn1.running_var"}
    again, config = load_model(tmp_path / "m")
    assert config["dtype"] == "float16"
    for key, value in again.backbone.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64)
        assert torch.equal(value, tensors[key].to(value.dtype))
    with torch.no_grad():
        torch.testing.assert_close(again(pictures()), model(pictures()), atol=1e-2, rtol=0)
    with pytest.raises(InputError, match=r"half precision.*rankiqa export float32"):
        build_model("test_efficientnet", str(file), head=SMALL)
    # The tensors tell it alone: a config that hides them is not believed.
    config.pop("dtype")
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="half precision"):
        load_model(tmp_path / "m")


def test_a_widened_model_is_the_same_and_can_be_trained_from(tmp_path, capsys):
    model = small()
    save_model(model, tmp_path / "half", half=True, provenance={"stage": "rank"}, training_photos={"ab": "one"})
    half, before = load_model(tmp_path / "half")
    assert main(["float32", str(tmp_path / "half"), "--out", str(tmp_path / "wide")]) == 0
    wide, config = load_model(tmp_path / "wide")
    assert torch.equal(wide(pictures()), half(pictures()))
    assert "dtype" not in config and config["training_photos"] == {"ab": "one"}
    assert config["provenance"] == {"stage": "rank", "widened_from": before["weights_sha256"]}
    file = tmp_path / "wide" / "model.safetensors"
    assert {value.dtype for value in load_file(file).values()} == {torch.float32, torch.int64}
    assert torch.equal(small(weights=str(file))(pictures()), half(pictures()))

    with pytest.raises(InputError, match=r"half precision.*export float32"):
        load_start(str(tmp_path / "half"))
    assert load_start(str(tmp_path / "wide"))[0].backbone.scale is None
    capsys.readouterr()
    assert main(["float32", str(tmp_path / "half"), "--out", str(tmp_path / "wide")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["float32", str(tmp_path / "wide"), "--out", str(tmp_path / "more")]) == 2
    assert "is in float32 already" in capsys.readouterr().err and not (tmp_path / "more").exists()


def test_weights_come_from_timms_layout_and_from_the_models_own(tmp_path):
    import timm

    torch.manual_seed(1)
    net = timm.create_model("test_efficientnet", num_classes=7)
    file = tmp_path / "timm.safetensors"
    save_file(net.state_dict(), file)
    model = small(weights=str(file))
    for key, value in model.backbone.net.state_dict().items():
        assert torch.equal(value, net.state_dict()[key])
    fit_standardisation(model, [pictures(3)])
    save_model(model, tmp_path / "m")
    own = str(tmp_path / "m" / "model.safetensors")
    assert torch.equal(small(weights=own)(pictures()), model(pictures()))
    with pytest.raises(InputError, match=r"another head.*model\.hidden"):
        small(weights=own, head=SMALL | {"hidden": 9})
    with pytest.raises(InputError, match="of another network"):
        small("mobilenetv3_small_050", weights=own)
    with pytest.raises(InputError, match="of another network"):
        small("mobilenetv3_small_050", weights=str(file))
    with pytest.raises(InputError, match="unknown"):  # to a network with one output the statistics mean nothing
        build_model("test_efficientnet", own)


def test_networks_without_maps_and_heads_out_of_range_are_refused():
    with pytest.raises(InputError, match="no maps"):
        small("test_vit")
    with pytest.raises(InputError, match="not of shallow"):
        small("shallow")
    with pytest.raises(InputError, match=r"model\.hidden"):
        small(head=SMALL | {"hidden": 0})
    with pytest.raises(InputError, match=r"model\.drop_inputs"):
        small(head=SMALL | {"drop_inputs": 1})
    with pytest.raises(InputError, match=r"model\.head"):
        small(head="deep")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "linear"}, "head.kind"),
        ({"hidden": 0}, "head.hidden"),
        ({"hidden": 10**12}, "head.hidden"),
        ({"hidden": True}, "head.hidden"),
        ({"drop_inputs": 1.0}, "head.drop_inputs"),
        ({"more": 1}, "'more' is unknown"),
        ({"scale": 3}, "head.scale"),
        ({"scale": {"low": 0, "high": 1, "slope": 0, "offset": 0}}, "scale.slope"),
        ({"scale": {"low": 1, "high": 1, "slope": 1, "offset": 0}}, "scale.low"),
        ({"scale": {"low": 0, "high": float("nan"), "slope": 1, "offset": 0}}, "scale.high"),
        ({"scale": {"low": 0, "high": 1, "slope": 1}}, "offset is missing"),
        (None, "head"),
    ],
)
def test_a_config_with_an_impossible_head_is_refused(tmp_path, change, named):
    save_model(small(), tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    config = json.loads(file.read_text())
    config["architecture"]["head"] = None if change is None else config["architecture"]["head"] | change
    file.write_text(json.dumps(config))
    with pytest.raises(InputError, match=named) as caught:
        load_model(tmp_path / "m")
    assert caught.value.path == str(file)


def test_a_config_with_another_head_than_its_weights_is_refused(tmp_path):
    save_model(small(), tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    config = json.loads(file.read_text())
    for head in ({"kind": "statistics", "hidden": 9}, None):
        config["architecture"].pop("head")
        if head:
            config["architecture"]["head"] = head
        file.write_text(json.dumps(config))
        with pytest.raises(InputError, match="another network"):
            load_model(tmp_path / "m")
    config["dtype"] = "int8"
    file.write_text(json.dumps(config))
    with pytest.raises(InputError, match="dtype"):
        load_model(tmp_path / "m")


def test_layers_are_frozen_up_to_a_block_and_the_head_is_told_apart():
    model = small()
    freeze_until(model, "net.blocks.3")
    learning = [name.removeprefix("backbone.") for name, p in model.named_parameters() if p.requires_grad]
    assert {".".join(name.split(".")[:3]) for name in learning if "blocks" in name} == {"net.blocks.3", "net.blocks.4"}
    assert {name.split(".")[1] for name in learning if name.startswith("net.")} == {"blocks", "conv_head", "bn2"}
    model.train()
    assert not model.backbone.net.blocks[2].training and model.backbone.net.blocks[3].training
    assert model.backbone.training
    head = {name for name, _ in model.named_parameters() if model.is_head(name)}
    assert head == {f"backbone.{layer}.{what}" for layer in ("hidden", "output") for what in ("weight", "bias")}
    freeze_until(model, "hidden")
    model.train()
    assert {name for name, p in model.named_parameters() if p.requires_grad} == head
    assert model.backbone.training  # inputs are still left out
