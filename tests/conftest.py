"""Fixtures that more than one test file uses: small real photographs."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything starts its threads, here and in what the tests start: two test processes with two threads each on two
# cores spend most of their time waiting for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests compute on the CPU, whose numbers they know, on a machine with a GPU too. `make gpu` sets the other variable and
# runs tests/devices, which compares a GPU with the CPU.
if not os.environ.get("RANKIQA_TEST_GPU"):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import pytest
from PIL import Image

from rankiqa.images import builtin_photos


@pytest.fixture(scope="session")
def photos() -> dict[str, np.ndarray]:
    """The built-in photographs at full size by name: uint8 H×W×3."""
    folder = builtin_photos.folder()
    return {name: np.array(Image.open(folder / name)) for name in builtin_photos.PHOTOS}


@pytest.fixture(scope="session")
def photo(photos) -> np.ndarray:
    """A 256×240 part of a photograph; read-only, so that whatever changes its input fails."""
    part = np.ascontiguousarray(photos["astronaut.png"][20:260, 120:376])
    part.flags.writeable = False
    return part


@pytest.fixture(scope="session")
def _small_photos(photos, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for place, name in (("", "astronaut.png"), ("a", "chelsea.png"), ("b", "coffee.png")):
        (folder / place).mkdir(exist_ok=True)
        Image.fromarray(photos[name][40:136, 100:212]).save(folder / place / "x.png")
    return folder


@pytest.fixture
def photo_folder(_small_photos, tmp_path) -> Path:
    """A fresh folder with three 112×96 photographs: x.png, a/x.png and b/x.png."""
    import shutil

    return Path(shutil.copytree(_small_photos, tmp_path / "photos"))
