"""Curves of a run: a panel for each measure, however many types there are."""

import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.training.curves import MOST_NAMED, write_curves


def run_of(folder, types):
    pd.DataFrame({"step": range(30), "loss": np.linspace(2, 1, 30), "ordered": 0.7}).to_csv(folder / "log.csv")
    names = [*(f"T{k}" for k in range(types)), "ALL"]
    rows = [(step, name, step / 30) for step in (10, 20) for name in names]
    pd.DataFrame(rows, columns=["step", "distortion", "srocc"]).to_csv(folder / "val.csv")
    return folder


@pytest.mark.parametrize("types", [4, MOST_NAMED + 40])
def test_panels_have_room(tmp_path, types):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns when a legend leaves no room for the axes
        path = write_curves(run_of(tmp_path, types))
    assert path == tmp_path / "curves.png"
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.std() > 10


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no log\.csv in it"):
        write_curves(tmp_path)
