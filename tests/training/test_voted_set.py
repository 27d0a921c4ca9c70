"""Votes as a set to train on: parts, batches, the loss, and both stages that take them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from rankiqa.cli.finetune import main
from rankiqa.config import (
    BranchConfig,
    FinetuneConfig,
    JointSetConfig,
    OptimConfig,
    ScoredBatchConfig,
    ScoredDataConfig,
)
from rankiqa.errors import InputError
from rankiqa.losses import pairwise_hinge, pairwise_logistic, voted_loss
from rankiqa.models import load_model
from rankiqa.training.finetuning import FineTuner
from rankiqa.training.joint import JointTrainer
from rankiqa.training.joint_sets import open_sets
from rankiqa.training.voted_set import check_part, open_votes
from tests.training import test_joint

SIDE = 48


@pytest.fixture(scope="module")
def voted(tmp_path_factory, photos) -> Path:
    """32 images of eight scenes, darker by levels; 150 votes for the lighter ones, a tie and a contradiction."""
    folder = tmp_path_factory.mktemp("voted")
    rng = np.random.default_rng(0)
    level = {}
    for scene in range(8):
        picture = list(photos.values())[scene % 5][30 * scene : 30 * scene + 60, 100:170]
        for dark in range(4):
            name = f"s{scene}_{dark}.png"
            Image.fromarray((picture * (1 - 0.25 * dark)).astype(np.uint8)).save(folder / name)
            level[name] = dark
    names = sorted(level)
    lines = ["better,worse,weight"]
    while len(lines) < 150:
        one, other = rng.choice(names, 2, replace=False)
        if level[one] < level[other]:
            lines.append(f"{one},{other},1")
    lines += ["s0_3.png,s0_0.png,2", "s0_0.png,s1_0.png,.5", "s1_0.png,s0_0.png,.5"]
    (folder / "votes.csv").write_text("\n".join(lines) + "\n")
    return folder


def settings(voted: Path, out: Path, **changes) -> FinetuneConfig:
    base = {
        "dataset": "pairs",
        "root": str(voted),
        "data": ScoredDataConfig(labels=str(voted / "votes.csv"), workers=0, val_fraction=0.2),
        "model": BranchConfig(name="squeezenet1_1", weights="none", crop=SIDE, dropout=0.5),
        "batch": ScoredBatchConfig(images=8),
        "optim": OptimConfig(lr=0.01, schedule="constant", clip=1.0, head_lr=1.0, head_bias_lr=1.0),
        "steps": 4,
        "out": str(out),
        "val_patches": 1,
        "checkpoint_every": 2,
        "log_every": 1,
    }
    return FinetuneConfig(**(base | changes))


def test_the_loss_is_that_of_ordered_pairs_by_weight():
    scores, weight = torch.randn(12, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
    each = [
        pairwise_logistic(scores[2 * k : 2 * k + 2], torch.zeros(2), torch.tensor([0, 1]), steepness=1.5)
        for k in range(6)
    ]
    expected = sum(w * loss for w, loss in zip(weight, each, strict=True)) / weight.sum()
    torch.testing.assert_close(voted_loss(scores, weight.repeat_interleave(2), 1.5), expected)
    assert voted_loss(scores, torch.zeros(12)) == 0
    with pytest.raises(ValueError, match="2P"):
        voted_loss(scores[:3], weight[:3])


def test_the_scale_and_the_parts_are_those_of_the_votes(voted):
    dataset = open_votes(voted, voted / "votes.csv")
    level = np.array([int(path[-5]) for path in dataset.table["path"]])
    assert np.corrcoef(dataset.table["score"], level)[0, 1] < -0.8
    assert dataset.quality().min() == 0 and dataset.quality().max() == 1
    rows = np.flatnonzero(level < 2)
    part = dataset.of_part(rows)
    assert part.photos == tuple(dataset.table["path"].iloc[rows])
    whole = dataset.pairs
    named = [(whole.photos[b], whole.photos[w]) for b, w in zip(whole.better, whole.worse, strict=True)]
    kept = [pair for pair in named if set(pair) <= set(part.photos)]
    assert [(part.photos[b], part.photos[w]) for b, w in zip(part.better, part.worse, strict=True)] == kept
    (voted / "other.csv").write_text(
        (voted / "votes.csv").read_text().replace("s0_3.png,s0_0.png,2", "s0_3.png,s0_0.png,1")
    )
    assert open_votes(voted, voted / "other.csv").labels_sha256() != dataset.labels_sha256()


def test_fine_tuning_learns_the_votes_of_its_part_and_goes_on_exactly(voted, tmp_path, capsys):
    tuner = FineTuner(settings(voted, tmp_path / "whole"))
    said = capsys.readouterr().err
    train = set(tuner.dataset.table["path"][tuner.split.mask("train")])
    batches = tuner.batches()
    assert f"note: {batches.pairs.votes} of 152 votes" in said and set(batches.files) == {voted / p for p in train}
    groups = {part: set(np.array(tuner.split.groups)[tuner.split.mask(part)]) for part in ("train", "test")}
    assert not groups["train"] & groups["test"]
    # Each row of the votes once in an epoch, the better image first, at its weight.
    rows = len(batches.pairs)
    seen = [(batch[k], batch[k + 1]) for step in range(rows) for batch in [batches.rows(step)] for k in (0, 2, 4, 6)]
    assert sorted(seen[:rows]) == sorted(zip(batches.pairs.better, batches.pairs.worse, strict=True))
    tuner.run()
    FineTuner(settings(voted, tmp_path / "parts", steps=2)).run()
    FineTuner(settings(voted, tmp_path / "parts", resume=True)).run()
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    logs = [[r["loss"] for r in csv.DictReader((tmp_path / n / "log.csv").open())] for n in ("whole", "parts")]
    assert logs[0] == logs[1]
    _, config = load_model(tmp_path / "parts")
    assert config["finetuned_on"]["dataset"] == "pairs" and set(config["finetuned_on"]["paths"]) >= train
    value, scores, batch = tuner.train_step(batches[0])
    span = tuner.dataset.span
    assert value.item() == pytest.approx(voted_loss(scores, batch["weight"], span).item(), rel=1e-5)
    changed = settings(voted, tmp_path / "parts", resume=True)
    changed.data.labels = str(voted / "changed.csv")
    (voted / "changed.csv").write_text((voted / "votes.csv").read_text().replace(",1\n", ",3\n", 1))
    with pytest.raises(InputError, match="are not what the run began with"):
        FineTuner(changed)


def test_votes_that_all_cross_the_split_are_refused(voted):
    dataset = open_votes(voted, voted / "votes.csv")
    with pytest.raises(InputError, match="none of the 152 votes lies between photos of the part train"):
        check_part(dataset, np.array([0]))


def test_joint_training_takes_votes_beside_scores_and_ranks(ranks, photos, voted, tmp_path):
    (tmp_path / "dmos").mkdir()
    people = test_joint.scored_folder(tmp_path / "dmos", photos, "dmos", 3)
    votes = JointSetConfig(dataset="pairs", root=str(voted), labels=str(voted / "votes.csv"), images=4, weight=0.5)
    both = [test_joint.one_set(people, "dmos", loss="mse"), votes]
    trainer = JointTrainer(test_joint.settings(ranks, both, tmp_path / "run"))
    batch = trainer.batches()[0]
    assert batch["people.weight"][:6].tolist() == [1] * 6 and len(batch["people.images"]) == 10
    value, scores, batch = trainer.train_step(batch)
    ranked = pairwise_hinge(scores[:6, 0], batch["group"], batch["level"], 1.0)
    error = ((scores[6:12, 1] - batch["people.target"][:6]) ** 2).mean() / trainer.sets[0].spread ** 2
    voted_part = voted_loss(scores[12:, 0], batch["people.weight"][6:])
    assert value.item() == pytest.approx((ranked + error + 0.5 * voted_part).item(), rel=1e-4)
    assert open_sets(trainer.config, 56)[1].labels() == trainer.sets[1].labels()


def test_joint_training_with_votes_goes_on_exactly_after_a_kill(ranks, photos, voted, tmp_path):
    (tmp_path / "mos").mkdir()
    people = test_joint.scored_folder(tmp_path / "mos", photos, "mos", 1)
    votes = JointSetConfig(
        dataset="pairs", root=str(voted), labels=str(voted / "votes.csv"), images=4, val_fraction=0.2
    )
    both = [votes, test_joint.one_set(people)]
    JointTrainer(test_joint.settings(ranks, both, tmp_path / "whole", steps=8)).run()
    broken = test_joint.settings(ranks, both, tmp_path / "broken", steps=8)
    test_joint.train_and_kill(broken)
    broken.resume = True
    trainer = JointTrainer(broken)
    assert 4 <= trainer.step < 8
    trainer.run()
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "broken"))
    assert whole.keys() == parts.keys() and all(torch.equal(whole[key], parts[key]) for key in whole)
    configs = [load_model(tmp_path / name)[1] for name in ("whole", "broken")]
    assert configs[0]["provenance"]["scales"] == configs[1]["provenance"]["scales"]
    assert configs[0]["finetuned_on"] == configs[1]["finetuned_on"]
    rows = [list(csv.DictReader((tmp_path / name / "log.csv").open())) for name in ("whole", "broken")]
    losses = ("step", "loss", "rank_loss", "people_loss", "pairs_loss", "csv_loss")
    assert [[row[k] for k in losses] for row in rows[0]] == [[row[k] for k in losses] for row in rows[1]]
    (tmp_path / "changed.csv").write_text((voted / "votes.csv").read_text().replace(",1\n", ",3\n", 1))
    broken.sets[0].labels = str(tmp_path / "changed.csv")
    with pytest.raises(InputError, match="are not what the run began with"):
        JointTrainer(broken)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch.images", "7"], "batch.images must be even, two for each vote, got 7"),
        (["--data.labels", "gone.csv"], "gone.csv: no such file"),
        (["--data.labels", "ties.csv"], "all 1 votes are ties"),
        (["--data.labels", "few.csv"], "is too few to take a part for"),
    ],
)
def test_bad_settings_are_one_line(voted, tmp_path, capsys, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    Path("ties.csv").write_text("better,worse,weight\ns0_0.png,s1_0.png,.5\ns1_0.png,s0_0.png,.5\n")
    names = [f"s{scene}_{dark}.png" for scene in range(8) for dark in range(4)]
    Path("few.csv").write_text("better,worse\n" + f"{names[0]},{names[-1]}\n")
    args = ["--dataset", "pairs", "--root", str(voted), "--model.name", "shallow", "--model.weights", "none"]
    given = ["--data.labels", str(voted / "votes.csv"), "--batch.images", "2", "--data.small", "resize"]
    assert main([*args, *given, "--out", "run", *flags]) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("error: ") and message in said
    assert not Path("run").exists()
