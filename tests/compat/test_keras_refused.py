"""Files of Keras that are damaged, of another network, or mean harm."""

import re
import shutil
import struct
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from rankiqa.compat.keras_file import MOST_OBJECTS
from rankiqa.compat.keras_weights import import_keras
from rankiqa.errors import InputError
from tests.compat.keras_files import INCEPTION, MOBILENET


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
        import_keras(mobilenet, MOBILENET)
