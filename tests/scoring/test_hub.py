"""Models on the Hugging Face hub, with the hub replaced: there is no network in the tests."""

import json
import shutil
import time
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

import rankiqa
from rankiqa.errors import InputError
from rankiqa.models import build_model, locate, save_model
from rankiqa.models.reference import POINTS
from rankiqa.scoring.scorer import Scorer

REFERENCE = {"what": "four images", "images": 4, "quantiles": list(range(POINTS)), "low": 1.0, "high": 9.0}
EXTRA = {
    "score_range": (0.0, 9.0),
    "training_photos": {"1" * 64: "a.png"},
    "finetuned_on": {"dataset": "live", "paths": ["a"], "native_range": [0, 100], "native_higher_is_better": False},
    "provenance": {"command": "finetune.py --out x", "stage": "finetune", "steps": 7},
    "reference": REFERENCE,
}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_model(build_model("shallow"), tmp_path / "model", **EXTRA)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["of_a_later_version"] = [1, 2]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    return tmp_path / "model"


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def weights_of(folder):
    return rankiqa.load(folder, "cpu").network.state_dict()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_saving_into_its_own_folder_loses_nothing(folder):
    before, weights = config_of(folder), weights_of(folder)
    model = Scorer.from_pretrained(folder, device="cpu")
    for _ in range(2):
        model.save_pretrained(folder)
        assert {**config_of(folder), "weights_sha256": ""} == {**before, "weights_sha256": ""}
        assert same(weights_of(folder), weights)
        assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_a_copy_is_the_same_model_with_a_card(folder, tmp_path):
    Scorer.load(folder, "cpu").save_pretrained(tmp_path / "new" / "copy", model_card_kwargs={"license": "mit"})
    copy = tmp_path / "new" / "copy"
    assert same(weights_of(copy), weights_of(folder))
    assert Scorer.from_pretrained(copy, device="cpu").settings == config_of(copy)
    card = ModelCard.load(copy / "README.md")
    assert (card.data.library_name, card.data.license) == ("rankiqa", "mit")
    assert config_of(copy)["weights_sha256"] in card.text and "data set `live`" in card.text


def test_what_was_changed_is_saved(folder, tmp_path):
    model = Scorer.load(folder, "cpu")
    with torch.no_grad():
        model.network.backbone.head.bias += 1
    model.save_pretrained(tmp_path / "copy")
    digest = config_of(tmp_path / "copy")["weights_sha256"]
    assert digest != config_of(folder)["weights_sha256"]
    assert digest in (tmp_path / "copy" / "README.md").read_text()
    assert not same(weights_of(tmp_path / "copy"), weights_of(folder))


def test_a_readme_that_is_there_stays(folder):
    (folder / "README.md").write_text("mine")
    Scorer.load(folder, "cpu").save_pretrained(folder)
    assert (folder / "README.md").read_text() == "mine"


def test_a_save_that_fails_leaves_the_model(folder, monkeypatch):
    model, before = Scorer.load(folder, "cpu"), config_of(folder)

    def no_space(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rankiqa.scoring.hub.write_model_files", no_space)
    with pytest.raises(InputError, match="no space left"):
        model.save_pretrained(folder)
    assert config_of(folder) == before and sorted(p.name for p in folder.iterdir()) == [
        *("config.json", "model.safetensors")
    ]


def test_saving_where_a_file_is_in_the_way(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Scorer.load(folder, "cpu").save_pretrained(tmp_path / "file")


@pytest.fixture
def uploads(monkeypatch, tmp_path):
    """What is uploaded, in place of an upload."""
    found = {}

    def create_repo(self, repo_id, **options):
        found["created"] = repo_id, options
        return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    def upload_folder(self, *, folder_path, **options):
        found["options"] = options
        found["folder"] = Path(shutil.copytree(folder_path, tmp_path / "uploaded"))
        return "https://huggingface.co/commit"

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    return found


def test_push_to_hub_uploads_a_model_that_loads(folder, uploads):
    model = Scorer.load(folder, "cpu")
    where = model.push_to_hub("me/iqa", private=True, branch="dev", model_card_kwargs={"license": "mit"})
    assert where == "https://huggingface.co/commit"
    assert uploads["created"] == ("me/iqa", {"private": True, "exist_ok": True})
    assert (uploads["options"]["repo_id"], uploads["options"]["revision"]) == ("me/iqa", "dev")
    assert sorted(path.name for path in uploads["folder"].iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert same(weights_of(uploads["folder"]), weights_of(folder))
    card = ModelCard.load(uploads["folder"] / "README.md")
    assert 'rankiqa.load("me/iqa")' in card.text and card.data.license == "mit"


def test_save_and_push_in_one(folder, uploads, tmp_path):
    Scorer.load(folder, "cpu").save_pretrained(tmp_path / "saved", push_to_hub=True, repo_id="me/iqa", create_pr=True)
    assert uploads["options"]["create_pr"] and uploads["options"]["repo_id"] == "me/iqa"
    assert (tmp_path / "saved" / "config.json").exists()


def test_an_upload_that_fails_is_not_a_failure_to_write(folder, tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise OSError("401 Client Error")

    monkeypatch.setattr(HfApi, "create_repo", refuse)
    with pytest.raises(OSError, match="401"):
        Scorer.load(folder, "cpu").save_pretrained(tmp_path / "saved", push_to_hub=True)


@pytest.fixture
def downloads(monkeypatch, folder):
    """A hub that holds me/iqa; what it was asked for."""
    asked = []

    def download(repo_id, filename, **options):
        asked.append((repo_id, filename, options))
        if repo_id != "me/iqa":
            raise EntryNotFoundError("404 Client Error. (Request ID: x)\n\nEntry Not Found")
        return str(folder / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(locate, "_reach", lambda *_: None)
    return asked


def test_from_pretrained_downloads_the_two_files(folder, downloads, tmp_path):
    options = {"revision": "v1", "cache_dir": tmp_path, "token": "t", "force_download": True, "local_files_only": False}
    model = Scorer.from_pretrained("me/iqa", device="cpu", **options)
    assert downloads == [("me/iqa", "config.json", options), ("me/iqa", "model.safetensors", options)]
    assert same(model.network.state_dict(), weights_of(folder))
    assert model.source == "me/iqa" and (model.low, model.high) == (0, 9)
    assert rankiqa.load("me/iqa", device="cpu", revision="v1").settings == model.settings


def test_a_folder_wins_over_a_repository(folder, downloads, monkeypatch):
    (folder.parent / "me").mkdir()
    folder.rename(folder.parent / "me" / "iqa")
    monkeypatch.chdir(folder.parent)
    rankiqa.load("me/iqa", device="cpu")
    assert downloads == []


def test_a_repository_without_a_model(downloads):
    with pytest.raises(InputError, match=r"me/other: no such model folder.*does not hold config\.json"):
        rankiqa.load("me/other")


@pytest.mark.parametrize("name", ["../model", "./model", "a/b/c", "/none/model", "none", "a b/c"])
def test_other_names_are_folders(name, downloads):
    with pytest.raises(InputError, match="no such model folder"):
        rankiqa.load(name)
    assert downloads == []


@pytest.mark.parametrize("model", [None, "me/iqa"])
def test_an_unknown_option_is_refused(model, downloads):
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'revison'; known: revision"):
        rankiqa.load(model, revison="v1")


def test_without_a_network_it_is_told_at_once(monkeypatch, tmp_path):
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    asked = []

    class Session:
        def head(self, url, **options):
            asked.append(options["timeout"])
            raise OSError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.utils.get_session", Session)
    monkeypatch.setattr(_http, "http_backoff", lambda *_, **__: pytest.fail("the hub's client would ask for long"))
    began = time.monotonic()
    with pytest.raises(InputError, match=r"it cannot be reached: Name or service not known") as error:
        rankiqa.load("me/iqa", cache_dir=tmp_path)
    assert time.monotonic() - began < 2 and len(asked) == 1 and "\n" not in str(error.value)


def test_what_was_downloaded_before_needs_no_network(monkeypatch, folder):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(folder / "model.safetensors"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file, **_: str(folder / file))
    monkeypatch.setattr("huggingface_hub.utils.get_session", lambda: pytest.fail("asked the hub"))
    assert rankiqa.load("me/iqa", device="cpu").source == "me/iqa"


def test_local_files_only(tmp_path):
    with pytest.raises(InputError, match="nothing may be downloaded now") as error:
        rankiqa.load("me/iqa", cache_dir=tmp_path, local_files_only=True)
    assert isinstance(error.value.__cause__, LocalEntryNotFoundError)
