"""Networks that predict votes, on data sets with votes and without."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn

from rankiqa.cli import eval_all
from rankiqa.cli.eval_all import main
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.splits import make_split
from rankiqa.evaluation.items import scored_items
from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.evaluation.run import evaluate
from rankiqa.evaluation.scores import EVALUATED_COLUMNS
from rankiqa.evaluation.source import open_source
from rankiqa.evaluation.tables import measure_votes
from rankiqa.images.crops import MODES
from rankiqa.metrics.votes import NUMBERS
from rankiqa.models import build_model, build_nima, save_model
from rankiqa.scoring.view import View


@pytest.fixture
def ava(tmp_path):
    """Twelve grey photos with votes."""
    folder = tmp_path / "ava"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = []
    for k in range(12):
        grey = rng.integers(0, 256, (40, 48, 3)) // 2 + 10 * k
        Image.fromarray(grey.astype(np.uint8)).save(folder / "images" / f"{100 + k}.jpg")
        votes = rng.multinomial(100, rng.dirichlet(np.ones(10)))
        lines.append(" ".join(map(str, [k + 1, 100 + k, *votes, 0, 0, 1])))
    (folder / "AVA.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def nima(tmp_path):
    torch.manual_seed(0)
    network = build_nima("squeezenet1_1", crop=32)
    nn.init.normal_(network.backbone.head.weight, std=0.3)
    save_model(network, tmp_path / "nima", score_range=(1, 10))
    return network


def test_votes_are_measured_against_the_votes_of_people(ava, nima, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["--model", str(tmp_path / "nima"), "--dataset", "ava", "--root", str(ava), "--device", "cpu"]
    assert main([*command, "--out", str(out), "--bootstrap", "20"]) == 0
    text, page = capsys.readouterr().out, (out / "report.html").read_text()
    scores, summary = pd.read_csv(out / "scores.csv"), json.loads((out / "summary.json").read_text())
    assert (summary["mode"], summary["patches"]) == ("resize", 1)
    assert list(scores.columns) == [*EVALUATED_COLUMNS, *(f"vote{k}" for k in range(1, 11)), "votes_std",
                                    *(f"p{k}" for k in range(1, 11))]  # fmt: skip
    scale = np.arange(1, 11)
    shares = scores[[f"p{k}" for k in scale]].to_numpy()
    image = Image.open(ava / scores["path"][3]).resize((32, 32), Image.Resampling.BILINEAR)
    with torch.no_grad():
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
        expected = nima.eval()(pixels, distribution=True)[0].numpy()
    np.testing.assert_allclose(shares[3], expected, atol=1e-5)
    np.testing.assert_allclose(scores["score"], shares @ scale, atol=1e-9)
    variance = shares @ scale**2 - (shares @ scale) ** 2
    np.testing.assert_allclose(scores["votes_std"], np.sqrt(variance), atol=1e-5)  # float32 shares sum to nearly 1

    counts = np.array([line.split()[2:12] for line in (ava / "AVA.txt").read_text().splitlines()], dtype=int)
    assert (scores[[f"vote{k}" for k in scale]].to_numpy() == counts).all()
    votes, stds = summary["votes"], [np.repeat(scale, row).std() for row in counts]
    assert votes["n"] == 12
    assert votes["srocc"] == pytest.approx(stats.spearmanr(shares @ scale, scores["truth"]).statistic)
    assert votes["lcc_std"] == pytest.approx(stats.pearsonr(scores["votes_std"], stds).statistic)
    assert votes["accuracy"] == np.mean((scores["score"] > 5) == (scores["truth"] > 5))
    distances = [stats.wasserstein_distance(scale, scale, p, q) for p, q in zip(shares, counts, strict=True)]
    assert votes["emd"] == pytest.approx(np.mean(distances) / 10)
    assert f"accuracy at mean 5 {100 * votes['accuracy']:.1f} %, EMD {votes['emd']:.3f}" in text
    assert "the whole image, resized to 32×32 pixels" in page
    assert "30 crops" not in page
    for value in ("NIMA, MobileNet", "80.4 %", "81.5 %", "Inception-v2"):
        assert value in page


def test_several_crops_give_the_mean_of_their_votes(ava, nima, tmp_path):
    options = EvaluationOptions(View(3, "random"), bootstrap=20, device="cpu")
    summary = evaluate(tmp_path / "nima", open_source(dataset="ava", root=ava), tmp_path / "out", options)
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert (summary["mode"], summary["patches"]) == ("random", 3)
    assert (scores["patches"] == 3).all()
    np.testing.assert_allclose(scores["score"], scores[[f"p{k}" for k in range(1, 11)]] @ np.arange(1, 11), atol=1e-9)
    assert "3 crops of 32×32 pixels (random)" in (tmp_path / "out" / "report.html").read_text()


def test_without_votes_on_both_sides_there_is_nothing_of_them(ava, nima, tmp_path):
    save_model(build_model("squeezenet1_1", crop=32), tmp_path / "model")
    few = EvaluationOptions(View(2), bootstrap=20)
    of_ranks = evaluate(tmp_path / "model", open_source(dataset="ava", root=ava), tmp_path / "ranker", few)
    assert "votes" not in of_ranks
    assert of_ranks["mode"] == "random"
    assert "votes_std" not in pd.read_csv(tmp_path / "ranker" / "scores.csv")
    assert "<h2>Votes" not in (tmp_path / "ranker" / "report.html").read_text()
    labels = tmp_path / "labels.csv"
    labels.write_text("name,mos\n" + "".join(f"{100 + k}.jpg,{k}\n" for k in range(12)))
    source = open_source(dataset="csv", root=ava / "images", labels=labels)
    means = evaluate(tmp_path / "nima", source, tmp_path / "means", EvaluationOptions(bootstrap=20))
    assert "votes" not in means
    scores = pd.read_csv(tmp_path / "means" / "scores.csv")
    assert {"votes_std", "p1", "p10"} <= set(scores)
    assert "vote1" not in scores


def test_votes_keep_their_direction_whatever_that_of_the_score_is(ava):
    dataset = replace(open_dataset("ava", ava), higher_is_better=False)
    before = dataset.table.copy()
    items = scored_items(dataset, make_split(dataset, "all"), np.ones(12, bool))
    assert (items["vote10"] == before["vote10"]).all()
    assert (items["truth"] == -before["score"]).all()
    pd.testing.assert_frame_equal(dataset.table, before)  # the set itself is as it was


def test_the_modes_of_the_command_are_those_of_the_library():
    assert eval_all.MODES == MODES


def test_over_models_of_several_splits_the_numbers_are_means():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.dirichlet(np.ones(10), 20), columns=[f"p{k}" for k in range(1, 11)])
    table[[f"vote{k}" for k in range(1, 11)]] = rng.integers(1, 30, (20, 10))
    parts = [measure_votes(part) for part in (table[:10], table[10:])]
    found = measure_votes(table.assign(repeat=np.repeat([0, 1], 10)))
    assert (found["n"], found["splits"], found["reason"]) == (10, 2, "")
    for key in NUMBERS:
        assert found[key] == pytest.approx(np.mean([part[key] for part in parts]))
