"""Tuning from votes to a model folder: what raters like that the model does not, and votes that carry nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import rankiqa
from rankiqa.cli import main
from rankiqa.datasets.pairs import Pairs, pairs_text
from rankiqa.errors import InputError
from rankiqa.metrics.preferences import Agreement, Mean
from rankiqa.models import build_model
from rankiqa.scoring.features import file_statistics
from rankiqa.training.preference_choice import Candidate, Validation, divide_photos
from rankiqa.training.tuning import FOLDS, Photos, apply, check_division, check_votes, learn
from rankiqa.training.tuning_report import HeldOut, TuningReport

PHOTOS, VOTES, SIDE = 48, 1000, 128


@pytest.fixture(scope="module")
def folder(photos, tmp_path_factory) -> Path:
    """Parts of two photographs; in the name how much of their colour was taken away, which raters will like."""
    rng = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("votes") / "photos"
    place.mkdir()
    for number in range(PHOTOS):
        image = photos[("chelsea.png", "coffee.png")[number % 2]]
        top, left = (rng.integers(0, side - SIDE) for side in image.shape[:2])
        part = image[top : top + SIDE, left : left + SIDE].astype(np.float64)
        grey = int(rng.integers(0, 100))
        part += (part.mean(2, keepdims=True) - part) * grey / 100
        Image.fromarray(part.astype(np.uint8)).save(place / f"{grey:02d}-{number}.png")
    return place


def votes_for_grey(folder: Path, number: int = VOTES) -> Pairs:
    rng = np.random.default_rng(1)
    names = sorted(path.name for path in folder.iterdir())
    pairs = [rng.choice(names, 2, replace=False) for _ in range(number)]
    return Pairs.of([(max(pair), min(pair), 1.0, False) for pair in pairs])


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Path:
    (folder.parent / "pairs.csv").write_text(pairs_text(votes_for_grey(folder)))
    out = folder.parent / "mine"
    assert main(["tune", str(folder), str(folder.parent / "pairs.csv"), "--out", str(out), "--what", "grey ones"]) == 0
    return out


def test_the_tuned_model_likes_what_raters_like(folder: Path, tuned: Path):
    pairs = votes_for_grey(folder, 1000)
    before, after = rankiqa.load(), rankiqa.load(tuned)
    scores = {
        name: np.array([model.score(folder / photo).value for photo in pairs.photos])
        for name, model in (("before", before), ("after", after))
    }
    right = {name: np.mean(s[pairs.better] > s[pairs.worse]) for name, s in scores.items()}
    assert right["after"] > right["before"] + 0.2 and right["after"] > 0.85
    # The scale is kept: what is beneath it has the mean and the deviation that it had on these photos.
    low, high = np.clip(scores["before"], 1e-6, 1 - 1e-6), np.clip(scores["after"], 1e-6, 1 - 1e-6)
    logits = [np.log(s / (1 - s)) for s in (low, high)]
    assert logits[1].mean() == pytest.approx(logits[0].mean(), abs=0.02)
    assert logits[1].std() == pytest.approx(logits[0].std(), rel=0.02)
    assert after.reference is not None and after.reference.what == "grey ones" and after.reference.images == PHOTOS


def test_the_report_says_what_held_out_votes_say(tuned: Path):
    report = json.loads((tuned / "tuning.json").read_text())
    held = report["held_out"]
    assert held["after"]["value"] > 0.65 and held["gain"]["interval"][0] > 0
    assert held["gain"]["value"] == pytest.approx(held["after"]["value"] - held["before"]["value"])
    assert report["votes"] == VOTES and 0.25 < report["dropped"] < 0.4  # 2 · 1/5 · 4/5 of random pairs
    assert report["agreement"]["share"] == 1.0
    card = (tuned / "README.md").read_text()
    assert "By held-out votes" in card and f"Votes: {VOTES}, on pairs of {PHOTOS} images." in card
    assert f"model = rankiqa.load({json.dumps(str(tuned))})" in card and f"--model {tuned}" in card
    config = json.loads((tuned / "config.json").read_text())
    assert config["provenance"]["stage"] == "tune" and len(config["finetuned_on"]["paths"]) == PHOTOS
    assert config["finetuned_on"]["earlier"][0]["dataset"] == "biq2021"


@pytest.mark.parametrize(("error", "chance"), [(0.02, True), (0.005, False)])
def test_the_report_says_what_may_be_chance(error: float, chance: bool):
    gain = Mean(0.02, error, 90)
    held = HeldOut(Mean(0.7, 0.05, 90), Mean(0.72, 0.05, 90), gain, 90)
    none = Agreement.of(np.zeros(0))
    report = TuningReport("default", 150, 9, 100, 98, 0.33, FOLDS, "a map", ("a map",), held, none, 1.0)
    said = " ".join(report.text().split())
    assert "150 votes, 9 of them ties, on 100 photos of 98 scenes." in said
    assert ("), which may be chance: more votes tell more. It is" in said) == chance
    assert "too good" not in said


def report_of(gain: float, **more: object) -> str:
    held = HeldOut(Mean(0.7, 0.05, 90), Mean(0.7 + gain, 0.05, 90), Mean(gain, 0.01, 90), 90)
    none = Agreement.of(np.zeros(0))
    report = TuningReport("default", 312, 0, 100, 98, 0.33, FOLDS, "a map", ("a map",), held, none, 1.0)
    return " ".join(replace(report, **more).text().split())


def test_the_report_says_which_answers_are_no_votes():
    assert "scenes. 8 more are answers to catch trials, whose right answer is known: left out." in report_of(
        0, checks=8
    )
    assert "scenes. 1 more is the answer to a catch trial, whose right answer is known" in report_of(0, checks=1)
    assert "catch" not in report_of(0)


def test_the_report_advises_against_a_model_that_has_gained_nothing():
    keep = ": keep default, and tune again when there are more votes."
    for gain in (0.0, -0.01, float("nan")):
        assert f"What was learned has gained nothing on votes that were held out{keep}" in report_of(gain)
    assert f"Nothing was learned, so nothing is gained{keep}" in report_of(0.0, learns=False)
    assert keep not in report_of(0.001)


def test_votes_on_photos_that_the_model_knows_are_no_measure_and_it_says_so(
    folder: Path, tuned: Path, tmp_path: Path, capsys
):
    (tmp_path / "pairs.csv").write_text(pairs_text(votes_for_grey(folder, 150)))
    more = ["--model", str(tuned), "--out", str(tmp_path / "again")]
    assert main(["tune", str(folder), str(tmp_path / "pairs.csv"), *more]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "began with has learned from 48 of the 48 photos: all shares above are too good" in said
    assert json.loads((tmp_path / "again" / "tuning.json").read_text())["known"] == 48


def test_a_folder_that_holds_something_is_refused(folder: Path, tuned: Path, capsys):
    assert main(["tune", str(folder), str(folder.parent / "pairs.csv"), "--out", str(tuned)]) == 2
    assert "is there already" in capsys.readouterr().err
    below_a_file = folder.parent / "pairs.csv" / "mine"
    assert main(["tune", str(folder), str(folder.parent / "pairs.csv"), "--out", str(below_a_file)]) == 2
    assert "is not a folder that you may write to" in capsys.readouterr().err


def test_votes_that_nothing_can_be_learned_from():
    with pytest.raises(InputError, match="holds 1 vote, and 30 are needed"):
        check_votes(Pairs.of([("a", "b", 1, False)]))
    with pytest.raises(InputError, match="holds 2 votes, and 30 are needed"):
        check_votes(Pairs.of([("a", "b", 1, False)] * 2))
    with pytest.raises(InputError, match="all 40 votes are ties"):
        check_votes(Pairs.of([("a", "b", 1, True)] * 40))
    names = [f"{k}" for k in range(1000)]
    far = Pairs.of([(names[2 * k], names[2 * k + 1], 1, False) for k in range(8)])
    with pytest.raises(InputError, match=r"only .* lie between photos that are held out together; about \d+ votes"):
        check_division(far, far.photos, 0)
    with pytest.raises(InputError, match="of 1 scenes cannot be divided"):
        check_division(far, ["one"] * len(far.photos), 0)


def test_scenes_are_never_divided():
    group = [f"{k // 3}" for k in range(60)]
    fold = divide_photos(group, FOLDS, 0, 0)
    assert all(len(set(fold[k : k + 3])) == 1 for k in range(0, 60, 3))
    assert np.bincount(fold).tolist() == [12] * FOLDS
    assert (fold == divide_photos(group, FOLDS, 0, 0)).all() and (fold != divide_photos(group, FOLDS, 0, 1)).any()


def test_nothing_is_chosen_within_a_standard_error_of_the_best():
    pairs = Pairs.of([(f"{2 * k}", f"{2 * k + 1}", 1, False) for k in range(100)])
    noise = np.tile([0.1, -0.1], 50)  # a standard error of 0.01

    def chosen(*means: float) -> int:
        return Validation(np.array([mean + noise for mean in means])).choose(pairs, pairs.photos)

    assert chosen(0.609, 0.62, 0.6) == 0
    assert chosen(0.615, 0.609, 0.6) == 2
    assert chosen(0.615, 0.6, 0.604) == 1
    assert Validation(np.full((3, 100), np.nan)).choose(pairs, pairs.photos) == 0  # no division held one out
    assert Candidate("nothing").fit(pairs, np.zeros(200)).slope == 2.0  # a score that tells nothing


@pytest.mark.parametrize(("stage", "half"), [(1, "the first 4 of 8"), (7, "the last 4 of 8")])
def test_the_half_of_the_stages_that_tells_is_found_and_joins_the_head(stage: int, half: str):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = build_model("tf_efficientnet_lite0", head={"kind": "statistics", "hidden": 6}).eval()
    net = network.backbone
    widths = 2 * np.array(net.channels)
    inputs = rng.normal(size=(200, widths.sum()))
    of = np.repeat(np.arange(8), widths)
    inputs[:, of == stage] += 3 * rng.normal(size=(200, 1))  # what all channels of one stage see alike
    with torch.no_grad():
        raw = net.top(torch.from_numpy(inputs).float())[:, 0].double().numpy()
    names = tuple(map(str, range(200)))
    photos = Photos(raw, inputs, np.repeat(widths, widths) ** -0.5, of, names)
    likes = inputs[:, of == stage].mean(1)
    pairs = [rng.choice(200, 2, replace=False) for _ in range(600)]
    votes = Pairs.of(
        [(str(a), str(b), 1.0, False) if likes[a] > likes[b] else (str(b), str(a), 1.0, False) for a, b in pairs]
    )
    photos = photos.select(np.array([int(name) for name in votes.photos]))
    chosen, fit = learn(votes, photos, photos.candidates())
    assert f"statistics of {half} stages" in chosen.name
    _, scores = apply(network, photos, chosen, fit)
    learned = fit.scores(photos.known, chosen.features)
    assert np.corrcoef(scores, learned)[0, 1] > 1 - 1e-6
    assert scores.std() == pytest.approx(photos.raw.std(), rel=1e-3)


def test_a_network_without_statistics_is_refused(tmp_path: Path, folder: Path):
    from rankiqa.models import save_model

    save_model(build_model("shallow"), tmp_path / "shallow")
    with pytest.raises(InputError, match="has no head on statistics"):
        next(file_statistics(rankiqa.load(tmp_path / "shallow"), [next(folder.iterdir())]))
