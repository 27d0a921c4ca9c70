"""Damaged settings: YAML files of runs and of levels, and the config.json of models."""

from __future__ import annotations

import dataclasses
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rankiqa.cli.settings import parse_settings
from rankiqa.config import FinetuneConfig, JointConfig, NimaConfig, RankConfig, SiameseNimaConfig
from rankiqa.distortions.sets import plan
from rankiqa.errors import InputError
from rankiqa.models import build_model, load_model, save_model
from rankiqa.models.config_file import read_config
from tests.fuzz.damage import damaged_text, damaged_tree, token, value
from tests.fuzz.harness import tries

CONFIGS = (RankConfig, JointConfig, FinetuneConfig, NimaConfig, SiameseNimaConfig)
TREES = {config: dataclasses.asdict(config()) for config in CONFIGS}
TEXTS = {config: yaml.safe_dump(tree, sort_keys=False) for config, tree in TREES.items()}
NASTY = (
    "data: {class_path: subprocess.Popen, init_args: {args: id}}\n",
    "model: /etc/passwd\n",
    "config: /etc/passwd\n",
    "a: &a\n  b: *a\n",
    "data: &a\n  ranks: *a\n",
    "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\ndata: *c\n",
    "steps: !!python/object/apply:os.system [id]\n",
    "<<: {steps: 3}\nout: 2020-01-01\n",
    "data.ranks: x\ndata: {val: null}\n",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("configs")


@st.composite
def damaged_yaml(draw, texts, trees) -> bytes:
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return draw(damaged_text(texts, draw(st.sampled_from((":", None)))))
    if kind == 1:
        return draw(damaged_text(NASTY, None))
    tree = draw(damaged_tree(draw(st.sampled_from(trees))))
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=draw(st.booleans())).encode("utf-8", "replace")


def parse(file, config):
    settings = parse_settings(["--config", str(file)], config, "train", "Trains.")
    settings.check()
    return settings


@pytest.mark.parametrize("config", CONFIGS)
def test_settings_of_runs(config, trial, folder):
    file = folder / "run.yaml"

    @tries(600)
    @given(damaged_yaml([TEXTS[config]], [TREES[config]]))
    def run(data):
        file.write_bytes(data)
        found = trial(parse, file, config)
        assert isinstance(found, (config, InputError))

    run()


LEVELS = {"GB": [1, 2, 4], "JPEG": [40, 20, 10], "GN": 0.01}


@tries(1500)
@given(damaged_yaml([yaml.safe_dump(LEVELS), "GB: [1, 2]\nGN: [0.001, .01]\n"], [LEVELS]))
def test_levels(trial, folder, data):
    (folder / "levels.yaml").write_bytes(data)
    trial(plan, "live", str(folder / "levels.yaml"))


@pytest.fixture(scope="module")
def model(folder):
    tuned = {"dataset": "csv", "groups": ["g"], "paths": ["p"], "earlier": [{"dataset": "ava", "paths": ["q"]}]}
    made = build_model("shallow", crop=64, dropout=0.1)
    save_model(made, folder / "m", training_photos={"ab": "a.png"}, score_range=(0.0, 1.0), finetuned_on=tuned)
    load_model(folder / "m")
    return folder / "m"


NAMES = (
    "os.system",
    "../../x",
    "hf-hub:a/b",
    "local-dir:/tmp",
    "resnet18.local-dir:/tmp",
    "resnet18.x",
    "vgg16",
    "shallow",
)


@st.composite
def damaged_json(draw, tree) -> bytes:
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged_text([json.dumps(tree, indent=1)], draw(st.sampled_from((":", ",")))))
    spare = st.one_of(st.sampled_from(NAMES), value(), token())
    return json.dumps(draw(damaged_tree(tree, spare))).encode("utf-8", "replace")


@tries(3000)
@given(st.data())
def test_config_of_a_model(trial, model, data):
    tree = json.loads((model / "config.json").read_text())
    file = model.parent / "config.json"
    file.write_bytes(data.draw(damaged_json(tree)))
    trial(read_config, file)


@tries(500)
@given(st.data())
def test_folder_of_a_model(trial, model, data):
    good = (model / "config.json").read_bytes()
    (model / "config.json").write_bytes(data.draw(damaged_json(json.loads(good))))
    try:
        trial(load_model, model)
    finally:
        (model / "config.json").write_bytes(good)
