"""The Siamese stage: both losses, the frozen layers, exact resume, and what it refuses."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from rankiqa.cli.train_siamese_nima import main, parse
from rankiqa.config import (
    NimaModelConfig,
    OptimConfig,
    PairBatchConfig,
    PairLossConfig,
    ScoresConfig,
    SiameseNimaConfig,
)
from rankiqa.errors import InputError
from rankiqa.images.crops import squeeze
from rankiqa.metrics.correlation import srocc
from rankiqa.models import Nima, build_model, build_nima, load_model, save_model
from rankiqa.training.siamese_nima import SiameseNimaTrainer
from tests.launching import run_in_two


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, photos):
    """30 images, the darker the lower the label; labels.csv, and the same as the original has it, with spaces."""
    folder = tmp_path_factory.mktemp("labelled")
    rows, pictures = [], list(photos.values())
    for k in range(30):
        picture = pictures[k % 5][7 * k : 7 * k + 60, 100:170]
        name = f"{k:02d}.png"
        Image.fromarray((picture * (0.15 + 0.85 * (k % 10) / 9)).astype(np.uint8)).save(folder / name)
        rows.append((name, k % 10 + 0.01 * k))
    table = pd.DataFrame(rows, columns=["file_name", "label"])
    table.to_csv(folder / "labels.csv", index=False)
    table.to_csv(folder / "labels.txt", index=False, sep=" ")
    return folder


@pytest.fixture(scope="module")
def nima(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("nima")
    save_model(build_nima("squeezenet1_1", crop=48, dropout=0.0), folder / "model", score_range=(1, 10))
    return folder / "model"


def settings(labelled, nima, out, **changes):
    base = {
        "init": str(nima),
        "data": str(labelled / "labels.csv"),
        "images": str(labelled),
        "scores": ScoresConfig(val_fraction=0.2),
        "batch": PairBatchConfig(pairs=8, buckets=5),
        "optim": OptimConfig(kind="adam", lr=1e-3, schedule="constant", head_lr=1.0, head_bias_lr=1.0),
        "steps": 6,
        "out": str(out),
        "checkpoint_every": 2,
        "log_every": 1,
        "workers": 0,
        "val_first": False,
    }
    return SiameseNimaConfig(**(base | changes))


def means_of(model, files):
    stack = np.stack([squeeze(np.asarray(Image.open(file)), model.crop) for file in files]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        return model.eval()(torch.from_numpy(stack / np.float32(255))).double().numpy()


@pytest.mark.parametrize("kind", ["ranking", "contrastive"])
def test_the_loss_is_taken_over_the_pairs_of_the_batch(labelled, nima, tmp_path, kind):
    trainer = SiameseNimaTrainer(settings(labelled, nima, tmp_path / "run", loss=PairLossConfig(kind, 0.7)))
    drawn = trainer.pairs.batch(0)
    files = trainer.dataset.table["file"][trainer.split.mask("train")].to_numpy()
    bucket = trainer.pairs.bucket
    before = means_of(load_model(nima)[0], files)
    trainer.model.train()
    passed = []
    trainer.model.register_forward_hook(lambda model, inputs, output: passed.append(len(inputs[0])))
    value, scores, batch = trainer.train_step(trainer.batches()[0])
    assert passed == [len(drawn.rows)]  # each image once
    assert scores.numpy() == pytest.approx(before[drawn.rows], abs=1e-4)
    losses = []
    if kind == "ranking":
        for i in drawn.rows:
            losses += [max(0, before[j] - before[i] + 0.7) for j in drawn.rows if bucket[i] > bucket[j]]
    else:
        for a, b, same in zip(drawn.rows[drawn.first], drawn.rows[drawn.second], drawn.same, strict=True):
            d = abs(before[a] - before[b])
            losses.append(d**2 if same else max(0, 0.7 - d) ** 2)
    assert value.item() == pytest.approx(np.mean(losses), abs=1e-4)
    numbers = trainer.statistics(scores, batch)
    near = np.abs(before[drawn.rows[drawn.first]] - before[drawn.rows[drawn.second]]) < 0.5
    assert numbers["accuracy"] == pytest.approx(np.mean(near == drawn.same.astype(bool)))


def test_the_original_s_format_gives_the_same_scores_as_csv(labelled, nima, tmp_path):
    plain = SiameseNimaTrainer(settings(labelled, nima, tmp_path / "a"))
    spaced = SiameseNimaTrainer(settings(labelled, nima, tmp_path / "b", data=str(labelled / "labels.txt")))
    assert len(plain.dataset) == 30
    assert plain.dataset.table.equals(spaced.dataset.table)
    assert plain.dataset.higher_is_better
    assert plain.split.count("test") == 0
    assert plain.split.count("val") == 6


def test_where_lower_is_better_the_buckets_turn(labelled, nima, tmp_path):
    scores = ScoresConfig(val_fraction=0.2, direction="lower")
    trainer = SiameseNimaTrainer(settings(labelled, nima, tmp_path / "run", scores=scores))
    label = trainer.dataset.table["score"][trainer.split.mask("train")].to_numpy()
    assert srocc(trainer.pairs.bucket, label) < -0.9
    batch = PairBatchConfig(pairs=8, edges=[2.0, 5.0])
    trainer = SiameseNimaTrainer(settings(labelled, nima, tmp_path / "edges", scores=scores, batch=batch))
    assert trainer.pairs.bucket.tolist() == [2 - int(v > 2) - int(v > 5) for v in label]


def test_a_resumed_run_ends_with_the_same_weights_and_frozen_ones_with_those_of_the_start(labelled, nima, tmp_path):
    options = {"freeze_until": "features.10"}
    SiameseNimaTrainer(settings(labelled, nima, tmp_path / "whole", **options)).run()
    SiameseNimaTrainer(settings(labelled, nima, tmp_path / "parts", steps=4, **options)).run()
    SiameseNimaTrainer(settings(labelled, nima, tmp_path / "parts", resume=True, **options)).run()
    start = load_file(nima / "model.safetensors")
    whole, parts = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    moved = {key.split(".")[1] for key in whole if not torch.equal(whole[key], start[key])}
    assert moved == {"10", "11", "12", "weight", "bias"}


@pytest.mark.usefixtures("curves")
def test_the_directed_loss_learns_the_order_and_keeps_the_nima_alone(labelled, nima, tmp_path):
    rows = SiameseNimaTrainer(settings(labelled, nima, tmp_path / "run", steps=60, checkpoint_every=60)).run()
    model, config = load_model(tmp_path / "run")
    assert isinstance(model, Nima)
    table = pd.read_csv(labelled / "labels.csv")
    files = [labelled / name for name in table["file_name"]]
    before, after = (srocc(means_of(m, files), table["label"]) for m in (load_model(nima)[0], model))
    assert after > max(0.9, before + 0.2)
    assert rows["ALL"]["srocc"] > 0.6
    assert config["score_range"] == [1, 10]
    assert config["provenance"]["stage"] == "siamese_nima"
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    assert list(log) == ["step", "loss", "ordered", "active", "pairs", "accuracy", "lr", "images_per_s"]
    assert log["ordered"][-10:].mean() > 0.85


def test_epochs_are_draws_of_the_pairs(labelled, nima, tmp_path):
    trainer = SiameseNimaTrainer(settings(labelled, nima, tmp_path / "run", steps=0, epochs=3))
    assert trainer.config.steps == 3 * 6  # 24 images are the first of 48 pairs, 8 a batch


def test_two_processes_train_as_one_does(labelled, nima, tmp_path):
    runs = {}
    for kind in ("ranking", "contrastive"):
        for count in (1, 2):
            config = settings(labelled, nima, tmp_path / f"{kind}{count}", steps=3, loss=PairLossConfig(kind, 1.0))
            if count == 1:
                SiameseNimaTrainer(config).run()
            else:
                file = tmp_path / f"{kind}.yaml"
                file.write_text(yaml.safe_dump(dataclasses.asdict(config)))
                run_in_two("train_siamese_nima.sh", "--config", str(file))
            assert load_model(config.out)[1]["provenance"]["processes"] == count
            runs[kind, count] = load_file(tmp_path / f"{kind}{count}" / "model" / "model.safetensors")
        start = load_file(nima / "model.safetensors")
        one, two = runs[kind, 1], runs[kind, 2]
        moved = max((one[key] - start[key]).abs().max().item() for key in start)
        # Adam turns a rounding of a gradient that is nearly zero into a step of its own size.
        difference = np.concatenate([(one[key] - two[key]).abs().flatten().numpy() for key in start])
        assert moved > 2e-3
        assert np.quantile(difference, 0.999) < 0.01 * moved


def test_the_original_s_demo_needs_no_further_setting(labelled, nima, tmp_path):
    """Ten images with ten labels, five buckets of two, none held out."""
    table = pd.read_csv(labelled / "labels.csv").iloc[:10].assign(label=[1, 2, 0, 4, 6, 3, 8, 7, 5, 9])
    table.to_csv(tmp_path / "demo.csv", index=False, sep=" ")
    flags = ["--data", str(tmp_path / "demo.csv"), "--images", str(labelled), "--batch.pairs", "16", "--epochs", "1"]
    assert main(["--init", str(nima), *flags, "--workers", "0", "--out", str(tmp_path / "run")]) == 0
    assert pd.read_csv(tmp_path / "run" / "split.csv")["part"].tolist() == ["train"] * 10


def test_what_the_start_learned_of_another_set_is_kept(labelled, tmp_path):
    torch.manual_seed(0)
    learned = {"dataset": "ava", "groups": ["g"], "paths": ["images/1.jpg"]}
    model = build_nima("squeezenet1_1", crop=48, dropout=0.0)
    save_model(model, tmp_path / "nima", finetuned_on=learned | {"earlier": [{"dataset": "csv", "paths": ["x"]}]})
    SiameseNimaTrainer(settings(labelled, tmp_path / "nima", tmp_path / "run", steps=1)).run()
    tuned = load_model(tmp_path / "run")[1]["finetuned_on"]
    assert (tuned["dataset"], len(tuned["paths"])) == ("csv", 30)
    assert tuned["earlier"] == [learned, {"dataset": "csv", "paths": ["x"]}]


def test_another_start_does_not_go_on_with_the_run(labelled, nima, tmp_path):
    SiameseNimaTrainer(settings(labelled, nima, tmp_path / "run", steps=2)).run()
    save_model(build_nima("squeezenet1_1", crop=48, dropout=0.0), tmp_path / "other")
    with pytest.raises(InputError, match=r"other: is not the model that the run began with.*\(init\)"):
        SiameseNimaTrainer(settings(labelled, tmp_path / "other", tmp_path / "run", resume=True))


def test_overwriting_moves_the_run_and_nothing_else(labelled, nima, tmp_path):
    out = tmp_path / "assets"
    (out / "images").mkdir(parents=True)
    for file in labelled.iterdir():
        (out / "images" / file.name).write_bytes(file.read_bytes())
    options = {"data": str(out / "images" / "labels.csv"), "images": str(out / "images"), "steps": 1}
    SiameseNimaTrainer(settings(labelled, nima, out, **options)).run()
    SiameseNimaTrainer(settings(labelled, nima, out, overwrite=True, **options)).run()
    assert (tmp_path / "assets.old1" / "model" / "config.json").is_file()
    assert (tmp_path / "assets.old1" / "config.yaml").is_file()
    assert not (tmp_path / "assets.old1" / "images").exists()
    assert len(list((out / "images").iterdir())) == 32


def test_without_a_start_nothing_is_frozen(labelled, tmp_path):
    model = NimaModelConfig(name="squeezenet1_1", weights="none", crop=48)
    trainer = SiameseNimaTrainer(settings(labelled, None, tmp_path / "run", init=None, model=model))
    assert all(p.requires_grad for p in trainer.model.parameters())


def test_the_recipe_is_the_original_s_but_for_the_loss():
    config = parse(
        ["--config", "train/configs/siamese_nima.yaml", "--data", "x", "--images", "y", "--freeze-until", "9"]
    )
    assert (config.optim.kind, config.optim.lr, config.optim.schedule) == ("adam", 1e-3, "constant")
    assert (config.batch.pairs, config.epochs, config.loss.kind, config.loss.margin) == (64, 20, "ranking", 1)
    assert config.freeze_until == "9"
    config.check()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch.buckets", "20"], "has one image (score"),
        (["--batch.edges", "[20]"], "give other edges or more buckets (--batch.edges, --batch.buckets)"),
        (["--batch.edges", "[5, 3]"], "batch.edges must be rising numbers"),
        (["--batch.buckets", "1"], "batch.buckets must be at least 2"),
        (["--freeze-until", "features.99"], "freeze_until: 'features.99' is no layer of squeezenet1_1; give one of"),
        (["--freeze-until", "618"], "freeze_until: 618 counts Keras's layers of inception_resnet_v2"),
        (["--loss.kind", "triplet"], "loss.kind must be one of ranking, contrastive"),
        (["--dataset", "ava", "--root", "."], "data and dataset exclude each other; give either a file of scores"),
        (["--scores.score_range", "[1]"], "scores.score_range must be two numbers"),
        (["--root", "."], "and data is given; give the folder of the images alone (--images DIR)"),
        (["--workers", "-1"], "workers must be at least 0"),
        (["--images", "/nowhere"], "/nowhere: no such folder"),
        (["--data", "/nowhere.csv"], "/nowhere.csv: no such file"),
        (["--split", "official"], "official: no such split of csv"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_left(labelled, nima, tmp_path, flags, message, capsys):
    base = ["--init", str(nima), "--data", str(labelled / "labels.csv"), "--images", str(labelled), "--workers", "0"]
    assert main([*base, "--out", str(tmp_path / "run"), *flags]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
    assert not (tmp_path / "run").exists()


def test_a_model_of_one_score_is_no_start(labelled, tmp_path, capsys):
    save_model(build_model("squeezenet1_1", crop=48), tmp_path / "rank")
    base = ["--data", str(labelled / "labels.csv"), "--images", str(labelled), "--out", str(tmp_path / "run")]
    assert main(["--init", str(tmp_path / "rank"), *base]) == 2
    assert "gives one score, not ten votes, so it is no NIMA" in capsys.readouterr().err
