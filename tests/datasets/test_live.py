"""Faults of LIVE's MATLAB files."""

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from rankiqa.datasets.registry import open_dataset
from rankiqa.errors import InputError
from tests.datasets import layouts


@pytest.fixture
def root(tmp_path):
    layouts.live(tmp_path)
    return tmp_path


def rewrite(file, **changes):
    found = {key: value for key, value in loadmat(file).items() if not key.startswith("__")} | changes
    savemat(file, {key: value for key, value in found.items() if value is not None})


def test_a_score_that_is_no_number_is_named_by_its_place_and_image(root):
    scores = loadmat(root / "dmos_realigned.mat")["dmos_new"]
    scores[0, 4] = np.nan
    rewrite(root / "dmos_realigned.mat", dmos_new=scores)
    with pytest.raises(InputError, match=r"dmos_realigned\.mat: number 5, the DMOS of jpeg/img2\.bmp, is nan"):
        open_dataset("live", root)


def test_files_of_other_lengths_are_refused(root):
    names = loadmat(root / "refnames_all.mat")["refnames_all"]
    rewrite(root / "refnames_all.mat", refnames_all=names[:, :-1])
    with pytest.raises(InputError, match=r"15 scores and 15 orgs, but refnames_all\.mat has 14 names"):
        open_dataset("live", root)


def test_a_variable_of_another_name_is_refused(root):
    rewrite(root / "dmos_realigned.mat", dmos_new=None, dmos=np.zeros((1, 15)))
    with pytest.raises(InputError, match=r"dmos_realigned\.mat: no variable dmos_new, only .*dmos"):
        open_dataset("live", root)


def test_a_missing_image_is_named_or_recorded(root):
    (root / "wn" / "img1.bmp").unlink()
    with pytest.raises(InputError, match=r"1 of 15 images are not in .*, the first is wn/img1\.bmp"):
        open_dataset("live", root)
    rest = open_dataset("live", root, missing="record")
    assert [entry["path"] for entry in rest.left_out] == ["wn/img1.bmp"]
    # The images after it keep their own scores.
    scores = dict(zip(rest.table["path"], rest.table["score"], strict=True))
    assert scores["wn/img2.bmp"] == pytest.approx((20.5 * 2 + 2) * 1.1 - 2)
