"""Models against votes: the shares, what is left out, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rankiqa.cli.eval_all import main
from rankiqa.models import build_model, save_model
from rankiqa.scoring.scorer import Scorer


@pytest.fixture(scope="module")
def place(tmp_path_factory, photos) -> Path:
    """Twelve photos, two networks of random weights, one of which says that it has learned from the first photo."""
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "photos").mkdir()
    for number in range(12):
        image = list(photos.values())[number % 5][20 * number : 20 * number + 64, 90:170]
        Image.fromarray(image).save(folder / "photos" / f"{number:02d}.png")
    for name, seed in (("one", 0), ("two", 1)):
        torch.manual_seed(seed)
        learned = {"dataset": "pairs", "groups": [], "paths": ["00.png"]} if name == "two" else None
        save_model(build_model("squeezenet1_1", crop=48), folder / name, finetuned_on=learned)
    rng = np.random.default_rng(0)
    lines = ["better,worse,weight", "01.png,02.png,.5", "02.png,01.png,.5", "03.png,04.png,1", "04.png,03.png,1"]
    for _ in range(60):
        one, other = rng.choice(12, 2, replace=False)
        lines.append(f"{one:02d}.png,{other:02d}.png,{rng.uniform(0.5, 2):.3f}")
    (folder / "votes.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_share_of_votes_in_order(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    flags = ["--pairs", "votes.csv", "--images", "photos", "--out", "report", "--patches", "2"]
    assert main(["--model", "one", "two", *flags]) == 0
    said = capsys.readouterr().out
    found = json.loads(Path("report/pairs.json").read_text())
    assert found["left_out"] == {"learned_from": 1, "not_scored": 0} and found["photos"] == 11
    lines = [line.split(",") for line in Path("votes.csv").read_text().splitlines()[3:]]
    votes = [(better, worse, float(weight)) for better, worse, weight in lines if "00.png" not in (better, worse)]
    shares = []
    for row in found["models"]:
        model = Scorer.load(row["folder"])
        scores = {path.name: model.score(path, patches=2).value for path in Path("photos").iterdir()}
        total = sum(weight for *_, weight in votes)
        shares.append(sum(weight for better, worse, weight in votes if scores[better] > scores[worse]) / total)
        assert row["right"]["value"] == pytest.approx(shares[-1]) and f"{shares[-1]:.1%}" in said
    assert found["models"][0]["gain"] is None
    assert found["models"][1]["gain"]["value"] == pytest.approx(shares[1] - shares[0])
    assert found["ties"] == 1 and found["agreement"]["pairs"] >= 1


def test_what_cannot_be_measured_is_one_line(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    Path("own.csv").write_text("better,worse\n00.png,01.png\n")
    assert main(["--model", "two", "--pairs", "own.csv", "--images", "photos", "--out", "no"]) == 2
    said = capsys.readouterr().err
    assert "no vote is left" in said and "(--all-references)" in said
    assert main(["--model", "two", "--pairs", "gone.csv", "--images", "photos"]) == 2
    with pytest.raises(SystemExit):
        main(["--model", "two", "--pairs", "own.csv"])
