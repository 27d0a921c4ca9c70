import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.optimize import curve_fit

from rankiqa.errors import InputError
from rankiqa.evaluation import report
from rankiqa.evaluation.summary import valid_json
from rankiqa.evaluation.tables import measure

SUMMARY = {
    "command": "python eval/eval_all.py --ranks 'a <b>&'",
    "created": "2020-01-01T00:00:00+00:00",
    "seconds": 1.5,
    "model": {"folder": "run", "architecture": "shallow", "crop": 227, "sha256": "ab" * 32, "score_range": None},
    "data": {"kind": "ranks", "ranks": "set", "manifest_sha256": "cd" * 32},
    "patches": 30,
    "mode": "random",
    "seed": 17,
    "small": "error",
    "convert": False,
    "device": "cpu (x)",
    "skipped": {"count": 0, "images": []},
    "training_references": {"known": True, "left_out": 0, "same_name": [], "all_references": False},
    "commit": "0123456789abcdef",
    "versions": {"rankiqa": "9.8.7"},
}


def ranked(types=("GB", "GN"), photos=3, levels=3):
    rows = [
        (f"{d}/{k}/{p}.png", f"{p}.png", d, k, -float(k))
        for p in range(photos)
        for d, k in [("pristine", 0), *((d, k) for d in types for k in range(1, levels + 1))]
    ]
    table = pd.DataFrame(rows, columns=["path", "reference", "distortion", "level", "truth"]).astype({"level": "Int64"})
    score = 2 * table["truth"] + np.random.default_rng(0).normal(size=len(table))
    return table.assign(score=score, median=score, std=0.5, patches=30)


def labelled(n=12):
    truth = np.linspace(0, 1, n)
    table = pd.DataFrame({"path": [f"{k}.jpg" for k in range(n)], "reference": "", "distortion": ""})
    level = pd.array([pd.NA] * n, dtype="Int64")
    return table.assign(level=level, truth=truth, score=truth, median=truth, std=0.5, patches=30)


def write(folder, scores, **changes):
    scores.to_csv(folder / "scores.csv", index=False)
    tables = valid_json(measure(scores))
    summary = {**SUMMARY, "images": len(scores), "tables": tables, **changes}
    (folder / "summary.json").write_text(json.dumps(summary))
    return report.write_report(folder).read_text(encoding="utf-8")


class Page(HTMLParser):
    """The text of a page, its rows of cells, its addresses, and whether every element is closed."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.addresses, self.text = [], [], [], ""
        self.tags = set()
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.addresses += [value for key, value in attributes if key in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_the_page_shows_the_numbers_and_how_they_were_made(tmp_path):
    scores = ranked()
    page = Page(write(tmp_path, scores))
    assert page.rows[0][:3] == ["type", "n", "SROCC"]
    for row, expected in zip(page.rows[1:4], measure(scores), strict=True):
        assert row[0] == expected["type"]
        assert row[1] == str(expected["n"])
        shown = [float(cell.replace("−", "-")) for cell in row[2:7]]
        keys = ("srocc", "lcc", "krocc", "rmse", "srocc_median")
        assert shown == pytest.approx([expected[key] for key in keys], abs=0.0005)
        share = 100 * expected["across_ordered"] / expected["across_pairs"]
        assert float(row[8].removesuffix(" %")) == pytest.approx(share, abs=0.05)
    for fact in (SUMMARY["command"], "seed 17", "0123456789abcdef", "cd" * 32, "ab" * 32, "rankiqa 9.8.7"):
        assert fact in page.text


def test_the_page_needs_no_network_and_no_other_file(tmp_path):
    html = write(tmp_path, ranked())
    page = Page(html)
    assert not page.tags & {"script", "link", "iframe"}
    assert not re.search(r"https?://|url\(|@import", html)
    assert len(page.addresses) == 2
    for address, name in zip(page.addresses, ("scatter.png", "levels.png"), strict=True):
        kind, data = address.split(",", 1)
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == (tmp_path / name).read_bytes()
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))
        assert (image < 250).mean() > 0.01  # something is drawn


def test_the_page_is_made_from_its_two_files_alone(tmp_path):
    first = write(tmp_path, ranked())
    for path in tmp_path.iterdir():
        if path.name not in ("scores.csv", "summary.json"):
            path.unlink()
    assert report.write_report(tmp_path).read_text(encoding="utf-8") == first
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "levels.png", "report.html", "scatter.png", "scores.csv", "summary.json"
    ]  # fmt: skip


def test_hostile_names_stay_text(tmp_path):
    scores = ranked()
    scores["path"] = "<script>alert(1)</script>" + scores["path"]
    scores["distortion"] = scores["distortion"].replace("GB", "<b>&GB")
    skipped = {"count": 1, "images": [{"path": "<i>.png", "reason": "<i>.png: damaged"}]}
    page = Page(write(tmp_path, scores, skipped=skipped))
    assert not page.tags & {"script", "b>", "i"}
    assert any(row[0].startswith("<script>alert(1)</script>") for row in page.rows)
    assert ["<i>.png", "<i>.png: damaged"] in page.rows


def test_names_that_look_like_numbers_or_nothing_stay_names(tmp_path):
    scores = labelled()
    scores["path"] = ["007", "NA", "nan", "1e5", *scores["path"][4:]]
    write(tmp_path, scores)
    assert list(report.read_results(tmp_path)[0]["path"]) == list(scores["path"])


def test_the_worst_placed_are_the_farthest_from_the_curve(tmp_path):
    scores = labelled(40)
    scores.loc[3, "score"] += 5
    scores.loc[30, "score"] -= 3
    x, y = scores["score"].to_numpy(), scores["truth"].to_numpy()

    def curve(x, b1, b2, b3, b4):
        return (b1 - b2) / (1 + np.exp(-(x - b3) / abs(b4))) + b2

    fits = [curve_fit(curve, x, y, (y.max(), y.min(), centre, x.std()), maxfev=9000)[0] for centre in x[::8]]
    best = min(fits, key=lambda fit: np.sum((curve(x, *fit) - y) ** 2))
    off = pd.Series(curve(x, *best) - y, index=scores["path"])
    worst = report.worst_placed(scores, 10)
    assert [image["path"] for image in worst] == list(off.abs().sort_values(ascending=False).index[:10])
    for image in worst:
        assert image["difference"] == pytest.approx(off[image["path"]], abs=1e-3)


def test_human_scores_have_no_levels_and_an_old_plot_goes(tmp_path):
    (tmp_path / "levels.png").write_bytes(b"of an earlier report")
    html = write(tmp_path, labelled(), data={"kind": "labels", "labels": "l.csv", "labels_sha256": "ef" * 32})
    assert not (tmp_path / "levels.png").exists()
    assert "ordered, same photo" not in html
    assert "ef" * 32 in html


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(score=1.0), "every predicted score is the same"),
        (lambda table: table.assign(score=np.nan), "a predicted score is NaN or infinite"),
        (lambda table: table.assign(score=-table["score"]), "the scores are upside down"),
    ],
)
@pytest.mark.parametrize("make", [ranked, labelled])
def test_what_is_wrong_with_the_scores_is_said(change, message, make, tmp_path):
    assert message not in write(tmp_path, make())
    assert message in write(tmp_path, change(make()))


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("random", "The mean of the network's scores of 30 crops of 227×227 pixels (random)."),
        (None, "The mean of the network's scores of 30 crops of 227×227 pixels (random)."),
        ("grid", "The mean of the network's scores of 30 crops at most of 227×227 pixels (grid)."),
        ("resize", "The network's score of the whole image, resized to 227×227 pixels whatever its shape."),
        ("native", "The network's score of the whole image as it is."),
        (
            "whole",
            "The network's score of the whole image in one pass, reduced where its longer side has more than 1024",
        ),
    ],
)
def test_the_page_says_what_the_network_saw(mode, text, tmp_path):
    page = Page(write(tmp_path, labelled(), mode=mode, data={"kind": "labels", "labels": "l", "labels_sha256": "0"}))
    assert text in page.text
    assert ("crops of 227" in page.text) == (mode in ("random", None))
    assert ("One input an image" in page.text) == (mode in ("resize", "native", "whole"))


def test_the_page_has_the_numbers_of_votes_and_of_close_pairs(tmp_path):
    votes = {"n": 12, "accuracy": 0.8125, "lcc": -0.25, "srocc": 0.5, "lcc_std": None, "srocc_std": None, "emd": 0.0625}
    votes |= {"reason": "", "reason_std": "every predicted score is the same"}
    bins = [
        {"from": 0, "to": 0.5, "pairs": 1234, "share": 0.625, "low": 0.5, "high": 0.75, "reason": ""},
        {
            "from": 0.5,
            "to": None,
            "pairs": 0,
            "share": None,
            "low": None,
            "high": None,
            "reason": "no pair in this bin",
        },
    ]
    close = {"edges": [0.5], "bins": bins, "reason": ""}
    data = {"kind": "labels", "labels": "l.csv", "labels_sha256": "ef" * 32}
    page = Page(write(tmp_path, labelled(), data=data, votes=votes, close_pairs=close))
    assert ["81.2 %", "0.500", "−0.250", "–", "–", "0.062"] in page.rows
    assert ["standard deviation: every predicted score is the same"] in page.rows
    assert ["0 to 0.5", "1,234", "62.5 %", "50.0 %", "75.0 %", ""] in page.rows
    assert ["above 0.5", "0", "–", "–", "–", "no pair in this bin"] in page.rows
    assert "standard deviation: SROCC –, LCC –: every predicted" in report.votes_text(votes)
    assert "votes (mean of 3 splits)" in report.votes_text({**votes, "splits": 3})


def test_the_lines_of_close_pairs_are_the_shares():
    from rankiqa.evaluation.plots import draw_close_pairs

    values = (0.6, 0.55, 0.7), (0.9, None, None), (None, None, None)
    bins = [dict(zip(("share", "low", "high"), row, strict=True)) for row in values]
    figure = draw_close_pairs([("a" * 40, bins), ("none", []), ("b", bins)], ["0 to 1", "1 to 2", "above 2"])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a" * 29 + "…", "b"]
    for container in axes.containers:
        np.testing.assert_allclose(container.lines[0].get_ydata(), [60, 90, np.nan])
    ends = axes.containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose(ends[0][:, 1], [55, 70])
    lines = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 3]
    assert not np.allclose(lines[0], lines[-1])  # beside each other


def test_each_level_has_its_histogram():
    scores = ranked(photos=5)
    figure = report.draw_levels(scores)
    assert [panel.get_title() for panel in figure.axes if panel.get_visible()] == ["GB", "GN"]
    for panel, kind in zip(figure.axes, ("GB", "GN"), strict=True):
        bars = sum(patch.get_height() for patch in panel.patches if hasattr(patch, "get_height"))
        assert bars == (scores["distortion"].isin([kind, "pristine"])).sum()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0 pristine", "1", "2", "3"]


def test_many_types_keep_colour_and_mark_apart():
    kinds = [f"type{k}" for k in range(25)]
    axes = report.draw_scatter(ranked(kinds, photos=1)).axes[0]
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes()) for points in axes.collections
    }
    assert len(looks) == 26


def test_the_text_table_is_aligned():
    tables = measure(ranked(("GB", "a longer name")))
    lines = report.as_text(tables).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[0] == "GB"
    tables[0].update(srocc=None, reason="every predicted score is the same")
    assert report.as_text(tables).splitlines()[-1] == "GB: no correlation: every predicted score is the same"


@pytest.mark.parametrize("name", ["scores.csv", "summary.json"])
def test_missing_and_damaged_files_are_named(name, tmp_path):
    write(tmp_path, ranked())
    (tmp_path / name).write_text("{")
    with pytest.raises(InputError, match="damaged"):
        report.write_report(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        report.write_report(tmp_path)
