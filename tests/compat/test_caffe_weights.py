"""Caffe's weights: every number back in its place, AlexNet against NumPy, and files that mean no good."""

import dataclasses
import hashlib
import re
import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rankiqa.cli import main
from rankiqa.compat import caffe_file as reader
from rankiqa.compat.caffe_weights import CAFFE_MODELS, import_caffe
from rankiqa.errors import InputError
from rankiqa.models import ARCHITECTURES, build_model, load_model
from rankiqa.models.alexnet_caffe import AlexNetCaffe
from tests.compat import caffe_encoder as caffe

# Outputs of the fully connected layers in these tests: 4096 twice would make every file hundreds of megabytes.
WIDE, NARROW = 24, 16

ALEXNET_SHAPES = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (WIDE, 9216),
    "fc7": (NARROW, WIDE),
    "fc8": (1, NARROW),
}
VGG_CHANNELS = {"1": (64, 64), "2": (128, 128), "3": (256, 256, 256), "4": (512, 512, 512), "5": (512, 512, 512)}
ORDERS = {"alexnet": ("norm1", "pool1", "norm2", "pool2"), "caffenet": ("pool1", "norm1", "pool2", "norm2")}
KINDS = {"norm": "LRN", "pool": "Pooling"}
SETTINGS = {
    "conv1": {"stride": 4},
    "conv2": {"pad": 2, "group": 2},
    "conv3": {"pad": 1},
    "conv4": {"pad": 1, "group": 2},
    "conv5": {"pad": 1, "group": 2},
}


def random_weights(shapes, seed=0):
    """Name → (weight, bias), of a size that lets values of 0–255 through."""
    rng = np.random.default_rng(seed)
    return {
        name: (
            (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32),
            rng.standard_normal(shape[0]).astype(np.float32),
        )
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def alexnet_weights():
    return random_weights(ALEXNET_SHAPES)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The networks with narrow fully connected layers; all else is as it is."""

    def narrow(name, places):
        architecture = ARCHITECTURES[name]

        def make(dropout):
            with torch.device("meta"):
                net = architecture.make(dropout)
            inputs = net.get_submodule(places[0]).in_features
            for place, outputs in zip(places, (WIDE, NARROW, 1), strict=True):
                parent, _, key = place.rpartition(".")
                setattr(net.get_submodule(parent), key, nn.Linear(inputs, outputs, device="meta"))
                inputs = outputs
            return net.to_empty(device="cpu")

        monkeypatch.setitem(ARCHITECTURES, name, dataclasses.replace(architecture, make=make))

    narrow("vgg16", ("classifier.0", "classifier.3", "classifier.6"))
    for name in ("alexnet_caffe", "caffenet"):
        narrow(name, ("fc6", "fc7", "fc8"))


def alexnet_file(weights, model="alexnet", old=False, legacy=False, names=None, bare=False, double=False, **change):
    """The bytes of a .caffemodel. `bare`: only layers with weights; `change`: layer → (weight, bias)."""
    weights = weights | change
    order = ORDERS[model]
    places = {"conv1": order[:2], "conv2": order[2:], "conv5": ("pool5",)}
    layers = [] if bare else [caffe.layer("data", "Data", old=old)]
    for name, arrays in weights.items():
        blobs = [caffe.blob(a, legacy, double, pieces=2 if name == "conv3" else 1) for a in arrays]
        kind = "Convolution" if name.startswith("conv") else "InnerProduct"
        parameters = caffe.convolution(old, **SETTINGS[name]) if name in SETTINGS and not bare else b""
        layers.append(caffe.layer((names or {}).get(name, name), kind, blobs, old, parameters))
        if not bare:
            layers.append(caffe.layer(f"relu_{name}", "ReLU", old=old))
            layers += [caffe.layer(place, KINDS[place[:4]], old=old) for place in places.get(name, ())]
    return caffe.network(layers)


@pytest.fixture
def write(tmp_path):
    def write(data, name="net.caffemodel"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def images(n=2, side=227, seed=0):
    """Whole values of 0–255, as RGB in [0, 1]."""
    pixels = torch.randint(0, 256, (n, 3, side, side), generator=torch.Generator().manual_seed(seed))
    return pixels.float() / 255


# Caffe's layers in NumPy, in float64.


def np_conv(x, weight, bias, stride=1, pad=0, group=1):
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    side = weight.shape[-1]
    out = []
    for part, filters in zip(np.split(x, group), np.split(weight.astype(np.float64), group), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(part, (side, side), axis=(1, 2))[:, ::stride, ::stride]
        out.append(np.einsum("chwij,ocij->ohw", windows, filters, optimize=True))
    return np.concatenate(out) + bias[:, None, None].astype(np.float64)


def np_pool(x):
    """3×3 with step 2; the last window may hang over the edge."""
    size = [-(-(n - 3) // 2) + 1 for n in x.shape[1:]]
    rows = [[x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2)) for j in range(size[1])] for i in range(size[0])]
    return np.moveaxis(np.array(rows), 2, 0)


def np_norm(x):
    """Over 5 neighbouring channels, those that there are."""
    out = np.empty_like(x)
    for c in range(len(x)):
        total = np.zeros(x.shape[1:])
        for other in range(max(0, c - 2), min(len(x), c + 3)):
            total += x[other] ** 2
        out[c] = x[c] / (1 + 1e-4 / 5 * total) ** 0.75
    return out


def np_alexnet(weights, image, model="alexnet"):
    """The score of one image, C×H×W as the network sees it."""
    relu = lambda x: np.maximum(x, 0)  # noqa: E731
    steps = {"norm": np_norm, "pool": np_pool}
    x = image.astype(np.float64)
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5"):
        x = relu(np_conv(x, *weights[name], **SETTINGS[name]))
        for step in {"conv1": ORDERS[model][:2], "conv2": ORDERS[model][2:], "conv5": ("pool5",)}.get(name, ()):
            x = steps[step[:4]](x)
    x = x.ravel()
    for name in ("fc6", "fc7", "fc8"):
        x = weights[name][0].astype(np.float64) @ x + weights[name][1]
        x = x if name == "fc8" else relu(x)
    return x[0]


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


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
def test_every_tensor_comes_back_from_both_kinds_of_layers_and_shapes(alexnet_weights, write, old, legacy):
    path = write(alexnet_file(alexnet_weights, old=old, legacy=legacy))
    imported = import_caffe(path, "alexnet")
    state = imported.model.backbone.state_dict()
    assert len(state) == len(imported.rows) == 16
    for name, (weight, bias) in alexnet_weights.items():
        np.testing.assert_array_equal(state[f"{name}.weight"], weight)
        np.testing.assert_array_equal(state[f"{name}.bias"], bias)
    rows = {row.target: row for row in imported.rows}
    assert rows["fc6.weight"].shape == ((1, 1, WIDE, 9216) if legacy else (WIDE, 9216))
    assert rows["conv1.bias"].shape == ((1, 1, 1, 96) if legacy else (96,))
    assert rows["conv1.weight"] == ("conv1 weight", (96, 3, 11, 11), "conv1.weight", "")
    assert imported.model.crop == 227 and imported.model.name == "alexnet_caffe"


@pytest.mark.parametrize("model", ["alexnet", "caffenet"])
def test_the_scores_are_those_of_caffe_s_network_on_raw_bgr(alexnet_weights, write, model):
    imported = import_caffe(write(alexnet_file(alexnet_weights, model)), model)
    batch = images()
    raw = np.rint(batch.numpy() * 255)[:, ::-1]
    expected = [np_alexnet(alexnet_weights, image, model) for image in raw]
    other = [np_alexnet(alexnet_weights, image, "caffenet" if model == "alexnet" else "alexnet") for image in raw]
    with torch.inference_mode():
        scores = imported.model(batch).numpy()
    np.testing.assert_allclose(scores, expected, rtol=2e-4)
    assert np.abs(np.subtract(expected, other)).min() > 0.01 * np.abs(expected).max()
    assert any("without a mean" in note for note in imported.notes)


def vgg_weights():
    shapes, channels = {}, 3
    for block, widths in VGG_CHANNELS.items():
        for k, width in enumerate(widths, 1):
            shapes[f"conv{block}_{k}"] = (width, channels, 3, 3)
            channels = width
    return random_weights(shapes | {"fc6": (WIDE, 25088), "fc7": (NARROW, WIDE), "fc8_m": (1, NARROW)}, seed=1)


def vgg_file(weights, old=True, legacy=True):
    layers = []
    for name, arrays in weights.items():
        is_conv = name.startswith("conv")
        blobs = [caffe.blob(a, legacy) for a in arrays]
        parameters = caffe.convolution(old, num_output=len(arrays[1]), pad=1, kernel_size=3) if is_conv else b""
        layers.append(caffe.layer(name, "Convolution" if is_conv else "InnerProduct", blobs, old, parameters))
        if is_conv and int(name[-1]) == len(VGG_CHANNELS[name[4]]):
            layers.append(caffe.layer(f"pool{name[4]}", "Pooling", old=old))
    return caffe.network(layers)


def test_rankiqa_s_vgg16_scores_as_its_layers_one_by_one(write):
    weights = vgg_weights()
    imported = import_caffe(write(vgg_file(weights)), "vgg16")
    assert len(imported.rows) == 32 and imported.model.crop == 224
    assert imported.rows[-2][::2] == ("fc8_m weight", "classifier.6.weight")
    batch = images(1, 224, seed=4)
    with torch.inference_mode():
        x = (batch * 255)[:, [2, 1, 0]]
        for name, (weight, bias) in weights.items():
            weight, bias = torch.from_numpy(weight), torch.from_numpy(bias)
            if name.startswith("conv"):
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
                x = F.max_pool2d(x, 2) if int(name[-1]) == len(VGG_CHANNELS[name[4]]) else x
            else:
                x = F.linear(x.flatten(1), weight, bias)
                x = x if name == "fc8_m" else F.relu(x)
        np.testing.assert_allclose(imported.model(batch), x[:, 0], rtol=1e-5)


def test_layers_with_names_of_their_own_go_by_their_order(alexnet_weights, write):
    names = {"conv2": "conv1_2", "conv3": "third", "fc7": "fc7-new", "fc8": "score"}
    imported = import_caffe(write(alexnet_file(alexnet_weights, names=names)), "alexnet")
    np.testing.assert_array_equal(imported.model.backbone.conv3.weight.detach(), alexnet_weights["conv3"][0])
    np.testing.assert_array_equal(imported.model.backbone.fc8.weight.detach(), alexnet_weights["fc8"][0])
    how = {row.source: row.how for row in imported.rows}
    assert how["conv1_2 bias"] == "conv2 by its order"  # not a conv1 with a suffix
    assert how["third bias"] == "conv3 by its order" and how["score weight"] == "fc8 by its order"
    assert how["fc7-new weight"] == ""
    # Named layers go by their names wherever they stand.
    turned = dict(reversed(alexnet_weights.items()))
    imported = import_caffe(write(alexnet_file(turned, bare=True)), "alexnet")
    np.testing.assert_array_equal(imported.model.backbone.conv4.weight.detach(), alexnet_weights["conv4"][0])


def test_doubles_are_read_and_rounded(alexnet_weights, write):
    imported = import_caffe(write(alexnet_file(alexnet_weights, bare=True, double=True)), "alexnet")
    np.testing.assert_array_equal(imported.model.backbone.fc6.weight.detach(), alexnet_weights["fc6"][0])


def test_a_mean_is_subtracted_in_bgr(alexnet_weights, write, tmp_path):
    path = write(alexnet_file(alexnet_weights))
    imported = import_caffe(path, "alexnet", mean=(104, 117.5, 123))
    mean = np.array([104, 117.5, 123])[:, None, None]
    batch = images(1)
    expected = np_alexnet(alexnet_weights, np.rint(batch[0].numpy() * 255)[::-1] - mean)
    with torch.inference_mode():
        np.testing.assert_allclose(imported.model(batch), [expected], rtol=2e-4)
    assert "the input is BGR 0–255 minus 104 117.5 123" in imported.notes
    # A mean image: the average of each channel.
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, 20, 30)).astype(np.float32)
    for legacy in (True, False):
        file = write(caffe.blob(picture, legacy), "mean.binaryproto")
        imported = import_caffe(path, "alexnet", mean=file)
        steps = imported.model.preprocessing
        np.testing.assert_allclose(steps.mean.flatten(), picture.mean((0, 2, 3)), rtol=1e-6)
        assert steps.channels == "bgr" and steps.scale == 255 and steps.std.flatten().tolist() == [1, 1, 1]
        assert any("the average of the 20×30 mean image mean.binaryproto" in note for note in imported.notes)


@pytest.mark.parametrize("mean", [(1, 2), (1, 2, np.nan), (1, 2, -3), (1, 2, 256), 104])
def test_a_mean_that_is_none_is_refused_before_the_file_is_read(mean):
    with pytest.raises(InputError, match="mean must be three numbers in 0–255"):
        import_caffe("none.caffemodel", "alexnet", mean=mean)


def test_a_network_for_which_lower_is_better_is_turned(alexnet_weights, write):
    path = write(alexnet_file(alexnet_weights))
    with torch.inference_mode():
        plain = import_caffe(path, "alexnet").model(images())
        imported = import_caffe(path, "alexnet", higher_is_better=False)
        turned = imported.model(images())
    assert plain.abs().min() > 0 and torch.equal(turned, -plain)
    assert [row.target for row in imported.rows if row.how == "negated"] == ["fc8.weight", "fc8.bias"]
    assert any("negated" in note for note in imported.notes)


def test_alexnet_and_caffenet_are_told_apart_by_their_layers_without_weights(alexnet_weights, write):
    for model, other in (("alexnet", "caffenet"), ("caffenet", "alexnet")):
        for old in (False, True):
            path = write(alexnet_file(alexnet_weights, model, old=old))
            with pytest.raises(InputError, match=rf"this is {model}, not {other}: use --model {model}"):
                import_caffe(path, other)
    notes = import_caffe(write(alexnet_file(alexnet_weights, bare=True)), "caffenet").notes
    assert "the file does not tell caffenet from AlexNet: it lists no norm and pool layers" in notes


def with_layer(*layers):
    return lambda weights: alexnet_file(weights) + b"".join(layers)


def settings(name, parameters):
    def make(weights):
        kind = "Convolution" if name.startswith("conv") else "InnerProduct"
        blobs = [caffe.blob(a) for a in weights[name]]
        rest = alexnet_file({k: v for k, v in weights.items() if k != name}, bare=True)
        return rest + caffe.layer(name, kind, blobs, parameters=parameters)

    return make


ONE = np.ones(1, np.float32)
PAIR = (caffe.blob(np.ones((1, 1), np.float32)), caffe.blob(ONE))
MILLION = 1_000_000


def one_blob(payload):
    """A network of one layer whose first tensor is `payload`."""
    return lambda weights: caffe.network([caffe.layer("conv1", "Convolution", [payload, caffe.blob(ONE)])])


BAD_NETWORKS = {
    "1000 outputs": (
        lambda w: alexnet_file(w, fc8=(np.zeros((1000, NARROW), np.float32), np.zeros(1000, np.float32))),
        "fc8 has 1000 outputs, but a score is one number",
    ),
    "1000 outputs, old": (
        lambda w: alexnet_file(
            w, legacy=True, old=True, fc8=(np.zeros((1000, NARROW), np.float32), np.zeros(1000, np.float32))
        ),
        "fc8 has 1000 outputs, but a score is one number",
    ),
    "not finite": (
        lambda w: alexnet_file(w, conv2=(w["conv2"][0], np.full(256, np.nan, np.float32))),
        "conv2 bias holds values that are not finite",
    ),
    "beyond floats": (
        lambda w: alexnet_file(w, double=True, fc8=(w["fc8"][0], np.array([1e300]))),
        "fc8 bias holds values that are not finite",
    ),
    "another shape": (
        lambda w: alexnet_file(w, conv1=(np.zeros((96, 3, 5, 5), np.float32), w["conv1"][1])),
        r"conv1 weight has the shape \(96, 3, 5, 5\), but alexnet_caffe needs \(96, 3, 11, 11\)",
    ),
    "transposed": (
        lambda w: alexnet_file(w, fc7=(w["fc7"][0].T, w["fc7"][1])),
        r"fc7 weight has the shape",
    ),
    "a scalar": (lambda w: alexnet_file(w, fc8=(np.float32(1), w["fc8"][1])), "fc8 weight has the shape"),
    "a layer less": (
        lambda w: alexnet_file({k: v for k, v in w.items() if k != "fc7"}),
        "2 tensors of alexnet_caffe are not in it, the first is fc7.weight",
    ),
    "a layer more": (with_layer(caffe.layer("fc9", "InnerProduct", PAIR)), "alexnet_caffe has no place for fc9"),
    "twice": (with_layer(caffe.layer("fc8_p", "InnerProduct", PAIR)), "two layers for fc8: fc8 and fc8_p"),
    "of another kind": (
        with_layer(caffe.layer("bn1", "BatchNorm", [*PAIR, caffe.blob(ONE)])),
        r"bn1 \(BatchNorm\) holds 3 tensors",
    ),
    "no bias": (with_layer(caffe.layer("fc9", "InnerProduct", PAIR[:1])), r"fc9 \(InnerProduct\) holds 1 tensors"),
    "another norm": (with_layer(caffe.layer("norm3", "LRN")), "not alexnet: its norm and pool layers are LRN, Pool"),
    "stride": (settings("conv1", caffe.convolution(stride=2)), r"conv1 has stride 2, but the network needs 4"),
    "pad": (
        settings("conv3", caffe.convolution(pad=1, pad_h=2)),
        r"conv3 has pad 1, 2, but the network needs 1",
    ),
    "no pad": (settings("conv3", caffe.convolution(num_output=384)), r"conv3 has pad 0, but the network needs 1"),
    "transpose": (
        settings("fc7", caffe.message(117, caffe.integer(6, 1))),
        "fc7 has transpose True, but the network needs False",
    ),
    "settings of another kind": (
        settings("fc7", caffe.convolution(pad=1)),
        "fc7 has pad 1, but the network needs none",
    ),
    "a convolution for fc7": (
        lambda w: (
            alexnet_file({k: v for k, v in w.items() if k != "fc7"}, bare=True)
            + caffe.layer("fc7", "Convolution", [caffe.blob(a) for a in w["fc7"]])
        ),
        "fc7 should be an inner product, but is of the kind Convolution",
    ),
    "kind": (
        with_layer(caffe.layer("conv1", "InnerProduct", PAIR)),
        "two layers for conv1",
    ),
    "escape sequence": (
        with_layer(caffe.layer("\x1b[2J\nx", "InnerProduct", PAIR)),
        r"no place for \?\[2J\?x",
    ),
}

HOSTILE = {
    "empty": (lambda w: b"", "is empty"),
    "text": (lambda w: b'name: "AlexNet"\nlayer { name: "data" }\n' * 40, "not a Caffe file"),
    "png": (lambda w: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "not a Caffe file"),
    "hdf5": (lambda w: b"\x89HDF\r\n\x1a\n" + bytes(1000), "is an HDF5 file"),
    "pickle": (lambda w: b"\x80\x04\x95" + b"cos\nsystem\n" * 9, "not a Caffe file"),
    "zeros": (lambda w: bytes(5000), "not a Caffe file"),
    "noise": (lambda w: np.random.default_rng(0).bytes(MILLION), "not a Caffe file"),
    "truncated": (lambda w: alexnet_file(w)[:-1], "not a Caffe file, or a damaged or truncated one"),
    "half": (lambda w: alexnet_file(w)[: 1 << 20], "not a Caffe file, or a damaged or truncated one"),
    "no layers": (lambda w: caffe.network([]), "holds no layers"),
    "no weights": (
        lambda w: caffe.network([caffe.layer("data", "Input")]),
        "16 tensors of alexnet_caffe are not in it",
    ),
    "first format": (
        lambda w: caffe.network([caffe.message(2, caffe.message(1, caffe.message(1, "conv1")))]),
        r"in Caffe's first format \(V0\)",
    ),
    "both formats": (
        lambda w: caffe.network([caffe.layer("a", "ReLU"), caffe.layer("a", "ReLU", old=True)]),
        "mixes the old kind of layers with the new one",
    ),
    "a length of gigabytes": (lambda w: b"\xa2\x06" + caffe.varint(2**31 - 1) + b"xx", "damaged or truncated"),
    "an endless number": (lambda w: b"\xff" * 1000, "not a Caffe file"),
    "a shape of terabytes": (
        one_blob(caffe.shape_of((1 << 20, 1 << 20), False) + caffe.message(5, bytes(8))),
        "conv1, tensor 0 claims the shape 1048576×1048576, but holds 2",
    ),
    "a shape beyond 64 bits": (
        one_blob(caffe.shape_of((1 << 62, 1 << 62, 16), False) + caffe.message(5, b"")),
        "claims the shape .*but holds 0",
    ),
    "negative axes": (
        one_blob(caffe.shape_of((-1, -2), False) + caffe.message(5, bytes(8))),
        "has the impossible shape -1×-2",
    ),
    "negative old axes": (
        one_blob(caffe.shape_of((-1, 1, 1, -2), True) + caffe.message(5, bytes(8))),
        "has the impossible shape -1×1×1×-2",
    ),
    "no axis": (one_blob(caffe.shape_of((0, 5), False)), "has the impossible shape 0×5"),
    "many axes": (one_blob(caffe.shape_of([1] * MILLION, False) + caffe.message(5, bytes(4))), "no shape, or one of"),
    "33 axes": (one_blob(caffe.shape_of([1] * 33, False) + caffe.message(5, bytes(4))), "has the impossible shape 1×1"),
    "no shape": (one_blob(caffe.message(5, bytes(4))), "conv1, tensor 0 has no shape"),
    "less data": (one_blob(caffe.shape_of((2, 3), False) + caffe.message(5, bytes(20))), "2×3, but holds 5"),
    "more data": (one_blob(caffe.shape_of((2, 3), False) + caffe.message(5, bytes(28))), "2×3, but holds 7"),
    "a cut number": (one_blob(caffe.shape_of((2,), False) + caffe.message(5, bytes(9))), "2, but holds 2"),
    "numbers twice": (
        one_blob(caffe.blob(ONE) + caffe.message(8, bytes(8))),
        "holds its numbers twice, as floats and as doubles",
    ),
    "numbers one by one": (
        one_blob(caffe.shape_of((2,), False) + b"\x2d\0\0\0\0" * 2),
        r"claims the shape 2, but holds 0 \(packed\) numbers",
    ),
    "tiny layers": (lambda w: b"\x12\x00" * MILLION, "more than 1000 entries in a message"),
    "tiny tensors": (
        lambda w: caffe.network([caffe.message(100, b"\x3a\x00" * MILLION)]),
        "more than 1000 entries in a message",
    ),
    "tiny numbers": (one_blob(b"\x2a\x00" * MILLION), "more than 1000 entries in a message"),
    "nested groups": (lambda w: b"\x1b" * MILLION + b"\x1c" * MILLION, "not a Caffe file"),
    "nested groups in a layer": (
        lambda w: caffe.network([caffe.message(100, b"\x1b" * MILLION)]),
        "not a Caffe file",
    ),
    "nested messages": (lambda w: nested(2000), "16 tensors of alexnet_caffe are not in it"),
}


def nested(depth):
    data = b""
    for _ in range(depth):
        data = caffe.message(100, data)
    return data


@pytest.mark.parametrize("case", [*BAD_NETWORKS, *HOSTILE])
def test_a_bad_file_is_refused_in_one_line(alexnet_weights, write, tmp_path, capsys, case):
    make, message = (BAD_NETWORKS | HOSTILE)[case]
    path, out = write(make(alexnet_weights), "bad.caffemodel"), tmp_path / "out"
    assert main(["import-weights", "caffe", str(path), "--model", "alexnet", "--out", str(out)]) == 2
    printed = capsys.readouterr()
    line, end = printed.err[:-1], printed.err[-1]
    assert printed.out == "" and end == "\n" and line.isprintable() and len(line) < 1000
    assert line.startswith(f"error: {path}: ") and re.search(message, line)
    assert not out.exists()


def test_a_file_cut_anywhere_is_refused(alexnet_weights, write):
    data = alexnet_file(alexnet_weights)
    for at in np.random.default_rng(0).integers(1, len(data), 30):
        with pytest.raises(InputError, match=r"cut\.caffemodel: "):
            import_caffe(write(data[:at], "cut.caffemodel"), "alexnet")


def test_changed_bytes_never_end_in_anything_but_a_message(write):
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(2, dtype=np.float32)]
    good = caffe.network(
        [
            caffe.layer("conv1", "Convolution", [caffe.blob(a) for a in arrays], parameters=caffe.convolution(pad=1)),
            caffe.layer("fc6", "InnerProduct", [caffe.blob(a, legacy=True) for a in arrays]),
        ]
    )
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(600):
        data = bytearray(good)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            data[at] = rng.integers(256)
        try:
            for layer in reader.read_layers(str(write(data, "changed"))):
                assert all(values.size == np.prod(shape) for shape, values in layer.blobs)
        except InputError as error:
            assert "changed: " in str(error)
            refused += 1
    assert 100 < refused < 600


# Peak of the memory that reading takes beyond what is there before, in MB, of a process of its own.
_MEASURE = """
import resource, sys
import google.protobuf.message_factory
from rankiqa.errors import InputError
from rankiqa.compat import caffe_file
caffe_file._classes()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
for path in sys.argv[1:]:
    before = peak()
    try:
        list(caffe_file.read_layers(path))
        raise SystemExit(path + " is not refused")
    except InputError:
        print(peak() - before)
"""


def test_what_a_file_claims_takes_no_memory(write):
    many = 8 * MILLION  # 16 MB of entries of two bytes, for which protobuf alone takes 340 MB
    files = [
        write(b"\xa2\x06" + caffe.varint(2**31 - 1) + b"x", "length"),
        write(one_blob(caffe.shape_of((1 << 20, 1 << 12), False) + caffe.message(5, bytes(8)))({}), "shape"),
        write(one_blob(b"\x2a" + caffe.varint(2**31 - 1) + b"x")({}), "data"),
        write(b"\x12\x00" * many, "layers"),
        write(caffe.network([caffe.message(100, b"\x3a\x00" * many)]), "tensors"),
        write(one_blob(b"\x2a\x00" * many)({}), "numbers"),
        write(
            one_blob(caffe.shape_of([1], False) + caffe.message(7, b"\x0a" + caffe.varint(many) + b"\1" * many))({}),
            "axes",
        ),
    ]
    done = subprocess.run([sys.executable, "-c", _MEASURE, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    grown = dict(zip([file.name for file in files], map(float, done.stdout.split()), strict=True))
    for file in files:
        assert grown[file.name] < 10 + 5 * file.stat().st_size / 2**20, grown


def test_a_file_beyond_two_gib_is_refused_unread(tmp_path):
    path = tmp_path / "large.caffemodel"
    with open(path, "wb") as file:
        file.truncate(2**31)  # sparse: takes no place
    with pytest.raises(InputError, match=r"large.caffemodel: has 2147483648 bytes; a Caffe file has 2 GiB at most"):
        import_caffe(path, "alexnet")


def test_without_protobuf_it_says_what_to_install(write, monkeypatch):
    reader._classes.cache_clear()
    for name in [name for name in sys.modules if name.startswith("google.protobuf")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    with pytest.raises(ImportError, match=r'the package protobuf is needed for this: pip install "rankiqa\[caffe\]"'):
        import_caffe(write(caffe.network([caffe.layer("a", "ReLU")])), "alexnet")


def command(*arguments):
    return main(["import-weights", "caffe", *map(str, arguments)])


def test_the_command_writes_a_model_that_scores_the_same(alexnet_weights, write, tmp_path, capsys):
    path, out = write(alexnet_file(alexnet_weights, old=True, legacy=True)), tmp_path / "models" / "m"
    options = ("--model", "alexnet", "--out", out)
    assert command(path, *options, "--mean", "104", "117", "123", "--lower-is-better", "--score-range", "0", "100") == 0
    printed = capsys.readouterr().out
    table = [line.split() for line in printed.splitlines()]
    assert ["fc6", "weight", "1×1×24×9216", "fc6.weight"] in table
    assert ["fc8", "bias", "1×1×1×1", "fc8.bias", "negated"] in table
    assert "note: the last layer is negated" in printed
    assert printed.splitlines()[-1] == f"16 tensors of {path} are in {out}, a model of alexnet_caffe"
    model, config = load_model(out)
    expected = import_caffe(path, "alexnet", (104, 117, 123), higher_is_better=False).model
    with torch.inference_mode():
        assert torch.equal(model(images()), expected(images()))
    assert config["score_range"] == [-100, 0] and config["higher_is_better"] is True
    assert config["preprocessing"] == {
        "crop": 227,
        "channels": "bgr",
        "scale": 255.0,
        "mean": [104.0, 117.0, 123.0],
        "std": [1.0, 1.0, 1.0],
    }
    assert config["provenance"]["source"] == "net.caffemodel" and "import-weights" in config["provenance"]["command"]
    assert config["provenance"]["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(config["provenance"]["versions"]) == {"rankiqa", "torch"}

    # The model stays unless it is to go.
    before = (out / "config.json").read_bytes()
    assert command(path, *options) == 2
    assert (
        "exists already; choose another --out, or replace the model there with --overwrite" in capsys.readouterr().err
    )
    assert (out / "config.json").read_bytes() == before
    assert command(path, *options, "--overwrite") == 0
    assert load_model(out)[1]["score_range"] is None
    assert sorted(p.name for p in out.parent.iterdir()) == ["m"]


def test_the_command_takes_a_mean_image(alexnet_weights, write, tmp_path):
    mean = write(caffe.blob(np.full((1, 3, 4, 4), 100, np.float32), legacy=True), "mean.binaryproto")
    path = write(alexnet_file(alexnet_weights))
    assert command(path, "--model", "alexnet", "--out", tmp_path / "m", "--mean", mean) == 0
    assert load_model(tmp_path / "m")[1]["preprocessing"]["mean"] == [100, 100, 100]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "vgg19"], "--model: unknown 'vgg19'; known: vgg16, alexnet, caffenet"),
        (["--model", "alexnet"], "none.caffemodel: no such file"),
        (
            ["--model", "alexnet", "--mean", "1", "2"],
            "--mean takes three numbers (B G R) or a .binaryproto file, got 1 2",
        ),
        (["--model", "alexnet", "--mean", "7"], "--mean takes three numbers"),
        (["--model", "alexnet", "--mean", "1", "2", "x"], "--mean takes three numbers"),
        (["--model", "alexnet", "--mean", "1", "2", "300"], "mean must be three numbers in 0–255"),
        (["--model", "alexnet", "--mean", "no.binaryproto"], "no.binaryproto: no such file"),
        (["--model", "alexnet", "--score-range", "9", "1"], "--score-range: LOW must be below HIGH, got 9 1"),
    ],
)
def test_bad_options_are_named_in_one_line(tmp_path, capsys, options, message):
    assert command(tmp_path / "none.caffemodel", "--out", tmp_path / "m", *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "m").exists()


def test_a_mean_image_of_another_shape_is_refused(write):
    for array, message in (
        (np.ones((1, 1, 4, 4)), "a mean image has the shape 1×3×H×W, this one 1×4×4"),
        (np.full((1, 3, 2, 2), np.nan), "averages of a mean image are in 0–255"),
        (np.full((1, 3, 2, 2), 300.0), "averages of a mean image are in 0–255"),
    ):
        path = write(caffe.blob(array, legacy=True), "mean.binaryproto")
        with pytest.raises(InputError, match=message):
            import_caffe("none", "vgg16", mean=path)


def test_overwriting_deletes_nothing_but_a_model(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    for name, message in (("photos", "holds more than a model (cat.png)"), ("file", "a file is in the way")):
        options = ("--model", "alexnet", "--out", tmp_path / name, "--overwrite")
        assert command("none.caffemodel", *options) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"x"


def test_the_command_hands_keras_files_to_their_importer(alexnet_weights, write, tmp_path, capsys, monkeypatch):
    path, out = write(alexnet_file(alexnet_weights)), tmp_path / "m"
    asked = []
    stand_in = types.ModuleType("keras_weights")
    stand_in.KERAS_MODELS = ("nima-x", "nima-y")
    stand_in.import_keras = lambda *arguments: asked.append(arguments) or import_caffe(path, "alexnet")
    monkeypatch.setitem(sys.modules, "rankiqa.compat.keras_weights", stand_in)
    argv = ["import-weights", "keras", str(path), "--out", str(out), "--model"]
    assert main([*argv, "nima-z"]) == 2
    assert capsys.readouterr().err == "error: --model: unknown 'nima-z'; known: nima-x, nima-y\n"
    assert main([*argv, "nima-y"]) == 0
    assert asked == [(str(path), "nima-y")] and load_model(out)[1]["score_range"] == [1, 10]


def test_the_help_names_every_network_and_reads_no_torch():
    code = (
        "import sys; from rankiqa.cli import main\ntry: main(sys.argv[1:])\nfinally: assert 'torch' not in sys.modules"
    )
    argv = [sys.executable, "-c", code, "import-weights", "caffe", "--help"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in CAFFE_MODELS) and "default: nothing" in done.stdout
