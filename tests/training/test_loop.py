"""The training loop: the paper's optimizer, exact resume, several processes, and that it learns."""

import csv
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

import rankiqa.training.checkpoints as state
from rankiqa.cli.make_ranks import main as make_ranks
from rankiqa.cli.train_rank import main, parse
from rankiqa.config import BatchConfig, DataConfig, LossConfig, ModelConfig, OptimConfig, RankConfig
from rankiqa.errors import InputError
from rankiqa.images.photos import pixels_sha256
from rankiqa.images.reading import read_image
from rankiqa.images.writing import write_image
from rankiqa.losses import pairwise_hinge
from rankiqa.models import build_model, load_model
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.training.batches import RankedBatches, make_loader
from rankiqa.training.optim import learning_rate, make_optimizer, set_learning_rate
from rankiqa.training.ranking import RankTrainer, split_ranks
from rankiqa.training.samplers import EfficientGroups

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory, photos):
    """Four photos of 80×80 px, two distortion types."""
    folder = tmp_path_factory.mktemp("ranks")
    for name, photo in list(photos.items())[:4]:
        write_image(folder / "photos" / f"{name}.png", photo[100:180, 120:200], "png")
    args = ["--pristine", f"{folder / 'photos'}", "--out", f"{folder / 'set'}", "--distortions", "GN,GB"]
    assert make_ranks([*args, "--min-side", "64"]) == 0
    return folder / "set"


def settings(ranks, out, **changes):
    base = {
        "data": DataConfig(ranks=str(ranks), holdout=1, workers=0),
        "model": ModelConfig(name="squeezenet1_1", crop=48, dropout=0.5),
        "batch": BatchConfig(images=1),
        "optim": OptimConfig(lr=0.01, schedule="constant", clip=1.0, head_lr=1.0),
        "steps": 6,
        "out": str(out),
        "val_patches": 1,
        "checkpoint_every": 2,
        "log_every": 1,
    }
    return RankConfig(**(base | changes))


def weights(out):
    return load_file(Path(out) / "model" / "model.safetensors")


def flags(config):
    path = Path(config.out).with_suffix(".yaml")
    path.write_text(yaml.safe_dump(dataclasses.asdict(config)))
    return ["--config", str(path)]


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
        "model": ModelConfig(name="squeezenet1_1", crop=48, dropout=0.0),
        "batch": BatchConfig(images=3),  # 2 types × 6 levels × 3 photos = 36, the last of an epoch too
        "data": DataConfig(ranks=str(ranks), holdout=1, workers=0),
        "steps": 4,
    }
    one = settings(ranks, tmp_path / "one", **common)
    RankTrainer(one).run()
    two = settings(ranks, tmp_path / "two", **common)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LAUNCH": "--cpu --num_processes 2"}
    command = ["bash", "train/train_rank.sh", *flags(two)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=240, capture_output=True, env=environment)
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


@pytest.fixture
def online(ranks):
    """The photos and types of `ranks`, distorted while training."""
    return DataConfig(source="online", pristine=str(ranks.parent / "photos"), distortions="GN,GB", holdout=1, workers=0)


def test_an_online_run_resumed_ends_with_bit_equal_weights(online, tmp_path):
    RankTrainer(settings(None, tmp_path / "whole", data=online, steps=4)).run()
    parts = settings(None, tmp_path / "parts", data=online, steps=2)
    RankTrainer(parts).run()
    # The photos may lie elsewhere by then, and be read by other processes.
    moved = shutil.copytree(online.pristine, tmp_path / "photos")
    data = dataclasses.replace(online, pristine=str(moved), workers=2)
    again = settings(None, tmp_path / "parts", data=data, steps=4, resume=True)
    trainer = RankTrainer(again)
    assert trainer.step == 2
    trainer.run()
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert expected.keys() == got.keys() and all(torch.equal(expected[k], got[k]) for k in expected)

    again.steps = 6
    photo = next(moved.glob("*.png"))
    image = read_image(photo)
    image[0, 0, 0] ^= 1
    for path in moved.glob("*.png"):  # the one held out is of no matter
        write_image(path, image, "png")
    with pytest.raises(InputError, match=r"data\.pristine: .* is not what the run began with"):
        RankTrainer(again)
    again.data.distortions = "GN"
    with pytest.raises(InputError, match=r"data\.distortions is 'GN', but the run"):
        RankTrainer(again)


def test_an_online_set_is_validated_on_the_images_of_the_ranked_set(ranks, online, tmp_path):
    sources = {"disk": DataConfig(ranks=str(ranks), holdout=2), "online": dataclasses.replace(online, holdout=2)}
    rows = [RankTrainer(settings(None, tmp_path / name, data=data)).validate() for name, data in sources.items()]
    assert rows[0] == rows[1] and set(rows[0]) == {"GB", "GN", "ALL"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--data.source", "offline"], "data.source must be one of ranks, online; got 'offline'"),
        (["--data.distortions", "GB,XY"], "unknown distortion 'XY'; known: live"),
        (["--data.levels", "mild"], "mild: no such level table or file"),
        (["--data.levels", "psnr"], "levels psnr needs whole images"),
        (["--data.pristine", "nowhere"], "nowhere: no such folder"),
        (["--data.holdout_names", "[x.png]"], "data.holdout_names: x.png is no reference"),
        (["--model.crop", "224"], "80×80 px is smaller than the crop of 224 px"),
        (["--data.pristine", "PHOTOS"], "broken.png: not an image"),
    ],
)
def test_bad_settings_of_an_online_run_are_one_line_and_touch_nothing(online, tmp_path, capsys, changes, message):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "broken.png").write_bytes(b"broken")
    shutil.copy(next(Path(online.pristine).glob("*.png")), tmp_path / "photos")
    changes = [str(tmp_path / "photos") if word == "PHOTOS" else word for word in changes]
    out = tmp_path / "run"
    status = main([*flags(settings(None, out, data=online)), *changes])
    error = capsys.readouterr().err.strip()
    assert status == 2 and message in error and error.startswith("error: ") and "\n" not in error
    assert not out.exists()


def test_a_run_from_before_a_setting_was_there_is_resumed(ranks, tmp_path):
    config = settings(ranks, tmp_path / "run", steps=2)
    RankTrainer(config).run()
    written = tmp_path / "run" / "config.yaml"
    before = yaml.safe_load(written.read_text())
    for key in ("source", "pristine", "distortions", "levels", "convert"):
        del before["data"][key]
    written.write_text(yaml.safe_dump(before))
    config.resume, config.steps = True, 3
    assert RankTrainer(config).step == 2


def test_it_learns_to_order_noise_it_has_not_seen(ranks, tmp_path):
    config = settings(
        ranks, tmp_path / "run", steps=40,
        model=ModelConfig(name="squeezenet1_1", crop=64, dropout=0.0),
        batch=BatchConfig(images=3), optim=OptimConfig(lr=0.02, schedule="cosine", clip=1.0, head_lr=1.0),
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


@pytest.mark.parametrize("sampler", ["random_pairs", "hard_negatives"])
def test_the_compared_samplers_train_and_reach_only_their_own_pairs(ranks, tmp_path, sampler):
    batch = BatchConfig(sampler=sampler, pairs=6, keep=2)
    trainer = RankTrainer(settings(ranks, tmp_path / "run", batch=batch, steps=2))
    batches = RankedBatches(trainer.train_set, trainer.sampler, trainer.model.crop, seed=0)
    loss, scores, batch = trainer.train_step(batches[0])
    each = pairwise_hinge(scores, batch["group"], batch["level"], trainer.config.loss.margin, "none")
    assert len(each) == 6
    expected = each.mean() if sampler == "random_pairs" else each.sort().values[-2:].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_crops_of_a_batch_have_their_own_places_whatever_the_workers(ranks):
    data = RankedSet.read(ranks)
    batches = RankedBatches(data, EfficientGroups(data.references, data.levels, images=2), 48, seed=0)
    plain = list(make_loader(batches, 0, 3, 0))
    for a, b in zip(plain, make_loader(batches, 0, 3, 2), strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)
    # The parts of two processes make up the whole.
    parts = [RankedBatches(data, batches.sampler, 48, 0, rank, 2)[1] for rank in (0, 1)]
    assert torch.equal(parts[0]["images"], plain[1]["images"][0::2])
    assert torch.equal(parts[1]["images"], plain[1]["images"][1::2])
    # The same pristine photo in two groups is cropped at two places.
    items = batches.sampler.batch(0)
    twice = [i for i, item in enumerate(items) if (item.reference, item.level) == (items[0].reference, 0)]
    if len(twice) > 1:
        assert not torch.equal(plain[0]["images"][twice[0]], plain[0]["images"][twice[1]])


def test_learning_rate_factors_and_decay_are_caffe_s():
    model = build_model("vgg16", crop=32)
    optimizer = make_optimizer(model, OptimConfig())
    set_learning_rate(optimizer, 1e-4)
    seen = {id(p): (g["lr"], g["weight_decay"], g["momentum"]) for g in optimizer.param_groups for p in g["params"]}
    expected = {
        "backbone.features.0.weight": (1e-4, 5e-4, 0.9),
        "backbone.features.0.bias": (2e-4, 0, 0.9),
        "backbone.classifier.0.weight": (1e-4, 5e-4, 0.9),
        "backbone.classifier.6.weight": (1e-3, 5e-4, 0.9),
        "backbone.classifier.6.bias": (2e-3, 0, 0.9),
    }
    named = dict(model.named_parameters())
    assert len(seen) == len(named)
    for name, values in expected.items():
        assert seen[id(named[name])] == pytest.approx(values)


def test_learning_rate_schedules():
    step = OptimConfig(lr=1e-4, step_size=10_000, gamma=0.1)
    rates = [learning_rate(s, 50_000, step) for s in (0, 9_999, 10_000, 49_999)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-8])
    cosine = OptimConfig(lr=2.0, schedule="cosine", warmup=10)
    rates = [learning_rate(s, 100, cosine) for s in (0, 4, 50)]
    assert rates == pytest.approx([0.2, 2 * 0.5 * (1 + np.cos(0.04 * np.pi)) * 0.5, 1.0])


PAPER = {  # batch size and pairs from the papers' layouts; the rest from the original's solver files
    "live": {"groups": 4, "images": 2, "lr": 1e-5},
    "tid2013": {"groups": 9, "images": 1, "lr": 1e-4},
}


@pytest.mark.parametrize("network", ["vgg16", "alexnet", "shallow"])
@pytest.mark.parametrize("target", list(PAPER))
def test_the_paper_s_recipes_are_the_paper_s(network, target):
    config = parse(["--config", str(ROOT / f"train/configs/rank_{target}_{network}.yaml")])
    config.check()
    assert (config.batch.groups, config.batch.images) == (PAPER[target]["groups"], PAPER[target]["images"])
    assert config.batch.levels is None and config.batch.across and config.batch.sampler == "efficient"
    o = config.optim
    assert (o.lr, o.schedule, o.step_size, o.gamma) == (PAPER[target]["lr"], "step", 10_000, 0.1)
    assert (o.momentum, o.weight_decay, o.bias_lr, o.head_lr, o.head_bias_lr) == (0.9, 5e-4, 2, 10, 20)
    assert (config.steps, config.loss.margin, config.loss.reduction) == (50_000, 10, "images")
    assert (config.model.name, config.model.crop) == (network, 224 if network == "vgg16" else 227)
    assert config.model.weights == ("none" if network == "shallow" else "imagenet")
    assert config.model.dropout == (None if network == "shallow" else 0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--model.nam", "vgg16"], "--model.nam"),
        (["--steps", "many"], "steps"),
        (["--steps", "0"], "steps must be at least 1, got 0"),
        (
            ["--batch.sampler", "best"],
            "batch.sampler must be one of efficient, random_pairs, hard_negatives; got 'best'",
        ),
        (["--model.name", "vgg61"], "unknown network 'vgg61'"),
        (["--model.weights", "none.safetensors"], "none.safetensors: no such weights file"),
        (["--data.ranks", "nowhere"], "nowhere"),
        (["--data.holdout", "4"], "data.holdout is 4, but"),
        (["--data.holdout_names", "[x.png]"], "data.holdout_names: x.png is no reference"),
        (["--batch.groups", "9"], "batch.groups is 9, but the ranked set has 2 distortion types"),
        (["--model.crop", "224"], "80×80 px is smaller than the crop of 224 px"),
        (["--optim.lr", "-1"], "optim.lr must be above 0"),
        (["--resume"], "no checkpoint to resume from"),
    ],
)
def test_bad_settings_are_one_line_and_touch_nothing(ranks, tmp_path, capsys, changes, message):
    out = tmp_path / "run"
    status = main([*flags(settings(ranks, out)), *changes])
    error = capsys.readouterr().err.strip()
    assert status == 2 and message in error and error.startswith("error: ") and "\n" not in error
    assert not out.exists()


def test_a_config_s_unknown_key_and_broken_yaml_name_the_file(tmp_path, capsys):
    for text in ("model:\n  nme: x\n", "model: [\n", "optim:\n  lr: fast\n"):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        assert main(["--config", str(path)]) == 2
        error = capsys.readouterr().err.strip()
        assert str(path) in error and "\n" not in error


def test_a_run_is_not_overwritten_and_not_resumed_with_other_settings(ranks, tmp_path, capsys):
    config = settings(ranks, tmp_path / "run", steps=2)
    arguments = flags(config)
    assert main(arguments) == 0
    before = weights(tmp_path / "run")
    capsys.readouterr()
    assert main(arguments) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main([*arguments, "--resume", "--optim.lr", "0.5"]) == 2
    assert "optim.lr is 0.5, but the run" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--seed", "1"]) == 0
    moved = weights(tmp_path / "run.old1")
    assert all(torch.equal(before[k], moved[k]) for k in before)
    assert any(not torch.equal(before[k], v) for k, v in weights(tmp_path / "run").items())
    # With --out alone, resuming takes the run's own settings; here there is nothing left to do.
    assert main(["--out", str(tmp_path / "run"), "--resume", "--steps", "3"]) == 0
    assert (tmp_path / "run/checkpoints/step-00000003").is_dir()


def test_a_broken_image_names_the_file_and_keeps_the_checkpoints(ranks, tmp_path, capsys):
    copy = tmp_path / "set"
    shutil.copytree(ranks, copy)
    broken = RankedSet.read(copy)
    path = broken.row_path(broken.references[0], "GN", 3)
    path.write_bytes(path.read_bytes()[:200])
    arguments = flags(settings(copy, tmp_path / "run", data=DataConfig(ranks=str(copy), workers=1)))
    assert main(arguments) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(error) == 1 and str(path) in error[0]


def test_a_full_disk_keeps_the_older_checkpoint(ranks, tmp_path, capsys, monkeypatch):
    real = state.write_model_files

    def full(model, folder, *rest, **more):
        if "step-00000004" in str(folder):
            raise OSError(28, "No space left on device", str(folder / "model.safetensors"))
        return real(model, folder, *rest, **more)

    monkeypatch.setattr(state, "write_model_files", full)
    assert main(flags(settings(ranks, tmp_path / "run"))) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(error) == 1 and "step-00000004: " in error[0] and "No space left" in error[0]
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["step-00000002"]
    monkeypatch.setattr(state, "write_model_files", real)
    assert main([*flags(settings(ranks, tmp_path / "run")), "--resume"]) == 0


def test_a_loss_that_is_not_finite_stops_the_run(ranks, tmp_path):
    optim = OptimConfig(lr=1e12, schedule="constant", head_lr=1.0)
    with pytest.raises(InputError, match=r"the loss is (nan|inf) near step \d+: lower optim.lr"):
        RankTrainer(settings(ranks, tmp_path / "run", optim=optim, loss=LossConfig(margin=1e30))).run()
