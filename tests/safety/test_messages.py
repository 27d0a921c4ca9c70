"""What is printed stays one printable line, whatever a file brings into it."""

from __future__ import annotations

from rankiqa.errors import InputError


def test_an_error_is_one_printable_line_whatever_a_file_brings_into_it():
    error = InputError("a.csv: the name 'x\n\x1b[31mred\x00\u202e\ud800' é σ")
    assert str(error) == "a.csv: the name 'x\\n\\x1b[31mred\\x00\\u202e\\ud800' é σ"
    assert str(InputError(str(error))) == str(error)
    assert len(str(InputError("x" * 10**6))) < 2100
