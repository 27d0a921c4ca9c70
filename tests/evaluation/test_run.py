import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats

from rankiqa.cli.eval_all import main
from rankiqa.errors import InputError
from rankiqa.evaluation import run as evaluation
from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.evaluation.run import evaluate
from rankiqa.evaluation.scores import EVALUATED_COLUMNS
from rankiqa.evaluation.source import open_source
from rankiqa.images.photos import pixels_sha256
from rankiqa.images.reading import read_image
from rankiqa.models import build_model, save_model
from rankiqa.ranks.manifest import format_rows
from rankiqa.scoring.view import View
from tests.evaluation.networks import Brightness, tables

FEW = EvaluationOptions(View(2), bootstrap=20)
PHOTOS = ("a.png", "b.png", "c.png", "sub/d.png")


def darkness(distortion, level):
    """Grey value of a level: the first type falls evenly, the second has its levels 1 and 2 swapped."""
    return 250 - 40 * ({1: 2, 2: 1}.get(level, level) if distortion == "swap" else level)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    rows = []
    for k, photo in enumerate(PHOTOS):
        for distortion, level in [("pristine", 0), *((d, n) for d in ("dark", "swap") for n in (1, 2, 3))]:
            kind = "pristine" if level == 0 else f"{distortion}/{level}"
            path = folder / kind / photo
            path.parent.mkdir(parents=True, exist_ok=True)
            image = np.full((20, 24, 3), darkness(distortion, level) - k, dtype=np.uint8)
            Image.fromarray(image).save(path)
            rows.append(
                {
                    "path": f"{kind}/{photo}",
                    "reference": photo,
                    "distortion": distortion,
                    "level": level,
                    "strength": None if level == 0 else float(level),
                    "seed": "" if level == 0 else 1,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
            )
    (folder / "manifest.csv").write_text(format_rows(rows), encoding="utf-8")
    return folder


def pristine_sha(ranks, photo):
    return hashlib.sha256((ranks / "pristine" / photo).read_bytes()).hexdigest()


def test_a_ranked_set_from_files_to_numbers(ranks, tmp_path, model, capsys):
    assert main(["--ranks", str(ranks), "--out", str(tmp_path / "out"), "--patches", "4"]) == 0
    text = capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert list(scores.columns) == list(EVALUATED_COLUMNS)
    assert len(scores) == summary["images"] == 4 * 7
    assert (scores["truth"] == -scores["level"]).all()
    assert (scores["patches"] == 4).all()
    expected = [
        (darkness(d, n) - PHOTOS.index(p)) / 255
        for p, d, n in zip(scores["reference"], scores["distortion"], scores["level"], strict=True)
    ]
    np.testing.assert_allclose(scores["score"], expected, atol=1e-6)

    rows = tables(summary)
    assert list(rows) == ["dark", "swap", "ALL"]
    assert [row["n"] for row in rows.values()] == [16, 16, 28]  # a pristine photo once in ALL
    for kind, row in rows.items():
        of = scores if kind == "ALL" else scores[scores["distortion"].isin([kind, "pristine"])]
        assert row["srocc"] == pytest.approx(stats.spearmanr(of["score"], of["truth"]).statistic, abs=1e-9)
        assert row["lcc"] == pytest.approx(stats.pearsonr(of["score"], of["truth"]).statistic, abs=1e-9)
        assert row["krocc"] == pytest.approx(stats.kendalltau(of["score"], of["truth"]).statistic, abs=1e-9)
    # four levels: six pairs of a photo, of which the swapped type has one wrong; 4·3 orders of two photos
    pairs = {
        kind: [row[key] for key in ("within_ordered", "within_pairs", "across_ordered", "across_pairs")]
        for kind, row in rows.items()
    }
    assert pairs == {"dark": [24, 24, 72, 72], "swap": [20, 24, 60, 72], "ALL": [44, 48, 132, 144]}
    assert rows["dark"]["srocc"] > 0.9
    assert "100.0 %" in text
    assert str(tmp_path / "out" / "report.html") in text
    assert summary["data"]["manifest_sha256"] == hashlib.sha256((ranks / "manifest.csv").read_bytes()).hexdigest()
    assert summary["command"].startswith("rankiqa eval --ranks ")
    assert summary["versions"]["torch"] == torch.__version__.split("+")[0]


def test_a_model_that_is_upside_down_shows_negative_numbers(ranks, tmp_path, model):
    upright = tables(evaluate("model", open_source(ranks=ranks), tmp_path, FEW))
    model(Brightness(-1))
    reversed_ = tables(evaluate("model", open_source(ranks=ranks), tmp_path, FEW))
    for kind, row in upright.items():
        for key in ("srocc", "lcc", "krocc", "srocc_median"):
            assert reversed_[kind][key] == pytest.approx(-row[key], abs=1e-9)
    assert reversed_["dark"]["srocc"] < -0.9
    assert reversed_["dark"]["within_ordered"] == 0


def test_a_constant_model_gives_null_with_its_reason(ranks, tmp_path, model, capsys):
    model(Brightness(low=1.0))
    assert main(["--ranks", str(ranks), "--out", str(tmp_path), "--patches", "2", "--bootstrap", "20"]) == 0
    text = (tmp_path / "summary.json").read_text()
    assert "NaN" not in text
    for row in json.loads(text)["tables"]:
        assert row["srocc"] is row["lcc"] is row["krocc"] is row["rmse"] is row["srocc_median"] is None
        assert row["reason"] == "every predicted score is the same"
        assert row["within_ordered"] == 0
    assert "every predicted score is the same" in (tmp_path / "report.html").read_text()
    assert "ALL: no correlation: every predicted score is the same" in capsys.readouterr().out


def test_a_model_that_scores_nan_says_so(ranks, tmp_path, model):
    model(Brightness(float("nan")))
    summary = evaluate("model", open_source(ranks=ranks), tmp_path, FEW)
    assert {row["reason"] for row in summary["tables"]} == {"a predicted score is NaN or infinite"}
    assert "a predicted score is NaN or infinite" in (tmp_path / "report.html").read_text()


def test_training_photos_of_an_older_model_are_known_by_their_files(ranks, tmp_path, model, capsys):
    model(Brightness(), training_references={pristine_sha(ranks, "b.png"): "another name", "00": "a.png"})
    command = ["--ranks", str(ranks), "--out", str(tmp_path), "--patches", "2", "--bootstrap", "20"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "left out 1 photos that the model was trained on" in out
    assert "1 photos bear the name of a training photo but are other files, the first is a.png" in err
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert set(scores["reference"]) == {"a.png", "c.png", "sub/d.png"}
    assert json.loads((tmp_path / "summary.json").read_text())["training_references"]["left_out"] == 1
    assert main([*command, "--all-references"]) == 0
    assert "left out" not in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 28


def test_training_photos_are_known_by_their_pixels(ranks, tmp_path, model, capsys):
    image = np.array(Image.open(ranks / "pristine" / "b.png"))
    Image.fromarray(image).save(tmp_path / "mine.bmp")
    known = {pixels_sha256(read_image(tmp_path / "mine.bmp")): "mine.bmp", pixels_sha256(image[1:]): "a.png"}
    model(Brightness(), training_photos=known)
    command = ["--ranks", str(ranks), "--out", str(tmp_path / "out"), "--patches", "2", "--bootstrap", "20"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "left out 1 photos that the model was trained on" in out
    assert "1 photos bear the name of a training photo but are other files, the first is a.png" in err
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert set(scores["reference"]) == {"a.png", "c.png", "sub/d.png"}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["training_references"]["known"] and summary["training_references"]["left_out"] == 1


def test_a_model_trained_on_everything_is_refused(ranks, tmp_path, model, capsys):
    model(Brightness(), training_references={pristine_sha(ranks, photo): photo for photo in PHOTOS})
    assert main(["--ranks", str(ranks), "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "trained on all of its 4 photos" in error
    assert "--all-references" in error


def test_the_numbers_do_not_depend_on_the_number_of_workers(ranks, tmp_path, model):
    csv = []
    for workers in (0, 3):
        evaluate("model", open_source(ranks=ranks), tmp_path, EvaluationOptions(View(3), bootstrap=20, workers=workers))
        csv.append((tmp_path / "scores.csv").read_bytes())
    assert csv[0] == csv[1]


def test_a_saved_model_is_scored_by_the_command(ranks, tmp_path):
    torch.manual_seed(0)
    network = build_model("squeezenet1_1", crop=20)
    save_model(network, tmp_path / "model")
    folder = str(tmp_path / "model")
    assert (
        main(["--model", folder, "--ranks", str(ranks), "--patches", "2", "--bootstrap", "20", "--device", "cpu"]) == 0
    )
    scores = pd.read_csv(tmp_path / "model" / "report" / "scores.csv")  # the default place
    image = torch.full((1, 3, 20, 20), 250 / 255)
    with torch.no_grad():
        expected = network.eval()(image).item()
    (got,) = scores[(scores["level"] == 0) & (scores["reference"] == "a.png")]["score"]
    assert got == pytest.approx(expected, abs=1e-5)


# --- what goes wrong --------------------------------------------------------------------------------


@pytest.fixture
def damaged(ranks, tmp_path):
    import shutil

    folder = tmp_path / "set"
    shutil.copytree(ranks, folder)
    (folder / "dark" / "2" / "c.png").write_bytes(b"not an image")
    (folder / "pristine" / "a.png").unlink()
    return folder


def test_broken_images_are_left_out_with_a_warning(damaged, tmp_path, model, capsys):
    command = ["--ranks", str(damaged), "--out", str(tmp_path / "out"), "--patches", "2", "--bootstrap", "20"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "2 images could not be scored" in out
    assert len([line for line in err.splitlines() if line.startswith("warning: left out: ")]) == 2
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {image["path"] for image in summary["skipped"]["images"]} == {"dark/2/c.png", "pristine/a.png"}
    assert tables(summary)["dark"]["n"] == 14
    assert "pristine/a.png" not in set(pd.read_csv(tmp_path / "out" / "scores.csv")["path"])
    assert main([*command, "--strict"]) == 2
    assert "a.png: no such file" in capsys.readouterr().err


def test_nothing_but_broken_or_small_images_is_an_error(ranks, tmp_path, model, capsys):
    class Large(Brightness):
        crop = 64

    model(Large())
    command = ["--ranks", str(ranks), "--out", str(tmp_path), "--patches", "2", "--bootstrap", "20"]
    assert main([*command, "--small", "error"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no image could be scored: the image (24×20) is smaller than the 64×64 crop" in error
    assert error.startswith(f"error: {ranks}") and "(and 27 more)" in error
    assert main(command) == 0
    assert (
        "28 images were smaller than the crop of 64 px, and mirrored at their borders (--small)"
        in capsys.readouterr().out
    )
    assert json.loads((tmp_path / "summary.json").read_text())["small_images"] == 28
    page = (tmp_path / "report.html").read_text()
    assert "28 images were smaller than the crop of 64 px, and mirrored at their borders" in page


def test_a_place_that_cannot_be_written_is_found_before_the_work(ranks, tmp_path, model, capsys, monkeypatch):
    monkeypatch.setattr(evaluation, "score_items", lambda *_, **__: pytest.fail("scored before the check"))
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        assert main(["--ranks", str(ranks), "--out", str(out)]) == 2
        assert f"error: {out}: cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--patches", "0"], "patches must be at least 1"),
        (["--workers", "-1"], "workers must be at least 0"),
        (["--device", "abacus"], "device must be auto, cpu, cuda, cuda:N or mps, not 'abacus'"),
        (["--labels", "x.csv"], "--labels: not allowed with argument --ranks"),
        (["--images", "x"], "--labels and --images go together"),
        (["--direction", "lower"], "--direction needs --labels"),
        (["--mode", "sparse"], "invalid choice: 'sparse'"),
        (["--patch", "3"], "unrecognized arguments: --patch"),
    ],
)
def test_bad_options_end_with_status_two(options, message, ranks, tmp_path, model, capsys):
    try:
        status = main(["--ranks", str(ranks), "--out", str(tmp_path), *options])
    except SystemExit as stop:  # argparse
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err


def test_missing_inputs_are_named(ranks, tmp_path, model, capsys):
    assert main(["--ranks", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--labels", "labels.csv", "--out", str(tmp_path / "out")])
    assert "--labels and --images go together" in capsys.readouterr().err


def test_the_library_refuses_two_truths(tmp_path, model):
    for given in ({}, {"ranks": "r", "dataset": "csv"}):
        with pytest.raises(InputError, match="give a ranked set, or a data set of human scores"):
            open_source(**given)
    for given in ({"dataset": "csv", "root": tmp_path}, {"dataset": "ava", "root": tmp_path, "labels": "l"}):
        with pytest.raises(InputError, match="csv needs the file with the scores, and no other takes one"):
            open_source(**given)
