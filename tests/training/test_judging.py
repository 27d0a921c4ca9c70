"""Ranking with a judge: what it says reaches the loss, and stays the same when a run goes on."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from rankiqa.cli.train_rank import main
from rankiqa.config import JudgeConfig, RankBatchConfig, RankDataConfig, RankLossConfig
from rankiqa.images.crops import crop_at, random_place
from rankiqa.judge import Judge, JudgeScale, ScaledJudge
from rankiqa.losses import ordered_pairs, pairwise_hinge, pairwise_logistic
from rankiqa.ranks.online import OnlineSet
from rankiqa.seeding import generator
from rankiqa.training.batches import load_batches
from rankiqa.training.judging import measure_scale
from rankiqa.training.ranked_batches import RankedBatches
from rankiqa.training.ranking import RankTrainer
from rankiqa.training.samplers import EfficientGroups
from tests.training.ranked_runs import flags, settings, weights

MDSI = Judge(("mdsi",))
JUDGED = JudgeConfig(kind="mdsi", gap=0.1, sample=8)


@pytest.fixture
def data(ranks):
    return RankDataConfig(
        source="online", pristine=str(ranks.parent / "photos"), distortions="GN,GB", holdout=1, workers=0
    )


@pytest.fixture
def online(ranks):
    return OnlineSet.find(ranks.parent / "photos", "GN,GB")


@pytest.fixture(scope="module")
def scaled():
    return ScaledJudge(MDSI, JudgeScale.measure(MDSI, np.linspace(0.5, 0.95, 40)[:, None]))


def test_the_judge_sees_the_same_part_of_the_pristine_photo(online):
    for level in (0, 3):
        for reference in online.references[:2]:
            crop, values = online.judged_crop(MDSI, reference, "GB", level, 48, np.random.default_rng(5), 9)
            assert (crop == online.crop(reference, "GB", level, 48, np.random.default_rng(5), 9)).all()
            photo = online.image(reference, "GB", 0)
            place = random_place(photo, 48, np.random.default_rng(5))
            assert values.tolist() == MDSI.look(crop, crop_at(photo, *place, 48)).tolist()
            assert (values == 1).all() == (level == 0)


def test_a_judge_changes_no_pixel_and_each_process_asks_of_its_own_images(online, scaled):
    sampler = EfficientGroups(online.references, online.levels, images=1)
    plain = RankedBatches(online, sampler, 48, seed=3)[1]
    batches = RankedBatches(online, sampler, 48, seed=3, judge=scaled)
    judged = batches[1]
    assert list(plain) == ["images", "group", "level"]
    assert all(torch.equal(plain[key], judged[key]) for key in plain)
    quality = judged["own_quality"]
    assert quality.shape == judged["level"].shape and quality.dtype == torch.float32
    assert (quality[judged["level"] == 0] == 1).all() and (quality[judged["level"] > 0] < 1).all()
    parts = [RankedBatches(online, sampler, 48, 3, rank, 2, judge=scaled)[1]["own_quality"] for rank in (0, 1)]
    assert torch.equal(parts[0], quality[::2]) and torch.equal(parts[1], quality[1::2])
    assert torch.equal(next(load_batches(batches, 1, 2, 1))["own_quality"], quality)


def test_the_scale_depends_on_the_seed_alone_and_on_distorted_crops_alone(online, scaled):
    scale = measure_scale(online, MDSI, 48, seed=4, count=10)
    assert scale == measure_scale(online, MDSI, 48, seed=4, count=10)
    assert scale != measure_scale(online, MDSI, 48, seed=5, count=10)
    assert max(scale.tables["mdsi"][:-1]) < 1 == scale.tables["mdsi"][-1]
    rng = generator(4, "judge", 0)  # the first of them, by hand
    assert online.distortions[rng.integers(2)] in ("GB", "GN")


@pytest.mark.parametrize("kind", ["hinge", "logistic"])
def test_the_judge_s_pairs_are_in_the_loss_and_the_log_says_how_many(data, tmp_path, kind):
    loss = RankLossConfig(kind=kind, margin=0.7, steepness=1.3)
    trainer = RankTrainer(settings(None, tmp_path / "run", data=data, judge=JUDGED, loss=loss, steps=2))
    batches = trainer.batches()
    quality = batches[0]["own_quality"]
    found, scores, batch = trainer.train_step(batches[0])
    assert torch.equal(batch["quality"], quality)
    own = ordered_pairs(batch["group"], batch["level"])
    pairs = ordered_pairs(batch["group"], batch["level"], quality, 0.1)
    assert pairs.sum() > own.sum()
    where = scores, batch["group"], batch["level"]
    if kind == "hinge":
        wanted = pairwise_hinge(*where, 0.7, "pairs", quality, 0.1)
    else:
        wanted = pairwise_logistic(*where, quality, 0.1, 1.3)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    numbers = trainer.statistics(scores, batch)
    assert numbers["pairs"] == pairs.sum() and numbers["judged"] == pytest.approx(
        1 - own.sum().item() / pairs.sum().item()
    )
    assert kind == "hinge" or numbers["active"] == 1


def test_a_judged_run_resumed_ends_with_bit_equal_weights_and_tells_its_scale(data, tmp_path, monkeypatch):
    judge = dataclasses.replace(JUDGED, kind="mdsi,haarpsi")
    whole = RankTrainer(settings(None, tmp_path / "whole", data=data, judge=judge, steps=4))
    whole.run()
    RankTrainer(settings(None, tmp_path / "parts", data=data, judge=judge, steps=2)).run()

    def measured_anew(*args, **options):
        raise AssertionError("the scale was measured again")

    monkeypatch.setattr("rankiqa.training.ranking.measure_scale", measured_anew)
    data = dataclasses.replace(data, workers=1)
    again = settings(None, tmp_path / "parts", data=data, judge=judge, steps=4, resume=True)
    trainer = RankTrainer(again)
    assert trainer.judge == whole.judge and trainer.step == 2
    trainer.run()
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(expected[k], got[k]) for k in expected)

    told = json.loads((tmp_path / "parts" / "model" / "config.json").read_text())["provenance"]["judge"]
    assert told == {"metrics": ["mdsi", "haarpsi"], "scale": whole.judge.scale.config()}
    log = pd.read_csv(tmp_path / "parts" / "log.csv")
    assert len(log) == 4 and log["judged"].between(0.01, 0.99).all()


@pytest.mark.parametrize("kind", ["mdsi", "mdsi,haarpsi"])
def test_on_the_device_one_batch_says_what_the_loader_says_image_by_image(data, tmp_path, kind):
    judge = dataclasses.replace(JUDGED, kind=kind)
    loader = RankTrainer(settings(None, tmp_path / "loader", data=data, judge=judge, steps=2))
    there = dataclasses.replace(judge, where="device")
    device = RankTrainer(settings(None, tmp_path / "device", data=data, judge=there, steps=2))
    assert device.judge == loader.judge
    for step in range(2):
        asked, left = loader.batches()[step], device.batches()[step]
        assert "own_quality" not in left and left["own_pristine"].dtype == torch.uint8
        assert torch.equal(asked["images"], left["images"])
        found = device.complete(dict(left))
        assert "own_pristine" not in found and found["own_quality"].dtype == torch.float32
        # The metrics sum a batch in another order.
        assert found["own_quality"].tolist() == pytest.approx(asked["own_quality"].tolist(), abs=1e-4)
        assert (found["own_quality"][left["level"] == 0] == 1).all()
    device.run()
    log = pd.read_csv(tmp_path / "device" / "log.csv")
    assert len(log) == 2 and log["judged"].between(0.01, 0.99).all()


def test_a_judge_on_the_device_sees_the_images_of_each_process(online):
    sampler = EfficientGroups(online.references, online.levels, images=1)
    whole = RankedBatches(online, sampler, 48, seed=3, pristine=True)[1]
    for rank in (0, 1):
        part = RankedBatches(online, sampler, 48, 3, rank, 2, pristine=True)[1]
        assert torch.equal(part["own_pristine"], whole["own_pristine"][rank::2])
    alone = whole["level"] == 0
    assert torch.equal(whole["own_pristine"][alone], whole["images"][alone])


def test_on_disk_the_quality_is_that_of_the_manifest_s_column(ranks, tmp_path, capsys):
    out = shutil.copytree(ranks, tmp_path / "set")
    config = settings(out, tmp_path / "run", judge=JUDGED, steps=1)
    assert main(flags(config)) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "manifest.csv: has no column judge_mdsi; judge it: " in error
    assert "\n" not in error and not (tmp_path / "run").exists()

    table = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    level = table["level"].astype(int)
    table["judge_mdsi"] = 1 - (level + (table["distortion"] == "GN") * (level > 0)) / 10
    table.to_csv(out / "manifest.csv", index=False)
    trainer = RankTrainer(config)
    items, batch = trainer.sampler.batch(0), trainer.batches()[0]
    said = [1 - (item.level + (item.distortion == "GN") * (item.level > 0)) / 10 for item in items]
    wanted = trainer.judge.scale.quality(np.array(said)[:, None])
    assert batch["own_quality"].tolist() == pytest.approx(wanted.tolist(), abs=1e-6)


def test_without_a_judge_nothing_of_it_is_written(data, tmp_path):
    trainer = RankTrainer(settings(None, tmp_path / "run", data=data, steps=1))
    trainer.run()
    assert trainer.judge is None and "judge" not in trainer.provenance()
    assert "judged" not in pd.read_csv(tmp_path / "run" / "log.csv")
    (state,) = (tmp_path / "run").glob("checkpoints/*/training_state.json")
    assert "judge_scale" not in json.loads(state.read_text())


def test_a_judge_speaks_across_the_pairs_of_the_other_samplers(data, tmp_path):
    batch = RankBatchConfig(sampler="hard_negatives", pairs=4, keep=3)
    trainer = RankTrainer(settings(None, tmp_path / "run", data=data, judge=JUDGED, batch=batch, steps=1))
    loss, scores, batch = trainer.train_step(trainer.batches()[0])
    each = pairwise_hinge(scores, batch["group"], batch["level"], 1.0, "none", batch["quality"], 0.1)
    assert len(each) > 4 and loss.item() == pytest.approx(each.sort().values[-3:].mean().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--judge.kind", "ssim"], "judge.kind: unknown judge 'ssim'; known: none, mdsi, haarpsi, vsi"),
        (["--judge.gap", "1"], "judge.gap must be in [0, 1), got 1.0"),
        (["--judge.where", "gpu"], "judge.where must be one of loader, device; got 'gpu'"),
        (
            ["--judge.kind", "mdsi", "--judge.where", "device", "--data.source", "ranks", "--data.ranks", "set"],
            "judge.where device needs the pristine photos beside what was made of them; a set on disk was judged",
        ),
        (["--judge.sample", "1"], "judge.sample must be at least 2, got 1"),
        (["--loss.kind", "softmax"], "loss.kind must be one of hinge, logistic; got 'softmax'"),
        (["--loss.steepness", "0"], "loss.steepness must be above 0, got 0.0"),
        (
            ["--loss.kind", "logistic", "--batch.sampler", "hard_negatives"],
            "batch.sampler hard_negatives needs loss.kind hinge and loss.reduction pairs",
        ),
        (["--judge.kind", "mean", "--model.crop", "12"], "12×12 px are too few for a judge"),
    ],
)
def test_bad_settings_of_a_judge_are_one_line_and_touch_nothing(data, tmp_path, capsys, changes, message):
    out = tmp_path / "run"
    config = settings(None, out, data=data)
    config.model.name, config.model.dropout = "shallow", None
    status = main([*flags(config), *changes])
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 2 and message in error and error.startswith("error: ")
    assert not out.exists()


def test_a_judge_without_its_package_is_one_line_and_touches_nothing(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "piq", None)
    out = tmp_path / "run"
    assert main([*flags(settings(None, out, data=data)), "--judge.kind", "mdsi"]) == 2
    error = capsys.readouterr().err.strip()
    assert error == 'error: the package piq is needed for this: pip install "rankiqa[train]"'
    assert not out.exists()
