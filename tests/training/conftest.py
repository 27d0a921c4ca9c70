"""Ranked images to train on."""

import pytest

from rankiqa.cli.make_ranks import main as make_ranks
from rankiqa.images.writing import write_image


@pytest.fixture(scope="session")
def ranks(tmp_path_factory, photos):
    """Four photos of 80×80 px, two distortion types."""
    folder = tmp_path_factory.mktemp("ranks")
    for name, photo in list(photos.items())[:4]:
        write_image(folder / "photos" / f"{name}.png", photo[100:180, 120:200], "png")
    args = ["--pristine", f"{folder / 'photos'}", "--out", f"{folder / 'set'}", "--distortions", "GN,GB"]
    assert make_ranks([*args, "--min-side", "64"]) == 0
    return folder / "set"


@pytest.fixture
def curves(tmp_path):
    """For a test whose run, in the folder `run`, draws its curves; they must be there at the end."""
    yield
    assert (tmp_path / "run" / "curves.png").stat().st_size > 10_000


@pytest.fixture(autouse=True)
def _few_curves(request, monkeypatch):
    """Drawing takes several times as long as a run of a few steps: one run of each trainer does it."""
    if "curves" not in request.fixturenames:
        monkeypatch.setattr("rankiqa.training.loop.write_curves", lambda run: None)
