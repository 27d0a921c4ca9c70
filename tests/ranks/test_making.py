import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankiqa.cli.make_ranks import main
from rankiqa.errors import InputError
from rankiqa.images import builtin_photos
from rankiqa.images.listing import list_images
from rankiqa.images.reading import read_image
from rankiqa.ranks.making import output_name
from rankiqa.ranks.pristine_photos import PristinePhotos
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.ranks.verification import regenerate

ROOT = Path(__file__).parents[2]


def make(photos, out, *more, workers=1):
    return main(["--pristine", str(photos), "--out", str(out), "--min-side", "64", "--workers", str(workers), *more])


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def many_photos(folder, count):
    folder.mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    for i in range(count):
        Image.fromarray(np.roll(pixels, i, axis=0)).resize((96, 80), 2).save(folder / f"{i:02}.png")
    return folder


def test_the_set_is_the_same_for_any_number_of_workers(photo_folder, tmp_path, capsys):
    assert make(photo_folder, tmp_path / "one") == 0
    assert "63 images made, 0 kept, 0 photos left out" in capsys.readouterr().out
    assert make(photo_folder, tmp_path / "two", workers=2) == 0
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    assert len(one) == 63 + 3
    assert {"pristine/x.png", "pristine/a/x.png", "GN/5/b/x.png", "sheet.png"} <= set(one)
    assert len({one[f"GB/1/{name}"] for name in ("x.png", "a/x.png", "b/x.png")}) == 3


def test_pristine_images_and_noise_do_not_depend_on_the_other_photos(photo_folder, tmp_path):
    make(photo_folder, tmp_path / "all", "--distortions", "GN")
    shutil.rmtree(photo_folder / "b")
    make(photo_folder, tmp_path / "some", "--distortions", "GN,GB")
    everything, some = contents(tmp_path / "all"), contents(tmp_path / "some")
    assert all(some[f"GN/{i}/a/x.png"] == everything[f"GN/{i}/a/x.png"] for i in range(1, 6))
    make(photo_folder, tmp_path / "seed", "--distortions", "GN", "--seed", "1")
    other = contents(tmp_path / "seed")
    assert other["GN/1/x.png"] != everything["GN/1/x.png"]
    assert other["pristine/x.png"] == everything["pristine/x.png"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_and_ends_the_same(workers, tmp_path, capsys):
    photos = many_photos(tmp_path / "photos", 12)
    assert make(photos, tmp_path / "whole") == 0
    out = tmp_path / "killed"
    command = [sys.executable, "data_gen/make_ranks.py", "--pristine", photos, "--out", out]
    process = subprocess.Popen(
        [*map(str, command), "--min-side", "64", "--workers", str(workers)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal = out / "manifest.csv.part"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (journal.exists() and journal.read_bytes().count(b"\n") >= 42):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert journal.exists(), "the run ended before it was killed"
    assert not (out / "manifest.csv").exists()

    # Whatever the moment of the kill was, also a torn line and a half-written file are there now.
    with open(journal, "ab") as file:
        file.write(b"GB/1/11.png,11.png,GB,1,1.1")
    (out / "GB" / "1" / ".rankiqa-0123.tmp").write_bytes(b"half")
    finished = out / "JP2K" / "5" / journal.read_text().split(",")[1]
    before = finished.stat().st_mtime_ns
    capsys.readouterr()
    assert make(photos, out, workers=workers) == 0
    assert contents(out) == contents(tmp_path / "whole")
    assert finished.stat().st_mtime_ns == before
    kept = int(capsys.readouterr().out.split(" kept")[0].split()[-1])
    assert 42 <= kept < 12 * 21


def test_a_finished_set_is_kept_and_what_is_missing_is_made(photo_folder, tmp_path, capsys):
    out = tmp_path / "ranks"
    make(photo_folder, out)
    before = contents(out)
    times = {path: (out / path).stat().st_mtime_ns for path in before}
    assert make(photo_folder, out) == 0
    assert "0 images made, 63 kept" in capsys.readouterr().out
    assert times == {path: (out / path).stat().st_mtime_ns for path in before}
    (out / "GN" / "3" / "a" / "x.png").unlink()
    assert make(photo_folder, out) == 0
    assert "1 images made, 62 kept" in capsys.readouterr().out
    assert contents(out) == before


def test_more_photos_in_the_folder_are_added(photo_folder, tmp_path, capsys):
    late = tmp_path / "late.png"
    shutil.move(photo_folder / "a" / "x.png", late)
    make(photo_folder, tmp_path / "grown")
    shutil.move(late, photo_folder / "a" / "x.png")
    assert make(photo_folder, tmp_path / "grown") == 0
    make(photo_folder, tmp_path / "whole")
    grown, whole = contents(tmp_path / "grown"), contents(tmp_path / "whole")
    assert grown == whole


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--seed", "1"), "another seed (0, now 1)"),
        (("--format", "bmp"), 'another format ("png", now "bmp")'),
        (("--distortions", "GB"), "another distortions"),
        (("--limit", "2"), "another source"),
        (("--pristine", "other"), "another source"),
    ],
)
def test_another_request_for_the_same_folder_is_refused_and_nothing_is_touched(
    more, word, photo_folder, tmp_path, capsys
):
    out = tmp_path / "ranks"
    make(photo_folder, out, "--distortions", "JPEG")
    before = contents(out)
    if "other" in more:
        more = ("--pristine", shutil.copytree(photo_folder, tmp_path / "other"))
    if "--distortions" not in more:
        more = (*more, "--distortions", "JPEG")
    assert make(photo_folder, out, *map(str, more)) == 2
    assert word in capsys.readouterr().err
    assert contents(out) == before


def test_other_versions_are_told(photo_folder, tmp_path, capsys):
    out = tmp_path / "ranks"
    make(photo_folder, out, "--distortions", "JPEG")
    text = json.loads((out / "set.json").read_text())
    assert text["distortions"] == {"JPEG": [43, 12, 7, 4, 0]}
    text["versions"]["libjpeg"] = "1.0"
    (out / "set.json").write_text(json.dumps(text))
    assert make(photo_folder, out, "--distortions", "JPEG") == 0
    assert "made with libjpeg 1.0" in capsys.readouterr().err


def test_bad_images_among_good_ones_are_left_out_by_name(photo_folder, tmp_path, capsys):
    (photo_folder / "text.png").write_text("text")
    good = (photo_folder / "x.png").read_bytes()
    (photo_folder / "cut.png").write_bytes(good[: len(good) // 2])
    Image.fromarray(np.zeros((90, 90), np.uint8)).save(photo_folder / "grey.png")
    Image.fromarray(np.zeros((90, 10, 3), np.uint8)).save(photo_folder / "small.png")
    (photo_folder / "line\nbreak.png").write_bytes(good)
    assert make(photo_folder, tmp_path / "ranks", "--distortions", "JPEG") == 0
    out, err = capsys.readouterr()
    assert "18 images made, 0 kept, 5 photos left out" in out
    warnings = {line for line in err.replace("\r", "\n").splitlines() if line.startswith("warning")}
    for words in (
        "/text.png: not an image",
        "/cut.png: ",
        "/grey.png: is greyscale; allow its conversion",
        "line\\nbreak.png",
    ):
        assert any(words in line for line in warnings), words
    assert any("/grey.png" in line and line.endswith("(--convert)") for line in warnings)
    assert any("small.png: 10×90 pixels are too small" in line and "have 64 (--min-side)" in line for line in warnings)
    assert len(warnings) == 5
    assert RankedSet.read(tmp_path / "ranks").references == ("a/x.png", "b/x.png", "x.png")
    assert make(photo_folder, tmp_path / "converted", "--distortions", "JPEG", "--convert") == 0
    assert "grey.png" in RankedSet.read(tmp_path / "converted").references


def test_strict_stops_and_all_broken_leaves_no_set(photo_folder, tmp_path, capsys):
    (photo_folder / "text.png").write_text("text")
    assert make(photo_folder, tmp_path / "strict", "--strict", "--distortions", "JPEG") == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "strict" / "manifest.csv").exists()
    for name in ("x.png", "a/x.png", "b/x.png"):
        (photo_folder / name).write_text("text")
    assert make(photo_folder, tmp_path / "broken") == 2
    assert "none of its 4 images can be used" in capsys.readouterr().err
    assert not contents(tmp_path / "broken")


@pytest.mark.parametrize("place", ["missing", "empty", "file.png"])
def test_a_source_without_images_is_refused(place, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.png").write_bytes(b"x")
    assert make(tmp_path / place, tmp_path / "ranks") == 2
    assert place in capsys.readouterr().err
    assert not (tmp_path / "ranks").exists()


def test_the_set_may_not_lie_among_the_photos(photo_folder, capsys):
    for out in (photo_folder, photo_folder / "ranks", photo_folder.parent):
        assert make(photo_folder, out) == 2
        assert "overlaps" in capsys.readouterr().err
    assert sorted(contents(photo_folder)) == ["a/x.png", "b/x.png", "x.png"]


def test_names_of_any_format_stay_apart(photo_folder, tmp_path, capsys):
    Image.open(photo_folder / "x.png").save(photo_folder / "x.jpg", quality=95)
    assert output_name("a.b/x.PNG", "png") == "a.b/x.PNG"
    assert make(photo_folder, tmp_path / "ranks", "--distortions", "JPEG") == 0
    assert RankedSet.read(tmp_path / "ranks").row_path("x.jpg", "JPEG", 1).name == "x.jpg.png"
    shutil.copy(photo_folder / "x.png", photo_folder / "x.jpg.png")
    assert make(photo_folder, tmp_path / "other") == 2
    assert "x.jpg and x.jpg.png would both become x.jpg.png" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_bmp_holds_the_same_pixels(photo_folder, tmp_path):
    make(photo_folder, tmp_path / "png")
    make(photo_folder, tmp_path / "bmp", "--format", "bmp")
    one, two = RankedSet.read(tmp_path / "png"), RankedSet.read(tmp_path / "bmp")
    for row in one.table.itertuples():
        path = two.row_path(row.reference, row.distortion, row.level)
        assert path.name == "x.png.bmp"
        assert (np.array(Image.open(path)) == np.array(Image.open(tmp_path / "png" / row.path))).all()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_what_cannot_be_written_is_named_and_the_same_command_goes_on(number, tmp_path, monkeypatch, capsys):
    photos = many_photos(tmp_path / "photos", 4)
    make(photos, tmp_path / "whole")
    out, replace, left = tmp_path / "ranks", os.replace, 30

    def full(*paths):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(number, os.strerror(number))
        replace(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        for _ in range(2):
            assert make(photos, out) == 2
            line = capsys.readouterr().err.strip().splitlines()[-1]
            assert line.startswith(f"error: {out}/")
            assert line.endswith("what was made is kept, and the same command goes on")
            with open(out / "manifest.csv.part", "a") as file:
                file.write("GB/1/03.png,03.png,GB,1,1.1")  # a full disk may cut the last row
            left = 30
    assert make(photos, out) == 0
    assert "42 kept" in capsys.readouterr().out
    assert contents(out) == contents(tmp_path / "whole")


def test_sampling_depends_on_the_seed_and_paths_only(tmp_path, monkeypatch):
    for folder, count in (("a", 5), ("b", 2), ("b/c", 7)):
        (tmp_path / folder).mkdir(exist_ok=True)
        for i in range(count):
            (tmp_path / folder / f"{i}.png").write_bytes(b"")
    found = PristinePhotos.find(tmp_path, per_folder=3, seed=4).references
    assert [sum(path.rpartition("/")[0] == folder for path in found) for folder in ("a", "b", "b/c")] == [
        3,
        2,
        3,
    ]
    limited = PristinePhotos.find(tmp_path, per_folder=3, limit=4, seed=4).references
    assert len(limited) == 4
    assert set(limited) < set(found)
    assert set(limited) < set(PristinePhotos.find(tmp_path, per_folder=3, limit=5, seed=4).references)
    listing = list_images(tmp_path)
    monkeypatch.setattr("rankiqa.ranks.pristine_photos.list_images", lambda root: listing[::-1])
    assert PristinePhotos.find(tmp_path, per_folder=3, limit=4, seed=4).references == limited
    others = {PristinePhotos.find(tmp_path, limit=4, seed=seed).references for seed in range(8)}
    assert len(others) > 1


def test_the_default_photos_are_those_of_scikit_image(monkeypatch, tmp_path):
    source = PristinePhotos.find()
    assert source.references == tuple(sorted(builtin_photos.PHOTOS))
    assert set(builtin_photos.HELD_OUT) < set(builtin_photos.PHOTOS)
    for name in source.references:
        pixels = read_image(source.folder / name)
        assert min(pixels.shape[:2]) >= 224
        assert np.abs(np.diff(pixels.astype(int), axis=2)).mean() > 3  # in colour
    monkeypatch.setattr("skimage.__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(InputError, match=r"astronaut\.png.*\(pristine\)"):
        PristinePhotos.find()


def test_the_flags_are_checked(capsys):
    for flags in (
        ["--limit", "0"],
        ["--workers", "x"],
        ["--format", "jpg"],
        ["--seed", "-1"],
        ["--backend", "dask"],
        ["--scheduler", "tcp://127.0.0.1:1"],
        ["--backend", "slurm"],
    ):
        with pytest.raises(SystemExit) as caught:
            main(flags)
        assert caught.value.code == 2
    assert main(["--distortions", "blur"]) == 2
    assert "GB, GN, JPEG, JP2K" in capsys.readouterr().err
    assert main(["--levels", "5"]) == 2
    assert "5: no such level table or file; give paper, even:7, psnr or a YAML file" in capsys.readouterr().err


def test_the_list_shows_types_and_strengths(capsys):
    assert main(["--list", "--distortions", "tid2013", "--levels", "paper"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 19
    assert "JP2K       JPEG 2000: ratio 52, 150, 343, 600" in lines
    assert main(["--list", "--distortions", "GB", "--levels", "psnr"]) == 0
    assert capsys.readouterr().out == "GB         Gaussian blur: σ by PSNR px\n"
    assert main(["--list", "--distortions", "LOWLIGHT-DN"]) == 0
    assert capsys.readouterr().out.startswith("LOWLIGHT-DN Little light, denoised: 600, 220")


def test_the_list_says_what_it_leaves_out(capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--list", "--distortions", "codecs"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 5
    assert "note: without HEIC: the package pillow-heif is needed for HEIC" in said.err


def test_every_type_of_tid2013_is_made_and_made_again(photo_folder, tmp_path, capsys):
    shutil.rmtree(photo_folder / "a")
    shutil.rmtree(photo_folder / "b")
    out = tmp_path / "ranks"
    assert make(photo_folder, out, "--distortions", "tid2013-24", "--format", "bmp") == 0
    ranks = RankedSet.read(out)
    assert len(ranks.distortions) == 26
    assert set(ranks.levels.values()) == {(0, 1, 2, 3, 4, 5)}
    some = ranks.table[ranks.table["level"].isin([1, 5]) & (ranks.table["distortion"] != "ID")]
    for row in some.itertuples():
        assert (regenerate(ranks, row) == read_image(out / row.path)).all(), row.path
    sheet = Image.open(out / "sheet.png")
    assert sheet.height > 26 * 224
    nested = ranks.table[ranks.table["distortion"] == "BW"]
    assert nested["seed"].nunique() == 1


def test_levels_by_psnr_are_each_photos_own(photo_folder, tmp_path, capsys):
    out = tmp_path / "ranks"
    flags = ("--distortions", "GB,GN,MSL,NEPN", "--levels", "psnr")
    assert make(photo_folder, out, *flags) == 0
    assert json.loads((out / "set.json").read_text())["distortions"]["GB"] == {"psnr": [33, 30, 27, 24, 21]}
    ranks = RankedSet.read(out)
    for reference in ranks.references:
        pristine = read_image(ranks.row_path(reference, "GN", 0)).astype(float)
        found = [
            10 * np.log10(255**2 / np.mean((read_image(ranks.row_path(reference, "GN", level)) - pristine) ** 2))
            for level in range(1, 6)
        ]
        assert found == pytest.approx([33, 30, 27, 24, 21], abs=0.2)
    strengths = ranks.table[ranks.table["distortion"] == "GB"].groupby("level")["strength"]
    assert (strengths.nunique() == 3).all()
    assert (ranks.table[ranks.table["distortion"] == "NEPN"].groupby("level")["strength"].nunique() == 1).all()
    row = ranks.table[ranks.table["path"] == "GB/3/a/x.png"].iloc[0]
    assert (regenerate(ranks, row) == read_image(out / row.path)).all()
    before = contents(out)
    (out / "GB" / "3" / "a" / "x.png").unlink()
    assert make(photo_folder, out, *flags, workers=2) == 0
    assert "1 images made" in capsys.readouterr().out
    assert contents(out) == before


def test_a_set_that_an_older_version_began_is_left_alone(photo_folder, tmp_path, capsys):
    out = tmp_path / "ranks"
    make(photo_folder, out, "--distortions", "JPEG")
    text = json.loads((out / "set.json").read_text())
    (out / "set.json").write_text(json.dumps({**text, "format_version": 1}))
    (out / "manifest.csv").rename(out / "manifest.csv.part")
    before = contents(out)
    capsys.readouterr()
    assert make(photo_folder, out, "--distortions", "JPEG") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "begun by another version of rankiqa (set format 1, now 2); finish it with that version" in line
    assert contents(out) == before
