"""Our EfficientNet-Lite0 against timm's."""

import pytest
import timm
import torch

from rankiqa.models.efficientnet_lite import NAME, PRETRAINED, EfficientNetLite0


@pytest.fixture(scope="module")
def both():
    torch.manual_seed(0)
    theirs = timm.create_model(NAME, num_classes=0)
    with torch.no_grad():
        for layer in theirs.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.uniform_(0.8, 1.5)
                layer.bias.normal_(0, 0.5)
                layer.running_mean.normal_(0, 0.5)
                layer.running_var.uniform_(0.5, 2)
    ours = EfficientNetLite0()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


# Even and odd sides: TensorFlow pads them in different ways.
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (66, 75)])
def test_it_computes_what_timm_s_does(both, size):
    ours, theirs = (net.eval() for net in both)
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        wanted = theirs.forward_features(images)
        assert wanted.std() > 0.1
        torch.testing.assert_close(ours(images), wanted, rtol=1e-4, atol=1e-5)


def test_it_learns_as_timm_s_does(both):
    ours, theirs = (net.train() for net in both)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for net, run in ((ours, ours), (theirs, theirs.forward_features)):
        net.zero_grad()
        run(images).square().mean().backward()
    grads = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, grads[name].grad, rtol=1e-2, atol=1e-5, msg=name)


def test_what_it_says_is_what_timm_says(both):
    _, theirs = both
    assert {key: theirs.pretrained_cfg[key] for key in PRETRAINED} == PRETRAINED
