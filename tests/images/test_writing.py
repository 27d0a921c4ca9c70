import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.files import write_atomically
from rankiqa.images.writing import write_image
from tests.images.by_hand import (
    PIXELS,
)


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_write_image_loses_nothing_and_returns_the_hash(kind, tmp_path):
    path = tmp_path / "deep" / f"x.{kind}"
    sha256 = write_image(path, PIXELS, kind)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    opened = Image.open(path)
    assert opened.format == kind.upper()
    assert (np.array(opened) == PIXELS).all()


def test_lossy_formats_are_not_written(tmp_path):
    with pytest.raises(InputError, match="png, bmp"):
        write_image(tmp_path / "x.jpg", PIXELS, "jpeg")


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(InputError, match=r"a/x\.png"):
        write_image(tmp_path / "a" / "x.png", PIXELS)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"/x: cannot be written: no space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"all of it")
    assert os.read(reader, 100) == b"all of it"
    os.close(reader)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]
