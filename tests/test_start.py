"""How much is imported before the first score is there. Times differ from machine to machine, this does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
# torch._dynamo is PyTorch's compiler, which takes longer to import than the model to load.
SLOW = ("torch._dynamo", "sympy", "torchvision", "timm", "accelerate", "huggingface_hub", "matplotlib", "jinja2")
SLOW += ("pandas", "scipy", "skimage", "cv2", "yaml", "jsonargparse", "joblib", "torch.utils.tensorboard")
MODULES = "\nimport json, sys\nsys.stderr.write(json.dumps(sorted(sys.modules)))"


def imported(code, *argv):
    """The modules of a fresh process after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code + MODULES, *map(str, argv)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
def photo_file(photo, tmp_path):
    Image.fromarray(np.asarray(photo)).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


@pytest.mark.parametrize("mode", ["dense", "random"])
def test_a_score_imports_torch_and_no_other_large_package(mode, photo_file):
    code = "import sys, rankiqa; print(rankiqa.load(device='cpu').score(sys.argv[1], mode=sys.argv[2]).value)"
    found = imported(code, photo_file, mode)
    assert {"torch", "numpy", "PIL", "safetensors"} <= found
    assert sorted(found & set(SLOW)) == []


@pytest.mark.parametrize("command", ["score", "compare"])
def test_so_does_a_command(command, photo_file):
    found = imported("import sys; from rankiqa.cli import main; main(sys.argv[1:])", command, *[photo_file] * 2)
    assert sorted(found & set(SLOW)) == []


def test_the_package_and_the_help_do_without_torch(photo_file):
    found = imported("import rankiqa; from rankiqa.cli import main; main(['--help'])")
    assert sorted(found & {*SLOW, "torch", "numpy"}) == []
