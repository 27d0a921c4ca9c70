"""A study is opened, made or gone on with; other photos and other files are told of."""

from __future__ import annotations

import shutil
import sqlite3
import time

import pytest
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.files import sha256_of
from rankiqa.study.vote_file import VoteFile
from rankiqa.web.opening import open_study
from rankiqa.web.pictures import Pictures


def opened(folder, out, least=2):
    study = open_study(folder, out, least, said=lambda text: None)
    study.votes.close()
    return study


def hash_all(study, folder):
    with VoteFile(study.votes.path) as votes:
        pictures = Pictures(folder, votes.photos, hashed=votes.set_hashes)
        pictures.look_ahead()
        end = time.monotonic() + 60
        while not all(photo.sha256 for photo in votes.photos):
            assert time.monotonic() < end
            time.sleep(0.005)
        pictures.close()


def test_photos_are_numbered_by_their_path_and_hashed_later(photo_folder, tmp_path):
    study = opened(photo_folder, tmp_path / "new" / "votes.sqlite")
    assert [(photo.path, photo.width, photo.height) for photo in study.votes.photos] == [
        (name, 112, 96) for name in ("a/x.png", "b/x.png", "x.png")
    ]
    assert study.usable == [0, 1, 2] and not any(photo.sha256 for photo in study.votes.photos)
    hash_all(study, photo_folder)
    with VoteFile(study.votes.path) as votes:
        assert [photo.sha256 for photo in votes.photos] == [sha256_of(photo_folder / p.path) for p in votes.photos]


def test_two_photos_are_enough_and_one_is_not(photo_folder, tmp_path):
    (photo_folder / "x.png").unlink()
    assert opened(photo_folder, tmp_path / "two.sqlite").usable == [0, 1]
    (photo_folder / "a" / "x.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="holds 1 photo that can be read; this needs 2 or more"):
        opened(photo_folder, tmp_path / "one.sqlite")
    assert not (tmp_path / "one.sqlite").exists()
    assert opened(photo_folder, tmp_path / "one.sqlite", least=1).usable == [0]


def test_what_cannot_be_read_is_left_out_and_told(photo_folder, tmp_path):
    (photo_folder / "a" / "x.png").write_bytes(b"nothing")
    study = opened(photo_folder, tmp_path / "votes.sqlite")
    assert [photo.path for photo in study.votes.photos] == ["b/x.png", "x.png"]
    [problem] = study.problems
    assert "a/x.png" in problem.path and "not an image" in str(problem)
    (photo_folder / "b" / "x.png").write_bytes(b"nothing")  # and one that could be read at first
    (photo_folder / "c.png").write_bytes(b"nothing")
    study = opened(photo_folder, tmp_path / "votes.sqlite", least=1)
    assert study.usable == [1] and len(study.problems) == 3


def test_a_photo_that_was_cut_short_since_is_left_out_too(photo_folder, tmp_path):
    out, photo = tmp_path / "votes.sqlite", photo_folder / "b" / "x.png"
    hash_all(opened(photo_folder, out), photo_folder)
    photo.write_bytes(photo.read_bytes()[:-200])  # the header still tells its size
    study = opened(photo_folder, out)
    assert study.usable == [0, 2]
    [problem] = study.problems
    assert problem.path == str(photo) and "damaged or cut short" in str(problem)


def test_votes_of_other_photos(photo_folder, tmp_path):
    out = tmp_path / "votes.sqlite"
    hash_all(opened(photo_folder, out), photo_folder)
    other = shutil.copytree(photo_folder, tmp_path / "other")
    assert opened(other, out).usable == [0, 1, 2]  # a copy is as good
    shutil.copy(other / "x.png", other / "b" / "x.png")
    with pytest.raises(InputError, match=r"b/x\.png: is another photo than that of this name in .*votes\.sqlite"):
        opened(other, out)
    Image.new("RGB", (40, 40)).save(other / "a" / "x.png")
    with pytest.raises(InputError, match=r"a/x\.png: is another photo"):
        opened(other, out)
    Image.new("RGB", (40, 40)).save(other / "a" / "more.png")
    with pytest.raises(InputError, match=r"a/more\.png: is not among the photos of"):
        opened(other, out)


def test_a_file_of_another_program_is_told_before_the_photos_are_looked_at(photo_folder, tmp_path):
    file = sqlite3.connect(tmp_path / "other.sqlite")
    file.execute("CREATE TABLE x (y)")
    file.close()
    with pytest.raises(InputError, match="another program made it"):
        open_study(tmp_path / "gone", tmp_path / "other.sqlite")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        opened(tmp_path / "empty", tmp_path / "new.sqlite")


def test_a_photo_that_was_replaced_while_people_vote(photo_folder, tmp_path):
    study = open_study(photo_folder, tmp_path / "votes.sqlite", said=lambda text: None)
    with study.votes:
        hash_all(study, photo_folder)
    shutil.copy(photo_folder / "x.png", photo_folder / "b" / "x.png")
    told = []
    with VoteFile(tmp_path / "votes.sqlite") as votes:
        pictures = Pictures(photo_folder, votes.photos, broken=lambda number, error: told.append((number, str(error))))
        with pytest.raises(InputError, match="is not the photo that it was"):
            pictures.screen(1, 640).result()
        with pytest.raises(InputError):
            pictures.tile(1, 0, 0).result()
        pictures.close()
    assert [number for number, _ in told] == [1]
