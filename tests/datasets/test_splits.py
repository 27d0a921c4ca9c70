import csv
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split, groups_of, make_split, read_split, write_split
from rankiqa.errors import InputError

SIZES = (1, 2, 3, 5, 8, 1, 4, 6, 2, 9)  # images of each reference


def scored(references, groups=None, root="/data", splits=None, paths=None):
    n = len(references)
    paths = paths or [f"img/{k}.png" for k in range(n)]
    table = pd.DataFrame(
        {
            "path": paths,
            "file": [Path(root) / path for path in paths],
            "reference": references,
            "group": groups or [""] * n,
            "distortion": ["GB"] * n,
            "level": pd.array([pd.NA] * n, dtype="Int64"),
            "score": np.arange(n, dtype=float),
        }
    )
    return ScoredSet("toy", Path(root), (0, n), True, table, splits=splits or {})


@pytest.fixture
def dataset():
    references = [f"R{k}" for k, size in enumerate(SIZES) for _ in range(size)]
    return scored(references, splits={"paper": {"img/0.png": "train", "img/1.png": "test", "img/2.png": "test"}})


def test_a_drawn_split_divides_no_group_and_has_the_shares_asked_for(dataset):
    for seed in range(60):
        fraction, val = 0.05 + 0.75 * (seed / 60), 0.4 * (seed % 2)
        split = make_split(dataset, seed=seed, test_fraction=fraction, val_fraction=val)
        owner = {}
        for group, part in zip(split.groups, split.parts, strict=True):
            assert owner.setdefault(group, part) == part
        groups = Counter(owner.values())
        test = max(round(fraction * 10), 1)
        assert groups["test"] == test
        assert groups["val"] == (0 if not val else min(max(round(val * (10 - test)), 1), 10 - test - 1))
        assert sum(groups.values()) == 10 and groups["train"] >= 1
        assert (
            split.count("test")
            == split.mask("test").sum()
            == sum(split.groups.count(g) for g in owner if owner[g] == "test")
        )
        assert (split.seed, split.repeat, split.name) == (seed, 0, "random")
        assert split.groups == tuple(dataset.table["reference"])


def test_groups_are_drawn_not_images():
    # one reference has 900 of 904 images; drawn by groups it is tested on in one fifth of the splits
    dataset = scored(["big"] * 900 + ["a", "b", "c", "d"])
    hits = sum(make_split(dataset, seed=seed).count("test") == 900 for seed in range(300))
    assert 36 <= hits <= 84  # 60 ± 3.5 standard deviations
    assert {make_split(dataset, seed=seed).count("test") for seed in range(50)} == {1, 900}


def test_every_repeat_is_an_independent_draw(dataset):
    def tested(**options):
        split = make_split(dataset, test_fraction=0.5, **options)
        return frozenset(g for g, part in zip(split.groups, split.parts, strict=True) if part == "test")

    draws = [tested(seed=3, repeat=k) for k in range(400)]
    # each of the 252 choices of 5 in 10 comes equally often, so that this many distinct ones are expected
    assert abs(len(set(draws)) - 252 * (1 - (251 / 252) ** 400)) < 25
    counts = Counter(g for draw in draws for g in draw)
    assert all(abs(counts[f"R{k}"] - 200) < 40 for k in range(10))  # 4 standard deviations
    # the overlap of two successive draws is hypergeometric: 2.5 on average, standard deviation 0.83
    overlap = np.mean([len(a & b) for a, b in pairwise(draws)])
    assert abs(overlap - 2.5) < 4 * 0.833 / np.sqrt(399)
    assert tested(seed=3, repeat=7) == draws[7]  # not on what was drawn before
    assert tested(seed=4, repeat=0) != draws[1]  # a seed and its successor have no repeats in common


def test_a_draw_does_not_change_with_time_or_with_the_order_of_the_rows(dataset):
    split = make_split(dataset, seed=1, repeat=2, test_fraction=0.3, val_fraction=0.2)
    parts = dict(zip(split.groups, split.parts, strict=True))
    assert {g: p for g, p in parts.items() if p != "train"} == {"R5": "val", "R6": "test", "R7": "test", "R9": "test"}
    turned = scored(list(dataset.table["reference"])[::-1])
    again = make_split(turned, seed=1, repeat=2, test_fraction=0.3, val_fraction=0.2)
    assert dict(zip(again.groups, again.parts, strict=True)) == parts


def test_validation_takes_from_training_and_leaves_testing_as_it_was(dataset):
    for seed in range(20):
        without = make_split(dataset, seed=seed)
        split = make_split(dataset, seed=seed, val_fraction=0.01)
        assert (split.mask("test") == without.mask("test")).all()
        assert len({g for g, p in zip(split.groups, split.parts, strict=True) if p == "val"}) == 1
    published = scored(
        ["a", "a", "b", "c", "d", "d"],
        splits={"official": {f"img/{k}.png": part for k, part in enumerate(["train"] * 3 + ["test"] + ["train"])}},
    )
    split = make_split(published, "official", val_fraction=0.5, seed=5, repeat=1)
    assert split.parts[3] == "test" and split.parts[5] == "" and split.parts[0] == split.parts[1]
    # 1.5 of 3 groups (a, b and d) rounds to 2
    assert len({g for g, p in zip(split.groups, split.parts, strict=True) if p == "val"}) == 2
    assert (split.seed, split.repeat) == (5, 1)


def test_a_published_split_is_taken_as_it_is(dataset):
    split = make_split(dataset, "paper", seed=9, test_fraction=0.9)
    assert split.parts == ("train", "test", "test") + ("",) * (len(dataset) - 3)
    assert (split.name, split.seed, split.repeat) == ("paper", None, None)


def test_all_is_for_testing(dataset):
    split = make_split(dataset, "all", val_fraction=0.3)
    assert set(split.parts) == {"test"} and (split.name, split.seed) == ("all", None)
    # nothing is read: the files of this set do not exist
    assert make_split(scored([""] * 3), "all").groups == ("img/0.png", "img/1.png", "img/2.png")


def test_what_the_groups_come_from(photos, tmp_path):
    assert groups_of(scored(["a", "a", "b"], ["x", "y", "y"])) == ("x", "y", "y")
    assert groups_of(scored(["a", "a", "b"], ["x", "y", ""])) == ("a", "a", "b")
    names = ["sub/astronaut.png", "astronaut.png", "sub/coffee.png", "coffee2.png"]
    (tmp_path / "sub").mkdir()
    for name, quality in zip(names, (0, 1, 0, 1), strict=True):
        picture = Image.fromarray(photos["astronaut.png" if "astronaut" in name else "coffee.png"])
        picture.resize((200, 160)).point(lambda v, dark=quality: v * (1 - 0.3 * dark)).save(tmp_path / name)
    bare = scored([""] * 4, root=tmp_path, paths=names)
    assert groups_of(bare) == ("sub/astronaut.png",) * 2 + ("sub/coffee.png",) * 2
    split = make_split(bare, test_fraction=0.5)
    assert split.parts[0] == split.parts[1] != split.parts[2] == split.parts[3]
    # rows without a reference are compared with each other only
    mixed = scored(["r", "", "", ""], root=tmp_path, paths=names)
    assert groups_of(mixed) == ("r", "astronaut.png", "sub/coffee.png", "sub/coffee.png")
    # own groups come first
    assert make_split(bare, groups=["1", "2", "1", "2"]).groups == ("1", "2", "1", "2")


def test_a_split_comes_back_from_its_file(dataset, tmp_path):
    file = tmp_path / "runs" / "split.csv"
    split = make_split(dataset, seed=4, val_fraction=0.2)
    write_split(split, dataset, file)
    again = make_split(dataset, file, val_fraction=0.5)
    assert again == Split("file", split.parts, None, None, split.groups)
    with open(file, encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert rows[7] == {"path": "img/7.png", "group": "R3", "part": split.parts[7]} and len(rows) == len(dataset)

    odd = scored(["Ä, b", 'c"d'], paths=["ü, 1.png", 'a"b.png'])
    split = Split("random", ("test", ""), 0, 0, ("Ä, b", 'c"d'))
    write_split(split, odd, file)
    assert read_split(file, odd).groups == split.groups and read_split(file, odd).parts == split.parts


def test_rows_that_a_file_does_not_name_are_in_no_part(dataset, tmp_path):
    file = tmp_path / "split.csv"
    file.write_text("path,group,part\nimg/3.png,scene,test\nimg/1.png,R1,train\n\nimg/2.png,R1,train\n", "utf-8")
    split = read_split(file, dataset)
    assert split.parts[:5] == ("", "train", "train", "test", "") and set(split.parts[4:]) == {""}
    assert split.groups[:5] == ("R0", "R1", "R1", "scene", "R2")
    own = [str(k) for k in range(len(dataset))]
    assert make_split(dataset, file, groups=own).groups == tuple(own)
    assert make_split(dataset, file, groups=own, val_fraction=0.5).count("val") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,part\n", "line 1: the columns must be path,group,part, not path,part"),
        ("path,group,part\nimg/1.png,a,train\nimg/1.png,a,test\n", "line 3: img/1.png is there twice, first in line 2"),
        (
            "path,group,part\nimg/1.png,a,train\nimg/2.png,a,tset\n",
            "line 3: the part of img/2.png is 'tset'; it must be",
        ),
        ("path,group,part\nimg/1.png,,train\n", "line 2: img/1.png has no group"),
        ("path,group,part\nimg/1.png,a\n", "line 2: 2 cells, but the header has 3"),
        ("path,group,part\nimg/1.png,a,train\nx.png,a,test\ny.png,a,test\n", "2 of 3 images .* toy .* first is x.png"),
        ("", "empty"),
    ],
)
def test_faults_of_a_split_file_are_one_clear_line(text, message, dataset, tmp_path):
    file = tmp_path / "split.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message) as raised:
        make_split(dataset, file)
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spec": "official"}, "official: no such split of toy; there are random, all, none, paper or a file"),
        ({"test_fraction": 0.0}, "test_fraction must be above 0 and below 1, not 0"),
        ({"test_fraction": 1.0}, "test_fraction must be above 0 and below 1, not 1"),
        ({"val_fraction": 1.0}, "val_fraction must be at least 0 and below 1, not 1"),
        ({"val_fraction": -0.1}, "val_fraction must be at least 0 and below 1, not -0.1"),
        ({"groups": ["a"]}, "groups must name one for each of the 41 images of toy"),
        ({"groups": [""] * 41}, "groups must name one for each of the 41 images of toy"),
        ({"groups": ["a"] * 41}, r"toy: 1 group \(a\) is too few to take a part for test away"),
        ({"groups": ["a", "b"] * 20 + ["a"], "val_fraction": 0.1}, "1 group .* too few to take a part for val away"),
        ({"spec": "paper", "val_fraction": 0.1}, r"toy: 1 group \(R0\) is too few to take a part for val away"),
    ],
)
def test_splits_that_cannot_be(options, message, dataset):
    with pytest.raises(InputError, match=message) as raised:
        make_split(dataset, **options)
    assert "\n" not in str(raised.value)


def test_two_groups_are_enough_whatever_the_fraction():
    for fraction in (0.01, 0.5, 0.99):
        split = make_split(scored(["a", "a", "b"]), test_fraction=fraction)
        assert {split.parts[0], split.parts[2]} == {"train", "test"}
