"""The page of a scale: how much of a large study it shows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from rankiqa.study.raters import Split
from rankiqa.study.scale import Scale
from rankiqa.study.scale_page import scale_page, shown_places


def test_of_many_photos_both_ends_are_shown_and_some_between():
    assert shown_places(1000) == [*range(1000)]
    for photos in (1001, 1300, 10_000):
        places = shown_places(photos)
        assert len(places) == 1000 and places == sorted(set(places))
        assert places[:401] == [*range(401)] and places[-400:] == [*range(photos - 400, photos)]
        assert np.ptp(np.diff(places[400:601])) <= 1


def test_a_large_page_is_bounded_and_says_what_it_leaves_out(tmp_path: Path):
    names = tuple(f"{k:04}.jpg" for k in range(1500))
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    score, split = np.linspace(2, -2, 1500), Split(names[401], names[402], 3, 0, 1)
    scale = Scale(
        names, (), score, score - 1, score + 1, np.ones(1500, int), "JOD", (), (split,), np.nan, np.nan, None
    )  # fmt: skip
    page = scale_page(scale, "all", tmp_path)
    assert "<b>1500</b><span>photos" in page
    assert "The best 400, the worst 400, and 200 of those between" in page
    assert page.count("<img") == 1002  # and the pair that people disagree on, which are not among them
    shown = [int(place) for place in re.findall(r"#(\d+)</span>", page)]
    assert len(shown) == 1000 and shown[0] == 1 and shown[-1] == 1500 and 402 not in shown
