"""Real Keras against the imported network: its files in every layout, and its outputs on photographs.

RANKIQA_KERAS_PYTHON names the interpreter of an environment with tests/keras/requirements.txt.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from rankiqa.compat.keras_weights import KERAS_MODELS, import_keras
from rankiqa.models.freezing import freeze_until

pytestmark = pytest.mark.keras

FILES = {
    "keras2.h5": "keras2",
    "keras2-nested.h5": "keras2",
    "keras2-shifted-whole.h5": "keras2",
    "keras3-whole.h5": "keras3",
    "keras3.weights.h5": "keras3",
    "keras3-nested.weights.h5": "keras3",
}
RECORDED = Path(__file__).parents[1] / "reference" / "keras_nima.json"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with the files, outputs.json and record.json."""
    python = os.environ.get("RANKIQA_KERAS_PYTHON")
    if not python:
        pytest.skip("RANKIQA_KERAS_PYTHON is not set")
    folder = tmp_path_factory.mktemp("keras")
    script = Path(__file__).with_name("make_nima.py")
    command = [python, str(script), str(folder), "--record", str(folder / "record.json")]
    subprocess.run(command, check=True, timeout=1200)
    return folder


def inputs(photos, size: str) -> torch.Tensor:
    names = json.loads(RECORDED.read_text())["photos"]
    height, width = map(int, size.split("x"))
    crops = [torch.from_numpy(photos[name][:height, :width].copy()) for name in names]
    return torch.stack(crops).permute(0, 3, 1, 2) / 255


@pytest.mark.parametrize("model", KERAS_MODELS)
@pytest.mark.parametrize("file", FILES)
def test_outputs_are_those_of_keras(made, photos, model, file):
    imported = import_keras(made / f"{model}-{file}", model)
    expected = json.loads((made / "outputs.json").read_text())[model][FILES[file]]
    for size, votes in expected.items():
        with torch.inference_mode():
            ours = imported.model(inputs(photos, size), distribution=True).numpy()
        difference = np.abs(ours - votes).max()
        print(f"{model} {file} {size}: largest difference {difference:.1e}")
        assert difference < TOLERANCE
        # The photos tell each other apart by far more than the tolerance.
        assert np.std(votes, axis=0).max() > 50 * TOLERANCE


@pytest.mark.parametrize("model", KERAS_MODELS)
def test_the_record_is_what_keras_says_today(made, model):
    recorded, today = (json.loads(path.read_text())[model] for path in (RECORDED, made / "record.json"))
    assert [w for _, w in recorded["layers"]] == [w for _, w in today["layers"]]
    for size, votes in recorded["outputs"].items():
        np.testing.assert_allclose(votes, today["outputs"][size], atol=TOLERANCE / 10)


def test_the_first_618_layers_of_keras_are_the_frozen_tensors(made):
    model = "nima-inception_resnet_v2"
    layers = json.loads((made / "record.json").read_text())[model]["layers"]
    imported = import_keras(made / f"{model}-keras3-whole.h5", model)
    frozen = {name for name, weights in layers[:618] if weights}
    expected = {row.target.rpartition(".")[0] for row in imported.rows if row.source.partition("/")[0] in frozen}
    freeze_until(imported.model, "618")
    own = {n.rpartition(".")[0] for n, p in imported.model.backbone.named_parameters() if not p.requires_grad}
    assert own == expected and len(own) == len(frozen)
