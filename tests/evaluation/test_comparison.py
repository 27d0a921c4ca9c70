"""Several models on several data sets: signs are kept, differences are on the same images, and nothing leaks."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn

from rankiqa.cli.eval_all import main
from rankiqa.errors import InputError
from rankiqa.evaluation.source import open_source
from rankiqa.evaluation.tables import measure
from rankiqa.images.reading import read_image


class Brightness(nn.Module):
    """Scores by brightness; `noise` spoils the order a little, always in the same way."""

    crop = 16

    def __init__(self, sign, noise=0.0):
        super().__init__()
        self.sign, self.noise = sign, noise

    def forward(self, x):
        light = x.mean((1, 2, 3))
        return self.sign * (light + self.noise * torch.sin(1000 * light))


@pytest.fixture
def roots(tmp_path):
    """The same 24 images of six references as TID2013 (MOS, the brighter the better) and as KADID-10k."""
    tid, kadid = tmp_path / "tid", tmp_path / "kadid"
    for folder in (tid / "distorted_images", tid / "reference_images", kadid / "images"):
        folder.mkdir(parents=True)
    mos, rows = [], ["dist_img,ref_img,dmos,var"]
    rng = np.random.default_rng(0)
    for r in (1, 2, 3, 4, 11, 25):
        for kind in (1, 2):
            for level in (1, 2):
                light = int(rng.integers(20, 235))
                image = Image.fromarray(np.full((20, 24, 3), light, np.uint8))
                score = 1 + 4 * light / 255 + rng.normal(0, 0.2)
                image.save(tid / "distorted_images" / f"i{r:02d}_{kind:02d}_{level}.bmp")
                image.save(kadid / "images" / f"I{r:02d}_{kind:02d}_{level:02d}.png")
                mos.append(f"{score:.5f} I{r:02d}_{kind:02d}_{level}.bmp\n")
                rows.append(f"I{r:02d}_{kind:02d}_{level:02d}.png,I{r:02d}.png,{min(max(score, 1), 5):.2f},0")
    (tid / "mos_with_names.txt").write_text("".join(mos))
    (kadid / "dmos.csv").write_text("\n".join(rows) + "\n")
    return tid, kadid


@pytest.fixture
def models(monkeypatch):
    """Folder names that load as models; what `configs` says becomes their config."""
    made = {"up": Brightness(1), "down": Brightness(-1), "rough": Brightness(1, 0.3)}
    configs = {name: {"architecture": {"name": name}} for name in made}
    monkeypatch.setattr("rankiqa.models.locate.find_model", lambda folder: folder)
    for user in ("run", "comparison"):
        monkeypatch.setattr(
            f"rankiqa.evaluation.{user}.load_model",
            lambda folder, device="cpu": (made[str(folder)], configs[str(folder)]),
        )
    return configs


def run(*args):
    # Few resamples unless a test asks for another number: most of them look at no interval.
    return main(["--bootstrap", "20", *map(str, args), "--patches", "2", "--workers", "0"])


def test_a_model_that_is_upside_down_is_negative_on_every_set(roots, models, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("--model", "up", "down", "--dataset", "tid2013", "kadid10k", "--root", *roots, "--out", out) == 0
    cells = {
        (c["model"], c["dataset"]): c["tables"][-1] for c in json.loads((out / "comparison.json").read_text())["cells"]
    }
    assert set(cells) == {(m, d) for m in ("up", "down") for d in ("tid2013", "kadid10k")}
    for label in ("tid2013", "kadid10k"):
        scores = pd.read_csv(out / "up" / label / "scores.csv")
        light = [read_image(root / path).mean() for path in scores["path"] for root in roots if (root / path).is_file()]
        expected = stats.spearmanr(light, scores["native"]).statistic
        assert cells["up", label]["srocc"] == pytest.approx(expected)
        assert cells["down", label]["srocc"] == pytest.approx(-expected)
        assert cells["down", label]["lcc_fitted"] < -0.9
    page = (out / "comparison.html").read_text()
    assert "−0.9" in page
    assert "http" not in page
    table = list(csv.DictReader((out / "comparison.csv").open()))
    assert {row["type"] for row in table} == {"01", "02", "ALL"}
    assert "−" in capsys.readouterr().out


def test_differences_are_those_of_the_same_images(roots, models, tmp_path):
    out = tmp_path / "out"
    tid, _ = roots
    assert run("--model", "up", "rough", "--dataset", "tid2013", "--root", tid, "--out", out, "--bootstrap", 50) == 0
    found = json.loads((out / "comparison.json").read_text())["differences"]
    row = next(r for r in found if (r["second"], r["statistic"]) == ("rough", "srocc"))
    first, second = (pd.read_csv(out / name / "tid2013" / "scores.csv") for name in ("up", "rough"))
    srocc = [stats.spearmanr(t["score"], t["truth"]).statistic for t in (second, first)]
    assert row["difference"] == pytest.approx(srocc[0] - srocc[1])
    assert row["low"] <= row["difference"] <= row["high"]


def test_close_pairs_stand_side_by_side(roots, models, tmp_path, capsys):
    out = tmp_path / "out"
    args = ("--model", "up", "rough", "down", "--dataset", "tid2013", "--root", roots[0], "--out", out)
    assert run(*args, "--bootstrap", 0, "--pair-edges", 0.4, 1) == 0
    (entry,) = json.loads((out / "comparison.json").read_text())["close_pairs"]
    assert entry["edges"] == [0.4, 1]
    tables = {name: pd.read_csv(out / name / "tid2013" / "scores.csv") for name in ("up", "rough", "down")}
    truth = tables["up"]["truth"].to_numpy()
    first, second = np.triu_indices(len(truth), 1)
    apart = np.searchsorted([0.4, 1], np.abs(truth[first] - truth[second]))
    shares = {}
    for model in entry["models"]:
        score = tables[model["model"]]["score"].to_numpy()
        right = np.sign(score[first] - score[second]) == np.sign(truth[first] - truth[second])
        shares[model["model"]] = [right[apart == k].mean() for k in range(3)]
        assert [row["share"] for row in model["bins"]] == pytest.approx(shares[model["model"]])
        assert [row["pairs"] for row in model["bins"]] == list(np.bincount(apart))
    assert [(found["first"], found["second"]) for found in entry["differences"]] == [("up", "rough"), ("up", "down")]
    for found in entry["differences"]:
        less = np.subtract(shares[found["second"]], shares["up"])
        assert [row["difference"] for row in found["bins"]] == pytest.approx(less)
        assert all(row["low"] <= row["difference"] <= row["high"] for row in found["bins"] if not row["reason"])
    assert less[-1] < -0.9  # down
    table = list(csv.DictReader((out / "close_pairs.csv").open()))
    assert len(table) == 9
    assert float(table[-1]["difference"]) == pytest.approx(less[-1])
    assert {row["less"] for row in table} == {"", "up"}
    page = (out / "comparison.html").read_text()
    assert "data:image/png;base64," in page
    assert "0.4 to 1" in page
    assert "rough less up on tid2013: pairs 0 to 0.4 apart in order" in capsys.readouterr().out


def test_a_model_a_split_has_no_close_pairs_and_says_why():
    from rankiqa.evaluation.tables import measure_close_pairs

    table = pd.DataFrame({"score": [1.0, 2, 1, 2], "truth": [1.0, 2, 1, 2], "reference": "r", "repeat": [0, 0, 1, 1]})
    found = measure_close_pairs(table, (0, 1))
    assert found["bins"] == []
    assert "each split has a model of its own" in found["reason"]


def test_results_of_an_earlier_version_are_still_compared(roots, models, tmp_path):
    from rankiqa.evaluation.comparison import as_text, write_comparison
    from rankiqa.evaluation.report import write_report

    out = tmp_path / "out"
    args = ("--model", "up", "rough", "--dataset", "tid2013", "--root", roots[0], "--out", out)
    assert run(*args, "--bootstrap", 0) == 0
    new = json.loads((out / "comparison.json").read_text())
    folders = [out / name / "tid2013" for name in ("up", "rough")]
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text())
        del summary["close_pairs"]
        (folder / "summary.json").write_text(json.dumps(summary))
        assert "Close pairs" not in write_report(folder).read_text()
    again = write_comparison(out, folders, bootstrap=0)
    assert again["close_pairs"] == new["close_pairs"]
    del again["close_pairs"]
    assert "rough less up" in as_text(again)


def test_models_that_predict_votes_are_compared_by_them(tmp_path):
    from rankiqa.models import build_nima, save_model

    root, rng = tmp_path / "ava", np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    lines = []
    for k in range(6):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(root / "images" / f"{k}.jpg")
        lines.append(" ".join(map(str, [k, k, *rng.integers(1, 30, 10), 0, 0, 0])))
    (root / "AVA.txt").write_text("\n".join(lines) + "\n")
    for name in ("before", "after"):
        save_model(build_nima("squeezenet1_1", crop=32), tmp_path / name)
    out = tmp_path / "out"
    args = ("--model", tmp_path / "before", tmp_path / "after", "--dataset", "ava", "--root", root, "--out", out)
    assert run(*args, "--bootstrap", 0) == 0
    cells = json.loads((out / "comparison.json").read_text())["cells"]
    for cell in cells:
        summary = json.loads((out / cell["model"] / "ava" / "summary.json").read_text())
        assert cell["votes"] == summary["votes"]
        assert f"{cell['votes']['emd']:.3f}" in (out / "comparison.html").read_text()


def test_k_splits_have_mean_median_and_deviation(roots, models, tmp_path):
    out = tmp_path / "out"
    args = ("--model", "rough", "--dataset", "tid2013", "--root", roots[0], "--split", "random", "--repeats", 5)
    assert run(*args, "--test-fraction", 0.5, "--out", out) == 0
    splits = json.loads((out / "summary.json").read_text())["splits"]
    values = [run_["tables"][-1]["srocc"] for run_ in splits["runs"]]
    assert len(set(values)) > 1
    over = splits["over"][-1]
    assert over["type"] == "ALL"
    assert over["srocc"]["mean"] == pytest.approx(np.mean(values))
    assert over["srocc"]["median"] == pytest.approx(np.median(values))
    assert over["srocc"]["std"] == pytest.approx(np.std(values, ddof=1))
    assert all(run_["tables"][-1]["n"] == 12 for run_ in splits["runs"])


def test_a_published_split_tests_on_its_references(roots, models, tmp_path):
    out = tmp_path / "out"
    assert run("--model", "up", "--dataset", "tid2013", "--root", roots[0], "--split", "rankiqa", "--out", out) == 0
    assert set(pd.read_csv(out / "scores.csv")["reference"]) == {"I04", "I11"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "half"], "half"),
        (["--names", "a", "b"], "names"),
        (["--pair-edges", "1", "0.5"], "pair_edges must be positive and rise"),
        (["--bootstrap", "-1"], "bootstrap must be at least 0"),
        (["--split", "random", "--repeats", "0"], "repeats must be at least 1"),
        (["--repeats", "3"], "need random splits; all is one split (--split random)"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(flags, message, roots, models, tmp_path, capsys):
    out = tmp_path / "out"
    args = ["--model", "up", "--dataset", "tid2013", "--root", str(roots[0]), "--out", str(out), *flags]
    assert run(*args) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
    assert not list(out.rglob("*.*"))


def test_a_leaking_split_is_refused_and_the_run_s_own_is_taken(roots, models, tmp_path, capsys):
    tid, _ = roots
    paths = [f"distorted_images/i{r:02d}_{k:02d}_{n}.bmp" for r in (1, 2, 3) for k in (1, 2) for n in (1, 2)]
    models["up"]["finetuned_on"] = {"dataset": "tid2013", "groups": ["I01", "I02", "I03"], "paths": paths}
    args = ("--model", "up", "--dataset", "tid2013", "--root", tid, "--out", tmp_path / "out")
    assert run(*args) == 2
    assert "split all leaks: up was fine-tuned on 12 of the 24 test images" in capsys.readouterr().err
    assert run(*args, "--all-references") == 0
    assert run("--model", "up", "--dataset", "kadid10k", "--root", roots[1], "--out", tmp_path / "other") == 0
    models["up"]["finetuned_on"]["dataset"] = "tid2008"  # of the same references
    assert run(*args) == 2
    said = capsys.readouterr().err
    assert (
        "fine-tuned on 12 of the 24 test images" in said and "give a split that tests on other references, or" in said
    )


def test_groups_too_small_and_constant_scores_are_nan_with_a_reason(roots, models, tmp_path, capsys):
    tid, _ = roots
    lines = (tid / "mos_with_names.txt").read_text().splitlines()
    kept = [line for line in lines if "_02_" not in line][:-1] + [line for line in lines if "_02_" in line][:2]
    (tid / "mos_with_names.txt").write_text("\n".join(kept) + "\n")
    assert run("--model", "up", "--dataset", "tid2013", "--root", tid, "--out", tmp_path / "out") == 0
    tables = {r["type"]: r for r in json.loads((tmp_path / "out" / "summary.json").read_text())["tables"]}
    assert tables["02"]["srocc"] is None
    assert tables["02"]["reason"] == "2 values, at least 3 are needed"
    assert tables["02"]["intervals"]["srocc"] == [None, None]
    assert "2 values, at least 3 are needed" in capsys.readouterr().out
    assert "2 values, at least 3 are needed" in (tmp_path / "out" / "report.html").read_text()


def test_a_missing_data_set_is_named(roots, models, tmp_path):
    with pytest.raises(InputError, match="needs the folder"):
        open_source(dataset="tid2013")


def test_undistorted_copies_count_in_all_only_and_all_is_told_without_them_too():
    rng = np.random.default_rng(0)
    kinds = ["JP2K"] * 8 + ["GB"] * 8 + ["pristine"] * 4
    table = pd.DataFrame({"distortion": kinds, "reference": "r", "group": [f"g{k % 5}" for k in range(20)]})
    table["level"] = pd.array([pd.NA] * 20, dtype="Int64")
    table["native"], table["score"] = rng.normal(size=20), rng.normal(size=20)
    table["truth"], table["median"], table["path"] = table["native"], table["score"], [str(k) for k in range(20)]
    rows = {row["type"]: row for row in measure(table)}
    assert list(rows) == ["JP2K", "GB", "ALL without pristine", "ALL"]
    for name, of in (("GB", table[8:16]), ("ALL without pristine", table[:16]), ("ALL", table)):
        assert rows[name]["n"] == len(of)
        assert rows[name]["srocc"] == pytest.approx(stats.spearmanr(of["score"], of["truth"]).statistic)


def test_a_model_a_split_is_tested_on_the_split_of_its_own_run(roots, models, tmp_path, monkeypatch):
    tid, _ = roots
    tests = (["I01", "I02"], ["I11", "I25"])
    for repeat, references in enumerate(tests):
        place = tmp_path / f"ft-{repeat}"
        place.mkdir()
        rows = [
            (
                f"distorted_images/i{r:02d}_{k:02d}_{n}.bmp",
                f"I{r:02d}",
                "test" if f"I{r:02d}" in references else "train",
            )
            for r in (1, 2, 3, 4, 11, 25)
            for k in (1, 2)
            for n in (1, 2)
        ]
        pd.DataFrame(rows, columns=["path", "group", "part"]).to_csv(place / "split.csv", index=False)
    known = {str(tmp_path / f"ft-{k}"): (Brightness(1, 0.3 * k), {"architecture": {"name": "x"}}) for k in range(2)}
    monkeypatch.setattr("rankiqa.evaluation.run.load_model", lambda folder, device="cpu": known[str(folder)])
    out = tmp_path / "out"
    assert run("--model", tmp_path / "ft-{repeat}", "--dataset", "tid2013", "--root", tid, "--out", out) == 0
    scores = pd.read_csv(out / "scores.csv")
    assert [sorted(set(scores[scores["repeat"] == k]["reference"])) for k in range(2)] == [list(t) for t in tests]
    summary = json.loads((out / "summary.json").read_text())
    values = [stats.spearmanr(part["score"], part["truth"]).statistic for _, part in scores.groupby("repeat")]
    assert summary["splits"]["over"][-1]["srocc"]["mean"] == pytest.approx(np.mean(values))
    assert summary["close_pairs"]["bins"] == []
    assert "None counted: each split has a model of its own" in (out / "report.html").read_text()
