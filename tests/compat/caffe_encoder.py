"""Files of Caffe, written byte by byte from the public description of the format, without protobuf."""

from __future__ import annotations

import numpy as np

# Numbers of the kinds in old layers.
KINDS = {"Convolution": 4, "Dropout": 6, "InnerProduct": 14, "LRN": 15, "Pooling": 17, "ReLU": 18, "Data": 5}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1  # two's complement of a negative one
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def integer(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def message(field: int, payload: bytes | str) -> bytes:
    """Anything that has a length: a message, a string, packed numbers."""
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def shape_of(dims, legacy: bool) -> bytes:
    if not legacy:
        return message(7, message(1, b"".join(varint(d) for d in dims)))
    dims = (1,) * (4 - len(dims)) + tuple(dims)
    return b"".join(integer(field, d) for field, d in enumerate(dims, 1))


def blob(array: np.ndarray, legacy: bool = False, double: bool = False, pieces: int = 1) -> bytes:
    """A BlobProto; `pieces` cuts its numbers into several packed lists, which protobuf allows."""
    kind, field = ("<f8", 8) if double else ("<f4", 5)
    parts = np.array_split(np.asarray(array).ravel(), pieces)
    return shape_of(np.shape(array), legacy) + b"".join(message(field, p.astype(kind).tobytes()) for p in parts)


def layer(name: str, kind: str, blobs=(), old: bool = False, parameters: bytes = b"") -> bytes:
    """An entry of a network; `blobs` and `parameters` are encoded already."""
    if old:
        head = message(4, name) + integer(5, KINDS[kind])
        return message(2, message(2, "below") + head + b"".join(message(6, b) for b in blobs) + parameters)
    head = message(1, name) + message(2, kind) + message(3, "below")
    return message(100, head + b"".join(message(7, b) for b in blobs) + parameters)


def convolution(old: bool = False, **values: int) -> bytes:
    """The parameters of a convolution."""
    fields = {"num_output": 1, "pad": 3, "kernel_size": 4, "group": 5, "stride": 6, "pad_h": 9, "stride_w": 14}
    return message(10 if old else 106, b"".join(integer(fields[key], value) for key, value in values.items()))


def network(layers, name: str = "net") -> bytes:
    return message(1, name) + b"".join(layers)
