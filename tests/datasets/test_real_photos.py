"""Data sets of real photos and of generated pictures: KonIQ-10k, SPAQ, LIVE in the Wild, FLIVE, AGIQA-3K."""

import csv

import numpy as np
import pytest
from openpyxl import load_workbook
from scipy.io import loadmat, savemat

from rankiqa.datasets.leakage import check_leakage
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.splits import make_split
from rankiqa.datasets.verify import verify_dataset
from rankiqa.errors import InputError
from tests.datasets import layouts


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def scores_of(dataset):
    return dict(zip(dataset.table["path"].str.split("/").str[-1].str.lower(), dataset.table["score"], strict=True))


def lower(scores):
    return {name.split("/")[-1].lower(): score for name, score in scores.items()}


@pytest.mark.parametrize("name", ["koniq10k", "spaq", "flive", "flive_patches", "agiqa3k"])
def test_every_photo_has_its_score_whatever_the_case_of_its_name(name, root):
    scores = layouts.LAYOUTS[name](root)
    dataset = open_dataset(name, root)
    assert scores_of(dataset) == pytest.approx(lower(scores))
    assert dataset.truth.tolist() == dataset.table["score"].tolist()
    first = dataset.table["file"].iloc[0]
    first.rename(first.with_name(first.name.swapcase()))
    assert scores_of(open_dataset(name, root)) == pytest.approx(lower(scores))


def test_koniqs_own_split_has_a_part_to_validate_on(root):
    layouts.koniq10k(root)
    dataset = open_dataset("koniq10k", root)
    assert list(dataset.splits["official"].values()) == ["train"] * 3 + ["val"] + ["test"] * 2
    split = make_split(dataset, "official", val_fraction=0.3, groups=list("abcdef"))
    assert split.parts == ("train",) * 3 + ("val",) + ("test",) * 2  # none is drawn beside its own


def test_koniqs_other_file_of_scores_has_them_under_another_name(root):
    scores = layouts.koniq10k(root)
    sets = root / "koniq10k_distributions_sets.csv"
    rows = list(csv.DictReader(sets.open()))
    sets.unlink()
    text = "".join(f"{row['image_name']},105,{1 + k / 2},0.6,{row['MOS']}\n" for k, row in enumerate(rows))
    (root / "koniq10k_scores_and_distributions.csv").write_text("image_name,c_total,MOS,SD,MOS_zscore\n" + text)
    dataset = open_dataset("koniq10k", root)
    assert scores_of(dataset) == scores  # from 1 to 100, not the mean of votes from 1 to 5
    assert not dataset.splits


def test_koniqs_smaller_photos_are_read_where_the_large_are_not(root):
    layouts.koniq10k(root)
    (root / "1024x768").rename(root / "512x384")
    assert set(open_dataset("koniq10k", root).table["path"].str[:8]) == {"512x384/"}
    layouts.koniq10k(root)
    assert set(open_dataset("koniq10k", root).table["path"].str[:9]) == {"1024x768/"}
    assert "surplus" not in {problem.kind for problem in verify_dataset("koniq10k", root).problems}


def test_a_published_list_may_divide_scenes_between_its_own_parts_alone(root):
    layouts.koniq10k(root)
    dataset = open_dataset("koniq10k", root)
    scenes = ["a", "a", "b", "b", "c", "c"]  # the official list divides b: into train and val
    [warning] = check_leakage(dataset, make_split(dataset, "official", groups=scenes))
    assert "the published list divides these scenes" in warning
    parts = ("val", *make_split(dataset, "official", groups=scenes).parts[1:])
    (root / "own.csv").write_text(
        "path,group,part\n"
        + "".join(f"{row},{g},{p}\n" for row, g, p in zip(dataset.table["path"], scenes, parts, strict=True))
    )
    with pytest.raises(InputError, match="2 groups are in two parts, the first is a in train and val"):
        check_leakage(dataset, make_split(dataset, root / "own.csv"))


def test_spaqs_table_beside_the_photos_and_as_csv(root):
    scores = layouts.spaq(root)
    table = root / "Annotations" / "MOS and Image attribute scores.xlsx"
    table.rename(root / table.name)
    assert scores_of(open_dataset("spaq", root)) == scores
    (root / table.name).unlink()
    text = "Image name,MOS\n" + "".join(f"{name},{score}\n" for name, score in scores.items())
    table.with_suffix(".csv").write_text(text)
    assert scores_of(open_dataset("spaq", root)) == scores


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("B3", None, r"line 3: the MOS of 00002\.jpg is empty, not a finite number"),
        ("B3", "n/a", r"line 3: the MOS of 00002\.jpg is n/a, not a finite number"),
        ("A3", None, "line 3: no name of an image"),
        ("A3", "00001.jpg", r"line 3: 00001\.jpg is there twice, first in line 2"),
        ("B1", "score", "no row with the columns image name, mos in the sheet Sheet"),
    ],
)
def test_a_fault_in_spaqs_sheet_is_named_by_its_row(cell, value, message, root):
    layouts.spaq(root)
    file = root / "Annotations" / "MOS and Image attribute scores.xlsx"
    book = load_workbook(file)
    book.active[cell] = value
    book.save(file)
    with pytest.raises(InputError, match=message):
        open_dataset("spaq", root)


def test_the_photos_that_showed_people_how_to_vote_are_not_among_clives(root):
    scores = layouts.clive(root)
    dataset = open_dataset("clive", root)
    assert scores_of(dataset) == lower({n: s for n, s in scores.items() if not n.startswith("t")})
    assert len(dataset) == len(scores) - 7
    assert not dataset.left_out
    assert "surplus" not in {problem.kind for problem in verify_dataset("clive", root).problems}
    layouts.picture(root / "Images" / "9999.bmp", 1)
    surplus = [p.path for p in verify_dataset("clive", root).problems if p.kind == "surplus"]
    assert surplus == ["Images/9999.bmp"]


def test_faults_of_clives_files(root):
    layouts.clive(root)
    file = root / "Data" / "AllMOS_release.mat"
    scores = loadmat(file)["AllMOS_release"]
    savemat(file, {"AllMOS_release": scores[:, :-1]})
    with pytest.raises(InputError, match=r"10 scores, but AllImages_release\.mat has 11 names"):
        open_dataset("clive", root)
    savemat(file, {"AllMOS_release": np.where(np.arange(11) == 8, np.nan, scores)})
    with pytest.raises(InputError, match=r"number 9, the MOS of 101\.JPG, is nan"):
        open_dataset("clive", root)
    savemat(file, {"AllMOS": scores})
    with pytest.raises(InputError, match=r"AllMOS_release\.mat: no variable AllMOS_release, only AllMOS"):
        open_dataset("clive", root)


def test_flives_split_of_photos_and_of_their_patches(root):
    layouts.flive(root)
    photos, patches = open_dataset("flive", root), open_dataset("flive_patches", root)
    official = photos.splits["official"]
    assert list(official.values()) == ["test", "val"] + ["train"] * 4
    part = {path.split("/")[1]: part for path, part in official.items()}
    assert patches.splits["official"] == {path: part[path[8:-12]] for path in patches.table["path"]}
    assert list(patches.table["group"]) == [name for name in part for _ in range(3)]
    assert not any(p.kind == "surplus" for s in ("flive", "flive_patches") for p in verify_dataset(s, root).problems)
    (root / "labels640.csv").unlink()
    assert not open_dataset("flive", root).splits


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("voc_emotic_ava/AVA__2.jpg,maybe", r"padded\.csv, line 7: is_valid of \S+ must be True or False, not 'maybe'"),
        ("voc_emotic_ava/AVA__0.jpg,True", r"line 7: \S+ is in labels640\.csv too, which is tested on"),
    ],
)
def test_a_fault_of_flives_lists_names_the_line(row, message, root):
    layouts.flive(root)
    with (root / "labels=640_padded.csv").open("a") as file:
        file.write(f"{row}\n")
    with pytest.raises(InputError, match=message):
        open_dataset("flive", root)


def test_the_images_of_a_prompt_are_a_group(root):
    layouts.agiqa3k(root)
    table = open_dataset("agiqa3k", root).table
    assert list(table["distortion"]) == [n for n in ("AttnGAN_normal", "DALLE2_normal", "sd1.5_lowstep") for _ in "12"]
    assert list(table["group"]) == ["statue of a man", "a tray of sushi, anime style"] * 3
    split = make_split(open_dataset("agiqa3k", root), "random")
    assert len(set(split.parts[::2])) == 1 and split.count("test") == 3
    (root / "images").rename(root / "AGIQA-3K")
    assert len(open_dataset("agiqa3k", root)) == 6
