import shutil

import numpy as np
import pytest
from PIL import Image

from rankiqa.cli.make_rank_list import main
from rankiqa.cli.make_ranks import main as make_ranks
from rankiqa.compat.rank_list import HIGHER, LOWER, ListLine, check_ranks, list_of_ranks, read_list, write_list
from rankiqa.errors import InputError
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.ranks.verification import regenerate, verify_ranked_set

# As the original's scripts write them: '%s %6.2f', the photos of a level after one another.
TID2013 = """\
rank_tid2013/pristine_images/00001.bmp   0.00
rank_tid2013/pristine_images/00002.bmp   0.00
rank_tid2013/JPEG/JPEG1/00001.jpg   1.00
rank_tid2013/JPEG/JPEG1/00002.jpg   1.00
rank_tid2013/JPEG/JPEG2/00001.jpg   2.00
rank_tid2013/JPEG/JPEG2/00002.jpg   2.00
rank_tid2013/pristine_images/00001.bmp   0.00
rank_tid2013/pristine_images/00002.bmp   0.00
rank_tid2013/GN/GN1/00001.bmp   1.00
rank_tid2013/GN/GN1/00002.bmp   1.00
"""
LIVE = """\
/data/ranks/GB/GB2/a.bmp   0.00
/data/ranks/GB/GB1/a.bmp   1.00
/data/ranks/pristine_images/a.bmp   5.00
"""


@pytest.fixture
def listed(tmp_path):
    def write(text):
        file = tmp_path / "list.txt"
        file.write_text(text)
        return file

    return write


@pytest.fixture
def ranks(photo_folder, tmp_path):
    out = tmp_path / "ranks"
    flags = ["--pristine", str(photo_folder), "--out", str(out), "--min-side", "64", "--workers", "1"]
    assert make_ranks([*flags, "--distortions", "GB,JPEG"]) == 0
    return RankedSet.read(out)


def check(file, order):
    return check_ranks(file, read_list(file), order)


def test_the_originals_lists_are_read_in_either_direction(listed):
    found = check(listed(TID2013), LOWER)
    assert {(p.distortion, p.level, p.photo): e.value for p, e in found.items()} == {
        ("pristine", 0, "00001"): 0,
        ("pristine", 0, "00002"): 0,
        ("JPEG", 1, "00001"): 1,
        ("JPEG", 1, "00002"): 1,
        ("JPEG", 2, "00001"): 2,
        ("JPEG", 2, "00002"): 2,
        ("GN", 1, "00001"): 1,
        ("GN", 1, "00002"): 1,
    }
    assert len(check(listed(LIVE), HIGHER)) == 3


def test_a_list_is_written_as_the_originals_scripts_do(tmp_path):
    write_list(tmp_path / "l.txt", [ListLine("a/GB1/x y.bmp", 1.0), ListLine("b.bmp", 5.578), ListLine("c.bmp", -0.5)])
    assert (tmp_path / "l.txt").read_text() == "a/GB1/x y.bmp   1.00\nb.bmp   5.58\nc.bmp  -0.50\n"
    assert [e.path for e in read_list(tmp_path / "l.txt")] == ["a/GB1/x y.bmp", "b.bmp", "c.bmp"]


@pytest.mark.parametrize("order", [LOWER, HIGHER])
def test_lists_of_a_ranked_set_have_the_originals_layout_and_are_read_again(order, ranks, listed, tmp_path):
    entries = list_of_ranks(ranks, ranks.references, order, "/data/")
    first = entries[: 6 * 3]  # one type: six levels of three photos
    pristine = slice(0, 3) if order == LOWER else slice(15, 18)
    assert [e.path for e in first[pristine]] == [f"/data/pristine/{name}" for name in ("a/x.png", "b/x.png", "x.png")]
    assert [e.value for e in first[::3]] == [0, 1, 2, 3, 4, 5]
    assert all("GB/" in e.path or "pristine" in e.path for e in first)
    file = tmp_path / "again.txt"
    write_list(file, entries)
    assert len(check(file, order)) == len(ranks.table)
    with pytest.raises(InputError, match="contradicts the folders"):
        check(file, HIGHER if order == LOWER else LOWER)


@pytest.mark.parametrize(
    ("text", "order", "words"),
    [
        ("a/GB/GB1/x.bmp\n", LOWER, "line 1: must be a path and a number, not 'a/GB/GB1/x.bmp'"),
        ("1.00 a/GB/GB1/x.bmp\n", LOWER, "line 1: must be a path and a number"),
        ("a/GB/GB1/x.bmp nan\n", LOWER, "line 1: must be a path and a number"),
        ("\n\n", LOWER, "holds no line"),
        (TID2013 + "elsewhere/x.bmp 1\n", LOWER, "line 11: elsewhere/x.bmp is neither in TYPE/LEVEL/ nor"),
        (TID2013 + "rank_tid2013/GN/GN1/00002.bmp 1\n", LOWER, "line 11: rank_tid2013/GN/GN1/00002.bmp is there twice"),
        (TID2013 + "rank_tid2013/pristine_images/00001.bmp 5\n", LOWER, "line 11: the pristine image"),
        (TID2013 + "rank_tid2013/GN/GN2/00002.bmp 2\n", LOWER, "00001 has no GN level 2, which other photos have"),
        (TID2013 + "rank_tid2013/GN/GN1/00003.bmp 2\n", LOWER, "00003 of GN has no pristine image"),
        (TID2013.replace("JPEG2/00001.jpg   2", "JPEG2/00001.jpg   1"), LOWER, "line 5: rank_tid2013/JPEG/JPEG2/00001"),
        (TID2013.replace("GN1/00002.bmp   1", "GN1/00002.bmp   0"), LOWER, "contradicts the folders"),
        (
            TID2013,
            HIGHER,
            "read as higher-is-better that contradicts the folders; give the other order, or correct the list (order)",
        ),
        (LIVE, LOWER, "read as lower-is-better that contradicts the folders"),
        ("a/pristine_images/x.bmp 0\n", LOWER, "holds pristine images only"),
    ],
)
def test_what_cannot_be_a_rank_list_is_told_by_line(text, order, words, listed):
    with pytest.raises(InputError) as caught:
        check(listed(text), order)
    assert words in str(caught.value)
    assert "list.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_writes_both_lists_and_splits_by_photo(ranks, tmp_path, capsys):
    prefix = tmp_path / "tid2013"
    flags = ["--ranks", str(ranks.folder), "--out", str(prefix), "--train-fraction", "0.7", "--root", "./ranks"]
    assert main(flags) == 0
    train, test = (read_list(f"{prefix}_{part}.txt") for part in ("train", "test"))
    assert (len(train), len(test)) == (2 * 12, 12)
    assert all(entry.path.endswith("/x.png") and "/a/" not in entry.path and "/b/" not in entry.path for entry in test)
    assert train[0] == ListLine("./ranks/pristine/a/x.png", 0.0, 1)
    assert main([*flags, "--train-fraction", "2"]) == 2
    assert "--train-fraction must be 0 to 1" in capsys.readouterr().err


def test_an_original_list_becomes_a_ranked_set_to_train_on(tmp_path, capsys, photo):
    root = tmp_path / "data"
    lines = ""
    for photo_name in ("00001", "00002"):
        for folder, value in (("pristine_images", 5), ("GB/GB1", 1), ("GB/GB2", 0)):
            file = root / "rank" / folder / f"{photo_name}.bmp"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((photo // (6 - value)).astype(np.uint8)).save(file)
            lines += f"rank/{folder}/{photo_name}.bmp {value:6.2f}\n"
    (tmp_path / "live_train.txt").write_text(lines)
    flags = ["--read", str(tmp_path / "live_train.txt"), "--root", str(root)]
    assert main([*flags, "--order", "higher-is-better"]) == 0
    ranks = RankedSet.read(root)
    assert ranks.levels == {"GB": (0, 1, 2)}
    assert ranks.row_path("00002", "GB", 2).name == "00002.bmp"
    assert (ranks.image("00001", "GB", 0) == photo).all()
    assert not verify_ranked_set(ranks).bad
    with pytest.raises(InputError, match="cannot be made again"):
        regenerate(ranks, ranks.table[ranks.table["level"] == 1].iloc[0])
    before = (root / "manifest.csv").read_bytes()
    assert main([*flags, "--order", "higher-is-better"]) == 2
    assert "manifest.csv: is there already; move it away, or choose another folder (--root)" in capsys.readouterr().err
    assert (root / "manifest.csv").read_bytes() == before
    shutil.move(root / "manifest.csv", root / "kept")
    (root / "rank/GB/GB2/00001.bmp").unlink()
    assert main([*flags, "--order", "higher-is-better"]) == 2
    assert "live_train.txt, line 3: rank/GB/GB2/00001.bmp in" in capsys.readouterr().err
    assert not (root / "manifest.csv").exists()
    with pytest.raises(SystemExit):
        main(flags)
