"""Damaged lists of pairs, and files of votes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given

from rankiqa.errors import InputError
from rankiqa.study.pairs import open_pairs
from rankiqa.study.vote_file import Comparison, Order, Photo, VoteFile
from tests.fuzz.damage import damaged, damaged_text
from tests.fuzz.harness import tries

NAMES = ("a.jpg", "b.jpg", "sub/c.jpg")
TEXT = "better,worse,weight\na.jpg,b.jpg,1\nb.jpg,sub/c.jpg,.5\nsub/c.jpg,b.jpg,.5\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "sub").mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    return folder


def check(found):
    if not isinstance(found, InputError):
        assert len(found) and set(found.photos) <= set(NAMES)
        assert np.isfinite(found.weight).all() and (found.weight > 0).all() and (found.better != found.worse).all()


def test_csv(trial, root, tmp_path):
    @tries(700)
    @given(damaged_text([TEXT], ","))
    def run(data):
        (tmp_path / "pairs.csv").write_bytes(data)
        check(trial(open_pairs, tmp_path / "pairs.csv", root))

    run()


def test_votes(trial, root, tmp_path):
    photos = [Photo(name, hashlib.sha256(name.encode()).hexdigest(), 1, 1) for name in NAMES]
    with VoteFile.create(tmp_path / "votes.sqlite", photos) as file:
        file.add(Comparison("1", "Bo", left=NAMES[0], right=NAMES[1], answer="left"))
        file.add(Order("2", "Bo", photos=NAMES))
    whole = (tmp_path / "votes.sqlite").read_bytes()

    @tries(100)
    @given(damaged([whole]))
    def run(data):
        (tmp_path / "damaged.sqlite").write_bytes(data)
        check(trial(open_pairs, tmp_path / "damaged.sqlite", root))

    run()
