"""Frozen layers: which they are, that they stay as they are, and that the rest learns."""

import pytest
import torch

from rankiqa.config import OptimConfig
from rankiqa.errors import InputError
from rankiqa.models import build_model, build_nima
from rankiqa.models.freezing import execution_order, freeze_until, freeze_unused, keep_batch_norm
from rankiqa.training.optim import make_optimizer


def learning(model):
    return [name.removeprefix("backbone.") for name, p in model.named_parameters() if p.requires_grad]


def test_what_comes_before_the_layer_is_frozen_and_stays_equal_in_training():
    torch.manual_seed(0)
    model = build_nima("resnet10t", crop=64)
    freeze_until(model, "layer3")
    names = learning(model)
    assert {name.split(".")[0] for name in names} == {"layer3", "layer4", "fc"}
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    model.train()
    optimizer = make_optimizer(model, OptimConfig(lr=0.1, weight_decay=0.1))
    for seed in range(2):
        x = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
        (model(x, distribution=True)[:, 0]).sum().backward()
        optimizer.step()
    after = model.backbone.state_dict()
    moved = {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}
    assert moved == {"layer3", "layer4", "fc"}
    # Batch norm's statistics too: frozen norms keep theirs, learning ones do not.
    assert torch.equal(before["conv1.1.running_mean"], after["conv1.1.running_mean"])
    assert not torch.equal(before["layer3.0.bn1.running_mean"], after["layer3.0.bn1.running_mean"])


def test_frozen_modules_stay_in_evaluation_mode_while_the_others_change():
    model = build_nima("squeezenet1_1", crop=64)
    freeze_until(model, "features.9")
    for mode in (True, False, True):
        model.train(mode)
        assert not model.backbone.features[3].training
        assert model.backbone.features[9].training is mode
        assert model.backbone.dropout.training is mode
        assert model.backbone.features.training is mode  # a container of the layer
    assert {name.split(".")[1] for name in learning(model) if name.startswith("features")} == {"9", "10", "11", "12"}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_frozen_parameters_are_in_no_group_of_the_optimizer(optimizer):
    model = build_nima("squeezenet1_1", crop=64)
    freeze_until(model, "head")
    found = make_optimizer(model, OptimConfig(kind=optimizer))
    parameters = [p for group in found.param_groups for p in group["params"]]
    assert {id(p) for p in parameters} == {id(p) for p in model.backbone.head.parameters()}
    assert type(found).__name__.lower() == optimizer


def test_the_order_is_that_of_the_work_and_not_of_the_definition():
    class Backwards(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.last = torch.nn.Linear(3, 1)
            self.first = torch.nn.Linear(3, 3)
            self.never = torch.nn.Linear(3, 3)

        def forward(self, x):
            return self.last(self.first(x.mean((2, 3))))

    model = build_model("shallow", crop=227)
    model.backbone, model.head = Backwards(), "last"
    assert execution_order(model) == ["", "first", "last"]
    freeze_until(model, "last")
    assert learning(model) == ["last.weight", "last.bias", "never.weight", "never.bias"]
    with pytest.raises(InputError, match="'never' is not used by shallow"):
        freeze_until(model, "never")


@pytest.mark.parametrize(
    ("name", "layer", "message"),
    [
        ("squeezenet1_1", "nonsense", "'nonsense' is no layer of squeezenet1_1; give one of its layers, such as feat"),
        ("squeezenet1_1", "", "'' is no layer of"),
        ("squeezenet1_1", "618", "618 counts Keras's layers of inception_resnet_v2; name a layer of squeezenet1_1"),
        ("resnet10t", "layer9", "such as conv1, bn1, layer1, layer2"),
    ],
)
def test_an_unknown_layer_is_refused_and_others_are_named(name, layer, message):
    model = build_nima(name, crop=64)
    with pytest.raises(InputError, match=message):
        freeze_until(model, layer)
    assert all(p.requires_grad for p in model.parameters())


def test_batch_norms_keep_their_statistics_while_their_scales_learn():
    torch.manual_seed(0)
    model = build_model("test_efficientnet", crop=64, head="statistics")
    freeze_until(model, "net.blocks.2")
    keep_batch_norm(model)
    model.train()
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    optimizer = make_optimizer(model, OptimConfig(lr=0.1))
    model(torch.rand(4, 3, 64, 64)).sum().backward()
    optimizer.step()
    moved = {key for key, value in model.backbone.state_dict().items() if not torch.equal(before[key], value)}
    assert not any("running" in key or "num_batches" in key for key in moved)
    assert "net.blocks.3.0.bn1.weight" in moved and "net.blocks.1.0.bn1.weight" not in moved
    assert model.backbone.training and model.backbone.net.conv_head.training
    assert not model.backbone.net.blocks[1].training  # frozen before, and still


def test_what_no_pass_enters_is_frozen():
    model = build_model("test_convnext", crop=64, head="statistics")
    assert freeze_unused(model) == ["net.head.norm"]
    model(torch.rand(1, 3, 64, 64)).sum().backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert freeze_unused(build_model("test_efficientnet", crop=64, head="statistics")) == []
