import hashlib
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
from rankiqa.evaluation import run as evaluation
from rankiqa.evaluation.run import evaluate, measure
from rankiqa.images.photos import pixels_sha256
from rankiqa.images.reading import read_image
from rankiqa.models import build_model, save_model
from rankiqa.ranks.manifest import format_rows

PHOTOS = ("a.png", "b.png", "c.png", "sub/d.png")


class Brightness(nn.Module):
    crop = 16

    def __init__(self, sign=1.0, low=0.0):
        super().__init__()
        self.sign, self.low = sign, low

    def forward(self, x):
        return self.sign * x.mean((1, 2, 3)).clamp(min=self.low)


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


@pytest.fixture
def model(monkeypatch):
    """`model(network, config)` makes the commands load that network."""

    def use(network, **config):
        monkeypatch.setattr("rankiqa.models.load_model", lambda folder, device: (network, config))

    use(Brightness())
    return use


def pristine_sha(ranks, photo):
    return hashlib.sha256((ranks / "pristine" / photo).read_bytes()).hexdigest()


def tables(summary):
    return {row["type"]: row for row in summary["tables"]}


# --- ranked sets ------------------------------------------------------------------------------------


def test_a_ranked_set_from_files_to_numbers(ranks, tmp_path, model, capsys):
    assert main(["--ranks", str(ranks), "--out", str(tmp_path / "out"), "--patches", "4"]) == 0
    text = capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert list(scores.columns) == list(evaluation.COLUMNS)
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
    assert summary["command"].startswith("python eval/eval_all.py --ranks ")
    assert summary["versions"]["torch"] == torch.__version__.split("+")[0]


def test_a_model_that_is_upside_down_shows_negative_numbers(ranks, tmp_path, model):
    upright = tables(evaluate("model", tmp_path, ranks=ranks, patches=2))
    model(Brightness(-1))
    reversed_ = tables(evaluate("model", tmp_path, ranks=ranks, patches=2))
    for kind, row in upright.items():
        for key in ("srocc", "lcc", "krocc", "srocc_median"):
            assert reversed_[kind][key] == pytest.approx(-row[key], abs=1e-9)
    assert reversed_["dark"]["srocc"] < -0.9
    assert reversed_["dark"]["within_ordered"] == 0


def test_a_constant_model_gives_null_with_its_reason(ranks, tmp_path, model, capsys):
    model(Brightness(low=1.0))
    assert main(["--ranks", str(ranks), "--out", str(tmp_path), "--patches", "2"]) == 0
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
    summary = evaluate("model", tmp_path, ranks=ranks, patches=2)
    assert {row["reason"] for row in summary["tables"]} == {"a predicted score is NaN or infinite"}
    assert "a predicted score is NaN or infinite" in (tmp_path / "report.html").read_text()


def test_training_photos_of_an_older_model_are_known_by_their_files(ranks, tmp_path, model, capsys):
    model(Brightness(), training_references={pristine_sha(ranks, "b.png"): "another name", "00": "a.png"})
    command = ["--ranks", str(ranks), "--out", str(tmp_path), "--patches", "2"]
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
    command = ["--ranks", str(ranks), "--out", str(tmp_path / "out"), "--patches", "2"]
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
        evaluate("model", tmp_path, ranks=ranks, patches=3, workers=workers)
        csv.append((tmp_path / "scores.csv").read_bytes())
    assert csv[0] == csv[1]


def test_a_saved_model_is_scored_by_the_command(ranks, tmp_path):
    torch.manual_seed(0)
    network = build_model("squeezenet1_1", crop=20)
    save_model(network, tmp_path / "model")
    folder = str(tmp_path / "model")
    assert main(["--model", folder, "--ranks", str(ranks), "--patches", "2", "--device", "cpu"]) == 0
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
    command = ["--ranks", str(damaged), "--out", str(tmp_path / "out"), "--patches", "2"]
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
    command = ["--ranks", str(ranks), "--out", str(tmp_path), "--patches", "2"]
    assert main(command) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: no image could be scored: ")
    assert "(24×20) is smaller than the 64×64 crop" in error
    assert "(and 27 more)" in error
    assert main([*command, "--small", "reflect"]) == 0


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
        (["--device", "abacus"], "device must be auto, cpu, cuda or cuda:N, not 'abacus'"),
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
    for given in ({}, {"ranks": "r", "labels": "l", "images": "i"}, {"labels": "l"}, {"ranks": "r", "images": "i"}):
        with pytest.raises(InputError, match="give a ranked set, or a label file"):
            evaluate("model", tmp_path, **given)


# --- human scores -----------------------------------------------------------------------------------

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
    command = ["--labels", str(labels), "--images", str(images), "--out", str(tmp_path / "out"), "--patches", "2"]
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


def test_types_of_human_scores_have_rows_of_their_own(images, tmp_path, model):
    text = "name,mos,type,reference\n" + "".join(
        f"{name},{mos},{kind},r\n"
        for name, mos, kind in zip(GREYS, (1, 2, 3, 9, 8), ("up", "up", "up", "down", "down"), strict=True)
    )
    summary = evaluate("model", tmp_path / "out", labels=label_file(tmp_path, text), images=images, patches=2)
    found = tables(summary)
    assert [found[kind]["n"] for kind in ("up", "down", "ALL")] == [3, 2, 5]
    assert found["up"]["srocc"] == 1
    assert found["down"]["srocc"] is None
    assert found["down"]["reason"] == "2 values, at least 3 are needed"
    assert found["ALL"]["srocc"] == pytest.approx(0.9)


def test_close_pairs_are_in_the_unit_of_the_human_scores(images, tmp_path, model, capsys):
    command = ["--labels", str(label_file(tmp_path, rows("name,mos"))), "--images", str(images), "--patches", "2"]
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
        assert "--pair-edges must be positive and rise" in capsys.readouterr().err
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
