"""Where timm and TensorFlow may differ: batch norms, pools, padding, the order of branches."""

import pytest
import torch
from torch import nn

from rankiqa.models import build_nima
from rankiqa.models.mobilenet_keras import mobilenet_keras


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_nima("inception_resnet_v2").eval().backbone


def test_batch_norm_pools_and_residual_scales_are_those_of_keras(network):
    assert {m.eps for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}
    pools = {n: m for n, m in network.named_modules() if isinstance(m, nn.AvgPool2d | nn.MaxPool2d)}
    average = pools.pop("mixed_5b.branch3.0")
    # "same", stride 1: the border of zeros is no part of TensorFlow's mean.
    assert (average.kernel_size, average.stride, average.padding, average.count_include_pad) == (3, 1, 1, False)
    assert sorted(pools) == ["maxpool_3a", "maxpool_5a", "mixed_6a.branch2", "mixed_7a.branch3"]
    for pool in pools.values():  # "valid"
        assert (pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode) == (3, 2, 0, False)
    assert [block.scale for block in network.repeat] == [0.17] * 10
    assert [block.scale for block in network.repeat_1] == [0.1] * 20
    assert [block.scale for block in network.repeat_2] == [0.2] * 9
    assert network.block8.scale == 1.0 and network.block8.relu is None
    assert all(block.relu is not None for block in network.repeat_2)


def test_convolutions_are_padded_as_in_keras(network):
    valid = {"conv2d_1a", "conv2d_2a", "conv2d_4a", "mixed_6a.branch0", "mixed_6a.branch1.2"}
    valid |= {"mixed_7a.branch0.1", "mixed_7a.branch1.1", "mixed_7a.branch2.2"}
    strided = valid - {"conv2d_2a", "conv2d_4a"}
    for name, conv in network.named_modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        block = name.removesuffix(".conv")
        assert conv.stride == ((2, 2) if block in strided else (1, 1)), name
        # Odd kernels and stride 1: "same" is half the kernel on either side.
        same = tuple(k // 2 for k in conv.kernel_size)
        assert conv.padding == ((0, 0) if block in valid else same), name
        assert (conv.bias is not None) == name.endswith(".conv2d"), name


def test_long_kernels_lie_along_the_width_first(network):
    shapes = [[layer.conv.kernel_size for layer in block.branch1] for block in (*network.repeat_1, *network.repeat_2)]
    assert shapes[:20] == [[(1, 1), (1, 7), (7, 1)]] * 20
    assert shapes[20:] == [[(1, 1), (1, 3), (3, 1)]] * 9


@pytest.mark.parametrize(
    "block", ["mixed_5b", "repeat.3", "mixed_6a", "repeat_1.0", "mixed_7a", "repeat_2.8", "block8"]
)
def test_branches_are_joined_in_their_order(network, block):
    module = network.get_submodule(block)
    first = next(m for m in module.modules() if isinstance(m, nn.Conv2d))
    x = torch.rand(1, first.in_channels, 9, 11, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        joined = torch.cat([branch(x) for name, branch in module.named_children() if name.startswith("branch")], 1)
        expected = joined
        if hasattr(module, "conv2d"):
            expected = x + module.scale * module.conv2d(joined)
            expected = expected if block == "block8" else expected.relu()
        torch.testing.assert_close(module(x), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((224, 224), [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7)]),
        ((299, 317), [(150, 159), (75, 79), (37, 39), (18, 19), (9, 9)]),
        ((33, 32), [(17, 16), (8, 8), (4, 4), (2, 2), (1, 1)]),
    ],
)
def test_mobilenet_halves_odd_sizes_as_keras_does(size, expected):
    net = mobilenet_keras(0.75).eval()
    sizes = []
    for name in ("conv1", "conv_dw_2", "conv_dw_4", "conv_dw_6", "conv_dw_12"):
        net.get_submodule(name).register_forward_hook(lambda m, i, out: sizes.append(tuple(out.shape[2:])))
    assert net(torch.zeros(1, 3, *size)).shape == (1, 10)
    assert sizes == expected
    assert {m.eps for m in net.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}
