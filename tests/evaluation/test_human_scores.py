import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from rankiqa.cli.eval_all import main
from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.evaluation.run import evaluate
from rankiqa.evaluation.source import open_source
from rankiqa.evaluation.tables import measure
from rankiqa.scoring.view import View
from tests.evaluation.networks import tables
from tests.images.profiles import SRGB, rgb_profile, srgb_encoded

FEW = EvaluationOptions(View(2), bootstrap=20)
GREYS = {"one.png": 40, "two.png": 90, "sub/three.png": 160, "NA.png": 210, "1.png": 250}


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    for name, grey in GREYS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 20, 3), grey, dtype=np.uint8)).save(folder / name)
    Image.fromarray(np.full((20, 20, 3), 9, dtype=np.uint8)).save(tmp_path / "outside.png")
    return folder


def label_file(folder, text, encoding="utf-8"):
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


def rows(header, scale=1.0, extra=""):
    return "\n".join([header, *(f"{name},{scale * grey}{extra}" for name, grey in GREYS.items())]) + "\n"


@pytest.mark.parametrize(
    ("text", "options", "sign"),
    [
        (rows("name,mos"), [], 1),
        (rows("\ufeffname,mos").replace("\n", "\r\n"), [], 1),
        (rows("Image,MOS"), [], 1),
        (rows("path,dmos"), [], -1),
        (rows("name,dmos"), ["--direction", "higher"], 1),
        (rows("name,score"), ["--direction", "lower"], -1),
        (rows("file,z"), ["--name-column", "file", "--score-column", "z", "--direction", "higher"], 1),
        (rows("name,mos,dmos", extra=",3"), ["--score-column", "mos"], 1),
    ],
)
def test_human_scores_are_read_and_turned(text, options, sign, images, tmp_path, model):
    labels = label_file(tmp_path, text)
    command = [
        "--labels",
        str(labels),
        "--images",
        str(images),
        "--out",
        str(tmp_path / "out"),
        "--patches",
        "2",
        "--bootstrap",
        "20",
    ]
    assert main([*command, *options]) == 0
    scores = pd.read_csv(tmp_path / "out" / "scores.csv", keep_default_na=False)
    assert list(scores["path"]) == list(GREYS)
    np.testing.assert_allclose(scores["truth"], sign * np.array(list(GREYS.values())))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    (row,) = summary["tables"]
    assert (row["n"], row["srocc"], row["lcc"]) == (5, sign, pytest.approx(sign))
    assert "within_pairs" not in row
    assert summary["data"]["labels_sha256"] == hashlib.sha256(labels.read_bytes()).hexdigest()
    assert not (tmp_path / "out" / "levels.png").exists()


def test_colour_profiles_are_converted_and_the_summary_says_so(images, tmp_path, model, monkeypatch):
    for name, grey in GREYS.items():
        pixels = np.full((20, 20, 3), grey, dtype=np.uint8)
        Image.fromarray(pixels).save(images / name, icc_profile=rgb_profile(SRGB, 1.0))
    stored = np.array(list(GREYS.values())) / 255
    given = ["--labels", str(label_file(tmp_path, rows("name,mos"))), "--images", str(images), "--bootstrap", "0"]
    given += ["--patches", "2"]
    monkeypatch.setattr("rankiqa.evaluation.run.write_report", lambda out: None)
    for icc, expected in (("convert", srgb_encoded(stored)), ("ignore", stored)):
        assert main([*given, "--out", str(tmp_path / icc), *(["--icc", icc] * (icc == "ignore"))]) == 0
        scores = pd.read_csv(tmp_path / icc / "scores.csv", keep_default_na=False)
        np.testing.assert_allclose(scores["score"], expected, atol=0.6 / 255)
        assert json.loads((tmp_path / icc / "summary.json").read_text())["icc"] == icc


def test_types_of_human_scores_have_rows_of_their_own(images, tmp_path, model):
    text = "name,mos,type,reference\n" + "".join(
        f"{name},{mos},{kind},r\n"
        for name, mos, kind in zip(GREYS, (1, 2, 3, 9, 8), ("up", "up", "up", "down", "down"), strict=True)
    )
    summary = evaluate(
        "model", open_source(dataset="csv", root=images, labels=label_file(tmp_path, text)), tmp_path / "out", FEW
    )
    found = tables(summary)
    assert [found[kind]["n"] for kind in ("up", "down", "ALL")] == [3, 2, 5]
    assert found["up"]["srocc"] == 1
    assert found["down"]["srocc"] is None
    assert found["down"]["reason"] == "2 values, at least 3 are needed"
    assert found["ALL"]["srocc"] == pytest.approx(0.9)


def test_close_pairs_are_in_the_unit_of_the_human_scores(images, tmp_path, model, capsys):
    command = [
        "--labels",
        str(label_file(tmp_path, rows("name,mos"))),
        "--images",
        str(images),
        "--patches",
        "2",
        "--bootstrap",
        "20",
    ]
    out = tmp_path / "out"
    assert main([*command, "--out", str(out), "--pair-edges", "45", "120"]) == 0
    close = json.loads((out / "summary.json").read_text())["close_pairs"]
    greys = list(GREYS.values())
    differences = [b - a for k, a in enumerate(greys) for b in greys[k + 1 :]]
    expected = [sum(low < d <= high for d in differences) for low, high in ((0, 45), (45, 120), (120, 999))]
    assert [row["pairs"] for row in close["bins"]] == expected == [1, 6, 3]
    assert [row["share"] for row in close["bins"]] == [1, 1, 1]
    assert close["bins"][0]["low"] is None
    assert close["bins"][0]["reason"] == "the groups do not differ"
    assert "45 to 120" in (out / "report.html").read_text()
    assert main([*command, "--out", str(out)]) == 0
    edges = json.loads((out / "summary.json").read_text())["close_pairs"]["edges"]
    assert edges == pytest.approx([210 * share for share in (0.025, 0.05, 0.1, 0.2)])
    for bad in (["0", "1"], ["2", "1"]):
        assert main([*command, "--out", str(tmp_path / "bad"), "--pair-edges", *bad]) == 2
        assert "pair_edges must be positive and rise" in capsys.readouterr().err
    assert not (tmp_path / "bad").exists()


# --- the table --------------------------------------------------------------------------------------


def test_a_pristine_photo_counts_only_in_the_types_that_it_has():
    table = pd.DataFrame(
        [("a", "pristine", 0), ("b", "pristine", 0), ("a", "x", 1), ("a", "x", 2), ("b", "y", 1), ("b", "y", 2)],
        columns=["reference", "distortion", "level"],
    )
    table["truth"] = -table["level"]
    table["score"] = table["median"] = [3.0, 9.0, 2.0, 1.0, 8.0, 7.0]
    x, y, every = measure(table)
    assert (x["n"], y["n"], every["n"]) == (3, 3, 6)
    assert x["srocc"] == y["srocc"] == 1
    assert every["srocc"] == pytest.approx(stats.spearmanr(table["score"], table["truth"]).statistic)
    assert (x["across_pairs"], every["across_pairs"], every["within_pairs"]) == (0, 0, 6)


def test_the_median_has_a_number_of_its_own():
    table = pd.DataFrame({"score": [1.0, 2, 3], "median": [3.0, 2, 1], "truth": [1.0, 2, 3]})
    table = table.assign(reference="", distortion="", level=pd.array([pd.NA] * 3, dtype="Int64"))
    (row,) = measure(table)
    assert (row["srocc"], row["srocc_median"]) == (1, -1)
