"""Nothing that is read can run code, or reach for what it was not asked for."""

from __future__ import annotations

import ast
import json
import math
import os
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from rankiqa.cli.settings import parse_settings
from rankiqa.compat.rank_list import LOWER, check_ranks, read_list, write_manifest
from rankiqa.config import RankConfig
from rankiqa.datasets.registry import open_dataset
from rankiqa.distortions.sets import plan
from rankiqa.errors import InputError
from rankiqa.models import build_model, load_model, save_model
from rankiqa.models.config_file import MOST_BYTES, read_config
from rankiqa.ranks.manifest import MANIFEST, format_rows
from rankiqa.ranks.ranked_set import RankedSet
from tests.datasets import layouts

ROOT = Path(__file__).parents[1]
FOLDERS = ("rankiqa", "data_gen", "train", "eval")
SOURCES = [ROOT / "hubconf.py", *(path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py")))]
# --- the source ---

# Names that run what they are given, or read what can; a call's keywords make the difference for some.
FORBIDDEN_IMPORTS = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "shelve",
    "marshal",
    "code",
    "codeop",
    "runpy",
}
FORBIDDEN_CALLS = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "os.execv",
        "os.spawnl",
        "subprocess.getoutput",
    ),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "pd.read_pickle", "pandas.read_pickle", "joblib.load"),
    *("torch.hub.load", "torch.jit.load", "torch.package", "torch.load", "np.load", "numpy.load", "yaml.load"),
}
ALLOWED = {
    # The loader is PyYAML's safe one without timestamps.
    ("rankiqa/yaml_file.py", "yaml.load"),
}
FORBIDDEN_KEYWORDS = {("shell", True), ("allow_pickle", True), ("weights_only", False), ("trust_remote_code", True)}


def faults(source: str, name: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [module for module in modules if module.split(".")[0] in FORBIDDEN_IMPORTS]
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        harmless = called == "torch.load" and keywords.get("weights_only") is True
        if called in FORBIDDEN_CALLS and not harmless and (name, called) not in ALLOWED:
            found.append(called)
        found += [f"{called}({key}={value})" for key, value in keywords.items() if (key, value) in FORBIDDEN_KEYWORDS]
    return found


def test_the_sources_call_nothing_that_runs_what_it_reads():
    assert len(SOURCES) > 50
    found = {str(path.relative_to(ROOT)): faults(path.read_text(), str(path.relative_to(ROOT))) for path in SOURCES}
    assert not {path: names for path, names in found.items() if names}


def test_the_search_finds_what_it_looks_for():
    for line in (
        *("import pickle", "from pickle import load", "import dill as json", "eval(x)", "exec('x')", "torch.load(x)"),
        *("torch.load(x, weights_only=False)", "np.load(x, allow_pickle=True)", "yaml.load(x, yaml.Loader)"),
        *("subprocess.run(x, shell=True)", "os.system(x)", "joblib.load(x)", "f(x, trust_remote_code=True)"),
    ):
        assert faults(line, "x.py"), line
    assert not faults("torch.load(x, weights_only=True); model.eval(); re.compile(x); yaml.safe_load(x)", "x.py")


def test_a_module_is_imported_by_name_only_from_tables_in_the_source():
    """The commands out of `COMMANDS`, their trainers out of `TrainingCommand`, and PyTorch by the doctor."""
    users = {path.relative_to(ROOT).as_posix() for path in SOURCES if "import_module" in path.read_text()}
    assert {path for path in users if not path.startswith("rankiqa/cli/")} <= {"rankiqa/cli/installation.py"}


# --- the folder of a model ---


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


# --- settings ---


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


# --- lists of images ---


@pytest.fixture
def ranks(tmp_path):
    folder = tmp_path / "set"
    for path in ("pristine/a.png", "GB/1/a.png"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(folder / path)
    (tmp_path / "secret.png").write_bytes(b"secret")
    os.symlink(tmp_path, folder / "out")
    os.symlink(tmp_path / "secret.png", folder / "GB" / "1" / "link.png")
    os.symlink("circle", folder / "circle")
    return folder


def manifest(folder, path):
    first = {"path": "pristine/a.png", "reference": "a", "distortion": "pristine", "level": 0, "strength": None}
    rows = [first | {"seed": None, "sha256": "0"}]
    rows.append(
        {"path": path, "reference": "a", "distortion": "GB", "level": 1, "strength": 1, "seed": 1, "sha256": "0"}
    )
    (folder / MANIFEST).write_text(format_rows(rows))


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "/etc/passwd",
        "GB/../../secret.png",
        "out/secret.png",
        "GB/1/link.png",
        "",
        ".",
        "./",
        "a\0b",
        "out/../x",
    ],
)
def test_a_row_of_a_manifest_does_not_lead_out_of_its_folder(ranks, path):
    manifest(ranks, path)
    with pytest.raises(InputError, match=r"manifest\.csv: .*(leads out of the folder|that leads out)"):
        RankedSet.read(ranks).row_path("a", "GB", 1)


def test_backslashes_and_odd_names_stay_in_the_folder(ranks):
    for path in ("..\\..\\secret.png", "GB\\1\\a.png", "circle/x.png", "GB/1/\u202egnp.png", "~/x", "$HOME/x"):
        manifest(ranks, path)
        found = RankedSet.read(ranks).row_path("a", "GB", 1)
        assert os.path.realpath(found).startswith(f"{os.path.realpath(ranks)}/")


@pytest.mark.parametrize(
    "path",
    ["../out/GB/1/a.png", "/etc/GB/1/a.png", "out/GB/1/a.png", "GB/1/link.png", "circle/GB/1/a.png", "GB/1/a\0.png"],
)
def test_a_rank_list_adopts_nothing_outside_of_its_folder(ranks, path):
    (ranks.parent / "GB" / "1").mkdir(parents=True)
    (ranks.parent / "GB" / "1" / "a.png").write_bytes(b"secret")
    photo = Path(path).name
    (ranks / "pristine" / photo.replace("\0", "")).write_bytes(b"")
    file = ranks.parent / "list.txt"
    file.write_text(f"pristine/{photo} 0\n{path} 1\n")
    with pytest.raises(InputError, match="line"):
        write_manifest(ranks, check_ranks(file, read_list(file), LOWER))
    assert not (ranks / MANIFEST).exists()


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "a/../../secret.png", "a\\b.png", "a\0b.png", "x" * 5000]
)
def test_a_label_file_names_nothing_outside_of_its_folder(tmp_path, name):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "good.png").write_bytes(b"")
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "labels.csv").write_text(f"name,mos\ngood.png,1\n{name},2\n")
    with pytest.raises(InputError, match=r"labels\.csv"):
        open_dataset("csv", tmp_path / "images", labels=tmp_path / "labels.csv")


@pytest.mark.parametrize("name", ["../secret.bmp", "/etc/passwd", "..\\secret.bmp", "../distorted_images/i04_01_1.bmp"])
def test_the_files_of_a_data_set_are_those_of_its_folder(tmp_path, name):
    layouts.biq2021(tmp_path / "set")
    (tmp_path / "secret.bmp").write_bytes(b"")
    labels = tmp_path / "set" / "Train (Images and MOS).csv"
    labels.write_text(f"Image Name,MOS\n{name},0.5\nss01 (1).jpg,0.5\n")
    found = open_dataset("biq2021", tmp_path / "set", missing="record")
    assert all(file.is_relative_to(tmp_path / "set") for file in found.table["file"])
    assert name in [entry["path"] for entry in found.left_out]


# --- files that unpack to much more than they are ---


def test_an_excel_file_that_unpacks_to_a_gigabyte_is_refused(tmp_path):
    layouts.csiq(tmp_path)
    file = tmp_path / "csiq.DMOS.xlsx"
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as parts, parts.open("xl/media/x.bin", "w") as part:
        for _ in range(65):
            part.write(bytes(1 << 20))
    assert file.stat().st_size < 200_000
    with pytest.raises(InputError, match=r"xlsx: not a readable Excel file \(it unpacks to more than"):
        open_dataset("csiq", tmp_path)


def test_an_excel_file_of_a_million_empty_rows_is_refused(tmp_path):
    layouts.csiq(tmp_path)
    file = tmp_path / "csiq.DMOS.xlsx"
    with zipfile.ZipFile(file) as parts:
        content = {name: parts.read(name) for name in parts.namelist()}
    sheet = next(
        name for name in content if b"dst_type" in content[name] or b"AWGN" in content[name] or "sheet2" in name
    )
    last = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    content[sheet] = content[sheet].replace(b"</sheetData>", last)
    with zipfile.ZipFile(file, "w") as parts:
        for name, data in content.items():
            parts.writestr(name, data)
    with pytest.raises(InputError, match=r"xlsx: not a readable Excel file \(more than 10000 rows"):
        open_dataset("csiq", tmp_path)


# --- what is printed ---


def test_an_error_is_one_printable_line_whatever_a_file_brings_into_it():
    error = InputError("a.csv: the name 'x\n\x1b[31mred\x00\u202e\ud800' é σ")
    assert str(error) == "a.csv: the name 'x\\n\\x1b[31mred\\x00\\u202e\\ud800' é σ"
    assert str(InputError(str(error))) == str(error)
    assert len(str(InputError("x" * 10**6))) < 2100
