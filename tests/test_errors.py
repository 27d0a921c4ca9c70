import errno
import pickle
import re

import pytest

from rankiqa.errors import InputError, explain_os_error, options_worded
from rankiqa.extras import MissingExtra, extra, need
from rankiqa.text_table import text_table


def test_the_line_has_every_fact_in_its_place():
    error = InputError("is greyscale", path="a.png", cure="allow its conversion or leave it out", options=["convert"])
    assert str(error) == "a.png: is greyscale; allow its conversion or leave it out (convert)"
    assert error.text(path=False) == "is greyscale; allow its conversion or leave it out (convert)"
    assert str(InputError("no number", path="s.csv", line=3)) == "s.csv, line 3: no number"
    assert str(InputError("patches must be at least 1, not 0")) == "patches must be at least 1, not 0"


def test_facts_are_added_and_changed_without_touching_the_text():
    error = InputError("is too small", cure="leave it out")
    assert str(error.at("a.png")) == "a.png: is too small; leave it out"
    assert error.at("a.png").at("b.png").path == "a.png" and error.path is None
    assert str(error.but(cure="", path="c")) == "c: is too small"

    class Special(InputError):
        pass

    assert type(Special("x").at("a")) is Special


def test_options_are_worded_by_whoever_runs_and_named_as_arguments_otherwise():
    error = InputError("is there", options=("out", "small=reflect"))
    with options_worded(lambda option: f"--{option}"):
        assert str(error) == "is there (--out, --small=reflect)"
    assert str(error) == "is there (out, small=reflect)"


def test_facts_cross_the_border_of_a_process():
    error = InputError("cut short", path="a.png", line=4, cure="copy it again", options=("out",))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.__dict__ == error.__dict__ and isinstance(again, ValueError)


def test_what_a_file_brings_along_stays_on_one_short_line():
    text = str(InputError("has the name a\nb\x1b[31m", path="x\ty"))
    assert text == "x\\ty: has the name a\\nb\\x1b[31m"
    assert len(str(InputError("x" * 5000))) == 2002


def test_an_error_of_the_system_says_what_to_do():
    error = explain_os_error(OSError(errno.ENOSPC, "No space left on device"), "a.csv", "nothing is lost")
    assert error.path == "a.csv" and error.cure == "free some or choose another place; nothing is lost"
    assert str(explain_os_error(OSError(errno.EIO, "Input/output error"), "b")) == (
        "b: cannot be written: Input/output error"
    )


def test_a_package_that_is_not_installed_names_its_extra():
    line = 'the package nosuch is needed for this: pip install "rankiqa[report]"'
    with pytest.raises(MissingExtra, match=f"^{re.escape(line)}$"), extra("report"):
        import nosuch.part
    with pytest.raises(ImportError) as caught, extra("train"):
        import nosuch  # noqa: F401
    assert caught.value.name == "nosuch" and caught.value.extra == "train"
    with pytest.raises(ModuleNotFoundError, match="No module named"), extra("train"):  # ours: no extra brings it
        raise ModuleNotFoundError("No module named 'rankiqa'", name="rankiqa")
    with extra("train"):
        import json  # noqa: F401


def test_the_line_names_what_is_installed_and_what_for():
    line = 'the package pyyaml is needed for a recipe: pip install "rankiqa[train]"'
    with pytest.raises(MissingExtra, match=f"^{re.escape(line)}$") as caught, extra("train", "a recipe"):
        raise ModuleNotFoundError("No module named 'yaml'", name="yaml")
    again = pickle.loads(pickle.dumps(caught.value))  # as from another process
    assert (str(again), again.name, again.extra) == (line, "yaml", "train")


def test_what_the_end_needs_is_missed_at_the_start():
    need("report", "json", "math")
    with pytest.raises(MissingExtra, match=r'the package nosuch is needed for this: pip install "rankiqa\[report\]"'):
        need("report", "json", "nosuch")


def test_a_table_stands_in_columns():
    assert text_table([("a", "bb", ""), ("ccc", "d", "e")], "<><") == "a    bb\nccc   d  e"
