import csv
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rankiqa.cli.make_ranks import main
from rankiqa.distortions import DISTORTIONS
from rankiqa.errors import InputError
from rankiqa.ranks.manifest import format_rows, parse_rows
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.ranks.verification import regenerate, verify_ranked_set

REFERENCES = ("a/x.png", "b/x.png", "x.png")
TYPES = ("GB", "GN", "JPEG", "JP2K")


@pytest.fixture(scope="module")
def made(_small_photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("set") / "ranks"
    assert main(["--pristine", str(_small_photos), "--out", str(out), "--min-side", "64", "--workers", "1"]) == 0
    return out


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made, tmp_path / "ranks")


def rewrite(folder, change):
    with open(folder / "manifest.csv", newline="") as file:
        rows = list(csv.reader(file))
    with open(folder / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows(change(rows))


def test_every_row_regenerates_its_file_bit_for_bit(made):
    ranks = RankedSet.read(made)
    assert len(ranks.table) == 3 * (1 + 4 * 5)
    for row in ranks.table.itertuples():
        assert (regenerate(ranks, row) == np.array(Image.open(made / row.path))).all(), row.path


def test_rows_say_how_the_image_was_made(made):
    ranks = RankedSet.read(made)
    for row in ranks.table[ranks.table["level"] > 0].itertuples():
        assert row.strength == DISTORTIONS[row.distortion].levels["live"][row.level - 1]
        assert row.path == f"{row.distortion}/{row.level}/{row.reference}"
    pristine = ranks.table[ranks.table["level"] == 0]
    assert pristine[["strength", "seed"]].isna().all(axis=None)
    noise = ranks.table.loc[ranks.table["distortion"] == "GN", "seed"]
    assert noise.is_unique


def test_properties_follow_the_manifest(made):
    ranks = RankedSet.read(made)
    assert ranks.references == REFERENCES
    assert ranks.distortions == TYPES
    assert ranks.levels == dict.fromkeys(TYPES, (0, 1, 2, 3, 4, 5))
    order = [(row.reference, row.distortion, row.level) for row in ranks.table.itertuples()]
    wanted = [("pristine", 0), *((name, level) for name in TYPES for level in range(1, 6))]
    assert order == [(reference, *pair) for reference in REFERENCES for pair in wanted]
    assert ranks.row_path("a/x.png", "GB", 3) == made / "GB" / "3" / "a" / "x.png"
    assert ranks.row_path("a/x.png", "GN", 0) == made / "pristine" / "a" / "x.png"
    with pytest.raises(InputError, match="GB level 6"):
        ranks.row_path("a/x.png", "GB", 6)


def test_select_keeps_only_those_references(made):
    ranks = RankedSet.read(made)
    part = ranks.select(["x.png", "a/x.png"])
    assert part.references == ("a/x.png", "x.png")
    assert len(part.table) == 2 * 21
    assert part.pristine_sha256("x.png") == ranks.pristine_sha256("x.png")
    for references, words in ((["y.png"], "y.png"), ([], "no reference")):
        with pytest.raises(InputError, match=words):
            ranks.select(references)
    with pytest.raises(InputError, match="b/x"):
        part.pristine_sha256("b/x.png")


def test_numbers_survive_the_csv():
    strengths = [2**-7.5, 7 / 6, 0.1 + 0.2, 1e-300]
    rows = [
        {"path": f"GN/1/{i}", "reference": 'nan, "x"', "distortion": "GN", "level": 1}
        | {"strength": strength, "seed": 2**63 - 1 - i, "sha256": "0" * 64}
        for i, strength in enumerate(strengths)
    ]
    table = parse_rows(format_rows(rows))
    assert table["strength"].tolist() == strengths
    assert table["seed"].tolist() == [2**63 - 1 - i for i in range(4)]
    assert table["reference"].unique().tolist() == ['nan, "x"']


def with_path(path):
    return lambda rows: [*rows[:2], [path, *rows[2][1:]], *rows[3:]]


BROKEN = {
    "leaves by ..": (with_path("../x"), "'../x' leads out"),
    "leaves and comes back": (with_path("GB/../../ranks/x"), "leads out"),
    "absolute": (with_path("/etc/passwd"), "'/etc/passwd' leads out"),
    "empty path": (with_path(""), "'' leads out"),
    "same row twice": (lambda rows: [*rows, rows[5]], "has two rows"),
    "same path twice": (lambda rows: [*rows, [*rows[5][:1], "other", *rows[5][2:]]], "has two rows"),
    "negative level": (
        lambda rows: [*rows, ["y", "x.png", "GB", "-1", "1.0", "1", "0"]],
        "negative level -1",
    ),
    "level 0 of a type": (
        lambda rows: [*rows, ["y", "x.png", "GB", "0", "1.0", "1", "0"]],
        "level 0, and only",
    ),
    "no pristine": (lambda rows: [rows[0], *rows[2:]], "a/x.png has no pristine"),
    "other columns": (lambda rows: [row[:-1] for row in rows], "has the columns path, reference"),
    "no rows": (lambda rows: rows[:1], "lists no images"),
    "no header": (lambda rows: rows[1:], "has the columns"),
    "level is no number": (
        lambda rows: [*rows, ["y", "x.png", "GB", "one", "1.0", "1", "0"]],
        "line 65: the level 'one'",
    ),
    "too many fields": (lambda rows: [*rows, [*rows[1], "more"]], "manifest.csv, line 65: 8 cells in place of 7"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_manifest_is_refused(name, copy):
    change, words = BROKEN[name]
    rewrite(copy, change)
    with pytest.raises(InputError) as caught:
        RankedSet.read(copy)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_links_that_lead_out_are_refused(copy, tmp_path):
    outside = shutil.move(copy / "GB" / "2", tmp_path / "outside")
    os.symlink(outside, copy / "GB" / "2")
    with pytest.raises(InputError, match="leads out of the folder"):
        RankedSet.read(copy)
    os.unlink(copy / "GB" / "2")
    shutil.copytree(outside, copy / "GB" / "2")
    (copy / "GB" / "2" / "x.png").unlink()
    os.symlink(tmp_path / "outside" / "x.png", copy / "GB" / "2" / "x.png")
    ranks = RankedSet.read(copy)
    with pytest.raises(InputError, match=r"GB/2/x\.png is a link that leads out"):
        ranks.row_path("x.png", "GB", 2)


def test_a_set_that_was_moved_or_is_reached_by_a_link_is_read(copy, tmp_path):
    os.symlink(copy, tmp_path / "link")
    assert RankedSet.read(tmp_path / "link").row_path("x.png", "GB", 1).is_file()


def test_a_missing_or_unfinished_set_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match="make the set with make_ranks"):
        RankedSet.read(tmp_path)
    (tmp_path / "manifest.csv.part").write_text("")
    with pytest.raises(InputError, match="run the same make_ranks command again"):
        RankedSet.read(tmp_path)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_verify_finds_a_flipped_bit_a_missing_and_an_extra_file(copy, workers, capsys):
    assert main(["--out", str(copy), "--verify", "--workers", workers]) == 0
    assert "63 of 63" in capsys.readouterr().out
    target = copy / "GN" / "2" / "a" / "x.png"
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)
    (copy / "JPEG" / "5" / "x.png").unlink()
    (copy / "GB" / "1" / "more.png").write_bytes(b"x")
    assert main(["--out", str(copy), "--verify", "--workers", workers]) == 2
    out, err = capsys.readouterr()
    assert "61 of 63" in out
    assert err.splitlines() == [
        "warning: GB/1/more.png: is not in the manifest",
        "error: GN/2/a/x.png: is not what the manifest says",
        "error: JPEG/5/x.png: is missing",
    ]


def test_the_hash_is_that_of_sha256sum(made):
    import hashlib

    table = pd.read_csv(made / "manifest.csv")
    for path, sha256 in zip(table["path"], table["sha256"], strict=True):
        assert hashlib.sha256((made / path).read_bytes()).hexdigest() == sha256
    assert verify_ranked_set(RankedSet.read(made)).extra == ()
