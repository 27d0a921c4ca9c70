"""The contact sheet, as a parser and a browser that are not ours understand it."""

import base64
import hashlib
import math
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin

import numpy as np
import pytest

from rankiqa.errors import InputError
from rankiqa.images.thumbnail import thumbnail
from rankiqa.scoring.gallery import gallery, link
from rankiqa.scoring.score_table import Result
from rankiqa.scoring.scorer import Score
from tests.html_page import Page

HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    '" onmouseover="alert(1)" x="',
    "' onmouseover='alert(1)' x='",
    "</script><script>alert(1)</script>",
    "</li></ol><h1>x</h1>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)<script>",
    "//example.org/x.png",
    "two\nlines\r\n.png",
    "\u202egnp.exe",
    "שלום.png",
    "{{ 7 * 7 }}{% raw %}.png",
    "&lt;b&gt;&amp;.png",
    "a?b#c%20d+e\\f.png",
    "latin\udce9\x00\x1b[2J.png",
]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def result(name, unit=0.5, percentile=50.0, value=None, **more):
    return Result(name, Score(unit * 10 - 5 if value is None else value, unit, percentile, 0.25, 3), **more)


def page(results, folder="/sheets", title="Photos", meaning="Higher is better.", details="By hand."):
    return Page(gallery(results, folder, title, meaning, details))


def shape(sheet):
    """The elements with the names of their attributes: all of a page but its words."""
    return [(element.tag, *element.attributes) for element in sheet.elements]


def test_whatever_a_file_is_called_is_text():
    def sheet(texts):
        results = [Result(text, Score(0.0, 0.5, 50.0, 0.1, 3, note=text), thumbnail=b"x") for text in texts]
        results += [Result(text, error=InputError(text, path=text)) for text in texts]
        return page(results, title=texts[0], meaning=texts[0], details=texts[0])

    assert shape(sheet(HOSTILE)) == shape(sheet([f"{i}.png" for i in range(len(HOSTILE))]))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_is_shown_without_what_does_not_print(name):
    path = f"/photos/{name}"
    html = gallery([result(path), Result(path, error=InputError("no image", path=path))], "/", name, "")
    (card,) = Page(html).cards()
    shown = card.attributes["data-name"]
    assert all(c.isprintable() or c == "\n" for c in html)
    assert "/" in name or shown == "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
    assert Page(html).all("span", class_="name")[0].text == shown
    (failed,) = Page(html).all("ul", class_="failed")
    assert failed.text.strip().endswith(": no image") and shown in failed.text


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("folder", ["/photos", "/sheets/new", "/"])
def test_a_link_leads_to_its_file_and_nowhere_else(name, folder):
    path = os.path.normpath(f"/photos/{name}")
    (anchor,) = page([result(path)], folder).all("a")
    address = urljoin(f"file://{folder}/sheet.html", anchor.attributes["href"])  # as a browser does it
    assert address.startswith("file:///") and not re.search("[?#]", address)
    assert os.fsdecode(unquote_to_bytes(address.removeprefix("file://"))) == path


def test_links_are_relative_to_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert link("photos/a b.png", "out") == "../photos/a%20b.png"
    assert link(tmp_path / "a.png", tmp_path) == "a.png"


def test_the_page_runs_its_own_script_and_loads_nothing():
    photo = thumbnail(np.zeros((40, 50, 3), np.uint8), 240)
    html = gallery([result("/photos/a.png", thumbnail=photo), result("/photos/b.png")], "/", "Photos", "")
    sheet = Page(html)
    (script,) = sheet.all("script")
    assert script.attributes == {} and script.text.strip()
    (policy,) = [e for e in sheet.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(maxsplit=1) for rule in policy.attributes["content"].split("; "))
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'" and rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:" and rules["base-uri"] == rules["form-action"] == "'none'"
    assert sheet.elements.index(policy) < min(sheet.elements.index(e) for e in [*sheet.all("style"), script])
    assert not re.search(r"https?:|url\(|@import", html)
    assert not sheet.all("link") and not any(name.startswith("on") for e in sheet.elements for name in e.attributes)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sheet.values("src"))


def test_numbers_and_order_are_those_of_the_scores():
    rng = np.random.default_rng(0)
    results = [
        result(f"/photos/{i}.png", *rng.uniform((0, 0), (1, 100)).tolist(), value=value)
        for i, value in enumerate(rng.permutation(20).tolist())
    ]
    sheet, expected = page(results), sorted(results, key=lambda r: -r.score.value)
    for place, (card, found) in enumerate(zip(sheet.cards(), expected, strict=True), 1):
        score = found.score
        data = {key: float(card.attributes[f"data-{key}"]) for key in ("value", "unit", "percentile")}
        assert data == {"value": score.value, "unit": score.unit, "percentile": score.percentile}
        assert card.attributes["data-name"] == Path(found.file).name
        rest = f"percentile {score.percentile:.1f} raw {score.value:.3f}, spread {score.spread:.3f}"
        assert [" ".join(p.text.split()) for p in sheet.inside(card, "p")] == [f"{score.unit:.3f} #{place}", rest]


def test_names_tell_the_folder_only_where_it_differs():
    assert page([result("/p/a/1.png", 0.9), result("/p/b/1.png", 0.8)]).names() == ["a/1.png", "b/1.png"]
    assert page([result("/p/a/1.png", 0.9), result("/p/a/2.png", 0.8)]).names() == ["1.png", "2.png"]


def test_a_number_that_there_is_not_is_neither_shown_nor_asked_for():
    sheet = page([result("/p/a.png", math.nan, math.nan, value=1.5), result("/p/b.png", math.nan, math.nan, math.nan)])
    assert [option.text for option in sheet.all("option")] == ["raw score", "best", "worst", "name"]
    first, second = sheet.cards()
    assert "1.500" in first.text and "–" in second.text and "data-value" not in second.attributes
    assert "nan" not in sheet.all("main")[0].text.lower()


def test_without_any_score_the_reasons_are_left():
    sheet = page([Result("a.png", error=InputError("no such file", path="a.png"))])
    assert sheet.cards() == [] and "0 images" in sheet.all("main")[0].text
    assert [item.text for item in sheet.all("li")] == ["a.png: no such file"]
    assert "#failed" in sheet.values("href") and "failed" in sheet.values("id")


NAMES = ["foo 10.png", "Foo 2.png", "bar.png", "<b>foo</b>.png", "baz.png"]  # best first, percentiles 90, 70, … 10


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    path = tmp_path_factory.mktemp("sheet") / "sheet.html"
    results = [result(f"/photos/{name}", 0.9 - i / 5, 90 - 20.0 * i) for i, name in enumerate(NAMES)]
    path.write_text(gallery(results, path.parent, "Photos", ""), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize(
    "view, shown, status",
    [
        ("", NAMES, "5 images"),
        ("name=foo&order=worst", ["<b>foo</b>.png", "Foo 2.png", "foo 10.png"], "3 of 5 images"),
        ("name=png 2", ["Foo 2.png"], "1 of 5 images"),
        ("by=percentile&from=30&to=70", ["Foo 2.png", "bar.png", "<b>foo</b>.png"], "3 of 5 images"),
        ("order=name", ["<b>foo</b>.png", "bar.png", "baz.png", "Foo 2.png", "foo 10.png"], "5 images"),
        ("order=%3Cb%3E&by=x&from=y&name=%3Cb%3E", ["<b>foo</b>.png"], "1 of 5 images"),  # no such order, number
    ],
)
def test_filter_and_order_in_a_browser(sheet, tmp_path, view, shown, status):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--no-first-run", "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}"]
    command += ["--virtual-time-budget=3000", "--dump-dom", f"{sheet.as_uri()}#{view}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = Page(done.stdout)
    assert sorted(found.names()) == sorted(NAMES)
    assert [c.attributes["data-name"] for c in found.cards() if "hidden" not in c.attributes] == shown
    assert [output.text for output in found.all("output")] == [status]
    assert "hidden" not in found.all("form")[0].attributes
