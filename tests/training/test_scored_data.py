"""Images with human scores: what cannot be read is told with what there is to do, or left out."""

import pandas as pd
import pytest
from PIL import Image

from rankiqa.config import ScoredDataConfig
from rankiqa.errors import InputError
from rankiqa.training.scored_data import open_scores, options_called


@pytest.fixture
def labels(tmp_path):
    """Four images, two of them cut short."""
    for name in "abcd":
        Image.new("RGB", (20, 20), (ord(name), 0, 0)).save(tmp_path / f"{name}.png")
    for name in "bc":
        (tmp_path / f"{name}.png").write_bytes((tmp_path / f"{name}.png").read_bytes()[:50])
    pd.DataFrame({"name": [f"{name}.png" for name in "abcd"], "mos": range(4)}).to_csv(tmp_path / "l.csv", index=False)
    return tmp_path / "l.csv"


def test_images_that_cannot_be_read_are_counted_and_may_be_left_out(labels, capsys):
    with pytest.raises(InputError, match=r"b\.png: .* \(and 1 more\); .*go on without them \(.*missing=record\)"):
        open_scores("csv", str(labels.parent), ScoredDataConfig(), str(labels))
    dataset, photos = open_scores("csv", str(labels.parent), ScoredDataConfig(missing="record"), str(labels))
    assert list(dataset.table["path"]) == list(photos) == ["a.png", "d.png"]
    warning = capsys.readouterr().err.strip()
    assert warning.startswith("warning: left out 2 images, the first: b.png: ") and "\n" not in warning


def test_an_option_is_called_by_the_setting_that_gives_it_here():
    with pytest.raises(InputError) as caught, options_called({"labels": "data", "root": "images"}):
        raise InputError("no such file", path="x.csv", cure="give one", options=("labels=FILE", "root", "convert=True"))
    assert caught.value.options == ("data=FILE", "images", "convert=True") and caught.value.path == "x.csv"
