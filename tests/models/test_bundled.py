"""The models that come with the package: how large they are, what is in their files, and how they are named."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file

import rankiqa
from rankiqa.errors import InputError
from rankiqa.models import build_model, save_model
from rankiqa.models.bundled import BUNDLED
from rankiqa.models.checkpoint import load_model
from rankiqa.models.locate import find_model
from rankiqa.models.statistics import StageStatistics

MOST = 16e6  # bytes, of all together


@pytest.fixture(scope="module")
def ranks():
    return rankiqa.load("ranks", device="cpu")


def test_together_they_are_small():
    files = [path for folder in BUNDLED.values() for path in folder.iterdir()]
    assert {path.name for path in files} == {"README.md", "config.json", "model.safetensors"}
    assert sum(path.stat().st_size for path in files) <= MOST


@pytest.mark.parametrize("folder", BUNDLED.values(), ids=BUNDLED)
def test_the_files_are_those_that_the_config_and_the_card_tell_of(folder):
    config = json.loads((folder / "config.json").read_text())
    card = (folder / "README.md").read_text()
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert digest == config["weights_sha256"] and digest in card
    assert "TBD" not in card
    assert config["dtype"] == "float16" and config["architecture"]["head"]["kind"] == "statistics"
    halves = {name for name, value in load_file(folder / "model.safetensors").items() if value.dtype == torch.float16}
    assert {"hidden.weight", "output.bias", "net.conv_stem.weight"} <= halves and "spread" not in halves
    for title in ("## Training", "## Numbers", "## What it cannot judge"):
        assert title in card


def test_the_default_has_people_s_scale_and_ranks_has_none(ranks):
    default = rankiqa.load(device="cpu")
    assert (default.low, default.high) == (0, 1) and default.settings["finetuned_on"]["dataset"] == "biq2021"
    assert ranks.settings["finetuned_on"] is None and ranks.settings["score_range"] is None
    assert ranks.low < ranks.high  # of strong distortions and of pristine photos
    assert default.reference.images > 1000 and ranks.reference.images > 1000
    assert isinstance(default.network.backbone, StageStatistics)


def test_names(ranks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [find_model(name) for name in BUNDLED] == list(BUNDLED.values())
    assert rankiqa.load("default", device="cpu").source == "the bundled model"
    assert ranks.source == "the bundled model ranks"
    with pytest.raises(InputError, match=r"rank: no such model folder; .*bundled one: default, ranks"):
        rankiqa.load("rank")


def test_a_model_of_one_s_own_wins_and_other_folders_do_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ranks").mkdir()
    (tmp_path / "ranks" / "manifest.csv").write_text("path\n")  # ranked images, which are often called so
    assert load_model("ranks")[1]["weights_sha256"] == load_model(BUNDLED["ranks"])[1]["weights_sha256"]
    save_model(build_model("shallow"), tmp_path / "ranks" / "model")
    assert load_model("ranks")[0].name == "shallow"
    assert rankiqa.load("ranks", device="cpu").source == "ranks"
