"""A small model with random weights, and photographs to score with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rankiqa.models import build_model, save_model
from rankiqa.models.reference import Reference


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A folder with a network of random weights, of crops of 160 px, that knows the scores of a few images."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "random"
    reference = Reference("images that nobody saw", 11, tuple(np.linspace(-5, 5, 101)), -4.0, 4.0)
    save_model(build_model("squeezenet1_1", crop=160), folder, reference=reference.config())
    return folder


@pytest.fixture(scope="session")
def bare_model(tmp_path_factory) -> Path:
    """The same without a scale or known images."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "bare"
    save_model(build_model("squeezenet1_1", crop=160), folder)
    return folder


@pytest.fixture
def images(photos, tmp_path, monkeypatch) -> Path:
    """A folder to work in, with a.png, b.jpg, sub/c.png and sub/deep/d.png of some 200 px."""
    folder = tmp_path / "images"
    (folder / "sub" / "deep").mkdir(parents=True)
    names = {
        "a.png": "astronaut.png",
        "b.jpg": "chelsea.png",
        "sub/c.png": "coffee.png",
        "sub/deep/d.png": "rocket.jpg",
    }
    for name, photo in names.items():
        Image.fromarray(photos[photo][40:240, 100:310]).save(folder / name)
    monkeypatch.chdir(folder)
    return folder
