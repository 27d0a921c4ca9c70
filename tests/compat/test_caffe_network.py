"""AlexNet as Caffe has it, against NumPy."""

import numpy as np
import pytest
import torch
from torch import nn

from rankiqa.errors import InputError
from rankiqa.models import ARCHITECTURES, build_model
from rankiqa.models.alexnet_caffe import AlexNetCaffe
from tests.compat.caffe_models import images, np_norm, np_pool

pytestmark = pytest.mark.usefixtures("small")


def test_alexnet_has_the_sizes_of_caffe_s():
    with torch.device("meta"):
        net = AlexNetCaffe()
    sizes = []
    for name, layer in net.named_children():
        layer.register_forward_hook(lambda layer, i, out, name=name: sizes.append((name, *out.shape[1:])))
    assert net(torch.empty(1, 3, 227, 227, device="meta")).shape == (1, 1)
    assert [s for s in sizes if s[0] != "dropout"] == [
        ("conv1", 96, 55, 55),
        ("norm", 96, 55, 55),
        ("pool", 96, 27, 27),
        ("conv2", 256, 27, 27),
        ("norm", 256, 27, 27),
        ("pool", 256, 13, 13),
        ("conv3", 384, 13, 13),
        ("conv4", 384, 13, 13),
        ("conv5", 256, 13, 13),
        ("pool", 256, 6, 6),
        ("fc6", 4096),
        ("fc7", 4096),
        ("fc8", 1),
    ]
    # The published count of the network with 1000 outputs, less 999 of them.
    assert sum(p.numel() for p in net.parameters()) == 60_965_224 - 999 * 4097
    assert net.dropout.p == 0.5 and ARCHITECTURES["caffenet"].make(0.25).dropout.p == 0.25


def test_norm_and_pool_are_caffe_s():
    with torch.device("meta"):
        net = AlexNetCaffe()
    x = np.random.default_rng(0).uniform(0, 400, (7, 14, 9))
    both = torch.from_numpy(x)[None]
    np.testing.assert_allclose(net.norm(both)[0], np_norm(x), rtol=1e-12)
    assert np_pool(x).shape == (7, 7, 4)  # a pool that rounds down has 6 rows
    np.testing.assert_array_equal(net.pool(both)[0], np_pool(x))
    half = net._normalize(both.half())
    np.testing.assert_allclose(half[0], np_norm(x), rtol=2e-3)  # float16 alone: squares of 400 are infinite


def test_every_parameter_of_alexnet_receives_a_gradient():
    torch.manual_seed(0)
    model = build_model("alexnet_caffe", dropout=0.0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.03)
    scores = model(images(3))
    (scores * torch.tensor([1.0, -2.0, 3.0])).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert {n for n, _ in model.named_parameters() if model.is_head(n)} == {"backbone.fc8.weight", "backbone.fc8.bias"}


def test_alexnet_says_which_size_it_takes():
    with pytest.raises(InputError, match=r"takes 227×227 px, got 100×227"):
        build_model("alexnet_caffe")(torch.zeros(1, 3, 100, 227))
