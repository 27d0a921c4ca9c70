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
SLOW += ("onnx", "onnx_ir", "onnxruntime")
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


# One process for all modes, and one for all commands: what none of them imports, each does without.
def test_a_score_imports_torch_and_no_other_large_package(photo_file):
    code = """\
import sys, rankiqa
for mode in ("dense", "random"):
    print(rankiqa.load(device="cpu").score(sys.argv[1], mode=mode).value)
"""
    found = imported(code, photo_file)
    assert {"torch", "numpy", "PIL", "safetensors"} <= found
    assert sorted(found & set(SLOW)) == []


def test_so_do_the_commands(photo_file):
    code = """\
import sys
from rankiqa.cli import main
for command in ("score", "compare"):
    assert main([command, *sys.argv[1:]]) == 0
"""
    other = photo_file.with_name("other.jpg")
    other.write_bytes(photo_file.read_bytes())
    found = imported(code, photo_file, other)
    assert sorted(found & set(SLOW)) == []


def test_the_package_and_the_help_do_without_torch(photo_file):
    found = imported("import rankiqa; from rankiqa.cli import main; main(['--help'])")
    assert sorted(found & {*SLOW, "torch", "numpy"}) == []
