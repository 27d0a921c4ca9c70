"""MATLAB's files against SciPy's writer and reader, and damaged ones."""

import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from rankiqa.datasets.matlab_file import read_matlab
from rankiqa.errors import InputError

RNG = np.random.default_rng(0)
NUMBERS = {
    "row": RNG.normal(size=(1, 982)) * 50,
    "column": RNG.integers(0, 2, (982, 1)).astype(np.uint8),
    "logical": RNG.integers(0, 2, (1, 7)).astype(bool),
    "matrix": RNG.integers(-5, 300, (7, 9)).astype(np.int16),
    "single": RNG.normal(size=(3, 4)).astype(np.float32),
    "wide": RNG.integers(-(2**40), 2**40, (1, 5)),
    "one": np.float64(3),
    "none": np.zeros((0, 0)),
}
NAMES = ["bikes.bmp", "", "a", "église.bmp", "a long name of a photograph.bmp"]


def cells(values) -> np.ndarray:
    found = np.empty((1, len(values)), dtype=object)
    found[0] = values
    return found


@pytest.mark.parametrize("compressed", [False, True])
def test_variables_are_those_of_scipy(compressed, tmp_path):
    more = {"names": cells(NAMES), "text": "hello", "struct": {"a": 1}, "complex": np.arange(3) * 1j}
    savemat(tmp_path / "x.mat", NUMBERS | more, do_compression=compressed)
    found, theirs = read_matlab(tmp_path / "x.mat"), loadmat(tmp_path / "x.mat")
    assert set(found) == {*NUMBERS, "names", "text"}
    for name in NUMBERS:
        assert found[name].dtype == theirs[name].dtype
        np.testing.assert_array_equal(found[name], np.ravel(theirs[name]))
    assert found["names"] == NAMES and found["text"] == "hello"


def element(kind: int, data: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(name: bytes, kind: int, shape: tuple[int, ...], *parts: bytes, order: str = "<") -> bytes:
    flags = element(6, struct.pack(f"{order}II", kind, 0), order)
    sides = element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    return element(14, flags + sides + element(1, name, order) + b"".join(parts), order)


def write(path, *elements: bytes, order: str = "<"):
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}HH", 256, 0x4D49) + b"".join(elements))
    return path


def test_the_other_byte_order_and_old_text_are_read(tmp_path):
    numbers = array(b"d", 6, (1, 3), element(4, struct.pack(">3H", 1, 2, 300), ">"), order=">")
    text = array(b"", 4, (1, 2), element(4, "é.".encode("utf-16-be"), ">"), order=">")
    found = read_matlab(write(tmp_path / "x.mat", numbers, array(b"n", 1, (1, 1), text, order=">"), order=">"))
    assert found["d"].tolist() == [1, 2, 300] and found["n"] == ["é."]


def zeros(count: int) -> bytes:
    packed = zlib.compress(array(b"d", 6, (1, count), element(9, bytes(8 * count))))
    return struct.pack("<II", 15, len(packed)) + packed


DAMAGED = {
    "a number that is not there": ([array(b"d", 6, (1, 3), element(9, bytes(16)))], "2 numbers of d, but it claims 3"),
    "a giant of a few bytes": ([array(b"d", 6, (2**31 - 1, 2**31 - 1), element(9, b""))], "it claims 46116"),
    "a size beyond the end": ([struct.pack("<II", 14, 2**32 - 1)], "cut short"),
    "zeros that unpack": ([zeros(600_000)], "unpacks to more than 4,194,304 bytes"),
    "zeros in parts": ([zeros(100_000)] * 6, "unpacks to more than 4,194,304 bytes"),
    "broken packing": ([struct.pack("<II", 15, 9) + b"no zlib.."], "not a readable MATLAB file"),
    "an unknown kind of number": ([array(b"d", 6, (1, 1), element(99, bytes(8)))], "not a readable MATLAB file"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_in_one_line(name, tmp_path):
    elements, words = DAMAGED[name]
    with pytest.raises(InputError, match=r"x\.mat: not a readable MATLAB file \(.*copy it again") as caught:
        read_matlab(write(tmp_path / "x.mat", *elements))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_other_versions_and_other_files_are_refused(tmp_path):
    savemat(tmp_path / "4.mat", {"d": np.zeros((1, 3))}, format="4")
    (tmp_path / "h5.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    (tmp_path / "large.mat").write_bytes(bytes((4 << 20) + 1))
    for name, words in (
        ("4", "of version 5"),
        ("h5", "of version 5"),
        ("large", "more than"),
        ("none", "No such file"),
    ):
        with pytest.raises(InputError, match=rf"{name}\.mat: .*{words}"):
            read_matlab(tmp_path / f"{name}.mat")
