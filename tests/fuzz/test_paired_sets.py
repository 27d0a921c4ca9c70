"""Damaged label files of the data sets of pairs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankiqa.datasets.paired import open_paired_set
from rankiqa.errors import InputError
from tests.datasets import layouts
from tests.fuzz.damage import damaged, damaged_text
from tests.fuzz.harness import tries


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for make in (layouts.pieapp, layouts.bapps):
        (folder / make.__name__).mkdir()
        make(folder / make.__name__)
    return folder


def judgement(values) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def check(found):
    if not isinstance(found, InputError):
        assert len(found) and found.table["share"].between(0, 1).all()
        assert all(weight > 0 for *_, weight, _ in found.answers())


TEXT = (
    "ref. image, distorted image A, distorted image B, raw preference for A, processed preference for A\n"
    "ref_7.png, distort_7_blur_inter_1.png, distort_7_blur_inter_2.png, 0.75, 0.7\n"
    "ref_7.png, distort_7_blur_inter_1.png, distort_7_blur_inter_3.png, , 0.6\n"
)


@tries(700)
@given(damaged_text([TEXT], ","), st.sampled_from(("error", "record")))
def test_pieapps_labels(trial, roots, data, missing):
    (roots / "pieapp" / "labels" / "train" / "ref_7_pairwise_labels.csv").write_bytes(data)
    check(trial(open_paired_set, "pieapp", roots / "pieapp", missing=missing))


@tries(700)
@given(damaged([judgement(np.array([share], kind)) for share in (0, 0.2, 1) for kind in ("f4", "f8")]))
def test_bappss_judgements(trial, roots, data):
    (roots / "bapps" / "2afc" / "train" / "mix" / "judge" / "000001.npy").write_bytes(data)
    check(trial(open_paired_set, "bapps", roots / "bapps"))
