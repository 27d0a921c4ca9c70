"""Folded batch norms: the same scores from fewer layers, and networks that cannot be folded."""

import pytest
import torch
from torch import nn

from rankiqa.models import build_model, build_nima
from rankiqa.models.folding import fold_batch_norm


def trained(model):
    """Norms with numbers as a training leaves them."""
    generator = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            with torch.no_grad():
                module.weight.uniform_(0.7, 1.3, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
    return model


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: build_model("test_efficientnet", crop=64, head="statistics"),  # norms with activations, padding as TF's
        lambda: build_model("mobilenetv3_small_050", crop=64),
        lambda: build_model("test_resnet", crop=64, head="statistics"),
        lambda: build_nima("resnet10t", crop=64),
    ],
    ids=["statistics", "mobilenet", "resnet", "nima"],
)
def test_a_folded_network_gives_the_same_scores_at_any_size(make):
    torch.manual_seed(0)
    model = trained(make())
    model.train()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    folded = fold_batch_norm(model)
    assert folded is not model and norms(folded) == [] and norms(model)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert model.training and not folded.training
    assert not any(p.requires_grad for p in folded.parameters())
    images = torch.rand(2, 3, 96, 80)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), model.eval()(images), rtol=1e-4, atol=1e-4)


def test_one_folded_convolution_is_the_formula():
    model = build_model("test_resnet", crop=64)
    trained(model)
    conv, norm = model.backbone.conv1, model.backbone.bn1
    if isinstance(conv, nn.Sequential):
        conv = conv[-1]
    found = fold_batch_norm(model).backbone.conv1
    found = found[-1] if isinstance(found, nn.Sequential) else found
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(found.weight, (conv.weight * scale.view(-1, 1, 1, 1)).detach())
    torch.testing.assert_close(found.bias, (norm.bias - norm.running_mean * scale).detach())


def test_what_cannot_be_folded_stays():
    plain = build_model("shallow")
    assert fold_batch_norm(plain) is plain  # no norm

    class Before(nn.Module):
        """A norm before its convolution, and one that shares what it takes."""

        def __init__(self):
            super().__init__()
            self.first, self.conv = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)
            self.shared, self.other = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)

        def forward(self, x):
            y = self.conv(self.first(x))
            return (self.shared(y) + self.other(y)).mean((1, 2, 3)).view(-1, 1)

    model = build_model("shallow", crop=32)
    model.backbone = Before()
    assert fold_batch_norm(trained(model)) is model


def test_a_fold_that_would_change_a_score_is_not_made():
    class Twice(nn.Module):
        """What the norm takes goes on beside it, where no module shows it."""

        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x):
            y = self.conv(x)
            return (self.norm(y) + y).mean((1, 2, 3)).view(-1, 1)

    model = build_model("shallow", crop=32)
    model.backbone = Twice()
    assert fold_batch_norm(trained(model)) is model
