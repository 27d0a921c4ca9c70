"""The ranking stage: photos distorted while it trains, the compared samplers, and what it refuses."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from rankiqa.cli.train_rank import main
from rankiqa.config import RankBatchConfig, RankDataConfig, RankModelConfig
from rankiqa.errors import InputError
from rankiqa.images.reading import read_image
from rankiqa.images.writing import write_image
from rankiqa.losses import pairwise_hinge
from rankiqa.models import load_model
from rankiqa.ranks.online import OnlineSet
from rankiqa.training.ranked_batches import RankedBatches
from rankiqa.training.ranking import RankTrainer
from tests.training.ranked_runs import flags, settings, weights


@pytest.fixture
def online(ranks):
    """The photos and types of `ranks`, distorted while training."""
    return RankDataConfig(
        source="online", pristine=str(ranks.parent / "photos"), distortions="GN,GB", holdout=1, workers=0
    )


@pytest.mark.parametrize("strengths", ["levels", "continuous"])
def test_an_online_run_resumed_ends_with_bit_equal_weights(online, tmp_path, strengths):
    online = dataclasses.replace(online, strengths=strengths)
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
    with pytest.raises(InputError, match=r"is not what the run began with .*\(data\.pristine, out\)"):
        RankTrainer(again)
    again.data.distortions = "GN"
    with pytest.raises(InputError, match=r"data\.distortions is 'GN', but the run"):
        RankTrainer(again)


def test_a_head_of_statistics_is_standardised_by_the_first_images_and_resumes(ranks, tmp_path):
    model = RankModelConfig(name="test_efficientnet", crop=48, head="statistics", hidden=8, freeze_until="net.blocks.3")
    RankTrainer(settings(ranks, tmp_path / "whole", model=model, steps=4)).run()
    RankTrainer(settings(ranks, tmp_path / "parts", model=model, steps=2)).run()
    RankTrainer(settings(ranks, tmp_path / "parts", model=model, steps=4, resume=True)).run()
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert expected.keys() == got.keys() and all(torch.equal(expected[k], got[k]) for k in expected)
    assert (expected["spread"] >= 1e-3).all() and expected["centre"].abs().max() > 0
    network, config = load_model(tmp_path / "whole")
    assert network.backbone.hidden.out_features == 8 and config["architecture"]["head"]["scale"] is None

    with pytest.raises(InputError, match=r"model\.head must be one of linear, statistics"):
        RankTrainer(settings(ranks, tmp_path / "no", model=dataclasses.replace(model, head="both")))


def test_what_is_frozen_stays_as_it_was_drawn(ranks, tmp_path):
    config = settings(ranks, tmp_path / "run", steps=2)
    config.model.freeze_until = "features.6"
    trainer = RankTrainer(config)
    before = {name: value.clone() for name, value in trainer.model.backbone.named_parameters()}
    trainer.run()
    after = weights(tmp_path / "run")
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert kept == {name for name in before if name.split(".")[:2] in [["features", str(k)] for k in range(6)]}


def test_an_online_set_is_validated_on_the_images_of_the_ranked_set(ranks, online, tmp_path):
    sources = {"disk": RankDataConfig(ranks=str(ranks), holdout=2), "online": dataclasses.replace(online, holdout=2)}
    rows = [RankTrainer(settings(None, tmp_path / name, data=data)).validate() for name, data in sources.items()]
    assert rows[0] == rows[1] and set(rows[0]) == {"GB", "GN", "ALL"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--data.source", "offline"], "data.source must be one of ranks, online; got 'offline'"),
        (["--data.strengths", "any"], "data.strengths must be one of levels, continuous; got 'any'"),
        (["--data.levels", "even:0"], "levels even:0: give a number from 1 on, such as even:7 (--data.levels)"),
        (
            ["--data.source", "ranks", "--data.strengths", "continuous"],
            "data.strengths continuous needs photos that are distorted while training; give (--data.source online)",
        ),
        (["--data.distortions", "GB,XY"], "unknown distortion 'XY'; known: live"),
        (["--data.levels", "mild"], "mild: no such level table or file"),
        (["--data.levels", "psnr"], "levels psnr needs whole images"),
        (["--data.pristine", "nowhere"], "nowhere: no such folder"),
        (["--data.holdout_names", "[x.png]"], "data.holdout_names: x.png is no reference"),
        (["--model.crop", "224"], "crop of 224 px; leave it out, or give a smaller crop (--model.crop)"),
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


@pytest.mark.parametrize("sampler", ["random_pairs", "hard_negatives"])
def test_the_compared_samplers_train_and_reach_only_their_own_pairs(ranks, tmp_path, sampler):
    batch = RankBatchConfig(sampler=sampler, pairs=6, keep=2)
    trainer = RankTrainer(settings(ranks, tmp_path / "run", batch=batch, steps=2))
    batches = RankedBatches(trainer.train_set, trainer.sampler, trainer.model.crop, seed=0)
    loss, scores, batch = trainer.train_step(batches[0])
    each = pairwise_hinge(scores, batch["group"], batch["level"], trainer.config.loss.margin, "none")
    assert len(each) == 6
    expected = each.mean() if sampler == "random_pairs" else each.sort().values[-2:].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


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
        (["--model.crop", "224"], "crop of 224 px; leave it out, or give a smaller crop (--model.crop)"),
        (["--optim.lr", "-1"], "optim.lr must be above 0"),
        (["--resume"], "run: no checkpoint to resume from"),
    ],
)
def test_bad_settings_are_one_line_and_touch_nothing(ranks, tmp_path, capsys, changes, message):
    out = tmp_path / "run"
    status = main([*flags(settings(ranks, out)), *changes])
    error = capsys.readouterr().err.strip()
    assert status == 2 and message in error and error.startswith("error: ") and "\n" not in error
    assert not out.exists()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_image_that_another_process_cannot_read_names_the_flag_of_the_command(
    online, tmp_path, capsys, monkeypatch, workers
):
    def grey(self, *_):
        raise InputError("is greyscale", path="a.png", cure="allow its conversion", options=("convert=True",))

    monkeypatch.setattr(OnlineSet, "crop", grey)
    config = settings(None, tmp_path / "run", data=dataclasses.replace(online, holdout=0))
    assert main([*flags(config), "--data.workers", workers]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert error == ["error: a.png: is greyscale; allow its conversion (--data.convert true)"]
