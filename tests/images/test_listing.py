import os

import pytest

from rankiqa.errors import InputError
from rankiqa.images.listing import list_images


def test_list_images_at_any_depth(tmp_path):
    names = ["b/z.PNG", "a.jpg", "b/c/d.bmp", "a/x.jpeg"]
    for name in [*names, "b/notes.txt", ".hidden.png", ".cache/x.png", "b/c/.x.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    os.symlink(tmp_path, tmp_path / "b" / "loop")
    elsewhere = tmp_path / ".elsewhere"
    elsewhere.mkdir()
    (elsewhere / "linked.png").write_bytes(b"")
    os.symlink(elsewhere, tmp_path / "link")
    assert list_images(tmp_path) == sorted([*names, "link/linked.png"])


def test_list_images_says_what_is_wrong(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for root, words in (("none", "no such folder"), ("notes.txt", "not a folder"), (".", "holds no images")):
        with pytest.raises(InputError, match=words):
            list_images(tmp_path / root)
