import pandas as pd
import pytest
from PIL import Image

from rankiqa.cli.make_finetune_list import main
from rankiqa.compat.rank_list import read_list
from rankiqa.compat.score_list import read_scores, split_references
from rankiqa.datasets.csv_file import read_labels
from rankiqa.errors import InputError

REFERENCES = ("I01", "I02", "I03", "I04", "I05")


@pytest.fixture
def images(tmp_path):
    """TID2013's layout in small; on the disk one file is spelt in other letters than in the lists."""
    folder = tmp_path / "tid2013" / "distorted_images"
    folder.mkdir(parents=True)
    for reference in REFERENCES:
        for kind in (7, 11):
            name = f"{reference.lower()}_{kind:02}_1.bmp" if kind == 7 else f"{reference}_{kind:02}_1.BMP"
            Image.new("RGB", (8, 8)).save(folder / name)
    return folder.parent


@pytest.fixture
def mos_with_names(tmp_path):
    file = tmp_path / "mos_with_names.txt"
    rows = [(r, k) for r in REFERENCES for k in (7, 11)]
    file.write_text("".join(f"{i + 0.51429:.5f} {r}_{k:02}_1.bmp\n" for i, (r, k) in enumerate(rows)))
    return file


def test_tid2013s_own_file_is_read_and_split_by_reference(images, mos_with_names, tmp_path, capsys):
    prefix = tmp_path / "ft"
    flags = ["--labels", str(mos_with_names), "--images", str(images), "--out", str(prefix), "--scores", "mos"]
    assert main([*flags, "--test-references", "I04,i05", "--root", "./tid2013"]) == 0
    assert "ft_test.txt: 4 images of 2 references" in capsys.readouterr().out
    test = read_list(f"{prefix}_test.txt")
    assert [(e.path, e.value) for e in test] == [
        ("./tid2013/distorted_images/i04_07_1.bmp", 6.51),
        ("./tid2013/distorted_images/I04_11_1.BMP", 7.51),
        ("./tid2013/distorted_images/i05_07_1.bmp", 8.51),
        ("./tid2013/distorted_images/I05_11_1.BMP", 9.51),
    ]
    train = {e.path.split("/")[-1][:3].upper() for e in read_list(f"{prefix}_train.txt")}
    assert train == {"I01", "I02", "I03"}
    table = read_labels(f"{prefix}.csv", images)
    assert table["truth"].tolist() == pytest.approx([i + 0.51429 for i in range(10)])
    assert set(table["reference"]) == set(REFERENCES)


def test_an_original_list_with_dmos_keeps_its_direction(images, tmp_path):
    file = tmp_path / "ft_live_test.txt"
    file.write_text("/data/tid2013/distorted_images/i01_07_1.bmp  66.07\n./distorted_images/I02_07_1.bmp   0.00\n")
    prefix = str(tmp_path / "live")
    flags = ["--labels", str(file), "--images", str(images), "--out", prefix, "--test-fraction", "0.5"]
    assert main([*flags, "--scores", "dmos"]) == 0
    table = read_labels(f"{prefix}.csv", images)
    assert table["truth"].tolist() == [-66.07, 0]
    assert pd.read_csv(f"{prefix}.csv").columns.tolist() == ["name", "dmos", "reference"]
    assert main([*flags, "--scores", "mos"]) == 0
    assert read_labels(f"{prefix}.csv", images)["truth"].tolist() == [66.07, 0]


def test_a_csv_file_says_what_its_scores_are(images, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("name,dmos,reference\ndistorted_images/i01_07_1.bmp,30,one\ndistorted_images/i02_07_1.bmp,20,two\n")
    scores = read_scores(file, images)
    assert scores.kind == "dmos"
    assert scores.rows == (("distorted_images/i01_07_1.bmp", 30, "one"), ("distorted_images/i02_07_1.bmp", 20, "two"))


def test_the_split_is_the_seeds_and_never_divides_a_reference(images, mos_with_names):
    scores = read_scores(mos_with_names, images, "mos")
    drawn = [split_references(scores, None, 0.4, seed) for seed in range(8)]
    assert all(len(test) == 2 for test in drawn)
    assert drawn[3] == split_references(scores, None, 0.4, 3)
    assert len(set(map(frozenset, drawn))) > 1


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        ("distorted_images/i01_07_1.bmp\n", (), "line 1: must be a path and a number"),
        ("5.1 i01_07_1.bmp\nx i02_07_1.bmp\n", (), "line 2: must be a score and a name, not 'x i02_07_1.bmp'"),
        ("5.1 i01_07_1.bmp\n5.2 I01_07_1.BMP\n", (), "line 2: I01_07_1.BMP is there twice, first in line 1"),
        ("5.1 i09_07_1.bmp\n", (), "line 1: i09_07_1.bmp is not in"),
        ("", (), "holds no line"),
        ("5.1 i01_07_1.bmp\n5.2 i02_07_1.bmp\n", ("--test-references", "I07"), "no image of 'I07'; there are I01, I02"),
        ("5.1 i01_07_1.bmp\n5.2 i02_07_1.bmp\n", ("--test-references", "I01,I02"), "of 2 references 2 would be"),
        (
            "5.1 i01_07_1.bmp\n5.2 i02_07_1.bmp\n",
            ("--test-fraction", "1.5"),
            "must be above 0 and below 1, not 1.5 (--test-fraction)",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line_and_nothing_is_written(text, flags, words, images, tmp_path, capsys):
    file = tmp_path / "list.txt"
    file.write_text(text)
    out = ["--images", str(images / "distorted_images"), "--out", str(tmp_path / "out"), "--scores", "mos"]
    assert main(["--labels", str(file), *out, *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not list(tmp_path.glob("out*"))


def test_a_bare_name_that_two_folders_have_is_not_guessed(images, mos_with_names):
    (images / "more").mkdir()
    Image.new("RGB", (8, 8)).save(images / "more" / "i01_07_1.bmp")
    with pytest.raises(InputError, match=r"may be distorted_images/i01_07_1\.bmp or more/i01_07_1\.bmp"):
        read_scores(mos_with_names, images, "mos")


def test_a_list_must_be_told_what_its_scores_are(images, mos_with_names):
    with pytest.raises(InputError, match=r"does not say which scores are better; say it \(scores=mos, scores=dmos\)"):
        read_scores(mos_with_names, images)
