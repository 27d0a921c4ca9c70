"""Data sets of distorted references: TID2008, PIPAL; and what is said where a wrong folder is given."""

import pytest

from rankiqa.datasets.registry import DATASETS, open_dataset
from rankiqa.errors import InputError
from tests.datasets import layouts


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_tid2008_is_as_tid2013_with_fewer_types_and_levels(root):
    scores = layouts.tid2008(root)
    dataset = open_dataset("tid2008", root)
    names = dataset.table["path"].str.split("/").str[-1].str.lower()
    assert dict(zip(names, dataset.table["score"], strict=True)) == scores
    assert set(dataset.table["distortion"]) == {"01", "17"}
    assert dataset.type_names["17"] == "contrast change"
    assert len(dataset.type_names) == 17
    assert set(dataset.references) == set(dataset.table["group"]) == {"I04", "I25"}
    assert not dataset.splits


@pytest.mark.parametrize("name", ["I04_18_1.bmp", "I04_01_5.bmp", "I04_01_0.bmp", "img1.bmp"])
def test_what_is_no_name_of_tid2008_is_refused(name, root):
    layouts.tid2008(root)
    with (root / "mos_with_names.txt").open("a") as file:
        file.write(f"3.5 {name}\n")
    with pytest.raises(InputError, match=f"line 9: {name} is no name of TID2008, such as I01_01_1.bmp"):
        open_dataset("tid2008", root)


def test_pipal(root):
    scores = layouts.pipal(root)
    dataset = open_dataset("pipal", root)
    table = dataset.table
    assert dict(zip(table["path"].str.split("/").str[-1], table["score"], strict=True)) == scores
    assert set(table["path"].str.split("/").str[0]) == {"Distortion_1", "Distortion_4"}
    assert set(table["distortion"]) == {"00", "06"}
    assert table["level"].isna().all()
    assert set(dataset.references) == set(table["group"]) == {"A0001", "A0248"}
    assert dataset.truth.tolist() == table["score"].tolist()


@pytest.mark.parametrize(
    ("distorted", "references", "labels"),
    [("Train_Dist", "Train_Ref", "Train_Label"), ("Distortion", "Reference_train", "MOS_Scores_train")],
)
@pytest.mark.parametrize("flat", [True, False])
def test_pipals_folders_have_other_names_in_other_copies(distorted, references, labels, flat, root):
    layouts.pipal(root)
    before = open_dataset("pipal", root)
    (root / distorted).mkdir()
    for folder in sorted(root.glob("Distortion_*")):
        for file in [*folder.iterdir()] if flat else [folder]:
            file.rename(root / distorted / file.name)
    (root / "Train_Ref").rename(root / references)
    (root / "Train_Label").rename(root / labels)
    dataset = open_dataset("pipal", root)
    assert list(dataset.table["score"]) == list(before.table["score"])
    assert set(dataset.references) == set(before.references)


def test_a_file_of_pipal_lists_its_own_reference(root):
    layouts.pipal(root)
    with (root / "Train_Label" / "A0001.txt").open("a") as file:
        file.write("A0248_00_00.bmp,1400\n")
    message = r"A0001\.txt, line 5: A0248_00_00\.bmp is no name of PIPAL in A0001\.txt, such as A0001_00_00\.bmp"
    with pytest.raises(InputError, match=message):
        open_dataset("pipal", root)


IMAGES = {"koniq10k": "1024x768", "spaq": "TestImage", "clive": "Images", "pipal": "Distortion_1", "agiqa3k": "images"}


@pytest.mark.parametrize("name", [name for name in layouts.LAYOUTS if name not in ("ava", "biq2021")])
def test_a_folder_too_high_or_too_low_is_told_from_the_right_one(name, root, tmp_path):
    layouts.LAYOUTS[name](root)
    with pytest.raises(InputError) as high:
        open_dataset(name, tmp_path)
    assert high.value.cure == f"give {root}"
    inner = next(path for path in sorted(root.iterdir()) if path.is_dir())
    with pytest.raises(InputError) as low:
        open_dataset(name, root / IMAGES.get(name, inner.name))
    assert low.value.cure == f"give {root}"


@pytest.mark.parametrize("name", list(DATASETS)[:-1])
def test_an_empty_folder_is_no_data_set(name, root):
    with pytest.raises(InputError, match="no such file"):
        open_dataset(name, root)
