"""The paper's optimizer: learning rates, their course, and the recipes."""

import numpy as np
import pytest
import torch

from rankiqa.cli.train_rank import parse
from rankiqa.config import OptimConfig
from rankiqa.models import build_model
from rankiqa.training.optim import learning_rate, make_optimizer, set_learning_rate
from tests.training.ranked_runs import ROOT


def test_learning_rate_factors_and_decay_are_caffe_s():
    model = build_model("vgg16", crop=32)
    optimizer = make_optimizer(model, OptimConfig())
    set_learning_rate(optimizer, 1e-4)
    seen = {id(p): (g["lr"], g["weight_decay"], g["momentum"]) for g in optimizer.param_groups for p in g["params"]}
    expected = {
        "backbone.features.0.weight": (1e-4, 5e-4, 0.9),
        "backbone.features.0.bias": (2e-4, 0, 0.9),
        "backbone.classifier.0.weight": (1e-4, 5e-4, 0.9),
        "backbone.classifier.6.weight": (1e-3, 5e-4, 0.9),
        "backbone.classifier.6.bias": (2e-3, 0, 0.9),
    }
    named = dict(model.named_parameters())
    assert len(seen) == len(named)
    for name, values in expected.items():
        assert seen[id(named[name])] == pytest.approx(values)


def test_learning_rate_schedules():
    step = OptimConfig(lr=1e-4, step_size=10_000, gamma=0.1)
    rates = [learning_rate(s, 50_000, step) for s in (0, 9_999, 10_000, 49_999)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-8])
    cosine = OptimConfig(lr=2.0, schedule="cosine", warmup=10)
    rates = [learning_rate(s, 100, cosine) for s in (0, 4, 50)]
    assert rates == pytest.approx([0.2, 2 * 0.5 * (1 + np.cos(0.04 * np.pi)) * 0.5, 1.0])


PAPER = {  # batch size and pairs from the papers' layouts; the rest from the original's solver files
    "live": {"groups": 4, "images": 2, "lr": 1e-5},
    "tid2013": {"groups": 9, "images": 1, "lr": 1e-4},
}


@pytest.mark.parametrize("network", ["vgg16", "alexnet", "shallow"])
@pytest.mark.parametrize("target", list(PAPER))
def test_the_paper_s_recipes_are_the_paper_s(network, target):
    config = parse(["--config", str(ROOT / f"train/configs/rank_{target}_{network}.yaml")])
    config.check()
    assert (config.batch.groups, config.batch.images) == (PAPER[target]["groups"], PAPER[target]["images"])
    assert config.batch.levels is None and config.batch.across and config.batch.sampler == "efficient"
    o = config.optim
    assert (o.lr, o.schedule, o.step_size, o.gamma) == (PAPER[target]["lr"], "step", 10_000, 0.1)
    assert (o.momentum, o.weight_decay, o.bias_lr, o.head_lr, o.head_bias_lr) == (0.9, 5e-4, 2, 10, 20)
    assert (config.steps, config.loss.margin, config.loss.reduction) == (50_000, 10, "images")
    assert (config.model.name, config.model.crop) == (network, 224 if network == "vgg16" else 227)
    assert config.model.weights == ("none" if network == "shallow" else "imagenet")
    assert config.model.dropout == (None if network == "shallow" else 0.5)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_the_fused_update_is_the_plain_one(kind):
    found = []
    for fused in (False, True):
        torch.manual_seed(0)
        model = build_model("squeezenet1_1", crop=64)
        optimizer = make_optimizer(model, OptimConfig(kind=kind, lr=1e-3), fused=fused)
        assert all(bool(group["fused"]) is fused for group in optimizer.param_groups)
        images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        for step in range(3):
            set_learning_rate(optimizer, 1e-3 / (step + 1))
            model.eval()(images).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        found.append(torch.cat([p.detach().ravel() for p in model.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)
