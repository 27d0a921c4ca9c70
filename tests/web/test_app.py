"""The pages of `rankiqa app`, asked without a network; what scores is a stand-in."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.images.reading import read_image
from rankiqa.scoring.score_table import csv_text
from rankiqa.web import app as module
from rankiqa.web.app import photo_app
from rankiqa.web.judging import Judging
from rankiqa.web.pictures import Pictures
from rankiqa.web.shelf import Shelf

TOKEN = "token"


class Scorer:
    """Scores a photo by its mean; waits before each for a sign, if it is given one."""

    source, low, high, reference, settings = "a stand-in", None, None, None, {}

    def __init__(self, sign: threading.Semaphore | None = None) -> None:
        self.sign = sign

    def score_files(self, paths, look):
        for path in paths:
            if self.sign is not None:
                self.sign.acquire()
            try:
                pixels = read_image(path, convert=True)
            except InputError as error:
                yield error
                continue
            look(path, pixels)
            yield SimpleNamespace(
                value=float(pixels.mean()), unit=float("nan"), percentile=50.0, spread=0.1, patches=1, note=""
            )


class Pages:
    def __init__(self, paths, load) -> None:
        from starlette.testclient import TestClient

        self.shelf = Shelf(paths)
        self.pictures = Pictures("", self.shelf.photos, workers=1)
        self.judging = Judging(self.shelf, load, self.pictures.keep_small)
        app = photo_app(self.shelf, self.judging, self.pictures, ["default", "ranks"], TOKEN)
        self.client = TestClient(app, f"http://test/{TOKEN}/")

    def post(self, what, **body):
        answer = self.client.post(f"api/{what}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, done, model="default"):
        end = time.monotonic() + 60
        while True:
            state = self.post("state", model=model, since=0, named=0)
            if done(state):
                return state
            assert time.monotonic() < end, state
            time.sleep(0.005)

    def close(self) -> None:
        self.pictures.close()
        self.judging.close()
        self.shelf.__exit__()


@pytest.fixture
def pages(photo_folder: Path):
    pytest.importorskip("starlette")
    made = []

    def make(load=lambda name: Scorer(), paths=None):
        found = sorted(photo_folder.rglob("*.png")) if paths is None else paths
        made.append(Pages(found, load))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_names_that_are_no_text_are_shown(pages, photo_folder):
    source = (photo_folder / "x.png").read_bytes()
    odd = photo_folder / os.fsdecode(b"\xff\n.png")
    odd.write_bytes(source)
    shown = pages(paths=[odd])
    shown.post("score", model="default")
    assert shown.until(lambda state: state["done"] == 1)["names"][0].endswith("/\\udcff\\n.png")


def test_scores_come_and_can_be_exported(pages, photo_folder):
    shown = pages()
    (photo_folder / "b" / "x.png").write_bytes(b"nothing")
    shown.post("score", model="default")
    state = shown.until(lambda state: state["done"] == 3)
    assert not state["going"] and state["names"] == [str(item.name) for item in shown.shelf.items]
    means = [read_image(photo_folder / name).mean() for name in ("a/x.png", "x.png")]
    assert [row.get("score") for row in state["results"]] == [pytest.approx(means[0]), None, pytest.approx(means[1])]
    assert state["results"][1]["error"].startswith("not an image") and state["results"][0]["unit"] is None
    rest = shown.post("state", model="default", since=2, named=3)
    assert len(rest["results"]) == 1 and rest["names"] == []
    answer = shown.client.get("scores.csv?model=default")
    assert answer.headers["content-disposition"].startswith("attachment")
    lines = answer.text.splitlines()
    assert lines[0] + "\n" == csv_text([]) and len(lines) == 4 and "error: not an image" in lines[3]
    assert shown.client.get("scores.csv?model=odd").status_code == 404


def test_it_stops_and_goes_on_and_takes_another_model(pages):
    sign = threading.Semaphore(1)
    shown = pages(lambda name: Scorer(sign))
    shown.post("score", model="default")
    shown.until(lambda state: state["done"] == 1)
    shown.post("stop")
    sign.release()  # the photo that it was at
    shown.until(lambda state: state["done"] == 2 and not state["going"])
    time.sleep(0.05)
    assert shown.post("state", model="default", since=0, named=0)["done"] == 2
    sign.release(100)
    shown.post("score", model="ranks")
    assert len(shown.until(lambda state: state["done"] == 3, "ranks")["results"]) == 3
    shown.post("score", model="default")
    shown.until(lambda state: state["done"] == 3)


def test_photos_are_dropped(pages, photo_folder):
    shown = pages(paths=[])
    shown.post("score", model="default")
    data = (photo_folder / "x.png").read_bytes()
    names = ["../../x.png", "“é'\"<b>😀.png", ""]
    for name in names:
        answer = shown.client.post("api/upload", params={"name": name}, content=data)
        assert answer.status_code == 200
    state = shown.until(lambda state: state["done"] == 3)
    assert state["names"] == [*names[:2], "photo"]
    folder = shown.shelf._folder.path
    assert {item.path.parent for item in shown.shelf.items} == {folder}
    answer = shown.client.post("api/upload", params={"name": "x.png"}, content=b"nothing")
    assert answer.status_code == 400 and "not an image" in answer.json()["error"]
    assert len(list(folder.iterdir())) == len(shown.shelf.items) == 3
    assert shown.client.get("photo/1/320").status_code == 200
    shown.close()
    assert not folder.exists()


def test_what_is_too_large_is_refused(pages, photo_folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 70_000)
    shown = pages(paths=[])
    folder = shown.shelf._folder.path
    assert shown.client.post("api/upload", content=b" " * 70_001).status_code == 413
    parts = (b" " * 10_000 for _ in range(20))
    assert shown.client.post("api/upload", content=parts).status_code == 413
    assert shown.client.post("api/state", content=b" " * 70_000).status_code == 413
    assert list(folder.iterdir()) == [] and shown.shelf.items == []


def test_pictures_sizes_and_maps(pages, photo_folder):
    shown = pages()
    assert shown.post("size", n=2) == {"n": 2, "w": 112, "h": 96}
    picture = Image.open(io.BytesIO(shown.client.get("photo/2/tile/0/0").content))
    assert (np.asarray(picture) == read_image(photo_folder / "x.png")).all()
    for path in (
        "photo/3/320",
        "photo/2/tile/1/0",
        "photo/3/heat?model=default",
        "photo/0/heat?model=odd",
        "photo/x/320",
    ):
        assert shown.client.get(path).status_code == 404, path
    for what, body in (("size", {"n": 3}), ("size", {"n": "x"}), ("score", {"model": "/etc"}), ("state", {})):
        assert shown.client.post(f"api/{what}", json=body).status_code == 400


def test_a_model_that_cannot_be_loaded_is_told(pages):
    def load(name):
        raise InputError("is damaged", path=name)

    shown = pages(load)
    shown.post("score", model="default")
    assert shown.until(lambda state: state["trouble"])["trouble"] == "default: is damaged"


def test_the_heat_map_is_clear_where_it_is_good():
    from rankiqa.scoring.heatmap import QualityMap
    from rankiqa.web.heat import ALPHA, overlay

    scores = np.array([[0.0, 0.5], [1.0, 1.0]])
    places = np.array([25.0, 75.0])
    quality = QualityMap(scores, places, places, np.zeros((100, 100, 3), np.uint8), 0.0, 1.0)
    picture = np.asarray(Image.open(io.BytesIO(overlay(quality))))
    assert picture.shape == (100, 100, 4)
    assert picture[0, 0].tolist() == [128, 0, 38, round(255 * ALPHA)]  # ColorBrewer's darkest red
    assert picture[-1, 0, 3] == picture[-1, -1, 3] == 0
    assert picture[0, -1].tolist() == [253, 141, 60, round(255 * ALPHA)]  # its middle
