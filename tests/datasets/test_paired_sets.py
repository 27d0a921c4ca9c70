"""Data sets of pairs, read from small copies of their layouts: PieAPP, BAPPS."""

import numpy as np
import pytest
from PIL import Image

from rankiqa.cli import main
from rankiqa.datasets.paired import PAIRED_SETS, open_paired_set
from rankiqa.datasets.pairs import pairs_text, read_pairs
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.verify import verify_dataset
from rankiqa.errors import InputError
from tests.datasets import layouts

LABELS = "labels/train/ref_7_pairwise_labels.csv"


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def name_of(path):
    return path.split("/")[-1]


def test_pieapp(root):
    shares = layouts.pieapp(root)
    dataset = open_paired_set("pieapp", root)
    table = dataset.table
    pairs = zip(table["first"].map(name_of), table["second"].map(name_of), strict=True)
    assert dict(zip(pairs, 1 - table["share"], strict=True)) == pytest.approx(shares)  # theirs is the first's
    assert list(table["part"]) == ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    assert table["votes"].isna().tolist() == [False, True, False] * 3 + [False] * 3  # one was estimated
    assert set(table["votes"].dropna()) == {40}
    assert table["reference"].nunique() == table["group"].nunique() == 4
    assert table["first"].iloc[-3] == table["reference"].iloc[-3] == "reference_images/test/ref_5.png"
    assert all(file.is_file() for file in dataset.files.values())
    assert len(dataset.files) == 4 * 4 - 1  # of the test reference two images and itself


def test_bapps(root):
    shares = layouts.bapps(root)
    dataset = open_paired_set("bapps", root)
    table = dataset.table
    assert dict(zip(table["first"], table["share"], strict=True)) == pytest.approx(shares)
    assert list(table["second"]) == [path.replace("/p0/", "/p1/") for path in table["first"]]
    assert list(table["reference"]) == [path.replace("/p0/", "/ref/") for path in table["first"]]
    assert list(table["distortion"]) == ["mix", "mix", "cnn", "superres"]
    assert list(table["votes"]) == [2, 2, 5, 5]
    inner = open_paired_set("bapps", root / "2afc").table
    assert list(inner["share"]) == list(table["share"])


@pytest.mark.parametrize("name", list(PAIRED_SETS))
def test_a_share_is_two_answers_with_its_weights(name, root):
    getattr(layouts, name)(root)
    dataset = open_paired_set(name, root)
    expected = []
    for row in dataset.table.itertuples():
        if row.share == 0.5:
            expected.append((row.first, row.second, 1.0, True))
        else:
            both = [(row.second, row.first, row.share, False), (row.first, row.second, 1 - row.share, False)]
            expected += [answer for answer in both if answer[2]]
    assert list(dataset.answers()) == expected
    assert sum(weight for *_, weight, _ in expected) == pytest.approx(len(dataset))
    pairs = dataset.pairs()
    assert pairs.weight.sum() == pytest.approx(len(dataset)) and pairs.votes == len(dataset)
    for row in dataset.table.itertuples():  # what they say of the two images is the share again
        one, other = pairs.photos.index(row.first), pairs.photos.index(row.second)
        better = pairs.weight[(pairs.better == other) & (pairs.worse == one)].sum()
        assert better == pytest.approx(row.share)
    (root / "pairs.csv").write_text(pairs_text(pairs))
    again = read_pairs(root / "pairs.csv", root)
    assert again.photos == pairs.photos and again.weight == pytest.approx(pairs.weight)
    some = dataset.part("train")
    assert set(some.table["part"]) == {"train"} and len(some) < len(dataset)
    with pytest.raises(InputError, match=f"no pair of {name} is left"):
        dataset.part("other")


@pytest.mark.parametrize("name", list(PAIRED_SETS))
def test_pairs_whose_images_are_not_there(name, root):
    getattr(layouts, name)(root)
    dataset = open_paired_set(name, root)
    gone = dataset.table["second"].iloc[0]
    lost = (dataset.table[["first", "second"]] == gone).any(axis=1).sum()
    (root / gone).unlink()
    with pytest.raises(
        InputError, match=f"1 images of its pairs are not in .*, the first is {gone}; complete the data"
    ):
        open_paired_set(name, root)
    rest = open_paired_set(name, root, missing="record")
    assert len(rest) == len(dataset) - lost
    assert [(left["path"], left["part"]) for left in rest.left_out] == [(gone, "train")] * lost
    (root / dataset.table["reference"].iloc[-1]).unlink()  # of the last: it says which is better all the same
    missing = {problem.path for problem in verify_dataset(name, root).problems if problem.kind == "missing"}
    assert gone in missing and dataset.table["reference"].iloc[-1] in missing
    assert all(len(file.parts) for file in rest.files.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", 1.0, 0.25", ", much, 0.25", r"line 2: the preference for distort_7_blur_inter_1\.png is much"),
        (", 1.0, 0.25", ", 1.5, 0.25", r"line 2: the preference for \S+ is 1\.5, not from 0 to 1"),
        (", 1.0, 0.25", ", 1.0", "line 2: 4 cells, but the header has 5"),
        ("blur_inter_3", "blur_inter_2", r"line 3: \S+ and \S+ are there twice, first in line 2"),
        (" preference", " liking", "the columns must be a reference, two images and the preference for A, not ref"),
    ],
)
def test_a_fault_of_pieapps_files_names_the_line(old, new, message, root):
    layouts.pieapp(root)
    text = (root / LABELS).read_text()
    count = -1 if "liking" in new else 1
    (root / LABELS).write_text(text.replace(old, new, count))
    with pytest.raises(InputError, match=message) as caught:
        open_paired_set("pieapp", root)
    assert LABELS in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pair_of_which_nothing_is_known_is_no_fault(root):
    layouts.pieapp(root)
    text = (root / LABELS).read_text()
    (root / LABELS).write_text(text.replace(", 1.0, 0.25", ", ,"))
    dataset = open_paired_set("pieapp", root)
    assert len(dataset) == 11
    assert [left["reason"] for left in dataset.left_out] == ["nobody was asked, and nothing was estimated"]
    assert not [p for p in verify_dataset("pieapp", root).problems if p.kind == "missing"]


@pytest.mark.parametrize(
    "write",
    [
        lambda file: file.write_bytes(file.read_bytes()[:40]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\x80\x04\x95\n."),
        lambda file: np.save(file, np.array([{}], object), allow_pickle=True),
        lambda file: np.save(file, np.zeros(3)),
        lambda file: file.write_bytes(b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': "
                                      b"(9999999999,), }  \n" + b"0" * 8),
        lambda file: np.save(file, np.array([np.nan])),
        lambda file: np.save(file, np.array([2.0])),
    ],
    ids=["cut", "empty", "pickle", "object", "three", "huge", "NaN", "two"],
)  # fmt: skip
def test_a_damaged_judgement_of_bapps_is_named(write, root):
    layouts.bapps(root)
    write(root / "2afc" / "val" / "cnn" / "judge" / "000000.npy")
    with pytest.raises(InputError, match=r"2afc/val/cnn/judge/000000\.npy: .*judgement.*; copy it again") as caught:
        open_paired_set("bapps", root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", list(PAIRED_SETS))
def test_verify_tells_whether_the_pairs_are_all_there(name, root, capsys, monkeypatch):
    getattr(layouts, name)(root)
    info, table = PAIRED_SETS[name], open_paired_set(name, root).table
    assert main(["verify", name, "--root", str(root)]) == 2
    out = capsys.readouterr().out
    assert (
        f"count: the labels of the part train list {(table['part'] == 'train').sum()} pairs, the whole data set" in out
    )
    assert "surplus" not in out.replace("surplus: distorted_images/test/ref_5/distort_5_blur_inter_1.png", "")
    counts = table["part"].value_counts().to_dict()
    few = type(info)(info.read, info.title, counts, 4 if info.references else None, info.aside)
    monkeypatch.setitem(PAIRED_SETS, name, few)
    assert main(["verify", name, "--root", str(root)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{name}: {len(table)} of {len(table)} pairs; ")
    assert ("3 shares estimated" in out) == (name == "pieapp")
    assert out.endswith("the data set is whole\n")
    with Image.open(root / table["second"].iloc[0]) as image:
        image.convert("L").save(root / table["second"].iloc[0])
    (root / table["first"].iloc[0]).write_bytes(b"no image")
    assert main(["verify", name, "--root", str(root)]) == 2
    out = capsys.readouterr().out
    assert f"conversion: {table['second'].iloc[0]}" in out and f"damaged: {table['first'].iloc[0]}" in out


def test_patches_that_are_small_by_nature_are_told_once(root):
    layouts.bapps(root)
    files = sorted((root / "2afc").rglob("*.png"))
    for file in files:
        with Image.open(file) as image:
            image.resize((64, 64)).save(file)
    with Image.open(files[0]) as image:
        image.crop((0, 0, 64, 40)).save(files[0])
    found = verify_dataset("bapps", root)
    assert "12 images of 64×64 px, smaller than usual crops" in found.summary
    small = [problem for problem in found.problems if problem.kind == "small"]
    assert [(root / path, what) for _, path, what in small] == [(files[0], "64×40 px, smaller than the 64 of its set")]


def test_what_cannot_be_opened(root, tmp_path):
    for name in PAIRED_SETS:
        with pytest.raises(InputError, match="no such file; give the folder of the data set"):
            open_paired_set(name, root)
        with pytest.raises(InputError, match=f"{name} has pairs of images and no scores; with scores: tid2013, live"):
            open_dataset(name, root)
        with pytest.raises(InputError, match="direction is for the data set csv"):
            verify_dataset(name, root, direction="higher")
        with pytest.raises(InputError, match="no such folder"):
            open_paired_set(name, root / "gone")
    with pytest.raises(InputError, match="unknown 'live'; of pairs there are pieapp, bapps"):
        open_paired_set("live", root)
    with pytest.raises(InputError, match="missing must be error or record"):
        open_paired_set("bapps", root, missing="skip")
    layouts.bapps(root)
    for folder in (tmp_path, root / "2afc" / "val"):
        with pytest.raises(InputError) as caught:
            open_paired_set("bapps", folder)
        assert caught.value.cure == f"give {root}"
    layouts.pieapp(root)
    for folder in (tmp_path, root / "labels"):
        with pytest.raises(InputError) as caught:
            open_paired_set("pieapp", folder)
        assert caught.value.cure == f"give {root}"
