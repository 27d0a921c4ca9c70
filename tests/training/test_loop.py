"""The training loop: exact resume, several processes, and that it learns."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from rankiqa.config import OptimConfig, RankBatchConfig, RankDataConfig, RankLossConfig, RankModelConfig
from rankiqa.errors import InputError
from rankiqa.images.photos import pixels_sha256
from rankiqa.models import load_model
from rankiqa.training.ranking import RankTrainer, split_ranks
from tests.launching import run_in_two
from tests.training.ranked_runs import ROOT, flags, settings, weights


def test_a_killed_run_resumed_ends_with_bit_equal_weights(ranks, tmp_path):
    whole = settings(ranks, tmp_path / "whole", steps=10)
    RankTrainer(whole).run()

    broken = settings(ranks, tmp_path / "broken", steps=10)
    # Without its own group the readers would outlive the kill.
    process = subprocess.Popen(
        [sys.executable, "train/train_rank.py", *flags(broken)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "broken/checkpoints/step-00000004").is_dir() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "broken/model").exists()

    broken.resume = True
    trainer = RankTrainer(broken)
    assert 4 <= trainer.step < 10
    trainer.run()
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert expected.keys() == got.keys() and all(torch.equal(expected[k], got[k]) for k in expected)
    # The log has each step once, and the loss of each step is the unbroken run's.
    rows = [list(csv.DictReader((tmp_path / f / "log.csv").open())) for f in ("whole", "broken")]
    assert [r["step"] for r in rows[1]] == [str(i) for i in range(1, 11)]
    assert [r["loss"] for r in rows[0]] == [r["loss"] for r in rows[1]]


def test_two_processes_train_as_one_does(ranks, tmp_path):
    common = {
        "model": RankModelConfig(name="squeezenet1_1", crop=48, dropout=0.0),
        "batch": RankBatchConfig(images=3),  # 2 types × 6 levels × 3 photos = 36, the last of an epoch too
        "data": RankDataConfig(ranks=str(ranks), holdout=1, workers=0),
        "steps": 4,
    }
    one = settings(ranks, tmp_path / "one", **common)
    RankTrainer(one).run()
    two = settings(ranks, tmp_path / "two", **common)
    run_in_two("train_rank.sh", *flags(two))
    processes = [load_model(tmp_path / run)[1]["provenance"]["processes"] for run in ("one", "two")]
    assert processes == [1, 2]
    expected, got = weights(tmp_path / "one"), weights(tmp_path / "two")
    start = settings(ranks, tmp_path / "start", **common)
    before = RankTrainer(start).model.backbone.state_dict()
    moved = max((expected[k] - before[k]).abs().max().item() for k in expected)
    difference = max((expected[k] - got[k]).abs().max().item() for k in expected)
    assert moved > 1e-3 and difference < 1e-3 * moved
    rows = [list(csv.DictReader((tmp_path / f / "log.csv").open())) for f in ("one", "two")]
    np.testing.assert_allclose(*[[float(r["loss"]) for r in run] for run in rows], rtol=1e-4)
    vals = [list(csv.DictReader((tmp_path / f / "val.csv").open())) for f in ("one", "two")]
    assert len(vals[0]) == 3 and vals[0][0]["distortion"] == vals[1][0]["distortion"]


@pytest.mark.usefixtures("curves")
def test_it_learns_to_order_noise_it_has_not_seen(ranks, tmp_path):
    config = settings(
        ranks, tmp_path / "run", steps=40,
        model=RankModelConfig(name="squeezenet1_1", crop=64, dropout=0.0),
        batch=RankBatchConfig(images=3), optim=OptimConfig(lr=0.02, schedule="cosine", clip=1.0, head_lr=1.0),
    )  # fmt: skip
    rows = RankTrainer(config).run()
    assert rows["GN"]["ordered_within"] >= 0.9
    log = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    first, last = (np.mean([float(r["loss"]) for r in part]) for part in (log[:5], log[-5:]))
    assert last < 0.6 * first
    _, model_config = load_model(tmp_path / "run")
    sets = split_ranks(config)
    expected = {pixels_sha256(sets[0].image(name, "GN", 0)): name for name in sets[0].references}
    assert model_config["training_photos"] == expected
    assert not set(sets[0].references) & set(sets[1].references) and len(sets[1].references) == 1


def test_a_loss_that_is_not_finite_stops_the_run(ranks, tmp_path):
    optim = OptimConfig(lr=1e12, schedule="constant", head_lr=1.0)
    with pytest.raises(InputError, match=r"the loss is (nan|inf) near step \d+; lower .*optim\.lr"):
        RankTrainer(settings(ranks, tmp_path / "run", optim=optim, loss=RankLossConfig(margin=1e30))).run()
