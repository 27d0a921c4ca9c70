"""Damaged weights: safetensors, Keras's HDF5 and Caffe's protobuf."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from rankiqa.compat import keras_weights
from rankiqa.compat.caffe_file import read_layers, read_tensor
from rankiqa.errors import InputError
from rankiqa.models import build_nima
from rankiqa.models.build import load_backbone, read_weights
from tests.compat import caffe_encoder as caffe
from tests.fuzz.damage import EXTREMES, damaged, damaged_tree
from tests.fuzz.harness import tries

TENSORS = {
    "head.weight": torch.ones(1, 4),
    "head.bias": torch.zeros(1),
    "half": torch.ones(3, dtype=torch.float16),
    "whole": torch.tensor(3),
    "yes": torch.tensor([True, False]),
}
KINDS = ("F64", "F32", "F16", "BF16", "F8_E5M2", "F8_E4M3", "F4", "C64", "I64", "U64", "I8", "U8", "BOOL", "X", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


def into_network(path):
    tensors = read_weights(path)
    assert all(isinstance(value, torch.Tensor) for value in tensors.values())
    network = torch.nn.Sequential(torch.nn.Linear(4, 1))
    load_backbone(network, "0", {name.replace("head", "0"): value for name, value in tensors.items()}, str(path))


@st.composite
def damaged_safetensors(draw) -> bytes:
    data = save(TENSORS, {"format": "pt"})
    if draw(st.integers(0, 2)) == 0:
        return draw(damaged([data]))
    size = struct.unpack("<Q", data[:8])[0]
    spare = st.one_of(
        st.sampled_from(KINDS),
        st.lists(st.sampled_from(EXTREMES), max_size=4),
        st.sampled_from([{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}]),
    )
    header = json.dumps(draw(damaged_tree(json.loads(data[8 : 8 + size]), spare))).encode()
    header += b" " * (-len(header) % draw(st.sampled_from((1, 8))))
    length = draw(st.sampled_from((len(header),) * 5 + EXTREMES))
    return struct.pack("<Q", length) + header + draw(st.sampled_from((data[8 + size :], data[9 + size :], b"")))


@tries(3000)
@given(damaged_safetensors())
def test_safetensors(trial, folder, data):
    (folder / "x.safetensors").write_bytes(data)
    trial(into_network, folder / "x.safetensors")


def caffemodel(old: bool) -> bytes:
    rng = np.random.default_rng(0)
    blobs = [caffe.blob(rng.random(shape), legacy=old, double=old, pieces=1 + old) for shape in ((2, 3, 3, 3), (2,))]
    settings = caffe.convolution(old, pad=1, kernel_size=3, group=1, stride=2)
    layers = [caffe.layer("conv1", "Convolution", blobs, old, settings), caffe.layer("relu", "ReLU", old=old)]
    return caffe.network([*layers, caffe.layer("fc8", "InnerProduct", [caffe.blob(rng.random((1, 4)))] * 2, old)])


@tries(2500)
@given(damaged([caffemodel(False), caffemodel(True)], lambda data: [data[k : k + 20] for k in range(0, len(data), 20)]))
def test_caffe_networks(trial, folder, data):
    (folder / "x.caffemodel").write_bytes(data)
    trial(lambda path: list(read_layers(path)), str(folder / "x.caffemodel"))


@tries(1500)
@given(damaged([caffe.blob(np.ones((3, 4, 5)), legacy, legacy) for legacy in (False, True)]))
def test_caffe_means(trial, folder, data):
    (folder / "x.binaryproto").write_bytes(data)
    trial(read_tensor, str(folder / "x.binaryproto"))


def hdf5(layout: str) -> bytes:
    """A few layers as Keras writes them: of weights alone, of a whole model, or of Keras 3."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, shape in (("conv1", (3, 3, 3, 32)), ("dense", (4, 10))):
            if layout == "keras 3":
                group = file.create_group(f"layers/{name}/vars")
                group.attrs["name"] = name
                group.create_dataset("0", data=np.ones(shape, np.float32))
                continue
            root = file.require_group("model_weights") if layout == "model" else file
            root.attrs["layer_names"] = [b"conv1", b"dense"]
            root.create_dataset(f"{name}/{name}/kernel:0", data=np.ones(shape, np.float32))
            root[name].attrs["weight_names"] = [f"{name}/kernel:0".encode()]
    return buffer.getvalue()


@pytest.fixture(scope="module")
def quick_network():
    """One network for all files: to make it takes longer than to read them."""
    made = build_nima("mobilenet_keras", preprocessing="inception")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras_weights, "build_nima", lambda *_, **__: made)
        yield


@tries(2500)
@given(damaged([hdf5("weights"), hdf5("model")]))
def test_keras_files(trial, folder, quick_network, data):
    (folder / "x.h5").write_bytes(data)
    found = trial(keras_weights.import_keras, folder / "x.h5", "nima-mobilenet")
    assert isinstance(found, InputError)


@tries(300)  # another process reads their names
@given(damaged([hdf5("keras 3")], most=2))
def test_keras_3_files(trial, folder, quick_network, data):
    (folder / "x.weights.h5").write_bytes(data)
    found = trial(keras_weights.import_keras, folder / "x.weights.h5", "nima-mobilenet")
    assert isinstance(found, InputError)
