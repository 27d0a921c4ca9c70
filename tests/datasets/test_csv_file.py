import numpy as np
import pytest
from PIL import Image

from rankiqa.datasets.csv_file import read_labels
from rankiqa.errors import InputError


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name in ("one.png", "two.png", "../outside.png"):
        Image.fromarray(np.full((20, 20, 3), 9, dtype=np.uint8)).save(folder / name)
    return folder


def label_file(folder, text, encoding="utf-8"):
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_columns_end_up_where_they_belong(images, tmp_path):
    text = "level,type,dmos,name,ref,reference\n3,JPEG,-1.5,one.png,q, r.png \n\n1,GB,2e1,two.png,q,\n"
    table = read_labels(label_file(tmp_path, text), images)
    assert list(table["path"]) == ["one.png", "two.png"]
    assert list(table["file"]) == [images / "one.png", images / "two.png"]
    assert list(table["distortion"]) == ["JPEG", "GB"]
    assert list(table["reference"]) == ["r.png", ""]
    assert list(table["truth"]) == [1.5, -20.0]  # a dmos: lower is better
    assert table["level"].isna().all()


def test_a_given_direction_wins_over_the_name_of_the_column(images, tmp_path):
    labels = label_file(tmp_path, "name,dmos\none.png,4.57\n")
    assert read_labels(labels, images, direction="higher")["truth"].tolist() == [4.57]
    with pytest.raises(InputError, match=r"is better; say it \(direction=higher, direction=lower\)"):
        read_labels(labels, images, direction="up")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,quality\none.png,1\n",
            "no column mos or dmos or score or label, only name, quality; name it \\(score_column\\)",
        ),
        (
            "file,mos\none.png,1\n",
            "no column name or path or image or file_name, only file, mos; name it \\(name_column\\)",
        ),
        ("name,mos,dmos\none.png,1,2\n", "has the columns mos and dmos; say which one \\(score_column\\)"),
        ("name,score\none.png,1\n", "is better; say it \\(direction=higher, direction=lower\\)"),
        ("name,mos\none.png,1\ntwo.png,nan\n", "line 3: the mos of two.png is nan, not a finite number"),
        ("name,mos\none.png,\n", "line 2: the mos of one.png is empty, not a finite number"),
        ("name,mos\none.png,inf\n", "line 2: the mos of one.png is inf, not a finite number"),
        ("name,mos\none.png,good\n", "line 2: the mos of one.png is good, not a finite number"),
        ("name,mos\none.png,1\ntwo.png,2\n./one.png,3\n", "line 4: ./one.png is there twice, first in line 2"),
        ("name,mos\none.png,1\nlost.png,2\ngone.png,3\n", "2 of 3 images are not in .*, the first is lost.png"),
        ("name,mos\n../outside.png,1\n", r"line 2: the name '\.\./outside.png' must be a path inside"),
        ("name,mos\nsub/../../outside.png,1\n", "must be a path inside"),
        ("name,mos\n{root}/outside.png,1\n", "must be a path inside"),
        ("name,mos\none.png,1,2\n", "line 2: 3 cells, but the header has 2"),
        ("name,mos\n", "no rows below the header"),
        ("", "empty; a header and one row an image are needed"),
        ('name,mos\n"one.png,1\n', "not CSV"),
    ],
)
def test_faults_of_a_label_file_are_one_clear_line(text, message, images, tmp_path):
    labels = label_file(tmp_path, text.replace("{root}", str(tmp_path)))
    with pytest.raises(InputError, match=message) as raised:
        read_labels(labels, images)
    assert str(labels) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_label_files_that_cannot_be_read(images, tmp_path):
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_labels(label_file(tmp_path, "name,mos\none.png,1\n", "utf-16"), images)
    with pytest.raises(InputError, match=r"absent.csv: no such file"):
        read_labels(tmp_path / "absent.csv", images)
    with pytest.raises(InputError, match="absent: no such folder"):
        read_labels(label_file(tmp_path, "name,mos\none.png,1\n"), tmp_path / "absent")
