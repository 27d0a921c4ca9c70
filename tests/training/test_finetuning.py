"""The fine-tuning stage: its target, its start, its recipe, exact resume, and what it refuses."""

import csv
import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from rankiqa.cli.finetune import main, parse
from rankiqa.config import (
    BranchConfig,
    FinetuneConfig,
    OptimConfig,
    RegressionConfig,
    ScoredBatchConfig,
    ScoredDataConfig,
)
from rankiqa.errors import InputError
from rankiqa.images.photos import pixels_sha256
from rankiqa.images.reading import read_image
from rankiqa.models import build_model, load_model, save_model
from rankiqa.scoring.patches import PatchScores
from rankiqa.training.batches import load_batches
from rankiqa.training.finetuning import FineTuner, fit_head
from rankiqa.training.scored_batches import ScoredBatches

SIDE = 48


@pytest.fixture(scope="module")
def scored(tmp_path_factory, photos):
    """40 images of ten references with a MOS of 1 to 5 that falls with the blackness laid over them; and labels.csv."""
    folder = tmp_path_factory.mktemp("scored")
    rows, pictures = [], list(photos.values())
    for reference in range(10):
        picture = pictures[reference % 5][30 * reference : 30 * reference + 60, 100:170]
        for level in range(4):
            name = f"r{reference}_{level}.png"
            Image.fromarray((picture * (1 - 0.25 * level)).astype(np.uint8)).save(folder / name)
            rows.append((name, f"r{reference}", "dark", 5 - 4 * level / 3))
    pd.DataFrame(rows, columns=["name", "reference", "type", "mos"]).to_csv(folder / "labels.csv", index=False)
    return folder


def settings(scored, out, **changes):
    base = {
        "dataset": "csv",
        "root": str(scored),
        "data": ScoredDataConfig(labels=str(scored / "labels.csv"), workers=0, score_range=[1, 5], val_fraction=0.2),
        "model": BranchConfig(name="squeezenet1_1", weights="none", crop=SIDE, dropout=0.5),
        "batch": ScoredBatchConfig(images=8),
        "optim": OptimConfig(lr=0.01, schedule="constant", clip=1.0, head_lr=1.0, head_bias_lr=1.0),
        "steps": 6,
        "out": str(out),
        "val_patches": 1,
        "checkpoint_every": 2,
        "log_every": 1,
    }
    return FinetuneConfig(**(base | changes))


@pytest.fixture
def init(tmp_path):
    torch.manual_seed(0)
    model = build_model("squeezenet1_1", crop=SIDE)
    save_model(model, tmp_path / "init", training_photos={"ab": "photo.png"})
    return tmp_path / "init"


def test_the_branch_is_the_ranking_run_s_and_the_head_is_fitted(scored, tmp_path, init):
    tuner = FineTuner(settings(scored, tmp_path / "run", init=str(init), model=BranchConfig(weights="none")))
    weights, given = tuner.model.backbone.state_dict(), load_file(init / "model.safetensors")
    head = {key for key in weights if key.startswith("classifier.1.")}
    assert all(torch.equal(weights[key], given[key]) for key in weights if key not in head)
    ratio = weights["classifier.1.weight"] / given["classifier.1.weight"]
    assert ratio.min() > 0
    assert torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-4)


def test_a_fitted_head_gives_the_least_squares_line():
    torch.manual_seed(1)
    model = build_model("shallow").eval()
    images = torch.rand(12, 3, 227, 227) * torch.linspace(0.1, 1, 12)[:, None, None, None]
    with torch.no_grad():
        before = model(images).numpy().astype(np.float64)
        target = 3 + 40 * before + np.random.default_rng(0).normal(0, 20 * before.std(), 12)
        slope, offset = np.polyfit(before, target, 1)
        fit_head(model, before, target)
        assert slope > 0
        assert model(images).numpy() == pytest.approx(slope * before + offset, abs=1e-3)


def test_a_head_that_knows_nothing_still_rises():
    model = build_model("shallow")
    weight = model.backbone.head.weight.detach().clone()
    fit_head(model, np.array([0.0, 1, 2, 3]), np.array([4.0, 3, 2, 1]))
    assert (model.backbone.head.weight / weight).min() > 0


@pytest.mark.parametrize(("kind", "factor"), [("mse", 1.0), ("euclidean", 0.5)])
def test_the_loss_is_the_squared_error_to_the_scaled_scores(scored, tmp_path, kind, factor):
    loss = RegressionConfig(kind=kind, low=0, high=100)
    tuner = FineTuner(settings(scored, tmp_path / "run", loss=loss))
    table = tuner.dataset.table
    assert tuner.target == pytest.approx((table["score"] - 1) / 4 * 100)
    batches = tuner.batches()
    value, scores, batch = tuner.train_step(batches[0])
    rows = np.flatnonzero(tuner.split.mask("train"))[batches.rows(0)]
    wanted = (table["score"].to_numpy()[rows] - 1) / 4 * 100
    assert batch["target"].numpy() == pytest.approx(wanted, rel=1e-6)
    assert value.item() == pytest.approx(factor * np.mean((scores.numpy() - wanted) ** 2), rel=1e-5)


def test_dmos_is_turned_so_that_the_best_image_has_the_highest_target(scored, tmp_path):
    table = pd.read_csv(scored / "labels.csv")
    table["dmos"] = 100 - 25 * (table.pop("mos") - 1)
    table.to_csv(tmp_path / "dmos.csv", index=False)
    data = ScoredDataConfig(labels=str(tmp_path / "dmos.csv"), workers=0, score_range=[0, 100])
    tuner = FineTuner(settings(scored, tmp_path / "run", data=data))
    assert tuner.target == pytest.approx(1 - table["dmos"] / 100)
    config = tuner.model_files()
    assert config["score_range"] == (0, 1)
    assert config["finetuned_on"]["native_range"] == [0, 100]
    assert config["finetuned_on"]["native_higher_is_better"] is False


def test_every_image_comes_once_in_an_epoch_whatever_the_workers(scored):
    config = settings(scored, "unused", batch=ScoredBatchConfig(images=4))
    files = [scored / f"r{k}_0.png" for k in range(10)]
    batches = ScoredBatches(files, np.arange(10.0), config, SIDE)
    drawn = [row for step in range(5) for row in batches.rows(step)]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]
    plain = [b["images"] for b in load_batches(batches, 0, 4, 0)]
    for a, b in zip(plain, load_batches(batches, 0, 4, 2), strict=True):
        assert torch.equal(a, b["images"])
    parts = [ScoredBatches(files, np.arange(10.0), config, SIDE, rank, 2)[1]["images"] for rank in range(2)]
    assert torch.equal(parts[0], plain[1][::2])
    assert torch.equal(parts[1], plain[1][1::2])


def test_half_of_the_crops_are_mirrored(scored):
    config = settings(scored, "unused", batch=ScoredBatchConfig(images=40))
    file = scored / "r0_0.png"
    image = read_image(file)
    crop = min(image.shape[:2])
    images = ScoredBatches([file] * 200, np.zeros(200), config, crop)[0]["images"].numpy().transpose(0, 2, 3, 1)
    found = [
        any(np.array_equal(view[:, k : k + crop], one) for k in range(view.shape[1] - crop + 1))
        for one in images
        for view in (image, image[:, ::-1])
    ]
    plain, mirrored = found[::2], found[1::2]
    assert all(a != b for a, b in zip(plain, mirrored, strict=True))
    assert 10 <= sum(mirrored) <= 30


def test_a_resumed_run_ends_with_bit_equal_weights(scored, tmp_path):
    FineTuner(settings(scored, tmp_path / "whole")).run()
    FineTuner(settings(scored, tmp_path / "parts", steps=4)).run()
    FineTuner(settings(scored, tmp_path / "parts", resume=True)).run()
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    logs = [[r["loss"] for r in csv.DictReader((tmp_path / n / "log.csv").open())] for n in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert (tmp_path / "whole" / "split.csv").read_bytes() == (tmp_path / "parts" / "split.csv").read_bytes()


@pytest.mark.usefixtures("curves")
def test_it_learns_and_knows_its_scale_and_what_it_saw(scored, tmp_path):
    model = BranchConfig(name="squeezenet1_1", weights="none", crop=SIDE, dropout=0.0)
    optim = OptimConfig(lr=0.02, schedule="cosine", clip=1.0, head_lr=1.0, head_bias_lr=1.0)
    tuner = FineTuner(settings(scored, tmp_path / "run", model=model, optim=optim, steps=60, checkpoint_every=60))
    rows = tuner.run()
    assert rows["ALL"]["srocc"] > 0.6
    model, config = load_model(tmp_path / "run")
    assert config["score_range"] == [0, 1]
    assert config["higher_is_better"] is True
    split = pd.read_csv(tmp_path / "run" / "split.csv")
    seen = split[split["part"].isin(["train", "val"])]
    assert sorted(config["finetuned_on"]["paths"]) == sorted(seen["path"])
    assert config["finetuned_on"]["groups"] == sorted(set(seen["group"]))
    assert not set(split.loc[split["part"] == "test", "group"]) & set(seen["group"])
    val = pd.read_csv(tmp_path / "run" / "val.csv")
    assert val["step"].tolist() == [0, 60]
    assert list(val.columns) == ["step", "distortion", "srocc", "lcc", "krocc", "rmse"]


@pytest.mark.parametrize("dataset", ["tid2013", "live"])
@pytest.mark.parametrize("network", ["vgg16", "alexnet", "shallow"])
def test_the_paper_s_recipes_are_the_paper_s(network, dataset):
    config = parse(["--config", f"train/configs/finetune_{dataset}_{network}.yaml", "--root", "x"])
    config.check()
    rate, steps = {"tid2013": (1e-5, 10_000), "live": (1e-6, 20_000)}[dataset]
    o = config.optim
    assert (o.lr, config.steps, o.schedule, o.step_size, o.gamma) == (rate, steps, "step", 5000, 0.5)
    assert (o.momentum, o.weight_decay, o.bias_lr, o.head_lr, o.head_bias_lr) == (0.9, 5e-4, 2, 10, 20)
    assert (config.loss.low, config.loss.high) == ((0, 9) if dataset == "tid2013" else (0, 100))
    assert config.loss.kind == "euclidean"
    assert config.split == ("rankiqa" if dataset == "tid2013" else "random")


def write_labels(scored, path, change):
    table = pd.read_csv(scored / "labels.csv")
    change(table).to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"dataset": None}, "dataset is missing; give the name of the data set and its folder (--dataset NAME,"),
        ({"root": "nowhere"}, "nowhere"),
        ({"dataset": "tid2012"}, "tid2012"),
        ({"split": "rankiqa"}, "rankiqa"),
        ({"loss.kind": "mae"}, "loss.kind must be one of mse, euclidean"),
        ({"loss.low": "2"}, "loss.low must be below loss.high"),
        ({"data.val_fraction": "1"}, "data.val_fraction"),
        ({"batch.images": "1000"}, "give another split or a smaller batch (--split, --batch.images)"),
        (
            {"model.crop": "64"},
            "crop of 64 px (32 such images); mirror or enlarge such images (--data.small reflect",
        ),
        ({"model.name": "null"}, "the network of the baseline (--init RUN, --model.name NAME)"),
        ({"init": "nowhere"}, "nowhere: no such model folder"),
    ],
)
def test_bad_settings_are_one_line_and_touch_nothing(scored, tmp_path, capsys, flags, message):
    good = {"dataset": "csv", "root": str(scored), "data.labels": str(scored / "labels.csv"), "data.workers": "0"}
    good |= {"model.name": "squeezenet1_1", "model.weights": "none", "model.crop": "48", "batch.images": "4"}
    args = [f"--{k}={v}" for k, v in (good | flags).items() if v is not None]
    assert main([*args, f"--out={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_constant_scores_a_corrupt_image_and_a_leak_are_refused(scored, tmp_path):
    labels = write_labels(scored, tmp_path / "constant.csv", lambda t: t.assign(mos=3))
    data = ScoredDataConfig(labels=labels, workers=0, score_range=[1, 5])
    with pytest.raises(InputError, match="have the score 3: no scale to learn"):
        FineTuner(settings(scored, tmp_path / "run", data=data))

    broken = tmp_path / "images"
    broken.mkdir()
    for path in scored.glob("*.png"):
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "r3_1.png").write_bytes((scored / "r3_1.png").read_bytes()[:400])
    with pytest.raises(InputError, match=r"r3_1\.png: damaged or cut short.*go on without them \(missing=record\)"):
        FineTuner(
            settings(broken, tmp_path / "run", data=ScoredDataConfig(labels=str(scored / "labels.csv"), workers=0))
        )
    record = ScoredDataConfig(labels=str(scored / "labels.csv"), workers=0, missing="record")
    tuner = FineTuner(settings(broken, tmp_path / "recorded", data=record))
    assert "r3_1.png" not in set(tuner.dataset.table["path"])

    split = pd.DataFrame({"path": [f"r{r}_{k}.png" for r in range(10) for k in range(4)]})
    split["group"] = split["path"].str[:2]
    split["part"] = ["test" if k == 0 else "train" for k in range(40)]
    split.to_csv(tmp_path / "split.csv", index=False)
    with pytest.raises(InputError, match="r0"):
        FineTuner(settings(scored, tmp_path / "run", split=str(tmp_path / "split.csv")))
    assert not (tmp_path / "run").exists()


def test_a_model_of_another_direction_is_refused(scored, tmp_path, init):
    config = json.loads((init / "config.json").read_text())
    (init / "config.json").write_text(json.dumps(config | {"higher_is_better": False}))
    with pytest.raises(InputError, match="its scores run the other way"):
        FineTuner(settings(scored, tmp_path / "run", init=str(init), model=BranchConfig()))


def test_a_model_whose_scores_fall_with_the_human_ones_is_refused(scored, tmp_path, monkeypatch, init):
    monkeypatch.setattr(
        FineTuner, "score", lambda self, model, rows, *_: [PatchScores(np.array([-self.target[row]])) for row in rows]
    )
    data = ScoredDataConfig(labels=str(scored / "labels.csv"), workers=0, score_range=[1, 5], val_fraction=0)
    config = settings(scored, tmp_path / "run", init=str(init), model=BranchConfig(), data=data)
    with pytest.raises(InputError, match=r"SROCC -1\.00 on 32 training images.*other direction"):
        FineTuner(config)


def test_training_photos_in_the_test_part_are_a_leak(scored, tmp_path):
    seen = {pixels_sha256(read_image(path)): path.name for path in scored.glob("*.png")}
    model = build_model("squeezenet1_1", crop=SIDE)
    save_model(model, tmp_path / "init", training_photos=seen)
    with pytest.raises(InputError):
        FineTuner(settings(scored, tmp_path / "run", init=str(tmp_path / "init"), model=BranchConfig()))


def test_what_contradicts_the_ranking_run_is_refused(scored, tmp_path, init):
    for model, message in (
        (BranchConfig(name="vgg16"), "model.name is vgg16"),
        (BranchConfig(crop=64), "model.crop is 64"),
        (BranchConfig(preprocessing="raw_bgr"), "model.preprocessing is raw_bgr"),
    ):
        with pytest.raises(InputError, match=message):
            FineTuner(settings(scored, tmp_path / "run", init=str(init), model=model))


def test_a_run_is_not_resumed_with_other_scores(scored, tmp_path):
    config = settings(scored, tmp_path / "run", steps=2)
    FineTuner(config).run()
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["dataset"] == "csv"
    labels = write_labels(scored, tmp_path / "labels.csv", lambda t: t.assign(mos=t["mos"] + 0.1))
    data = dataclasses.replace(config.data, labels=labels)
    with pytest.raises(InputError, match="are not what the run began with"):
        FineTuner(dataclasses.replace(config, data=data, resume=True, steps=4))
