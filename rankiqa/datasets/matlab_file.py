"""MATLAB's .mat files of version 5, as data alone: arrays of numbers, and cells of text.

The layout is that of "MAT-File Format" by The MathWorks. SciPy's reader takes the whole process down with some damaged
files.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rankiqa.errors import InputError

MOST_BYTES = 4 << 20  # of a file, as it is and unpacked: zeros shrink a thousandfold; label files have some 100 kB
HEADER = 128
MATRIX, COMPRESSED = 14, 15
# Kind of element → type of its numbers, and encoding of the kinds of text.
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELL, CHAR, NUMERIC = 1, 4, range(6, 16)  # classes of arrays
COMPLEX = 8  # flag

Value = np.ndarray | list[str] | str


def read_matlab(path: str | Path) -> dict[str, Value]:
    """The variables of a file: arrays of numbers as vectors, row by row, cells of text as lists, and text; no others.

    Raises:
        InputError: the file is missing, damaged, too large or of another version.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"has more than {MOST_BYTES:,} bytes")
        data = path.read_bytes()
        order = {b"IM": "<", b"MI": ">"}.get(data[HEADER - 2 : HEADER])
        if order is None:
            raise ValueError("not of version 5; save it in MATLAB with -v7")
        variables: dict[str, Value] = {}
        room = MOST_BYTES
        for kind, element in _elements(data[HEADER:], order):
            if kind == COMPRESSED:
                unpacked = zlib.decompressobj().decompress(element, room + 1)
                room -= len(unpacked)
                if room < 0:
                    raise ValueError(f"unpacks to more than {MOST_BYTES:,} bytes")
                kind, element = next(_elements(unpacked, order), (0, b""))
            if kind == MATRIX:
                name, value = _matrix(element, order)
                if value is not None:
                    variables[name] = value
    except (OSError, ValueError, KeyError, StopIteration, zlib.error) as error:
        why = getattr(error, "strerror", None) or error or type(error).__name__
        raise InputError(f"not a readable MATLAB file ({why})", path=path, cure="copy it again") from error
    return variables


def read_variable(path: Path, name: str, kind: type) -> Any:
    """The variable `name` of a file, which must be of `kind`: `np.ndarray` (numbers) or `list` (texts).

    Raises:
        InputError: as `read_matlab`, or the variable is not there or of another kind.
    """
    found = read_matlab(path)
    if name not in found:
        raise InputError(f"no variable {name}, only {', '.join(found)}", path=path)
    if not isinstance(found[name], kind):
        why = f"{name} holds no {'numbers' if kind is np.ndarray else 'texts'}"
        raise InputError(why, path=path, cure="copy it again")
    return found[name]


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each element, one behind the other."""
    at = 0
    while at + 8 <= len(data):
        kind, size = (int(number) for number in np.frombuffer(data, f"{order}u4", 2, at))
        if kind >> 16:  # a small one: its four bytes lie in the tag
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start, end = at + 8, at + 8 + size + (-size % 8 if kind != COMPRESSED else 0)
        if start + size > len(data):
            raise ValueError("cut short")
        yield kind, data[start : start + size]
        at = end


def _matrix(data: bytes, order: str) -> tuple[str, Value | None]:
    """Name and value of an array; None for a value of a class that is not read."""
    parts = _elements(data, order)
    (_, of_flags), (_, of_shape), (_, of_name) = next(parts), next(parts), next(parts)
    flags = int(np.frombuffer(of_flags, f"{order}u4", 1)[0])
    shape = [int(side) for side in np.frombuffer(of_shape, f"{order}i4")]
    name, kind = bytes(of_name).decode("latin-1"), flags & 255
    if kind == CELL:
        cells = [_matrix(cell, order)[1] if cell else "" for _, cell in parts]
        texts = [cell for cell in cells if isinstance(cell, str)]
        return name, texts if len(texts) == len(cells) else None
    if kind == CHAR:
        content, text = next(parts, (16, b""))
        encoding = TEXTS[content] + ("" if TEXTS[content][-1] in "18" else {"<": "-le", ">": "-be"}[order])
        return name, bytes(text).decode(encoding, "replace")
    if kind not in NUMERIC or flags >> 8 & COMPLEX:
        return name, None
    content, numbers = next(parts, (9, b""))
    values = np.frombuffer(numbers, order + NUMBERS[content])
    if len(values) != math.prod(shape):
        raise ValueError(f"{len(values)} numbers of {name}, but it claims {math.prod(shape)}")
    return name, values.reshape(shape, order="F").ravel()
