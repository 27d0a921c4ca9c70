from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rankiqa.datasets.leakage import check_leakage, seen_in_test
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split, make_split, read_split, write_split
from rankiqa.errors import InputError
from rankiqa.images.photos import pixels_sha256, read_photos
from rankiqa.images.reading import read_image
from tests.datasets import layouts


def scored(references, groups, splits=None, root="/data", files=None, distortions=None, pristine=None):
    n = len(groups)
    files = files or [f"{k}.png" for k in range(n)]
    table = pd.DataFrame(
        {
            "path": files,
            "file": [Path(root) / file for file in files],
            "reference": references,
            "group": groups,
            "distortion": distortions or [""] * n,
            "level": pd.array([pd.NA] * n, dtype="Int64"),
            "score": np.arange(n, dtype=float),
        }
    )
    splits = {
        name: {file: part for file, part in zip(files, parts.split(), strict=True) if part != "-"}
        for name, parts in (splits or {}).items()
    }
    return ScoredSet("toy", Path(root), (0, n), True, table, references=pristine or {}, splits=splits)


def split_of(parts, groups, name="file"):
    return Split(name, tuple("" if part == "-" else part for part in parts.split()), None, None, tuple(groups))


def test_no_drawn_split_leaks_and_any_row_moved_out_of_its_group_is_found():
    rng = np.random.default_rng(0)
    for seed in range(40):
        groups = [f"g{k}" for k in rng.integers(0, 8, 40)]
        dataset = scored(groups if seed % 2 else [""] * 40, groups)
        split = make_split(dataset, seed=seed, val_fraction=0.3)
        assert check_leakage(dataset, split) == []
        row = int(rng.integers(40))
        if groups.count(groups[row]) == 1:
            continue
        other = rng.choice([part for part in ("train", "val", "test") if part != split.parts[row]])
        parts = (*split.parts[:row], str(other), *split.parts[row + 1 :])
        kind = "reference" if seed % 2 else "group"
        with pytest.raises(InputError, match=f"1 {kind} is in two parts, the first is {groups[row]} in"):
            check_leakage(dataset, replace(split, parts=parts))
        nowhere = (*split.parts[:row], "", *split.parts[row + 1 :])
        assert check_leakage(dataset, replace(split, parts=nowhere)) == []


@pytest.mark.parametrize(
    ("parts", "both"),
    [("train - test -", "train and test"), ("val - test -", "val and test"), ("train - val -", "train and val")],
)
def test_between_any_two_parts(parts, both):
    dataset = scored(["r", "s", "r", "s"], ["", "", "", ""])
    with pytest.raises(InputError, match=f"toy: 1 reference is in two parts, the first is r in {both}; keep each"):
        check_leakage(dataset, split_of(parts, "abcd"))  # whatever groups the file claims
    dataset = scored([""] * 4, ["r", "s", "r", "s"])
    with pytest.raises(InputError, match=f"1 group is in two parts, the first is r in {both}"):
        check_leakage(dataset, split_of(parts, "abcd"))
    dataset = scored([""] * 4, [""] * 4)
    with pytest.raises(InputError, match=f"1 group is in two parts, the first is r in {both}"):
        check_leakage(dataset, split_of(parts, "rsrs"))


def test_how_many_are_counted():
    dataset = scored([""] * 6, list("abcabc"))
    with pytest.raises(InputError, match="2 groups are in two parts, the first is a in train and test"):
        check_leakage(dataset, split_of("train train train test test train", "abcabc"))


def test_a_published_list_may_share_scenes_but_no_references(tmp_path):
    splits = {"official": "train train train train test test -"}
    groups = ["a", "a", "b", "c", "b", "c", "c"]
    dataset = scored([""] * 7, groups, splits)
    split = make_split(dataset, "official")
    (line,) = check_leakage(dataset, split)
    assert "split official of toy: 2 groups are in two parts, the first is b in train and test: the published" in line
    # the same list with a part for validation, from a file, is no other list
    with_val = make_split(dataset, "official", val_fraction=0.4, seed=1)
    assert with_val.count("val")
    write_split(with_val, dataset, tmp_path / "split.csv")
    (line,) = check_leakage(dataset, read_split(tmp_path / "split.csv", dataset))
    assert "2 groups" in line and "val" not in line.partition(":")[0]

    val_divides = Split("official", ("train", "val", *split.parts[2:]), None, None, split.groups)
    with pytest.raises(InputError, match="the first is a in train and val"):
        check_leakage(dataset, val_divides)
    other = Split("official", ("test", *split.parts[1:]), None, None, split.groups)  # in spite of its name
    with pytest.raises(InputError, match="3 groups are in two parts"):
        check_leakage(dataset, other)
    dataset = scored(groups, [""] * 7, splits)
    with pytest.raises(InputError, match="2 references are in two parts, the first is b in train and test"):
        check_leakage(dataset, make_split(dataset, "official"))


@pytest.fixture
def pictures(photos, tmp_path):
    """Four small photos; b.bmp holds the pixels of a.png."""
    for file, name in (("a.png", "astronaut"), ("b.bmp", "astronaut"), ("c.png", "coffee"), ("d.png", "chelsea")):
        Image.fromarray(photos[f"{name}.png"][:60, :80]).save(tmp_path / file)
    return tmp_path


FILES = ["a.png", "b.bmp", "c.png", "d.png"]


def test_the_same_picture_in_two_parts(pictures):
    def check(dataset, parts, name="file"):
        photos = read_photos(dict(zip(FILES, dataset.table["file"], strict=True)))
        return check_leakage(dataset, split_of(parts, "wxyz", name), photos=photos)

    bare = scored([""] * 4, list("wxyz"), {"official": "train test train test"}, pictures, FILES)
    assert check(bare, "train train test test") == check(bare, "train - test test") == []
    for parts, both in (
        ("train test val val", r"a.png \(train\) and b.bmp \(test\)"),
        ("val train test test", r"b.bmp \(train\) and a.png \(val\)"),
        ("test val train train", r"b.bmp \(val\) and a.png \(test\)"),
    ):
        with pytest.raises(InputError, match=f"1 picture is in two parts with the same pixels, the first as {both}"):
            check(bare, parts)
    Image.open(pictures / "a.png").save(pictures / "c.png")  # a third copy
    with pytest.raises(InputError, match=r"the first as c.png \(train\) and b.bmp \(test\)"):
        check(bare, "- test train train")
    assert check(bare, "- test test train") == []
    (line,) = check(bare, "train test train test")  # the published list
    assert "1 picture is in two parts with the same pixels, the first as a.png (train) and b.bmp (test)" in line
    referenced = replace(bare, table=bare.table.assign(reference=list("wxyz")))
    with pytest.raises(InputError, match="1 picture is in two parts"):
        check(referenced, "train test train test")


def test_what_the_ranking_stage_learned_from_is_not_tested_on(pictures, photos):
    trained = {pixels_sha256(read_image(pictures / "a.png")): "train/kodim23.png"}
    for name in ("w", "x"):
        Image.fromarray(photos["rocket.jpg"][:40, :50]).save(pictures / f"{name}.bmp")
    references = {"W": pictures / "b.bmp", "X": pictures / "x.bmp", "Y": pictures / "absent.bmp"}
    images = ["w.bmp", "x.bmp", "c.png", "d.png"]
    dataset = scored(["W", "X", "Y", "Z"], list("WXYZ"), root=pictures, files=images, pristine=references)
    # the reference in another kind of file, and of the test part alone
    with pytest.raises(InputError, match=r"split file: 1 of the test references .* is W \(there train/kodim23.png\)"):
        check_leakage(dataset, split_of("test test train train", "WXYZ"), trained_photos=trained)
    assert check_leakage(dataset, split_of("train test val -", "WXYZ"), trained_photos=trained) == []
    assert check_leakage(dataset, split_of("test test train train", "WXYZ")) == []
    assert check_leakage(dataset, split_of("test test train train", "WXYZ"), trained_photos={"0" * 64: "x"}) == []
    # what cannot be looked at is said
    (line,) = check_leakage(dataset, split_of("train test test test", "WXYZ"), trained_photos=trained)
    assert "2 of 3 test references cannot be read, the first is Y" in line


def test_test_images_are_compared_with_the_training_photos_too(pictures):
    trained = {pixels_sha256(read_image(pictures / "a.png")): "p.png"}
    bare = scored([""] * 4, list("wxyz"), root=pictures, files=FILES)
    found = read_photos(dict(zip(FILES, bare.table["file"], strict=True)))
    with pytest.raises(InputError, match=r"1 of the test images .* is b.bmp \(there p.png\)"):
        check_leakage(bare, split_of("- test train train", "wxyz"), photos=found, trained_photos=trained)
    assert check_leakage(bare, split_of("train train test test", "wxyz"), photos=found, trained_photos=trained) == []
    # an undistorted copy stands in for its reference, and is read without being given
    copies = scored(
        ["W", "X", "Y", "Y"], ["W", "X", "Y", "Y"], root=pictures, files=FILES, distortions=["GB", *["pristine"] * 3]
    )
    with pytest.raises(InputError, match=r"1 of the test images .* is b.bmp \(there p.png\)"):
        check_leakage(copies, split_of("train test test test", "WXYY"), trained_photos=trained)
    assert check_leakage(copies, split_of("train train test test", "WXYY"), trained_photos=trained) == []


def test_messages_are_one_line(pictures):
    dataset = scored(["r", "r"], ["r", "r"])
    with pytest.raises(InputError) as raised:
        check_leakage(dataset, split_of("train test", "rr", "random"))
    assert "\n" not in str(raised.value) and str(raised.value).startswith("split random of toy: 1 reference")


def test_test_images_whose_scores_a_model_learned_from_are_listed():
    dataset = scored([""] * 5, ["a", "a", "b", "b", "c"])
    split = split_of("train test test test test", ["a", "a", "b", "b", "c"])
    learned = {"dataset": "toy", "paths": ["0.png", "2.png"], "groups": ["a", "b"]}
    assert seen_in_test(learned, dataset, split) == ["2.png"]
    assert seen_in_test(learned, dataset, split, groups=True) == ["1.png", "2.png", "3.png"]
    of_another = {"dataset": "other", "paths": ["4.png"], "earlier": [{"dataset": "toy", "paths": ["4.png"]}]}
    assert seen_in_test(of_another, dataset, split) == ["4.png"]
    assert seen_in_test(None, dataset, split, groups=True) == []


def test_of_a_split_that_was_learned_from_the_test_part_alone_is_new(tmp_path):
    layouts.biq2021(tmp_path / "whole")
    dataset = open_dataset("biq2021", tmp_path / "whole")
    tuned = {"dataset": "biq2021", "split": "official"}
    everything = make_split(dataset, "all")
    listed = {path for path, part in dataset.splits["official"].items() if part == "train"}
    assert set(seen_in_test(tuned, dataset, everything)) == listed != set(dataset.table["path"])
    assert seen_in_test(tuned, dataset, make_split(dataset, "official")) == []
    assert seen_in_test(tuned | {"dataset": "live"}, dataset, everything) == []


def test_of_a_part_of_a_database_no_photo_is_known_to_be_new(tmp_path):
    (tmp_path / "images").mkdir()
    rows = []
    for k, part in enumerate(("train", "train", "val", "test")):
        Image.new("RGB", (8, 8), (k, 0, 0)).save(tmp_path / "images" / f"{k}.png")
        rows.append(f"{k}.png,0.{k},{part},")
    (tmp_path / "labels.csv").write_text("\n".join(["name,mos,split,block", *rows]) + "\n")
    dataset = open_dataset("biq2021", tmp_path)
    found = seen_in_test({"dataset": "biq2021", "split": "official"}, dataset, make_split(dataset, "official"))
    assert found == ["images/2.png", "images/3.png"]


@pytest.mark.parametrize(("learned", "tested"), [("tid2008", "tid2013"), ("tid2013", "tid2008")])
def test_what_learned_from_references_of_tid2008_is_not_tested_on_them_in_tid2013(tmp_path, learned, tested):
    dataset = replace(scored(["I01", "I01", "I02", "I03"], ["I01", "I01", "I02", "I03"]), name=tested)
    split = split_of("test test test train", ["I01", "I01", "I02", "I03"])
    entry = {"dataset": learned, "paths": ["2.png"], "groups": ["I01"]}
    for groups in (False, True):
        assert seen_in_test(entry, dataset, split, groups=groups) == ["0.png", "1.png", "2.png"]
        assert seen_in_test(entry | {"paths": [], "groups": ["I03"]}, dataset, split, groups=groups) == []
        assert seen_in_test({"dataset": "live", "earlier": [entry]}, dataset, split, groups=groups)[0] == "0.png"
    # No other set is kin, whatever its references are called.
    assert seen_in_test(entry | {"dataset": "kadid10k"}, dataset, split, groups=True) == []
    assert seen_in_test(entry, replace(dataset, name="kadid10k"), split, groups=True) == []
