"""What a manifest tells of chains and codecs, and images made again from it."""

import json
import shutil

import pytest
from PIL import Image

from rankiqa.cli.make_ranks import main
from rankiqa.distortions.chains import read_recipe
from rankiqa.errors import InputError
from rankiqa.images.reading import read_image
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.ranks.verification import regenerate


def make(photos, out, *more, workers=1):
    return main(["--pristine", str(photos), "--out", str(out), "--min-side", "64", "--workers", str(workers), *more])


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


NEW = "PHOTO3,FEED2,WEBP,GB"


def test_a_set_of_chains_tells_what_was_done_and_is_made_again_from_it(photo_folder, tmp_path):
    assert make(photo_folder, tmp_path / "one", "--distortions", NEW) == 0
    assert make(photo_folder, tmp_path / "two", "--distortions", NEW, workers=2) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    ranked_set = RankedSet.read(tmp_path / "one")
    table = ranked_set.table
    assert set(table.loc[table["distortion"].isin(["GB", "pristine"]), "recipe"]) == {""}
    assert table.loc[table["distortion"] == "WEBP", "recipe"].str.match(r"libwebp \d").all()
    feeds = table.loc[table["distortion"] == "FEED2", "recipe"]
    assert feeds.str.count("RESIZE").eq(2).all() and feeds.str.endswith("> SHOW 1.0").all()
    for _, levels in table[table["distortion"] == "PHOTO3"].groupby("reference"):
        steps = [[step.name for step in read_recipe(recipe)] for recipe in levels["recipe"]]
        assert len(steps[0]) == 3 and all(names == steps[0] for names in steps)
    for row in table.itertuples():
        assert (regenerate(ranked_set, row) == read_image(ranked_set.folder / row.path)).all()
    versions = json.loads((ranked_set.folder / "set.json").read_text())["versions"]
    assert len(versions["chains"]) == 12
    assert versions["WEBP"].startswith("libwebp ") and versions["AVIF"].startswith("libavif ")


def test_a_set_of_chains_goes_on_where_it_stopped(photo_folder, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    make(photo_folder, whole, "--distortions", NEW)
    shutil.copytree(whole, parts)
    header, *rows = (parts / "manifest.csv").read_text().splitlines(keepends=True)
    assert header.endswith(",sha256,recipe\n")
    (parts / "manifest.csv").unlink()
    (parts / "manifest.csv.part").write_text("".join(rows[: len(rows) // 2]) + rows[-1][:40])
    for row in rows[len(rows) // 2 :]:
        (parts / row.split(",")[0]).unlink()
    assert make(photo_folder, parts, "--distortions", NEW) == 0
    assert contents(parts) == contents(whole)


def test_a_set_without_recipes_has_no_column_for_them(photo_folder, tmp_path):
    make(photo_folder, tmp_path / "ranks", "--distortions", "GB,JPEG")
    header = (tmp_path / "ranks" / "manifest.csv").read_text().splitlines()[0]
    assert header == "path,reference,distortion,level,strength,seed,sha256"


def test_a_recipe_that_cannot_be_read_is_told(photo_folder, tmp_path):
    make(photo_folder, tmp_path / "ranks", "--distortions", "PHOTO1")
    manifest = tmp_path / "ranks" / "manifest.csv"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join([*lines[:2], lines[2].rsplit(",", 1)[0] + ",MAGIC 3\n", *lines[3:]]))
    ranked_set = RankedSet.read(manifest.parent)
    with pytest.raises(InputError, match=r"^PHOTO1/1/.*: the recipe 'MAGIC 3' has an unknown step 'MAGIC 3'"):
        regenerate(ranked_set, ranked_set.table.iloc[1])


def test_a_photo_that_a_codec_cannot_hold_is_left_out_with_all_its_images_and_the_others_are_made(
    photo_folder, tmp_path, capsys
):
    Image.new("RGB", (16400, 4), "teal").save(photo_folder / "m.png")  # in the middle of the others
    out = tmp_path / "ranks"
    types = ["--distortions", "OVER,WEBP", "--min-side", "1"]
    assert make(photo_folder, out, *types) == 0
    said = capsys.readouterr()
    assert f"left out {photo_folder / 'm.png'}: WEBP holds at most 16383 pixels a side, not 16400×4" in said.err
    assert "1 photos left out" in said.out
    assert not list(out.rglob("m.png*"))
    assert len(RankedSet.read(out).references) == len(list(photo_folder.rglob("*.*"))) - 1
    assert main(["--out", str(out), "--verify"]) == 0
    before = contents(out)
    assert make(photo_folder, out, *types) == 0  # the same once more
    assert contents(out) == before
    assert make(photo_folder, tmp_path / "strict", *types, "--strict") == 2
