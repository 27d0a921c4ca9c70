import csv
import io
import json
import math
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from rankiqa.cli import main
from rankiqa.cli.images import ICC, MODES, SMALL, expand
from rankiqa.errors import InputError
from rankiqa.images.reading import read_image
from rankiqa.scoring.scorer import Score, Scorer
from tests.images.profiles import P3, rgb_profile

ALL = ["a.png", "b.jpg", "sub/c.png", "sub/deep/d.png"]


def score(model, *arguments, patches=3):
    return main(["score", "--model", str(model), "--patches", str(patches), *map(str, arguments)])


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def scored_rows(model, capsys, *arguments, **keys):
    assert score(model, *arguments, "--csv", "-", **keys) == 0
    return {row["file"]: row for row in rows(capsys.readouterr().out)}


def table(text):
    """The lines of the table as lists of words."""
    return [line.split() for line in text.split("\n\n")[0].splitlines()]


def test_choices_are_those_of_the_library():
    from rankiqa.config import common
    from rankiqa.images import crops, icc

    assert (MODES, SMALL, ICC) == (crops.MODES, crops.SMALL, icc.CHOICES)
    assert icc.CHOICES == common.ICC


def test_colour_profiles_are_converted_unless_they_are_to_be_ignored(model, images, photos, capsys):
    pixels = photos["chelsea.png"][40:240, 100:310]
    Image.fromarray(pixels).save("plain.png")
    Image.fromarray(pixels).save("wide.png", icc_profile=rgb_profile(P3))
    Image.fromarray(read_image("wide.png")).save("known.png")
    files = ["plain.png", "wide.png", "known.png"]
    converted, ignored = (
        [float(row["score"]) for row in scored_rows(model, capsys, *files, "--icc", icc).values()]
        for icc in ("convert", "ignore")
    )
    assert ignored[1] == ignored[0] == converted[0]
    assert converted[1] == converted[2] == ignored[2] != converted[0]
    scorer = Scorer.load(model)
    assert scorer.score("wide.png", patches=3).value == converted[1]
    assert scorer.score("wide.png", patches=3, icc="ignore").value == converted[0]
    maps = [scorer.map("wide.png", icc=icc) for icc in ("convert", "ignore")]
    np.testing.assert_array_equal(maps[1], scorer.map("plain.png"))
    assert (maps[0] != maps[1]).any()


def test_the_table_and_the_csv_tell_what_the_scorer_says(model, images, capsys):
    assert score(model, ".", "--csv", "out/scores.csv", "--seed", 5, "--mode", "grid") == 0
    out = capsys.readouterr().out
    written = rows((images / "out/scores.csv").read_text())
    assert [row["file"] for row in written] == ALL
    assert table(out)[0] == ["score", "[0,1]", "percentile", "spread", "file"]
    scorer = Scorer.load(model)
    for row, line in zip(written, table(out)[1:], strict=True):
        found = scorer.score(row["file"], patches=3, mode="grid", seed=5)
        numbers = [found.value, found.unit, found.percentile, found.spread]
        assert [float(row[key]) for key in ("score", "unit", "percentile", "spread")] == numbers
        assert (row["patches"], row["note"]) == (str(found.patches), "")
        assert line == [f"{n:.{d}f}" for n, d in zip(numbers, (3, 3, 1, 3), strict=True)] + [row["file"]]
    last = out.splitlines()[-1]
    assert str(model) in last and "higher is better" in last and "11 known images" in last
    assert "images that nobody saw" in last


def test_the_same_image_gets_the_same_number_whatever_is_beside_it(model, images, capsys):
    together = scored_rows(model, capsys, ".", "--workers", 0)
    assert len({row["score"] for row in together.values()}) == 4
    assert scored_rows(model, capsys, *reversed(ALL), "--workers", 3) == together
    for name in ALL:
        assert scored_rows(model, capsys, name) == {name: together[name]}
    assert scored_rows(model, capsys, "a.png", "--seed", 1)["a.png"] != together["a.png"]


def test_images_come_in_the_order_given_and_once(images):
    paths, problems = expand(["sub/deep/d.png", "sub", "./a.png", str(images / "a.png"), "."])
    assert paths == ["sub/deep/d.png", "sub/c.png", "a.png", "b.jpg"] and problems == []


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("*", ALL),
        ("*.png", ["a.png"]),
        ("**/*.png", ["a.png", "sub/c.png", "sub/deep/d.png"]),
        ("**", ALL),
        ("sub/**", ["sub/c.png", "sub/deep/d.png"]),
        ("s?b", ["sub/c.png", "sub/deep/d.png"]),
        ("[ab].*", ["a.png", "b.jpg"]),
    ],
)
def test_patterns_are_expanded(images, pattern, expected):
    (images / "sub" / "notes.txt").write_text("no image")
    assert expand([pattern])[0] == expected


def test_a_name_that_looks_like_a_pattern_is_a_name(images):
    (images / "[ab].png").write_bytes((images / "a.png").read_bytes())
    assert expand(["[ab].png"])[0] == ["[ab].png"]


def test_sort_puts_the_best_first_and_what_failed_last(model, images, capsys):
    (images / "0.png").write_bytes(b"no image")
    assert score(model, ".", "--sort", "--csv", "-") == 1
    found = rows(capsys.readouterr().out)
    values = [float(row["score"]) for row in found[:-1]]
    assert values == sorted(values, reverse=True) and len(set(values)) == 4
    assert found[-1]["file"] == "0.png"


def test_a_bad_file_is_one_line_and_the_others_go_on(model, images, capsys):
    (images / "broken.png").write_bytes((images / "a.png").read_bytes()[:2000])
    Image.new("RGB", (31, 300)).save(images / "tiny.png")
    assert score(model, "broken.png", "missing.png", "tiny.png", "a.png", "x*", "--csv", "s.csv") == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 4 and all(line.startswith("error: ") for line in lines)
    assert lines[0] == "error: x*: matches no image"
    assert all(name in line for name, line in zip(("broken.png", "missing.png", "tiny.png"), lines[1:], strict=True))
    assert [line[-1] for line in table(out)[1:]] == ["a.png"]
    broken, missing, tiny, good, pattern = rows((images / "s.csv").read_text())
    assert good["file"] == "a.png" and good["score"] and good["note"] == ""
    for row in (broken, missing, tiny, pattern):
        assert not any(row[key] for key in ("score", "unit", "percentile", "spread", "patches"))
    assert missing["note"] == "error: no such file" and tiny["note"].startswith("error: the image (31×300)")


def test_nothing_to_score_is_a_bad_argument(model, images, capsys):
    (images / "empty").mkdir()
    assert score(model, "empty", "no*", "--csv", "s.csv") == 2
    assert capsys.readouterr().err == (f"error: empty: holds no images ({holds()})\nerror: no*: matches no image\n")
    assert not (images / "s.csv").exists()


def holds():
    from rankiqa.images.listing import SUFFIXES

    return ", ".join(sorted(SUFFIXES))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--patches", "0"],
        ["a.png", "--patches", "many"],
        ["a.png", "--seed", "-1"],
        ["a.png", "--mode", "some"],
        ["a.png", "--csv", "x.csv", "--json", "x.json"],
        ["a.png", "--colour"],
    ],
)
def test_bad_options_are_status_2(model, images, capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(["score", "--model", str(model), *arguments])
    assert stop.value.code == 2 and capsys.readouterr().out == ""


@pytest.mark.parametrize("option, value", [("--model", "nowhere"), ("--device", "abacus"), ("--csv", "sub")])
def test_other_bad_arguments_are_one_line(model, images, capsys, option, value):
    assert score(model, "a.png", option, value) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and value in err


def test_an_image_is_never_overwritten(model, images, capsys):
    before = (images / "a.png").read_bytes()
    assert score(model, "b.jpg", "--csv", "a.png") == 2  # what a shell makes of --csv *.png
    (images / "data").write_bytes(before)
    assert score(model, "data", "--json", "./data") == 2
    assert (images / "a.png").read_bytes() == (images / "data").read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_may_not_be_written_shows_before_the_work(model, images, capsys):
    os.chmod("sub", 0o500)
    assert score(model, "a.png", "--csv", "sub/new/x.csv") == 2
    os.chmod("sub", 0o700)
    assert capsys.readouterr().out == ""


def test_names_do_not_garble_a_terminal_nor_run_in_a_spreadsheet(model, images, capsys):
    data = (images / "a.png").read_bytes()
    names = [
        "=1+1.png",
        "+1.png",
        "-1.png",
        "@x.png",
        "\tt.png",
        "esc\x1b[2J\r\nline.png",
        "plain =1.png",
        "\u202egnp.png",
    ]
    for name in names:
        (images / name).write_bytes(data)
    (images / "\x1b.png").write_bytes(b"no image")
    with open(os.fsencode(images) + b"/latin\xe9.png", "wb") as file:
        file.write(data)
    assert score(model, ".", "--csv", "s.csv") == 1
    out, err = capsys.readouterr()
    assert all(c.isprintable() or c == "\n" for c in out + err)
    assert "esc\\x1b[2J\\r\\nline.png" in out and "\\u202egnp.png" in out and "latin\\udce9.png" in out
    assert "error: \\x1b.png: not an image" in err
    with open("s.csv", encoding="utf-8", newline="") as file:
        found = [row["file"] for row in csv.DictReader(file)]
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in found)
    assert {os.path.normpath(name) for name in found} == {*names, *ALL, "\x1b.png", "latin\\udce9.png"}


def test_json_tells_how_the_scores_were_made(model, images, capsys):
    (images / "0.png").write_bytes(b"no image")
    assert score(model, "0.png", "a.png", "--json", "-", "--seed", 3) == 1
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    config = json.loads((model / "config.json").read_text())
    import rankiqa

    assert found["rankiqa"] == rankiqa.__version__ and found["model"] == str(model) and found["complete"] is True
    assert found["weights_sha256"] == config["weights_sha256"]
    assert (found["mode"], found["patches"], found["seed"]) == ("random", 3, 3)
    assert found["reference"] == "images that nobody saw" and "higher is better" in found["meaning"]
    broken, good = found["images"]
    assert broken["file"] == "0.png" and broken["score"] is None and broken["note"].startswith("error: ")
    expected = Scorer.load(model).score("a.png", patches=3, seed=3)
    assert (good["score"], good["spread"], good["patches"]) == (expected.value, expected.spread, 3)


def test_a_model_that_knows_no_images_has_neither_scale_nor_percentile(bare_model, images, capsys):
    assert score(bare_model, "a.png", "--json", "s.json") == 0
    out = capsys.readouterr().out
    assert table(out)[1][1:3] == ["-", "-"]
    assert "no scale from 0 to 1" in out and "no percentile" in out
    (found,) = json.loads((images / "s.json").read_text(), parse_constant=pytest.fail)["images"]
    assert found["unit"] is None and found["percentile"] is None and math.isfinite(found["score"])


def test_small_images_are_mirrored_and_noted_or_refused(model, images, capsys):
    Image.open("a.png").crop((0, 0, 100, 90)).save("small.png")
    assert score(model, "small.png", "a.png") == 0
    assert "small.png  smaller than the crop of 160 px" in capsys.readouterr().out
    assert score(model, "small.png", "--small", "error") == 1
    assert "(100×90)" in capsys.readouterr().err


def test_grey_transparent_and_16_bit_images_are_taken(model, images, capsys):
    pixels = np.asarray(Image.open("a.png").convert("L"))
    Image.fromarray(pixels).save("grey.png")
    Image.fromarray(np.dstack([pixels] * 3)).save("rgb.png")
    Image.fromarray(np.dstack([pixels] * 3 + [np.full_like(pixels, 255)])).save("alpha.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save("deep.png")
    found = scored_rows(model, capsys, "grey.png", "rgb.png", "alpha.png", "deep.png")
    assert len({row["score"] for row in found.values()}) == 1


class Stopped:
    """`Scorer.score_files` with two scores, and then what `stop` does."""

    def __init__(self, monkeypatch, stop, scores=2):
        def score_files(scorer, paths, *_, **__):
            for value in range(scores):
                yield Score(float(value), 0.5, 50.0, 0.1, 3)
            stop()
            yield Score(9.0, 0.5, 50.0, 0.1, 3)

        monkeypatch.setattr(Scorer, "score_files", score_files)


def ctrl_c():
    raise KeyboardInterrupt


def polite_kill():
    os.kill(os.getpid(), signal.SIGTERM)
    signal.sigtimedwait([], 5)  # the handler runs before this ends


@pytest.mark.parametrize("stop", [ctrl_c, polite_kill])
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_what_is_scored_is_kept_when_interrupted(model, images, capsys, monkeypatch, stop, kind):
    before = signal.getsignal(signal.SIGTERM)
    Stopped(monkeypatch, stop)
    assert score(model, ".", f"--{kind}", "s.out") == 130
    out, err = capsys.readouterr()
    assert err == "interrupted: 2 of 4 images are scored; they are in s.out\n"
    assert [line[-1] for line in table(out)[1:]] == ALL[:2]
    text = (images / "s.out").read_text()
    found = rows(text) if kind == "csv" else json.loads(text)["images"]
    assert [row["file"] for row in found] == ALL[:2]
    assert kind == "csv" or json.loads(text)["complete"] is False
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_older_file_is_kept_when_nothing_is_scored(model, images, capsys, monkeypatch):
    (images / "s.csv").write_text("older")
    Stopped(monkeypatch, ctrl_c, scores=0)
    assert score(model, ".", "--csv", "s.csv") == 130
    assert (images / "s.csv").read_text() == "older"
    assert capsys.readouterr().err == "interrupted: 0 of 4 images are scored\n"


def test_what_is_scored_is_kept_when_something_breaks(model, images, capsys, monkeypatch):
    def breaks():
        raise RuntimeError("out of memory")

    Stopped(monkeypatch, breaks)
    with pytest.raises(RuntimeError, match="out of memory"):
        score(model, ".", "--csv", "s.csv")
    assert len(rows((images / "s.csv").read_text())) == 2


def test_the_table_is_shown_although_the_file_cannot_be_written(model, images, capsys, monkeypatch):
    from rankiqa import files

    def refuse(path, data):
        raise InputError(f"cannot write {path}: no space left")

    monkeypatch.setattr(files, "write_atomically", refuse)
    assert score(model, "a.png", "--csv", "s.csv") == 2
    out, err = capsys.readouterr()
    assert table(out)[1][-1] == "a.png" and err == "error: cannot write s.csv: no space left\n"


def test_debug_shows_where_an_error_comes_from(model, images, capsys):
    (images / "0.png").write_bytes(b"no image")
    for arguments in (["--debug", "score", "0.png"], ["score", "0.png", "--debug"]):
        assert main([*arguments, "--model", str(model)]) == 1
        err = capsys.readouterr().err
        assert "Traceback" in err and "UnidentifiedImageError" in err
        assert err.splitlines()[-1].startswith("error: 0.png: not an image")
    assert score(model, "0.png") == 1
    assert "Traceback" not in capsys.readouterr().err


def test_the_bundled_model_scores(images):
    done = subprocess.run([sys.executable, "-c", RUN, "score", "a.png", "--json", "-"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    (found,) = json.loads(done.stdout)["images"]
    assert 0 <= found["unit"] <= 1 and 0 <= found["percentile"] <= 100 and found["patches"] == 1


RUN = "import sys; from rankiqa.cli import main; sys.exit(main())"
