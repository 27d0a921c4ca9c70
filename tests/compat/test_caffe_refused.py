"""Files of Caffe that are damaged, of another network, or mean no good."""

import re
import subprocess
import sys

import numpy as np
import pytest

from rankiqa.cli import main
from rankiqa.compat import caffe_file as reader
from rankiqa.compat.caffe_weights import import_caffe
from rankiqa.errors import InputError
from tests.compat import caffe_encoder as caffe
from tests.compat.caffe_models import NARROW, alexnet_file

pytestmark = pytest.mark.usefixtures("small")


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
    with pytest.raises(ImportError, match=r'is needed for this: pip install "rankiqa\[caffe\]"'):
        import_caffe(write(caffe.network([caffe.layer("a", "ReLU")])), "alexnet")


def test_a_mean_image_of_another_shape_is_refused(write):
    for array, message in (
        (np.ones((1, 1, 4, 4)), "a mean image has the shape 1×3×H×W, this one 1×4×4"),
        (np.full((1, 3, 2, 2), np.nan), "averages of a mean image are in 0–255"),
        (np.full((1, 3, 2, 2), 300.0), "averages of a mean image are in 0–255"),
    ):
        path = write(caffe.blob(array, legacy=True), "mean.binaryproto")
        with pytest.raises(InputError, match=message):
            import_caffe("none", "vgg16", mean=path)
