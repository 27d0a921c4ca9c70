"""A model's folder runs no code, and what no model has is refused."""

from __future__ import annotations

import json
import math
import os
import struct

import pytest
import torch
from safetensors.torch import save_file

from rankiqa.errors import InputError
from rankiqa.models import build_model, load_model, save_model
from rankiqa.models.config_file import MOST_BYTES, read_config


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "m"
    save_model(build_model("shallow", crop=32), folder, score_range=(0.0, 1.0))
    return folder


@pytest.fixture
def model(saved, tmp_path):
    (tmp_path / "m").mkdir()
    for file in saved.iterdir():
        os.link(file, tmp_path / "m" / file.name)
    return tmp_path / "m"


def change(model, *keys, to):
    config = branch = json.loads((model / "config.json").read_text())
    for key in keys[:-1]:
        branch = branch[key]
    branch[keys[-1]] = to
    (model / "config.json").unlink()  # a link to the original
    (model / "config.json").write_text(json.dumps(config))


def test_no_code_in_a_model_folder_is_run(model, tmp_path):
    for name in ("__init__.py", "model.py", "modeling.py", "sitecustomize.py", "shallow.py", "conftest.py", "timm.py"):
        (model / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for name in ("pytorch_model.bin", "model.pt", "training_state.pt", "model.pkl"):
        (model / name).write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    change(model, "auto_map", to={"AutoModel": "modeling.Model"})
    load_model(model)
    assert not (tmp_path / "ran").exists() and not os.path.exists("ran")


@pytest.mark.parametrize(
    "name",
    [
        *("../../x", "/etc/passwd", "os.system", "__import__", "hf-hub:owner/name", "hf_hub:owner/name"),
        *(
            "local-dir:/tmp",
            "timm/resnet18",
            "resnet18.local-dir:/tmp",
            "resnet18.none_such",
            "resnet18\n",
            "",
            "x" * 10**6,
        ),
        *("*", "[", "vgg16\0", "model.py", "rankiqa.models", "gemma4_vit_167m_enc"),
    ],
)
def test_only_the_names_of_networks_are_names(model, name, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("it was downloaded"))
    change(model, "architecture", "name", to=name)
    with pytest.raises(InputError) as caught:
        load_model(model)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


WRONG = [
    ("preprocessing", "crop", 10**9),
    ("preprocessing", "crop", -1),
    ("preprocessing", "crop", 0),
    ("preprocessing", "crop", 32.0),
    ("preprocessing", "crop", True),
    ("preprocessing", "crop", "32"),
    ("preprocessing", "crop", None),
    ("preprocessing", "resize", 64),  # of a network without votes
    ("preprocessing", "channels", "xyz"),
    ("preprocessing", "channels", ["rgb"]),
    ("preprocessing", "scale", 0),
    ("preprocessing", "scale", math.inf),
    ("preprocessing", "scale", 1e300),
    ("preprocessing", "mean", [10**400, 0, 0]),
    ("preprocessing", "mean", [math.nan, 0, 0]),
    ("preprocessing", "mean", [0, 0]),
    ("preprocessing", "mean", ["0", "0", "0"]),
    ("preprocessing", "std", [1, 1, 0]),
    ("preprocessing", "std", [1, 1, math.nan]),
    ("preprocessing", "std", [[1], [1], [1]]),
    ("preprocessing", "more", 1),
    ("architecture", "dropout", math.nan),
    ("architecture", "dropout", 1),
    ("architecture", "dropout", "0.5"),
    ("architecture", "dropout", True),
    ("architecture", "votes", 3),
    ("architecture", "votes", [10]),
    ("architecture", "name", {"class_path": "os.system"}),
    ("architecture", "name", None),
    ("architecture", "path", "/etc/passwd"),
    ("architecture", [["name", "shallow"]]),
    ("preprocessing", "imagenet"),
    ("format", 2),
    ("format", 10**4000),
    ("weights_sha256", None),
    ("score_range", [1, 0]),
    ("score_range", [0, math.inf]),
    ("score_range", "01"),
    ("training_photos", ["a"]),
    ("training_photos", {"a": 1}),
    ("finetuned_on", {"dataset": 3}),
    ("finetuned_on", {"dataset": "csv", "paths": [3]}),
    ("finetuned_on", {"dataset": "csv", "earlier": [{"dataset": "csv", "earlier": [{}]}]}),
    ("provenance", []),
    ("provenance", {"settings": 3}),
]


@pytest.mark.parametrize("keys", WRONG, ids=lambda keys: "-".join(map(str, keys))[:40])
def test_values_that_no_model_has_are_refused(model, keys):
    change(model, *keys[:-1], to=keys[-1])
    with pytest.raises(InputError, match=rf"m/config\.json: .*({keys[0]}|{keys[-2]})") as caught:
        load_model(model)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_resize_below_the_crop_is_refused(tmp_path):
    from rankiqa.models import build_nima

    save_model(build_nima("shallow", crop=32), tmp_path / "m")
    change(tmp_path / "m", "preprocessing", "resize", to=31)
    with pytest.raises(InputError, match=r"resize must be at least"):
        load_model(tmp_path / "m")
    change(tmp_path / "m", "preprocessing", "resize", to=-1)
    with pytest.raises(InputError, match=r"config\.json: preprocessing\.resize cannot be -1"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a model's config"),
        ("[" * 100_000, "not a model's config"),
        ('{"format": 1, "format": 1}', "'format' is there twice"),
        ("9" * 5000, "not a model's config"),
        ("null", "not a model's config"),
        ('{"format": 1}', "not a model's config"),
        ("\ud800", "not a model's config"),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path, text, words):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"config\.json: .*" + words):
        read_config(path)


def test_a_config_of_many_photos_is_read_and_a_gigantic_one_is_not(model):
    change(model, "training_photos", to={f"{k:064x}": f"folder/photo {k}.jpg" for k in range(50_000)})
    assert len(read_config(model / "config.json")["training_photos"]) == 50_000
    with open(model / "config.json", "r+b") as file:
        file.truncate(MOST_BYTES + 1)  # zeros, without taking space
    with pytest.raises(InputError, match=r"config\.json: has more than 64 MiB"):
        read_config(model / "config.json")


def test_a_small_file_cannot_have_a_giant_network_made(model, monkeypatch):
    made = []
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda self: made.append(self.weight.device.type))
    change(model, "architecture", "name", to="vgg16")
    with pytest.raises(InputError, match="the weights are of another network than vgg16"):
        load_model(model)
    assert set(made) == {"meta"}


def test_weights_of_another_kind_of_number_are_refused(tmp_path):
    network = build_model("shallow", crop=32)
    tensors = network.backbone.state_dict()
    for kind in (torch.complex64, torch.int32, torch.bool):
        save_file({name: value.to(kind) for name, value in tensors.items()}, tmp_path / "w.safetensors")
        with pytest.raises(InputError, match="of another shape or kind"):
            build_model("shallow", str(tmp_path / "w.safetensors"), crop=32)
    save_file({name: value.half() for name, value in tensors.items()}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="half precision"):
        build_model("shallow", str(tmp_path / "w.safetensors"), crop=32)
    save_file({name: value.double() for name, value in tensors.items()}, tmp_path / "w.safetensors")
    build_model("shallow", str(tmp_path / "w.safetensors"), crop=32)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 2**40]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]}},
        {
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        },
        {"a": {"dtype": "object", "shape": [1], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}},
        {"a": "../../etc/passwd"},
    ],
)
def test_a_header_of_weights_that_lies_is_refused(header, tmp_path):
    from rankiqa.models.build import read_weights

    text = json.dumps(header).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    with pytest.raises(InputError, match=r"w\.safetensors: not a readable safetensors file"):
        read_weights(tmp_path / "w.safetensors")
