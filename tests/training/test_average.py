"""Averaged weights: the formula, what is validated and saved, and a run that is resumed."""

import pytest
import torch
from safetensors.torch import load_file

from rankiqa.config import OptimConfig, RankModelConfig
from rankiqa.errors import InputError
from rankiqa.models import build_model, load_model
from rankiqa.training.average import WeightAverage
from rankiqa.training.ranking import RankTrainer
from tests.training.ranked_runs import settings, weights


def averaging(decay):
    return OptimConfig(lr=0.01, schedule="constant", clip=1.0, head_lr=1.0, average=decay)


def test_the_average_is_that_of_the_formula_and_comes_and_goes():
    model = build_model("shallow")
    name, first = next(iter(model.backbone.named_parameters()))
    frozen = model.backbone.head.bias.requires_grad_(False)
    average = WeightAverage(model, 0.3)
    wanted = first.detach().double().clone()
    for step in range(5):
        with torch.no_grad():
            for parameter in model.backbone.parameters():
                parameter.add_(0.1 * (step + 1))
        average.update(step)
        decay = min(0.3, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * first.detach().double()
    now, still = first.detach().clone(), frozen.detach().clone()
    with average.in_place():
        inside = model.backbone.state_dict()[name].clone()
        assert torch.equal(frozen, still)
    torch.testing.assert_close(inside.double(), wanted, rtol=1e-6, atol=1e-6)
    assert torch.equal(first, now) and not torch.equal(inside, now)
    with pytest.raises(RuntimeError, match="stop"), average.in_place():
        raise RuntimeError("stop")
    assert torch.equal(first, now)


def test_an_averaged_run_resumed_ends_with_the_same_average_and_saves_it(ranks, tmp_path):
    model = RankModelConfig(name="test_resnet", crop=48)
    RankTrainer(settings(ranks, tmp_path / "whole", model=model, optim=averaging(0.9), steps=4)).run()
    RankTrainer(settings(ranks, tmp_path / "parts", model=model, optim=averaging(0.9), steps=2)).run()
    again = RankTrainer(settings(ranks, tmp_path / "parts", model=model, optim=averaging(0.9), steps=4, resume=True))
    assert again.step == 2
    seen = []
    validate = again.validate
    again.validate = lambda: seen.append(again.model.backbone.fc.weight.detach().clone()) or validate()
    again.run()
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert expected.keys() == got.keys() and all(torch.equal(expected[k], got[k]) for k in expected)
    # The average is validated and saved, in the checkpoint too; what learns lies beside it there.
    assert torch.equal(seen[-1], got["fc.weight"])
    checkpoint = tmp_path / "parts" / "checkpoints" / "step-00000004"
    assert torch.equal(load_model(checkpoint)[0].backbone.fc.weight, got["fc.weight"])
    learning = load_file(checkpoint / "learning.safetensors")
    assert torch.equal(learning["fc.weight"], again.model.backbone.fc.weight)
    assert not torch.equal(learning["fc.weight"], got["fc.weight"])
    # The same run without an average goes the same way.
    RankTrainer(settings(ranks, tmp_path / "plain", model=model, steps=4)).run()
    plain = weights(tmp_path / "plain")
    assert all(torch.equal(plain[k], learning[k]) for k in plain)


@pytest.mark.parametrize("decay", [0, 1, -0.5, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(InputError, match=r"optim\.average"):
        settings("ranks", "out", optim=averaging(decay)).check()
