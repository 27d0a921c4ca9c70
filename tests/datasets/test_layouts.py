"""Each data set of human scores, read from a small copy of its real layout; and what is wrong with a copy."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rankiqa.cli import main
from rankiqa.datasets.registry import DATASETS, open_dataset
from rankiqa.errors import InputError
from tests.datasets import layouts
from tests.datasets.layouts import LABELS, LAYOUTS


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def by_name(dataset, column="score"):
    return {
        path.split("/")[-1]: value for path, value in zip(dataset.table["path"], dataset.table[column], strict=True)
    }


def test_tid2013(root):
    scores = layouts.tid2013(root)
    dataset = open_dataset("tid2013", root)
    assert {name.lower(): score for name, score in by_name(dataset).items()} == scores
    assert all(file.is_file() for file in dataset.table["file"])
    row = dataset.table[dataset.table["path"].str.lower() == "distorted_images/i05_16_5.bmp"].iloc[0]
    assert (row["reference"], row["group"], row["distortion"], row["level"]) == ("I05", "I05", "16", 5)
    assert dataset.type_names["16"] == "mean shift"
    assert set(dataset.references) == {"I04", "I05", "I25"}
    parts = {path.split("/")[-1][:3].upper(): part for path, part in dataset.splits["rankiqa"].items()}
    assert parts == {"I04": "test", "I05": "train"}  # I25 is in neither list
    assert dataset.truth.tolist() == dataset.table["score"].tolist()
    assert dataset.quality(0, 9) == pytest.approx(dataset.table["score"])


@pytest.mark.parametrize("realigned", [True, False])
def test_live(root, realigned):
    rows = layouts.live(root, realigned)
    dataset = open_dataset("live", root)
    table = dataset.table.set_index("path")
    assert len(table) == 15
    for path, (dmos, is_copy, reference) in rows.items():
        assert table.loc[path, "score"] == pytest.approx(dmos * 1.1 - 2 if realigned else dmos)
        assert table.loc[path, "reference"] == reference
        assert (table.loc[path, "distortion"] == "pristine") == is_copy
    kinds = table["distortion"][~table["distortion"].eq("pristine")]
    assert list(dict.fromkeys(kinds)) == ["JP2K", "JPEG", "GN", "GB", "FF"]
    assert dataset.truth == pytest.approx(-table["score"])
    assert dataset.quality() == pytest.approx(1 - table["score"] / 100)
    assert set(dataset.references) == {"bikes", "lighthouse"}
    assert {dataset.splits["rankiqa"][p] for p, row in rows.items() if row[2] == "lighthouse"} == {"test"}
    without = open_dataset("live", root, pristine=False)
    assert len(without) == 10
    assert "pristine" not in set(without.table["distortion"])


def test_a_live_copy_whose_files_disagree_is_refused(root):
    layouts.live(root)
    (root / "gblur" / "img3.bmp").unlink()
    with pytest.raises(InputError, match=r"15 scores, but the folders hold 14 images \(jp2k 3, .*gblur 2"):
        open_dataset("live", root)
    (root / "dmos.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut short")
    with pytest.raises(InputError, match=r"dmos\.mat: not a readable MATLAB file"):
        open_dataset("live", root)


def test_csiq(root):
    scores = layouts.csiq(root)
    dataset = open_dataset("csiq", root)
    assert {name.upper(): score for name, score in by_name(dataset).items()} == scores
    assert set(dataset.table["distortion"]) == {"AWGN", "BLUR", "CONTRAST", "FNOISE", "JPEG", "JPEG2000"}
    assert set(dataset.references) == set(dataset.table["reference"]) == {"1600", "swarm"}
    assert dataset.truth == pytest.approx(-dataset.table["score"])
    # Copies bring the table as text, and the images in one folder.
    (root / "csiq.DMOS.xlsx").unlink()
    (root / "csiq_label.txt").write_text("".join(f"{n.replace('SWARM', 'swarm')} {v}\n" for n, v in scores.items()))
    for file in list((root / "dst_imgs").glob("*/*.png")):
        file.rename(root / "dst_imgs" / file.name)
    again = open_dataset("csiq", root)
    columns = ["reference", "distortion", "level", "score"]
    pd.testing.assert_frame_equal(again.table[columns], dataset.table[columns])


def test_kadid10k(root):
    scores = layouts.kadid10k(root)
    dataset = open_dataset("kadid10k", root)
    assert by_name(dataset) == pytest.approx(scores)
    assert dataset.higher_is_better  # although its column is called dmos
    assert dataset.quality() == pytest.approx((dataset.table["score"] - 1) / 4)
    assert set(dataset.table["distortion"]) == {"01", "25"}
    assert set(dataset.references) == {"I01", "I02"}


def test_ava(root):
    votes = layouts.ava(root)
    dataset = open_dataset("ava", root)
    assert [entry["path"] for entry in dataset.left_out] == ["images/104.jpg"]
    for row in dataset.table.itertuples():
        single = np.repeat(np.arange(1, 11), votes[row.file.stem])
        assert row.score == pytest.approx(single.mean())
        assert row.std == pytest.approx(single.std())
        assert [getattr(row, f"vote{k}") for k in range(1, 11)] == votes[row.file.stem]
    official = dataset.splits["official"]
    assert official == {f"images/{k}.jpg": p for k, p in ((101, "train"), (102, "train"), (103, "test"), (105, "test"))}
    assert sum(part == "train" for part in dataset.splits["official-small"].values()) == 1
    assert (root / "images" / "106.jpg").name not in dataset.splits["official"]


def test_biq2021_as_its_repository_has_it_and_as_a_part(root):
    scores = layouts.biq2021(root)
    dataset = open_dataset("biq2021", root)
    assert by_name(dataset) == scores
    assert list(dataset.splits["official"].values()) == ["train"] * 4 + ["test"] * 2
    text = "name,mos,split,block\n" + "".join(
        f"{name},{score},{'val' if score > 0.4 else 'train'},b{int(score * 10) // 2}\n"
        for name, score in scores.items()
    )
    (root / "labels.csv").write_text(text)
    part = open_dataset("biq2021", root)
    assert by_name(part) == scores
    assert list(part.table["group"]) == ["b0", "b1", "b1", "b2", "b2", "b3"]
    assert list(part.splits["official"].values()) == ["train"] * 4 + ["test"] * 2


def test_a_csv_file_with_named_columns(root):
    for k in range(4):
        layouts.picture(root / f"{k}.png", k)
    labels = root / "mine.csv"
    labels.write_text(
        "image,Q,type,block,split\n"
        + "".join(f"{k}.png,{k * 10},t,b{k // 2},{'val' if k > 1 else 'train'}\n" for k in range(4))
    )
    options = {"labels": labels, "score_column": "Q", "direction": "lower"}
    dataset = open_dataset("csv", root, **options)
    assert dataset.score_range == (0, 30)
    assert dataset.truth.tolist() == [0, -10, -20, -30]
    assert dataset.table["group"].tolist() == ["b0", "b0", "b1", "b1"]
    assert dataset.splits["column"] == {"0.png": "train", "1.png": "train", "2.png": "test", "3.png": "test"}
    assert open_dataset("csv", root, **options, score_range=(0, 100)).quality()[3] == pytest.approx(0.7)


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_each_declares_what_it_holds(name, root):
    LAYOUTS[name](root)
    dataset, entry = open_dataset(name, root), DATASETS[name]
    assert dataset.name == name
    assert (dataset.score_range, dataset.higher_is_better) == (entry.score_range, entry.higher_is_better)
    if name != "live":
        assert dataset.table["score"].between(*dataset.score_range).all()


def edit(root, name, change, encoding="utf-8"):
    path = root / LABELS[name]
    with path.open(newline="") as file:
        text = file.read()
    path.write_bytes(change(text).encode(encoding))


@pytest.mark.parametrize("name", list(LABELS))
@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
        lambda text: text.replace("\r\n", "\n").replace("\n", "\r"),
        lambda text: text + "\n \n",
        lambda text: text.rstrip(),
    ],
    ids=["BOM", "CRLF", "CR", "blank lines", "no last line end"],
)
def test_other_line_ends_and_a_bom_change_nothing(name, change, root):
    LAYOUTS[name](root)
    before = open_dataset(name, root).table
    edit(root, name, change)
    pd.testing.assert_frame_equal(open_dataset(name, root).table, before)


BY_SPACES = ("tid2013", "tid2008", "ava")


def last_line(text, change):
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    return "\n".join([*lines[:-1], change(lines[-1])]) + "\n"


def score_of(name, line):
    place = {"tid2013": 0, "tid2008": 0, "kadid10k": 2, "ava": 2, "koniq10k": 7, "agiqa3k": -4}.get(name, 1)
    return place, " " if name in BY_SPACES else ","


def with_score(name, line, value):
    place, gap = score_of(name, line)
    cells = line.split(gap)
    cells[place] = value
    return gap.join(cells)


@pytest.mark.parametrize("name", list(LABELS))
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda n, t: last_line(t, lambda line: with_score(n, line, "nan")), "whole numbers|not a finite number"),
        (lambda n, t: last_line(t, lambda line: with_score(n, line, "good")), "whole numbers|not a finite number"),
        (lambda n, t: last_line(t, lambda line: line + (" 7" if n in BY_SPACES else ",7")), "columns|cells"),
        (lambda n, t: last_line(t, lambda line: f"{line}\n{line}"), "is there twice, first in line"),
        (lambda n, t: "", "empty"),
    ],
    ids=["NaN", "word", "columns", "duplicate", "empty"],
)
def test_a_fault_of_a_label_file_names_the_line(name, fault, message, root, capsys):
    LAYOUTS[name](root)
    edit(root, name, lambda text: fault(name, text))
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(name, root)
    assert LABELS[name] in str(caught.value)
    assert "\n" not in str(caught.value)
    text = (root / LABELS[name]).read_text()
    if text:
        assert f"line {len(text.splitlines())}" in str(caught.value)
    assert main(["verify", name, "--root", str(root)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("name", list(LABELS))
def test_latin_1_is_refused_with_its_line(name, root):
    LAYOUTS[name](root)
    edit(root, name, lambda text: last_line(text, lambda line: line + "é"), "latin-1")
    lines = len((root / LABELS[name]).read_bytes().splitlines())
    with pytest.raises(InputError, match=f"line {lines}: not UTF-8 text; save it as UTF-8"):
        open_dataset(name, root)
    edit_bytes = (root / LABELS[name]).read_text(encoding="latin-1").encode("utf-16")
    (root / LABELS[name]).write_bytes(edit_bytes)
    with pytest.raises(InputError, match="not UTF-8 text"):
        open_dataset(name, root)


@pytest.mark.parametrize("name", [n for n in LAYOUTS if n not in ("ava", "live")])
def test_a_missing_image_is_counted_and_named_or_recorded(name, root):
    LAYOUTS[name](root)
    dataset = open_dataset(name, root)
    gone = dataset.table["file"].iloc[2]
    gone.unlink()
    message = rf"1 of {len(dataset)} images are not in .*, the first is (\S*/)?(?i:{re.escape(gone.name)})"
    with pytest.raises(InputError, match=message):
        open_dataset(name, root)
    rest = open_dataset(name, root, missing="record")
    assert len(rest) == len(dataset) - 1
    assert [entry["path"].split("/")[-1].lower() for entry in rest.left_out] == [gone.name.lower()]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tid2012", {}, "unknown 'tid2012'; known: tid2013, live"),
        ("tid2013", {}, r"mos_with_names\.txt: no such file"),
        ("live", {}, r"dmos\.mat: no such file"),
        ("csiq", {}, r"csiq\.DMOS\.xlsx: no such file \(nor csiq\.DMOS\.csv, csiq_label\.txt\)"),
        ("tid2013", {"direction": "lower"}, "direction is for the data set csv; tid2013 declares its own"),
        ("csv", {}, r"needs the file with the scores; name it \(labels\)"),
        ("tid2013", {"missing": "skip"}, "missing must be error or record"),
    ],
)
def test_what_cannot_be_opened(name, options, message, root):
    with pytest.raises(InputError, match=message):
        open_dataset(name, root, **options)
    with pytest.raises(InputError, match="no such folder"):
        open_dataset("tid2013", root / "nowhere")


def test_verify_counts_and_names_every_problem(root, capsys, tmp_path, monkeypatch):
    layouts.kadid10k(root)
    entry = DATASETS["kadid10k"]
    whole = type(entry)(entry.read, entry.title, entry.score_range, True, 8, 2)
    monkeypatch.setitem(DATASETS, "kadid10k", whole)
    for path in (root / "images").iterdir():
        Image.open(path).resize((230, 224)).save(path)
    assert main(["verify", "kadid10k", "--root", str(root)]) == 0
    out = capsys.readouterr().out
    assert "kadid10k: 8 of 8 images; 2 references; 2 types" in out
    assert "the data set is whole" in out
    (root / "images" / "I01_01_01.png").unlink()
    (root / "images" / "I02.png").unlink()
    data = (root / "images" / "I02_25_05.png").read_bytes()
    (root / "images" / "I02_25_05.png").write_bytes(data[: len(data) // 2])
    layouts.picture(root / "images" / "extra.png", 1)
    layouts.picture(root / "images" / "I01_25_05.png", 1)
    assert main(["verify", "kadid10k", "--root", str(root), "--report", str(tmp_path / "r.csv")]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert "missing: I01_01_01.png: no such file" in lines
    assert "missing: I02: the reference photo is not there" in lines
    assert any(line.startswith("damaged: images/I02_25_05.png: damaged or cut short") for line in lines)
    assert "surplus: images/extra.png: no label" in lines
    assert "small: images/I01_25_05.png: 20×24 px, smaller than a crop of 224" in lines
    assert lines[-1] == "3 faults"
    assert len(pd.read_csv(tmp_path / "r.csv")) == 5


def test_verify_tells_a_part_from_the_whole(root, capsys):
    layouts.tid2013(root)
    assert main(["verify", "tid2013", "--root", str(root)]) == 2
    out = capsys.readouterr().out
    assert "count: the labels list 12 images, the whole data set has 3000" in out
    assert "count: 3 references, the whole data set has 25" in out
