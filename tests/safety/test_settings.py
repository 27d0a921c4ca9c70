"""Files of settings and of levels import nothing, read no other file, and fail in one line."""

from __future__ import annotations

import sys

import pytest

from rankiqa.cli.settings import parse_settings
from rankiqa.config import RankConfig
from rankiqa.distortions.sets import plan
from rankiqa.errors import InputError


def parse(tmp_path, text):
    (tmp_path / "run.yaml").write_text(text)
    return parse_settings(["--config", str(tmp_path / "run.yaml")], RankConfig, "train", "Trains.")


def test_settings_import_no_module(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass C: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    for text in (
        "data: {class_path: trap.C}",
        "data: {class_path: trap.C, init_args: {}}",
        "optim: {class_path: trap.C}",
        "class_path: trap.C",
        "data: {source: {class_path: trap.C}}",
        "data: !!python/object:trap.C {}",
        "data: !!python/name:trap.C",
        "steps: !!python/object/apply:os.system [id]",
    ):
        with pytest.raises(InputError, match=r"run\.yaml: "):
            parse(tmp_path, text)
    assert not (tmp_path / "ran").exists() and "trap" not in sys.modules


def test_settings_read_no_other_file(tmp_path):
    (tmp_path / "other.yaml").write_text("ranks: from the other file\n")
    other = tmp_path / "other.yaml"
    for text in (f"data: {other}", f"config: {other}", f"data: [{other}]", f"__default_config__: {other}"):
        with pytest.raises(InputError, match=r"run\.yaml: "):
            parse(tmp_path, text)
    config = parse(tmp_path, f"out: {other}\ndata: {{ranks: '${{oc.env:HOME}}', holdout_names: [{other}]}}")
    assert config.out == str(other) and config.data.ranks == "${oc.env:HOME}"
    assert config.data.holdout_names == [str(other)]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a\n  b: *a\n",
        "data: &a\n  ranks: *a\n",
        "a: &a [x, x]\nb: &b [*a, *a]\ndata: {holdout_names: *b}",
        "data: " + "[" * 5000,
        "steps: " + "9" * 5000,
        "steps: null",
        "data: null",
        "data:",
        "1: 2",
        "? [1]\n: 2",
        "- 1",
        "",
        "steps: !!binary aGk=",
        "out: x\0y",
        "#" * (2 << 20),
    ],
)
def test_settings_that_cannot_be_are_one_line(tmp_path, text):
    with pytest.raises(InputError) as caught:
        parse(tmp_path, text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_a_date_is_a_name_and_dots_lead_into_groups(tmp_path):
    config = parse(tmp_path, "out: 2024-05-01\ndata.ranks: x\ndata.val: y\nsteps: 3\n")
    assert (config.out, config.data.ranks, config.data.val, config.steps) == ("2024-05-01", "x", "y", 3)
    with pytest.raises(InputError, match=r"data\.ranks stands beside data"):
        parse(tmp_path, "data.ranks: x\ndata:\n  val: y\n")


@pytest.mark.parametrize(
    "text",
    [
        "GB: [1, " + "9" * 400 + "]",
        "GB: " + "9" * 5000,
        "a: &a [1, 1]\nb: &b [*a, *a]\nGB: [*b, *b]",
        "GB: &a [*a]",
        "GB: !!python/object/apply:os.system [id]",
        "GB: " + "[" * 5000,
        "? [1]\n: 2",
    ],
)
def test_levels_that_cannot_be_are_one_line(tmp_path, text):
    (tmp_path / "levels.yaml").write_text(text)
    with pytest.raises(InputError, match=r"levels\.yaml: ") as caught:
        plan("live", str(tmp_path / "levels.yaml"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 2100
