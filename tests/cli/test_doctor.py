"""What the doctor finds, with things taken away."""

import builtins
import importlib.metadata
import json
import os
import sys

import pytest

from rankiqa.cli import doctor as command
from rankiqa.cli import installation as doctor


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_all_is_well_here(capsys):
    assert command.main([]) == 0
    text = capsys.readouterr().out
    assert "all that is needed works" in text
    found = by_name(doctor.examine())
    for name in ("torch", "PNG", "JPEG2000", "default", "ranks", "torch and torchvision"):
        assert found[name].state == doctor.OK, found[name]
    assert found["torch"].text == importlib.metadata.version("torch")


def test_json_names_no_user_and_no_place(capsys):
    assert command.main(["--json"]) == 0
    text = capsys.readouterr().out
    assert {"group", "name", "state", "text", "cure"} == set(json.loads(text)[0])
    for private in (os.path.expanduser("~"), os.getcwd(), os.uname().nodename):
        assert len(private) < 4 or private not in text


def test_a_missing_extra_is_named_with_its_cure(monkeypatch):
    needs = ["torch>=2.4", "h5py>=3.10; extra == 'keras'", 'nowhere>=1; extra == "caffe"', "pytest; extra == 'dev'"]
    needs += ["safetensors ; extra == 'caffe'", 'rankiqa[caffe,keras]; extra == "all"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needs)
    assert doctor.extras() == {"keras": ["h5py"], "caffe": ["nowhere", "safetensors"]}
    found = by_name(doctor.examine())
    assert found["keras"].state == doctor.OK and importlib.metadata.version("h5py") in found["keras"].text
    assert found["caffe"].state == doctor.MISSING
    assert found["caffe"].cure == 'pip install "rankiqa[caffe]"'
    assert "nowhere" in found["caffe"].text and "safetensors" not in found["caffe"].text


def test_builds_of_torch_and_torchvision_that_do_not_fit(monkeypatch, capsys):
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name.startswith("torchvision"):
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name, *rest, **more)

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: refuse(name))
    assert command.main([]) == 1
    text = capsys.readouterr().out
    assert "torchvision::nms does not exist" in text
    assert "pip install --force-reinstall torch torchvision" in text
    assert "do not work (!)" in text and "Traceback" not in text


def test_a_check_that_breaks_leaves_the_others(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    found = doctor.examine()
    assert any(f.group == "codecs" and f.state == doctor.BROKEN for f in found)
    assert by_name(found)["numpy"].state == doctor.OK


def test_an_error_names_no_place_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))

    def refuse(name):
        raise OSError(f"{tmp_path}/lib/libtorch.so: undefined symbol; {sys.prefix}/lib/{name}")

    monkeypatch.setattr(doctor.importlib, "import_module", refuse)
    text = by_name(doctor.examine())["torch"].text
    assert "undefined symbol" in text and "…/lib/libtorch.so" in text
    assert str(tmp_path) not in text and sys.prefix not in text


def test_a_damaged_bundled_model(monkeypatch, tmp_path):
    from rankiqa.models.bundled import BUNDLED

    monkeypatch.setitem(BUNDLED, "ranks", tmp_path)
    found = by_name(doctor.examine())
    assert found["default"].state == doctor.OK
    found = found["ranks"]
    assert found.state == doctor.BROKEN and "reinstall rankiqa" in found.cure


@pytest.mark.parametrize("flag", ["--help"])
def test_help_has_an_example(flag, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main([flag])
    assert stop.value.code == 0
    assert "example" in capsys.readouterr().out
