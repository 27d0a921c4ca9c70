"""Damaged label files of every data set."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankiqa.datasets.registry import open_dataset
from rankiqa.errors import InputError
from tests.datasets.layouts import LAYOUTS
from tests.fuzz.damage import damaged, damaged_text
from tests.fuzz.harness import tries

# Data set → label file, and what stands between its cells.
TEXTS = {
    ("tid2013", "mos_with_names.txt"): None,
    ("kadid10k", "dmos.csv"): ",",
    ("ava", "AVA.txt"): None,
    ("ava", "aesthetics_image_lists/generic_test.jpgl"): None,
    ("biq2021", "Train (Images and MOS).csv"): ",",
    ("koniq10k", "koniq10k_distributions_sets.csv"): ",",
    ("flive", "labels=640_padded.csv"): ",",
    ("flive_patches", "labels_patch.csv"): ",",
    ("tid2008", "mos_with_names.txt"): None,
    ("pipal", "Train_Label/A0248.txt"): ",",
    ("agiqa3k", "data.csv"): ",",
    ("csiq", "csiq.DMOS.csv"): ",",
    ("csiq", "csiq_label.txt"): None,
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """A small copy of every data set; without CSIQ's Excel file its text files are read."""
    folder = tmp_path_factory.mktemp("sets")
    for name, make in LAYOUTS.items():
        (folder / name).mkdir()
        make(folder / name)
    (folder / "csiq" / "csiq.DMOS.xlsx").rename(folder / "csiq.xlsx")
    for name in LAYOUTS:
        if name != "csiq":
            open_dataset(name, folder / name)
    return folder


def sample(name: str, file: str, roots) -> str:
    if file == "csiq.DMOS.csv":
        return "image,dst_idx,dst_type,dst_lev,dmos_std,dmos\n1600,1,noise,1,0.1,0.06\nswarm,5,jpeg,5,0.1,0.4\n"
    if file == "csiq_label.txt":
        return "1600.AWGN.1.png 0.062\nswarm.JPEG.5 0.4\n"
    return (roots / name / file).read_bytes().decode()


def check(found):
    if not isinstance(found, InputError):
        assert len(found) and np.isfinite(found.table["score"]).all()
        assert all(file.is_relative_to(found.root) and file.is_file() for file in found.table["file"])


@pytest.mark.parametrize(("name", "file"), TEXTS)
def test_text_files(name, file, trial, roots):
    target, text = roots / name / file, sample(name, file, roots)

    @tries(700)
    @given(damaged_text([text], TEXTS[name, file]), st.sampled_from(("error", "record")))
    def run(data, missing):
        target.write_bytes(data)
        check(trial(open_dataset, name, roots / name, missing=missing))

    try:
        run()
    finally:
        if name == "csiq":
            target.unlink()
        else:
            target.write_bytes(text.encode())


CSV = [
    "name,mos,type,reference,split\nref/1.bmp,1.5,GB,r1,train\nref/2.bmp,2.5,GB,r2,test\n",
    "Path;dmos\n".replace(";", ",") + "ref/1.bmp,1\nref/2.bmp,3\n",
    "file_name label\nref/1.bmp 3\nref/2.bmp 4\n",
    "image,score,group\nref/1.bmp,1e5,a\nref/2.bmp,-3,b\n",
    "name,"
    + ",".join(f"vote{k}" for k in range(1, 11))
    + "\nref/1.bmp"
    + ",3" * 10
    + "\nref/2.bmp"
    + ",0,7" * 5
    + "\n",
]


@tries(2000)
@given(damaged_text(CSV), st.sampled_from((None, "higher", "lower")), st.sampled_from(("error", "record")))
def test_csv_files_of_ones_own(trial, roots, data, direction, missing):
    images = roots / "own"
    (images / "ref").mkdir(parents=True, exist_ok=True)
    for k in (1, 2):
        (images / "ref" / f"{k}.bmp").touch()
    (roots / "own.csv").write_bytes(data)
    check(trial(open_dataset, "csv", images, labels=roots / "own.csv", direction=direction, missing=missing))


def matlab(compressed: bool) -> list[bytes]:
    from scipy.io import savemat

    names = np.empty((1, 15), dtype=object)
    names[0] = [f"{'bikes' if k % 2 else 'lighthouse'}.bmp" for k in range(15)]
    scores = {"dmos": np.arange(15.0)[None] * 5, "orgs": np.arange(15)[None] % 3 == 2}
    files = []
    for values in (scores, {"refnames_all": names}, {"dmos_new": names, "orgs": {"a": 1}, "refnames_all": 1j}):
        buffer = io.BytesIO()
        savemat(buffer, values, do_compression=compressed)
        files.append(buffer.getvalue())
    return files


PLAIN, PACKED = matlab(False), matlab(True)


@st.composite
def damaged_matlab(draw) -> bytes:
    """A file damaged from outside, or inside of its compressed elements."""
    if draw(st.booleans()):
        return draw(damaged(PLAIN + PACKED))
    packed = zlib.compress(draw(damaged([file[128:] for file in PLAIN])))
    return PLAIN[0][:128] + struct.pack("<II", 15, len(packed)) + packed


@tries(2000)
@given(damaged_matlab(), st.sampled_from(("dmos.mat", "refnames_all.mat", "dmos_realigned.mat")))
def test_matlab_files(trial, roots, data, file):
    target = roots / "live" / file
    before = target.read_bytes()
    target.write_bytes(data)
    try:
        check(trial(open_dataset, "live", roots / "live"))
    finally:
        target.write_bytes(before)


@st.composite
def damaged_excel(draw, data: bytes) -> bytes:
    """A file damaged from outside, or one of its parts damaged and packed anew."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged([data]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        parts = {name: old.read(name) for name in old.namelist()}
        name = draw(st.sampled_from(sorted(parts)))
        if draw(st.booleans()):
            parts[name] = draw(damaged([parts[name]]))
        else:
            parts[name] = draw(damaged_text([parts[name].decode()], '"'))
        for key, part in parts.items():
            if draw(st.integers(0, 40)):
                new.writestr(key, part)
    return buffer.getvalue()


@tries(700)
@given(st.data())
def test_excel_files(trial, roots, data):
    target = roots / "csiq" / "csiq.DMOS.xlsx"
    target.write_bytes(data.draw(damaged_excel((roots / "csiq.xlsx").read_bytes())))
    try:
        check(trial(open_dataset, "csiq", roots / "csiq", missing="record"))
    finally:
        target.unlink()
