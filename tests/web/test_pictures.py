"""Pictures of photos: sizes, exact pixels, what is kept."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from rankiqa.study.vote_file import Photo
from rankiqa.web import pictures as module
from rankiqa.web.pictures import TILE, Pictures

WIDE = (1300, 700)  # width and height


def decoded(picture):
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"))


@pytest.fixture
def wide(tmp_path):
    y, x = np.mgrid[: WIDE[1], : WIDE[0]]
    pixels = np.stack([x % 256, y % 256, (x + y) // 8 % 256], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    made = Pictures(tmp_path, [Photo("wide.png", "", *WIDE)])
    yield made, pixels
    made.close()


def test_a_large_photo_is_reduced_to_means_of_its_pixels(wide):
    made, pixels = wide
    picture = made.screen(0, 640).result()
    assert picture.kind == "image/jpeg"
    small = decoded(picture).astype(float)
    assert small.shape == (345, 640, 3)
    # The mean of the blue channel, which changes slowly: what a reduction must leave as it is.
    assert abs(small[..., 2].mean() - pixels[..., 2].mean()) < 1


def test_one_that_is_small_enough_and_tiles_are_exact(wide):
    made, pixels = wide
    assert (decoded(made.screen(0, 1600).result()) == pixels).all()
    for column in range(3):
        for row in range(2):
            part = pixels[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
            assert (decoded(made.tile(0, column, row).result()) == part).all()
    for column, row in ((3, 0), (0, 2), (-1, 0)):
        with pytest.raises(LookupError):
            made.tile(0, column, row).result()


def test_pictures_are_made_once_and_forgotten_when_there_are_too_many(wide, monkeypatch):
    made, _ = wide
    first = made.screen(0, 640).result()
    assert made.screen(0, 640).result() is first
    monkeypatch.setattr(module, "KEPT", len(first.data) + 1)
    made.screen(0, 320).result()
    assert made.screen(0, 640).result() is not first


def test_what_a_page_has_asked_for_once_is_made_ahead(tmp_path):
    for k in range(3):
        Image.new("RGB", (40, 30), (k, k, k)).save(tmp_path / f"{k}.png")
    (tmp_path / "1.png").write_bytes(b"nothing")
    told = []
    made = Pictures(
        tmp_path, [Photo(f"{k}.png", "", 40, 30) for k in range(3)], broken=lambda number, error: told.append(number)
    )
    made.look_ahead()
    made.screen(0, 640).result()
    end = time.monotonic() + 60
    while (2, 640) not in made._kept or not told:
        assert time.monotonic() < end
        time.sleep(0.005)
    made.close()
    assert told == [1]
