"""Files of Caffe: the layers of a .caffemodel and the tensor of a .binaryproto, from whoever sent them.

Both are messages of protobuf; the field numbers are those of the public caffe.proto.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rankiqa.compat.importing import shape_text
from rankiqa.errors import InputError
from rankiqa.extras import extra

LIMIT = 2**31 - 1  # bytes in a message, protobuf's own
# Entries of one message: a network has some dozens of layers. protobuf keeps 20 times the space of tiny entries.
MAX_ENTRIES = 1000
MAX_AXES = 32  # Caffe's own

# Message → field → (number, type, whether it is repeated). What lies inside a message stays bytes until it is needed,
# so that a file cannot unfold into more than itself. Numbers are bytes as well: a packed list has their wire type, and
# NumPy reads it without an object for each.
_MESSAGES: dict[str, dict[str, tuple[int, str, bool]]] = {
    "Net": {"layers": (2, "bytes", True), "layer": (100, "bytes", True)},
    "LayerV1": {
        "v0": (1, "bytes", True),
        "name": (4, "bytes", False),
        "type": (5, "int32", False),
        "blobs": (6, "bytes", True),
        "convolution": (10, "bytes", False),
        "inner_product": (17, "bytes", False),
    },
    "Layer": {
        "name": (1, "bytes", False),
        "type": (2, "bytes", False),
        "blobs": (7, "bytes", True),
        "convolution": (106, "bytes", False),
        "inner_product": (117, "bytes", False),
    },
    "Convolution": {
        "pad": (3, "uint32", True),
        "pad_h": (9, "uint32", True),
        "pad_w": (10, "uint32", True),
        "stride": (6, "uint32", True),
        "stride_h": (13, "uint32", True),
        "stride_w": (14, "uint32", True),
        "dilation": (18, "uint32", True),
        "group": (5, "uint32", True),
    },
    "InnerProduct": {"transpose": (6, "bool", False)},
    "Blob": {
        "num": (1, "int32", False),
        "channels": (2, "int32", False),
        "height": (3, "int32", False),
        "width": (4, "int32", False),
        "data": (5, "bytes", True),
        "shape": (7, "bytes", False),
        "double_data": (8, "bytes", True),
    },
    "Shape": {"dim": (1, "int64", True)},
}
_LEGACY_AXES = ("num", "channels", "height", "width")
# The kinds of old layers, which are numbers there, by the names that new layers have.
_KINDS = {0: "", 4: "Convolution", 6: "Dropout", 14: "InnerProduct", 15: "LRN", 17: "Pooling", 18: "ReLU"}


class Layer(NamedTuple):
    """A layer of the file.

    Attributes:
        name: as the file has it; "layer 3" where it has none.
        kind: Caffe's type of it, "Convolution" or such; "" where an old file does not say it.
        blobs: shape and values, still flat, of each tensor.
        settings: field → value, where the file has any.
    """

    name: str
    kind: str
    blobs: list[tuple[tuple[int, ...], np.ndarray]]
    settings: Mapping[str, Any]


def read_layers(path: str) -> Iterator[Layer]:
    """The layers of a .caffemodel in their order, also those without weights.

    Memory goes with the file's size, whatever it claims.

    Raises:
        InputError: it is not such a file, or damaged.
    """
    net = _parse(path, "Net", _read(path))
    if net.layers and net.layer:
        raise InputError("mixes the old kind of layers with the new one", path=path)
    if not net.layers and not net.layer:
        raise InputError("holds no layers, so it is not a .caffemodel", path=path)
    kind = "LayerV1" if net.layers else "Layer"
    for k in range(len(net.layers or net.layer)):
        layer = _parse(path, kind, (net.layers or net.layer)[k])
        if kind == "LayerV1" and layer.v0:
            raise InputError(
                "is in Caffe's first format (V0)", path=path, cure="convert it with Caffe's upgrade_net_proto_binary"
            )
        name = _clean(layer.name) or f"layer {k}"
        yield Layer(
            name,
            _KINDS.get(layer.type, f"number {layer.type}") if kind == "LayerV1" else _clean(layer.type),
            [_blob(path, f"{name}, tensor {j}", layer.blobs[j]) for j in range(len(layer.blobs))],
            _settings(path, layer),
        )


def _settings(path: str, layer: Any) -> dict[str, Any]:
    if layer.HasField("convolution"):
        given = _parse(path, "Convolution", layer.convolution)
        # Caffe's defaults where the file has none.
        return {
            "pad": [*given.pad, *given.pad_h, *given.pad_w] or [0],
            "stride": [*given.stride, *given.stride_h, *given.stride_w] or [1],
            "dilation": list(given.dilation) or [1],
            "group": list(given.group) or [1],
        }
    if layer.HasField("inner_product"):
        return {"transpose": _parse(path, "InnerProduct", layer.inner_product).transpose}
    return {}


def read_tensor(path: str) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and values, still flat, of a file with one tensor: a .binaryproto. `InputError` as for `read_layers`."""
    return _blob(path, "the tensor", _read(path))


def _blob(path: str, name: str, data: bytes) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and float32 values, still flat, of a BlobProto."""
    blob = _parse(path, "Blob", data)
    if any(blob.HasField(axis) for axis in _LEGACY_AXES):
        shape = tuple(getattr(blob, axis) for axis in _LEGACY_AXES)
    elif blob.HasField("shape") and len(blob.shape) <= 10 * MAX_AXES + 10:  # a number takes ten bytes at most
        shape = tuple(_parse(path, "Shape", blob.shape).dim)
    else:
        raise InputError(f"{name} has no shape, or one of too many axes", path=path)
    if len(shape) > MAX_AXES or any(axis < 1 for axis in shape):
        raise InputError(f"{name} has the impossible shape {shape_text(shape)}", path=path)
    if blob.data and blob.double_data:
        raise InputError(f"{name} holds its numbers twice, as floats and as doubles", path=path)
    kind = np.dtype("<f8" if blob.double_data else "<f4")
    packed = b"".join(blob.double_data or blob.data)
    count, left = divmod(len(packed), kind.itemsize)
    if left or count != math.prod(shape):
        raise InputError(f"{name} claims the shape {shape_text(shape)}, but holds {count} (packed) numbers", path=path)
    with np.errstate(over="ignore"):  # a double beyond the floats becomes infinite and is refused
        return shape, np.frombuffer(packed, kind).astype(np.float32, copy=False)


def _clean(name: bytes) -> str:
    """A name of the file that is fit for a terminal and one line."""
    text = name[:80].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)


def _read(path: str) -> bytes:
    file = Path(path)
    if not file.is_file():
        raise InputError("no such file", path=path)
    if (size := file.stat().st_size) > LIMIT:
        raise InputError(f"has {size} bytes; a Caffe file has 2 GiB at most", path=path)
    if not size:
        raise InputError("is empty", path=path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from error
    if data.startswith(b"\x89HDF"):
        raise InputError(
            "is an HDF5 file, not a .caffemodel", path=path, cure="for Keras: rankiqa import-weights keras"
        )
    return data


def _parse(path: str, kind: str, data: bytes) -> Any:
    classes = _classes()
    with extra("caffe"):
        from google.protobuf.message import DecodeError

    _check_entries(path, data)
    try:
        return classes[kind].FromString(data)
    except (DecodeError, RecursionError) as error:
        raise InputError("not a Caffe file, or a damaged or truncated one", path=path) from error


def _check_entries(path: str, data: bytes) -> None:
    """Refuse a message of too many entries before protobuf makes room for them, and one with groups."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while at < len(data) and shift < 70:
            byte = data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                break
        return value

    for _ in range(MAX_ENTRIES):
        if at >= len(data):  # beyond the end: protobuf will say so
            return
        number, wire = divmod(varint(), 8)
        if number and wire == 0:
            varint()
        elif number and wire == 2:
            length = varint()
            at += length
        elif number and wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:  # groups, which Caffe has none of, or nothing of protobuf's
            raise InputError("not a Caffe file, or a damaged one", path=path)
    if at < len(data):
        raise InputError(f"more than {MAX_ENTRIES} entries in a message: not a network that is read here", path=path)


@functools.cache
def _classes() -> dict[str, Any]:
    """The messages above as protobuf's classes."""
    with extra("caffe"):
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="rankiqa_caffe.proto", package="rankiqa_caffe", syntax="proto2")
    for message, fields in _MESSAGES.items():
        entry = file.message_type.add(name=message)
        for name, (number, kind, repeated) in fields.items():
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            entry.field.add(name=name, number=number, type=getattr(kinds, f"TYPE_{kind.upper()}"), label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    find = pool.FindMessageTypeByName
    return {message: message_factory.GetMessageClass(find(f"rankiqa_caffe.{message}")) for message in _MESSAGES}
