import base64
import csv
import io
import json
import os
import sys
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from rankiqa.cli import main
from rankiqa.scoring.scorer import Scorer
from tests.html_page import Page

ALL = ["a.png", "b.jpg", "sub/c.png", "sub/deep/d.png"]


def rank(model, *arguments):
    return main(["rank", "--model", str(model), "--patches", "3", *map(str, arguments)])


def sheet(path):
    return Page(path.read_text(encoding="utf-8"))


def test_order_and_numbers_are_those_of_score(model, images, capsys):
    Image.open("a.png").crop((0, 0, 100, 90)).save("small.png")
    Image.open("b.jpg").convert("L").save("grey.png")
    assert rank(model, ".", "--html", "r.html", "--csv", "r.csv", "--seed", 2) == 0
    table, meaning, end = capsys.readouterr().out.split("\n\n")
    assert end == "6 of 6 images scored\npage: r.html\n" and "higher is better" in meaning
    options = ["--model", str(model), "--patches", "3", "--seed", "2"]
    assert main(["score", ".", *options, "--sort", "--json", "-"]) == 0
    scores = json.loads(capsys.readouterr().out)["images"]
    cards = sheet(images / "r.html").cards()
    assert [card.attributes["data-name"] for card in cards] == [row["file"] for row in scores]
    for card, row in zip(cards, scores, strict=True):
        data = [float(card.attributes[f"data-{key}"]) for key in ("value", "unit", "percentile")]
        assert data == [row["score"], row["unit"], row["percentile"]]
        assert f"#{scores.index(row) + 1}" in card.text and row["note"] in card.text
    ranked = [line.split()[:4] for line in table.splitlines()[1:]]
    assert ranked == [
        [str(place), f"{row['score']:.3f}", f"{row['unit']:.3f}", row["file"]] for place, row in enumerate(scores, 1)
    ]
    with open("r.csv", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [row["file"] for row in scores]


def test_each_image_has_its_picture_and_a_way_to_it(model, images):
    assert rank(model, ".", "--html", "out/new/r.html") == 0
    page = sheet(images / "out/new/r.html")
    assert sorted(page.names()) == ALL
    for card in page.cards():
        (picture,), (link,) = page.inside(card, "img"), page.inside(card, "a")
        target = images / "out/new" / unquote(link.attributes["href"])
        assert not os.path.isabs(link.attributes["href"]) and target.samefile(images / card.attributes["data-name"])
        kind, data = picture.attributes["src"].split(",")
        assert kind == "data:image/jpeg;base64"
        small, full = (np.asarray(Image.open(f)) for f in (io.BytesIO(base64.b64decode(data)), target))
        assert np.abs(small.astype(int) - full).mean() < 5  # of one size, as these are below that of a thumbnail


def test_what_cannot_be_scored_is_named_at_the_end(model, images, capsys):
    (images / "0.png").write_bytes(b"no image")
    assert rank(model, ".", "no*", "--html", "r.html") == 1
    out, err = capsys.readouterr()
    assert out.endswith("\n\n4 of 6 images scored\npage: r.html\n") and "0.png" not in out
    assert err.startswith("error: no*: matches no image\nerror: 0.png: not an image") and err.count("\n") == 2
    page = sheet(images / "r.html")
    assert sorted(page.names()) == ALL
    (failed,) = page.all("ul", class_="failed")
    broken, pattern = (item.text for item in page.inside(failed, "li"))
    assert broken.startswith("0.png: not an image") and pattern == "no*: matches no image"
    assert page.elements.index(failed) > page.elements.index(page.cards()[-1])


@pytest.mark.parametrize("option", ["--html", "--csv"])
def test_an_image_is_never_overwritten(model, images, capsys, option):
    (images / "data").write_bytes((images / "a.png").read_bytes())
    for name in ("a.png", "./data", "new.jpg", "sub"):
        assert rank(model, "data", "--html", "r.html", option, name) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith(f"error: {name}: ") and err.count("\n") == 1
    assert (images / "data").read_bytes() == (images / "a.png").read_bytes()
    assert not (images / "r.html").exists() and not (images / "new.jpg").exists()


def test_one_file_is_not_for_both(model, images, capsys):
    assert rank(model, ".", "--html", "r", "--csv", "./r") == 2
    assert capsys.readouterr().err == "error: ./r: is given for --html and for --csv; give two files\n"


def test_the_order_is_told_without_a_page(model, images, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)  # as if it were not installed
    before = sorted(os.listdir("."))
    assert rank(model, ".") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["score", "[0,1]", "file"] and lines[-1] == "4 of 4 images scored"
    places, values, _, names = zip(*(line.split() for line in lines[1:5]), strict=True)
    assert places == ("1", "2", "3", "4") and sorted(names) == ALL
    assert [*map(float, values)] == sorted(map(float, values), reverse=True)
    assert sorted(os.listdir(".")) == before


@pytest.mark.parametrize("option", ["--html", "--csv"])
def test_on_stdout_there_is_the_file_alone(model, images, capsys, option):
    assert rank(model, ".", "--html", "r.html", "--csv", "r.csv", option, "-") == 0
    out, err = capsys.readouterr()
    assert err.startswith("4 of 4 images scored\n")
    assert out.startswith("<!DOCTYPE html>") and out.endswith("</html>") if option == "--html" else out.count("\n") == 5


def test_what_is_scored_is_kept_when_interrupted(model, images, capsys, monkeypatch):
    meaning, scored = Scorer.meaning, []

    def stopping(*arguments):
        if len(scored) == 2:
            raise KeyboardInterrupt
        scored.append(meaning(*arguments))
        return scored[-1]

    monkeypatch.setattr(Scorer, "meaning", stopping)
    assert rank(model, *ALL, "--html", "r.html", "--csv", "r.csv") == 130
    out, err = capsys.readouterr()
    assert "\n2 of 4 images scored\n" in out
    assert err == "interrupted: 2 of 4 images are scored; they are in r.html and r.csv\n"
    assert sorted(sheet(images / "r.html").names()) == ALL[:2]
    assert len((images / "r.csv").read_text().splitlines()) == 3


def test_the_page_is_there_although_the_csv_cannot_be_written(model, images, capsys, monkeypatch):
    from rankiqa import files
    from rankiqa.errors import InputError

    write = files.write_atomically

    def refuse(path, data):
        if path == "r.csv":
            raise InputError(f"cannot write {path}: no space left")
        write(path, data)

    monkeypatch.setattr(files, "write_atomically", refuse)
    assert rank(model, ".", "--html", "r.html", "--csv", "r.csv") == 2
    assert capsys.readouterr().err == "error: cannot write r.csv: no space left\n"
    assert sorted(sheet(images / "r.html").names()) == ALL
