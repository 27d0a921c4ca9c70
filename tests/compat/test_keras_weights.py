"""Keras's .h5 files: outputs against those recorded from real Keras, and files that are damaged or mean harm."""

import json
import re
import shutil
import struct
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from rankiqa.cli.import_weights import main
from rankiqa.compat.importing import Imported, as_text
from rankiqa.compat.keras_file import MOST_OBJECTS, Layers
from rankiqa.compat.keras_weights import _numbered, import_keras
from rankiqa.errors import InputError
from rankiqa.models import build_nima, load_model, save_model
from rankiqa.models.freezing import freeze_until
from rankiqa.models.keras_layers import boundaries, layer_at
from rankiqa.models.mobilenet_keras import mobilenet_keras
from tests.keras.random_weights import layer_keys, weight

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "keras_nima.json").read_text())
INCEPTION, MOBILENET = "nima-inception_resnet_v2", "nima-mobilenet"
TOLERANCE = 1e-4  # of a share of the votes; 5e-7 was measured


def tensors(model):
    """(layer, weights) in the order of Keras's model.layers, with the values that the rule gives them."""
    layers = REFERENCE[model]["layers"]
    keys = layer_keys([name for name, _ in layers])
    for name, shapes in layers:
        yield name, {w: weight(keys[name], w, tuple(shape)) for w, shape in shapes.items()}


def write_legacy(path, model, rename=lambda name: name, whole=False, base=None, end=":0"):
    """As Keras's `save_weights` and `save` do; `base`: a name under which all but the dense layer are one layer."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        root.attrs["keras_version"] = "2.2.4"
        names = []
        for layer, weights in tensors(model):
            name = rename(layer)
            group = root.require_group(base if base and not layer.startswith("dense") else name)
            names.append(group.name.strip("/").encode())
            for w, value in weights.items():
                group.create_dataset(f"{name}/{w}{end}", data=value)
        root.attrs["layer_names0"], root.attrs["layer_names1"] = names[:5], names[5:40]
        if whole:
            root.create_group("top_level_model_weights")
            file.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": "never run"}}'
            file.create_dataset("optimizer_weights/adam/iteration", data=np.int64(3))
    return path


def write_keras3(path, model, base=None):
    """As Keras 3 does: groups are numbered by class, and the layer's name is an attribute of vars."""
    with h5py.File(path, "w") as file:
        for number, (layer, weights) in enumerate(tensors(model)):
            nested = f"layers/{base}/layers" if base and not layer.startswith("dense") else "layers"
            group = file.create_group(f"{nested}/layer_{number}/vars")
            group.attrs["name"] = layer
            for k, value in enumerate(weights.values()):
                group[str(k)] = value
        file.create_group("vars").attrs["name"] = "functional"
        file.create_dataset("optimizer/vars/0", data=np.int64(3))
        file.create_dataset("layers/dropout/seed_generator/vars/0", data=np.zeros(2, np.uint32))
    return path


def check_outputs(imported, photos, model):
    for size, votes in REFERENCE[model]["outputs"].items():
        height, width = map(int, size.split("x"))
        crops = [torch.from_numpy(photos[name][:height, :width].copy()) for name in REFERENCE["photos"]]
        with torch.inference_mode():
            ours = imported.model(torch.stack(crops).permute(0, 3, 1, 2) / 255, distribution=True)
        np.testing.assert_allclose(ours, votes, atol=TOLERANCE, rtol=0, err_msg=size)
        assert np.std(votes, axis=0).max() > 50 * TOLERANCE  # the photos differ by far more


# ------------------------------------------------------------------------------------------------ against real Keras


def later(name):
    """As in a session that had made seven such layers before: conv2d → conv2d_7, conv2d_2 → conv2d_9."""
    match = re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d+))?", name)
    return f"{match[1]}_{int(match[2] or 0) + 7}" if match else name


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    path = write_legacy(tmp_path_factory.mktemp("keras") / "inception.h5", INCEPTION, rename=later)
    imported = import_keras(path, INCEPTION)
    path.unlink()
    return imported


def test_inception_resnet_v2_gives_the_votes_of_keras(inception, photos):
    check_outputs(inception, photos, INCEPTION)


def test_the_table_has_a_row_for_every_tensor(inception):
    own = inception.model.backbone.state_dict()
    targets = [row.target for row in inception.rows]
    assert sorted(targets) == sorted(key for key in own if not key.endswith("num_batches_tracked"))
    weights = {f"{later(name)}/{w}" for name, shapes in REFERENCE[INCEPTION]["layers"] for w in shapes}
    sources = [row.source for row in inception.rows if row.source]
    assert len(sources) == len(weights) and set(sources) == weights
    hows = {row.how for row in inception.rows}
    assert hows == {"HWIO → OIHW", "IO → OI", "gamma absent: 1", ""}
    text = as_text(inception).splitlines()
    assert re.fullmatch(r"conv2d_7/kernel +3×3×3×32 +conv2d_1a\.conv\.weight +HWIO → OIHW", text[1])
    assert re.fullmatch(r"- +scalar +conv2d_1a\.bn\.weight +gamma absent: 1", text[2])


@pytest.mark.parametrize("layout", ["save_weights", "save", "nested", "without :0", "keras 3", "keras 3, nested"])
def test_every_layout_gives_the_votes_of_keras(tmp_path, photos, layout):
    path = tmp_path / "m.h5"
    if layout.startswith("keras 3"):
        write_keras3(path, MOBILENET, base="functional" if "nested" in layout else None)
    else:
        base = "mobilenet_1.00_224" if layout == "nested" else None
        write_legacy(path, MOBILENET, whole=layout == "save", base=base, end="" if layout == "without :0" else ":0")
    imported = import_keras(path, MOBILENET)
    check_outputs(imported, photos, MOBILENET)
    notes = " ".join(imported.notes)
    assert ("optimizer were left out" in notes) == (layout == "save" or "3" in layout)
    assert ("random generator was left out" in notes) == ("3" in layout)
    assert ("padding the file says nothing" in notes) == (layout == "nested")


def test_an_imported_model_is_saved_and_loaded_as_it_is(tmp_path, mobilenet):
    imported = import_keras(mobilenet, MOBILENET)
    save_model(imported.model, tmp_path / "m")
    loaded, _ = load_model(tmp_path / "m")
    x = torch.rand(1, 3, 65, 80, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(loaded(x), imported.model(x))


def test_the_command_makes_a_model_that_votes_as_keras(tmp_path, mobilenet, photos, capsys):
    assert main(["keras", str(mobilenet), "--model", MOBILENET, "--out", str(tmp_path / "nima")]) == 0
    model, config = load_model(tmp_path / "nima")
    check_outputs(Imported(model, ()), photos, MOBILENET)
    assert (config["score_range"], config["higher_is_better"]) == ([1, 10], True)
    # 27 convolutions, as many batch norms of four tensors, and the dense layer.
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == f"{27 * 5 + 2} tensors of {mobilenet} are in {tmp_path / 'nima'}, a model of mobilenet_keras"
    assert main(["keras", str(mobilenet), "--model", INCEPTION, "--out", str(tmp_path / "other")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "other").exists()


def test_numbered_layers_come_in_the_order_of_their_numbers():
    names = ["conv2d_10", "conv2d_9", "conv2d_100", "conv2d", "conv2d_7b", "conv_7b", "block35_1_conv"]
    assert _numbered(Layers(dict.fromkeys(names), frozenset()), "conv2d") == [
        "conv2d",
        "conv2d_9",
        "conv2d_10",
        "conv2d_100",
    ]
    names = ["batch_normalization_v1_10", "batch_normalization_v1", "batch_normalization_v1_2"]
    layers = Layers(dict.fromkeys(names), frozenset())
    assert [n[-2:] for n in _numbered(layers, "batch_normalization")] == ["v1", "_2", "10"]


# --------------------------------------------------------------------------- what timm and TensorFlow may differ in


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


# ------------------------------------------------------------------------------------------------- layers by count


def test_the_boundaries_are_those_of_keras_s_list():
    names = [name for name, _ in REFERENCE[INCEPTION]["layers"]]
    convs = [k for k, name in enumerate(names) if name.startswith("conv2d")]
    after = {name: names.index(name) + 1 for name in names}
    expected = dict(zip(["conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a"], convs, strict=False))
    expected |= {"maxpool_3a": names.index("max_pooling2d"), "maxpool_5a": names.index("max_pooling2d_1")}
    expected |= {"mixed_5b": after["max_pooling2d_1"], "repeat.0": after["mixed_5b"]}
    expected |= {f"repeat.{k}": after[f"block35_{k}_ac"] for k in range(1, 10)}
    expected |= {"mixed_6a": after["block35_10_ac"], "repeat_1.0": after["mixed_6a"]}
    expected |= {f"repeat_1.{k}": after[f"block17_{k}_ac"] for k in range(1, 20)}
    expected |= {"mixed_7a": after["block17_20_ac"], "repeat_2.0": after["mixed_7a"]}
    expected |= {f"repeat_2.{k}": after[f"block8_{k}_ac"] for k in range(1, 9)}
    expected |= {"block8": after["block8_9_ac"], "conv2d_7b": names.index("conv_7b")}
    expected |= {"global_pool": after["conv_7b_ac"]}
    assert boundaries() == expected and len(names) == 783
    assert all(name.startswith(layer_at(count)) for name, count in expected.items())
    assert layer_at(618) == "repeat_2" and layer_at(323) == "repeat_1.3" and layer_at(782) == "global_pool"


@pytest.mark.parametrize("count", [1, 41, 618, 762, 782])
def test_a_count_freezes_the_tensors_that_it_freezes_in_keras(inception, count):
    layers = REFERENCE[INCEPTION]["layers"][:count]
    frozen = {later(name) for name, weights in layers if weights}
    expected = {row.target.rpartition(".")[0] for row in inception.rows if row.source.partition("/")[0] in frozen}
    model = inception.model
    try:
        freeze_until(model, str(count))
        own = {n.rpartition(".")[0] for n, p in model.backbone.named_parameters() if not p.requires_grad}
    finally:
        model.requires_grad_(True)
        model.frozen = ()
        model.eval()
    assert own == expected and len(own) == len(frozen)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (619, "619 of Keras's layers end inside repeat_2.0; give 618, and it learns, or 634, and it is frozen"),
        (2, "2 of Keras's layers end inside conv2d_1a; give 1, and it learns, or 4"),
        (0, "give 1 to 782"),
        (783, "give 1 to 782"),
    ],
)
def test_a_count_inside_a_block_names_its_ends(count, message):
    with pytest.raises(InputError, match=message):
        layer_at(count)


# -------------------------------------------------------------------------------------------------------- bad files


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    return write_legacy(tmp_path_factory.mktemp("keras") / "mobilenet.h5", MOBILENET)


@pytest.fixture(scope="module")
def mobilenet3(tmp_path_factory):
    return write_keras3(tmp_path_factory.mktemp("keras") / "mobilenet3.weights.h5", MOBILENET)


def refused(path, model=MOBILENET):
    """The message: one line that begins with the file's name."""
    with pytest.raises(InputError) as caught:
        import_keras(path, model)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.isprintable() and len(message) < len(str(path)) + 300
    return message


KERNEL = "conv_pw_3/conv_pw_3/kernel:0"  # 1×1×128×128


def replace(file, path, **how):
    del file[path]
    return file.create_dataset(path, **how)


def virtual(file):
    layout = h5py.VirtualLayout((1, 1, 128, 128), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (1, 1, 128, 128))
    del file[KERNEL]
    file.create_virtual_dataset(KERNEL, layout)


def outside(file):
    replace(file, KERNEL, shape=(1, 1, 128, 128), dtype="f4", external=[("other.raw", 0, 1 << 16)])


def linked(link):
    def change(file):
        del file["conv_pw_3"]
        file["conv_pw_3"] = link

    return change


def many(file):
    for k in range(MOST_OBJECTS):
        file[f"conv1_bn/{k}"] = file["conv1"]


def fill(path, value):
    def change(file):
        file[path][..., 0] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # another network
        (lambda f: f.pop("conv1"), "not nima-mobilenet: it has no layer conv1$"),
        (lambda f: f.pop("conv_pw_3"), "it has no layer conv_pw_3$"),
        (lambda f: f.pop("dense"), "it has no dense layer; a NIMA has one dense layer of ten votes"),
        (
            lambda f: f.copy("dense", "other\n"),
            r"besides the network it has the layers dense, other\\n; a NIMA has one",
        ),
        (
            lambda f: replace(f, "dense/dense/kernel:0", data=np.zeros((1024, 1000), "f4")),
            r"dense/kernel has the shape \(1024, 1000\), but nima-mobilenet needs \(1024, 10\) for classifier.weight",
        ),
        (lambda f: replace(f, KERNEL, data=np.zeros((128, 128), "f4")), r"conv_pw_3/kernel has the shape \(128, 128\)"),
        (lambda f: f.create_dataset("conv1/conv1/bias:0", data=np.zeros(32, "f4")), "its layer conv1 has bias too"),
        (lambda f: f.pop("conv1_bn/conv1_bn/gamma:0"), "its layer conv1_bn has no gamma"),
        (lambda f: f.pop("dense/dense/bias:0"), "its layer dense has no bias"),
        (
            lambda f: f.move("conv1", "model_weights"),
            "conv1_bn is no part of a Keras file that is known here",
        ),
        # no plain tensors
        (
            lambda f: replace(f, KERNEL, shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000)),
            "kernel:0 is compressed or in chunks",
        ),
        (
            lambda f: replace(f, KERNEL, shape=(10**6, 10**6), dtype="f4"),
            r"conv_pw_3/kernel has the shape \(1000000, 1000000\), but nima-mobilenet needs \(1, 1, 128, 128\)",
        ),
        (lambda f: replace(f, KERNEL, shape=(1, 1, 128, 128), dtype="f4"), "values of conv_pw_3/kernel were never"),
        (
            lambda f: replace(f, KERNEL, data=np.zeros((1, 1, 128, 128), "f4"), compression="gzip"),
            "kernel:0 is compressed or in chunks",
        ),
        (lambda f: replace(f, KERNEL, data=np.zeros((1, 1, 128, 128), "i4")), "holds int32, but weights are float32"),
        (
            lambda f: replace(f, KERNEL, data=np.zeros((1, 1, 128, 128), [("a", "f4")])),
            "kernel holds .*, but weights are float32",
        ),
        (
            lambda f: replace(f, KERNEL, shape=(1, 1, 128, 128), dtype=h5py.string_dtype()),
            "kernel holds object, but weights are float32",
        ),
        (lambda f: replace(f, KERNEL, data=h5py.Empty("f4")), "kernel has the shape None"),
        (
            lambda f: f.move("conv1", "old") or f.create_dataset("conv1", data=[1.0]),
            "conv1 is a tensor where Keras has",
        ),
        (lambda f: f.__setitem__("type", np.dtype("f4")), "type is neither a group nor a tensor"),
        # other places
        (virtual, "values of kernel:0 lie in another file, which is not read"),
        (outside, "values of kernel:0 lie in another file, which is not read"),
        (linked(h5py.ExternalLink("other.h5", "/x")), "conv_pw_3 is a link to another place, which is not followed"),
        (linked(h5py.SoftLink("/conv_pw_4")), "conv_pw_3 is a link to another place, which is not followed"),
        # without end
        (lambda f: f.__setitem__("conv1/conv1/again", f["conv1"]), "groups lie more than 8 deep in each other"),
        (many, "more than 20000 groups and tensors"),
        # values
        (fill(KERNEL, np.nan), "conv_pw_3/kernel holds values that are not finite"),
        (fill("dense/dense/bias:0", -np.inf), "dense/bias holds values that are not finite"),
        (
            lambda f: replace(f, KERNEL, data=np.full((1, 1, 128, 128), 1e300)),
            "conv_pw_3/kernel holds values that are not finite",
        ),
        (fill("conv1_bn/conv1_bn/moving_variance:0", -1), "conv1_bn/moving_variance holds negative variances"),
    ],
)
def test_a_file_that_is_not_the_network_is_refused_in_one_line(tmp_path, mobilenet, change, message):
    path = Path(shutil.copy(mobilenet, tmp_path / "bad.h5"))
    with h5py.File(path, "r+") as file:
        change(file)
    tracemalloc.start()
    try:
        assert re.search(message, refused(path))
        # The network itself takes 13 MB in PyTorch's own memory, which is not counted here.
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_a_name_with_a_slash_is_not_walked(tmp_path, mobilenet):
    path = Path(shutil.copy(mobilenet, tmp_path / "bad.h5"))
    with h5py.File(path, "r+") as file:
        file["a_conv1"] = file["conv1"]
        file["a"] = h5py.ExternalLink("other.h5", "/")
    path.write_bytes(path.read_bytes().replace(b"a_conv1\0", b"a/conv1\0"))
    assert "is a link to another place" in refused(path)


def test_the_lists_of_names_are_not_needed_and_not_read(tmp_path, mobilenet):
    path = tmp_path / "names.h5"
    with h5py.File(mobilenet) as old, h5py.File(path, "w", libver="latest") as file:
        for name in old:
            old.copy(name, file)
        file.attrs["layer_names0"] = np.full(10**6, b"conv1", "S100")
        file["conv1"].attrs["weight_names"] = [b"nothing"]
    tracemalloc.start()
    try:
        assert len(import_keras(path, MOBILENET).rows) == 137
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["layers/layer_1/vars"].attrs.pop("name"), "layers/layer_1/vars does not name its layer"),
        (lambda f: f["layers/layer_1/vars"].attrs.create("name", 3.0), "the names of its layers cannot be read"),
        (lambda f: f["layers/layer_1/vars"].attrs.modify("name", "x" * 2000), "the names of its layers cannot be read"),
        (lambda f: f["layers/layer_1/vars"].attrs.modify("name", "conv1_bn"), "two tensors conv1_bn/0"),
        (lambda f: f.create_dataset("extra/vars/0", data=1.0), "extra is no part of a Keras file that is known here"),
        (
            lambda f: f.create_dataset("layers/layer_1/extra/0", data=1.0),
            "layers/layer_1/extra is no part of a network",
        ),
        (lambda f: f.create_dataset("vars/0", data=1.0), "besides the network it has the layers dense, functional"),
        (
            lambda f: f.create_dataset("layers/layer_1/vars/1", data=1.0),
            "not nima-mobilenet: its layer conv1 has 1 too",
        ),
        (lambda f: f.pop("layers"), "holds no Keras weights that are known here; load it in Keras and save it again"),
        (lambda f: f.__setitem__("layers/layer_0/layers", f["layers"]), "models lie more than 4 deep in each other"),
    ],
)
def test_a_keras_3_file_that_is_not_the_network_is_refused_in_one_line(tmp_path, mobilenet3, change, message):
    path = Path(shutil.copy(mobilenet3, tmp_path / "bad.weights.h5"))
    with h5py.File(path, "r+") as file:
        change(file)
    assert re.search(message, refused(path))


def test_a_name_that_claims_four_gigabytes_is_refused_outside_of_this_process(tmp_path, mobilenet3):
    path = Path(shutil.copy(mobilenet3, tmp_path / "bad.weights.h5"))
    with h5py.File(path, "r+") as file:
        file["layers/layer_1/vars"].attrs["name"] = "x" * 77
    raw = path.read_bytes()
    # The element of the attribute: its length, then the address of the heap, whose magic is GCOL, and an index.
    for at in (m.start() for m in re.finditer(re.escape(struct.pack("<I", 77)), raw)):
        address = int.from_bytes(raw[at + 4 : at + 12], "little")
        if raw[address : address + 4] == b"GCOL":
            path.write_bytes(raw[:at] + struct.pack("<I", 4_000_000_000) + raw[at + 4 :])
            break
    else:
        raise AssertionError("no such attribute")
    before = peak_memory()
    assert "the names of its layers cannot be read" in refused(path)
    assert peak_memory() - before < 500 << 20  # HDF5 takes 4 GB for it


def peak_memory() -> int:
    resource = pytest.importorskip("resource")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_files_that_are_no_hdf5_are_refused_in_one_line(tmp_path, mobilenet):
    path = tmp_path / "bad.h5"
    assert "no such weights file" in refused(path)
    assert "no such weights file" in refused(tmp_path)
    for content in (b"", b"weights", b"\x89HDF\r\n\x1a\n" + b"\xff" * 500, b"\x80\x04cos\nsystem\n."):
        path.write_bytes(content)
        assert "not a readable HDF5 file" in refused(path)
    whole = mobilenet.read_bytes()
    for size in (100, 5000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "not a readable HDF5 file" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert "a .keras archive; load it in Keras" in refused(path)


def test_damaged_bytes_never_end_in_anything_but_a_line(tmp_path, mobilenet):
    with h5py.File(mobilenet) as file:
        kernel = file["conv_pw_13/conv_pw_13/kernel:0"]
        start, size = kernel.id.get_offset(), kernel.id.get_storage_size()
    whole, path = bytearray(mobilenet.read_bytes()), tmp_path / "bad.h5"
    # Not in the largest tensor: that would only change values.
    places = [k for k in range(0, len(whole), 4097) if not start <= k < start + size]
    rng = np.random.default_rng(5)
    for _ in range(15):
        damaged = bytearray(whole)
        for place in rng.choice(places, 40):
            damaged[place : place + 16] = rng.bytes(16)
        path.write_bytes(damaged)
        try:
            import_keras(path, MOBILENET)
        except InputError as error:
            assert str(error).startswith(f"{path}: ") and str(error).isprintable()


def test_a_file_of_one_network_is_not_the_other(tmp_path, mobilenet):
    message = refused(mobilenet, INCEPTION)
    assert message.endswith("not nima-inception_resnet_v2: it has 0 layers conv2d_…, but the network has 203")
    path = tmp_path / "vgg16.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"block1_conv1"]
        file["block1_conv1/block1_conv1/kernel:0"] = np.zeros((3, 3, 3, 64), "f4")
    assert refused(path).endswith("not nima-mobilenet: it has no layer conv1")
    with pytest.raises(InputError, match="unknown Keras model 'nima-vgg61'; known: nima-inception_resnet_v2"):
        import_keras(path, "nima-vgg61")


def test_without_h5py_the_line_says_how_to_get_it(monkeypatch, mobilenet):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r'the package h5py is needed for this: pip install "rankiqa\[keras\]"'):
        import_keras(mobilenet, "nima-mobilenet")


@pytest.mark.parametrize(
    ("version", "message"),
    [("2.1.6", "Keras 2.1.6 padded MobileNet's strided layers by one pixel on every side"), ("2.2.4", "is odd$")],
)
def test_the_padding_of_older_versions_is_told(tmp_path, mobilenet, version, message):
    path = Path(shutil.copy(mobilenet, tmp_path / "old.h5"))
    with h5py.File(path, "r+") as file:
        file.create_group("conv1_pad")
        file.attrs["keras_version"] = version
    (note,) = import_keras(path, MOBILENET).notes
    assert re.search(message, note)
