"""Text files of scores: encodings and line ends."""

import pytest

from rankiqa.datasets.label_file import read_lines, read_text
from rankiqa.errors import InputError


def test_lines_keep_their_numbers_whatever_ends_them(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\n\r\n two \rthree\n\n\nfour\x0bfive")
    assert read_lines(file) == [(1, "one"), (3, "two"), (4, "three"), (7, "four\x0bfive")]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"caf\xe9 1\n", 1),
        (b"one\r\ntwo\rthree\nna\xefve", 4),
        ("one\ntwo".encode("utf-16"), 1),
        ("\u4e00\n\u4e00".encode("utf-16-le"), 1),
        (b"one\ntwo\nth\x00ree", 3),
    ],
)
def test_what_is_not_utf_8_is_named_by_its_line(data, line, tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(data)
    with pytest.raises(InputError, match=rf"a\.txt, line {line}: not UTF-8 text.*; save it as UTF-8"):
        read_text(file)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b" \r\n\n"])
def test_an_empty_file(data, tmp_path):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.txt: empty"):
        read_lines(tmp_path / "a.txt")
