"""The training of NIMA: its votes, its loss, its batches, exact resume, and what it refuses."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from rankiqa.cli.train_nima import main, parse
from rankiqa.config import EmdConfig, NimaConfig, NimaModelConfig, OptimConfig, ScoredBatchConfig, VotesConfig
from rankiqa.errors import InputError
from rankiqa.images.crops import squeeze
from rankiqa.losses import emd
from rankiqa.models import Nima, build_model, build_nima, load_model, save_model
from rankiqa.training.gathering import all_scores
from rankiqa.training.nima import NimaTrainer, open_nima
from rankiqa.votes import mean_of, normalise, std_of
from tests.datasets import layouts

VOTES = [f"vote{k}" for k in range(1, 11)]


@pytest.fixture(scope="module")
def voted(tmp_path_factory, photos):
    """40 images of ten references, the darker the lower the votes; votes.csv, and mos.csv with the means alone."""
    folder = tmp_path_factory.mktemp("voted")
    rng, rows, pictures = np.random.default_rng(0), [], list(photos.values())
    for reference in range(10):
        picture = pictures[reference % 5][30 * reference : 30 * reference + 60, 100:190]
        for level in range(4):
            name = f"r{reference}_{level}.png"
            Image.fromarray((picture * (1 - 0.25 * level)).astype(np.uint8)).save(folder / name)
            shares = np.exp(-((np.arange(10) - 8 + 2 * level) ** 2) / (3 + reference % 3))
            votes = rng.multinomial(60, shares / shares.sum())
            rows.append((name, f"r{reference}", "dark", *votes))
    table = pd.DataFrame(rows, columns=["name", "reference", "type", *VOTES])
    table.to_csv(folder / "votes.csv", index=False)
    mos = table[["name", "reference", "type"]].assign(mos=mean_of(normalise(table[VOTES].to_numpy())))
    mos.to_csv(folder / "mos.csv", index=False)
    return folder


def settings(voted, out, labels="votes.csv", **changes):
    base = {
        "dataset": "csv",
        "root": str(voted),
        "data": VotesConfig(labels=str(voted / labels), workers=0, val_fraction=0.2, score_range=[1, 10]),
        "model": NimaModelConfig(name="squeezenet1_1", weights="none", crop=48, resize=56, dropout=0.5),
        "batch": ScoredBatchConfig(images=8),
        "optim": OptimConfig(lr=0.01, schedule="constant", clip=1.0, head_lr=1.0, head_bias_lr=1.0),
        "steps": 6,
        "out": str(out),
        "checkpoint_every": 2,
        "log_every": 1,
    }
    return NimaConfig(**(base | changes))


def test_the_loss_is_the_emd_to_the_votes_that_people_gave(voted, tmp_path):
    trainer = NimaTrainer(settings(voted, tmp_path / "run", loss=EmdConfig(r=1.0)))
    counts = pd.read_csv(voted / "votes.csv")[VOTES].to_numpy()
    assert trainer.target == pytest.approx(counts / counts.sum(1, keepdims=True))
    batches = trainer.batches()
    value, votes, batch = trainer.train_step(batches[0])
    rows = np.flatnonzero(trainer.split.mask("train"))[batches.rows(0)]
    assert batch["target"].numpy() == pytest.approx(trainer.target[rows], abs=1e-7)
    assert votes.shape == (8, 10)
    difference = np.abs(votes.numpy().cumsum(1) - trainer.target[rows].cumsum(1))
    assert value.item() == pytest.approx(difference.mean(), rel=1e-5)


def test_scores_without_votes_become_votes_of_that_mean(voted, tmp_path):
    config = settings(voted, tmp_path / "run", "mos.csv")
    config.data.vote_std = 1.3
    trainer = NimaTrainer(config)
    wanted = pd.read_csv(voted / "mos.csv")["mos"].clip(1.05, 9.95)
    assert mean_of(trainer.target) == pytest.approx(wanted, abs=1e-6)
    inner = (wanted > 2) & (wanted < 9)
    assert std_of(trainer.target)[inner] == pytest.approx(np.full(inner.sum(), 1.3), abs=1e-6)
    assert trainer.val_columns == ("srocc", "lcc", "emd")


def test_a_dmos_is_turned_so_that_the_best_image_has_the_highest_votes(voted, tmp_path):
    table = pd.read_csv(voted / "mos.csv")
    table["dmos"] = 100 * (10 - table.pop("mos")) / 9
    table.to_csv(tmp_path / "dmos.csv", index=False)
    config = settings(voted, tmp_path / "run")
    config.data = VotesConfig(labels=str(tmp_path / "dmos.csv"), workers=0, score_range=[0, 100])
    trainer = NimaTrainer(config)
    assert mean_of(trainer.target) == pytest.approx((10 - 9 * table["dmos"] / 100).clip(1.05, 9.95), abs=1e-6)


def test_an_image_is_resized_whole_and_then_cropped(voted, tmp_path):
    config = settings(voted, tmp_path / "run", batch=ScoredBatchConfig(images=4, flip=False))
    trainer = NimaTrainer(config)
    batches = trainer.batches()
    crops = batches[0]["images"].numpy().transpose(0, 2, 3, 1)
    places = set()
    for crop, row in zip(crops, batches.rows(0), strict=True):
        whole = squeeze(np.asarray(Image.open(batches.files[row])), 56)
        found = [
            (top, left)
            for top in range(9)
            for left in range(9)
            if np.array_equal(whole[top : top + 48, left : left + 48], crop)
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 1


def test_validation_scores_the_whole_images_against_the_votes(voted, tmp_path):
    trainer = NimaTrainer(settings(voted, tmp_path / "run"))
    row = trainer.validate()["ALL"]
    assert tuple(row) == trainer.val_columns == ("srocc", "lcc", "emd", "srocc_std", "lcc_std", "accuracy")
    rows = np.flatnonzero(trainer.split.mask("val"))
    model = trainer.model.eval()
    votes = []
    for k in rows:
        image = squeeze(np.asarray(Image.open(trainer.dataset.table["file"][k])), 48).transpose(2, 0, 1)[None]
        with torch.no_grad():
            votes.append(model(torch.from_numpy(image / np.float32(255)), distribution=True)[0].double().numpy())
    votes, target = np.array(votes), trainer.target[rows]
    assert row["lcc"] == pytest.approx(np.corrcoef(mean_of(votes), mean_of(target))[0, 1], abs=1e-4)
    assert row["lcc_std"] == pytest.approx(np.corrcoef(std_of(votes), std_of(target))[0, 1], abs=1e-3)
    assert row["emd"] == pytest.approx(emd(torch.tensor(votes), torch.tensor(target), 1).mean().item(), abs=1e-6)
    assert row["accuracy"] == np.mean((mean_of(votes) > 5) == (mean_of(target) > 5))


def test_a_resumed_run_ends_with_the_same_weights(voted, tmp_path):
    NimaTrainer(settings(voted, tmp_path / "whole")).run()
    NimaTrainer(settings(voted, tmp_path / "parts", steps=4)).run()
    NimaTrainer(settings(voted, tmp_path / "parts", resume=True)).run()
    weights = [load_file(tmp_path / run / "model" / "model.safetensors") for run in ("whole", "parts")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert (tmp_path / "whole" / "log.csv").read_text().count("\n") == 7


@pytest.mark.usefixtures("curves")
def test_it_learns_and_its_model_tells_what_it_is(voted, tmp_path):
    model = NimaModelConfig(name="squeezenet1_1", weights="none", crop=48, resize=50, dropout=0.0)
    optim = OptimConfig(kind="adam", lr=1e-3, schedule="cosine", weight_decay=0.0, head_lr=1.0, head_bias_lr=1.0)
    config = settings(voted, tmp_path / "run", model=model, optim=optim, steps=50, checkpoint_every=50)
    rows = NimaTrainer(config).run()
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    assert log["loss"][-5:].mean() < 0.6 * log["loss"][:5].mean()
    assert rows["ALL"]["srocc"] > 0.7
    loaded, saved = load_model(tmp_path / "run")
    assert isinstance(loaded, Nima)
    assert saved["score_range"] == [1, 10]
    assert saved["provenance"]["stage"] == "nima"
    assert saved["finetuned_on"]["native_range"] == [1, 10]


def test_votes_of_a_file_whose_score_is_a_dmos_keep_their_direction(voted, tmp_path):
    table = pd.read_csv(voted / "votes.csv")
    means = mean_of(normalise(table[VOTES].to_numpy()))
    table.assign(dmos=100 - 10 * means).to_csv(tmp_path / "both.csv", index=False)
    config = settings(voted, tmp_path / "run")
    config.data = VotesConfig(labels=str(tmp_path / "both.csv"), workers=0, score_range=[0, 100])
    trainer = NimaTrainer(config)
    assert mean_of(trainer.target) == pytest.approx(means)
    assert np.corrcoef(mean_of(trainer.target), trainer.dataset.truth)[0, 1] == pytest.approx(1)


def test_a_run_goes_on_with_the_same_votes_only(voted, tmp_path):
    table = pd.read_csv(voted / "votes.csv").assign(mos=range(40))
    table.to_csv(tmp_path / "votes.csv", index=False)
    config = settings(voted, tmp_path / "run", str(tmp_path / "votes.csv"), steps=2)
    NimaTrainer(config).run()
    table[VOTES] = table[VOTES].to_numpy()[:, ::-1]
    table.to_csv(tmp_path / "votes.csv", index=False)
    with pytest.raises(InputError, match="are not what the run began with"):
        NimaTrainer(dataclasses.replace(config, resume=True, steps=4))


def test_a_loss_that_is_no_number_stops_the_run(voted, tmp_path):
    optim = OptimConfig(lr=1e30, schedule="constant", clip=None)
    with pytest.raises(InputError, match="the loss is nan near step"):
        NimaTrainer(settings(voted, tmp_path / "run", optim=optim)).run()
    assert not (tmp_path / "run" / "model").exists()


def test_epochs_are_passes_over_the_training_images(voted, tmp_path):
    trainer = NimaTrainer(settings(voted, tmp_path / "run", steps=0, epochs=3))
    assert trainer.split.count("train") == 24
    assert trainer.config.steps == 9
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["steps"] == 9


def test_a_nima_goes_on_with_the_weights_it_has(voted, tmp_path):
    torch.manual_seed(1)
    first = build_nima("squeezenet1_1", crop=48, dropout=0.5, resize=56)
    save_model(first, tmp_path / "first")
    trainer = NimaTrainer(settings(voted, tmp_path / "run", init=str(tmp_path / "first"), model=NimaModelConfig()))
    own, given = trainer.model.backbone.state_dict(), first.backbone.state_dict()
    assert all(torch.equal(own[key], given[key]) for key in given)
    model = NimaModelConfig(name="squeezenet1_1", dropout=0.1)
    trainer = NimaTrainer(settings(voted, tmp_path / "other", init=str(tmp_path / "first"), model=model))
    assert trainer.model.backbone.dropout.p == 0.1


def test_the_scores_of_several_processes_are_put_in_the_order_of_the_batch():
    class Accelerator:
        num_processes, process_index = 2, 0

        def gather(self, padded):
            return torch.cat([padded, 100 + torch.arange(20.0).view(2, 10)])[[0, 1, 2, 3, 4, 4]]

    local = torch.arange(30.0).view(3, 10).requires_grad_()
    found = all_scores(local, 5, Accelerator())
    assert found.shape == (5, 10)
    assert found[0::2].tolist() == local.tolist()
    assert found[1::2].tolist() == (100 + torch.arange(20.0).view(2, 10)).tolist()
    found.sum().backward()
    assert local.grad.eq(1).all()


def test_the_recipe_is_the_paper_s():
    config = parse(["--config", "train/configs/nima_ava.yaml", "--root", "x"])
    assert (config.dataset, config.split, config.batch.flip) == ("ava", "official", True)
    model, _ = open_nima(dataclasses.replace(config.model, weights="none"), config.init)
    assert (model.name, model.resize, model.crop, model.dropout) == ("inception_resnet_v2", 256, 224, 0.75)
    optim = config.optim
    assert (optim.kind, optim.momentum, optim.lr) == ("sgd", 0.9, 3e-7)
    assert optim.lr * optim.head_lr == pytest.approx(3e-6)
    assert optim.lr * optim.head_bias_lr == pytest.approx(3e-6)
    assert (optim.schedule, optim.gamma, optim.step_size) == ("step", 0.95, 10 * config.val_every)
    assert config.loss.r == 2


def labels_with(voted, tmp_path, change):
    table = pd.read_csv(voted / "votes.csv")
    table = change(table)
    table.to_csv(tmp_path / "labels.csv", index=False)
    return [
        "--dataset",
        "csv",
        "--root",
        str(voted),
        "--data.labels",
        str(tmp_path / "labels.csv"),
        "--data.workers",
        "0",
    ]


def no_votes(table):
    table.loc[4, VOTES] = 0
    return table


@pytest.mark.parametrize(
    ("change", "flags", "message"),
    [
        (no_votes, [], "labels.csv, line 6: the votes of r1_0.png: they sum to zero"),
        (lambda table: table.drop(columns="vote10"), [], "labels.csv: 9 columns of votes (vote1, vote2"),
        (lambda table: table, ["--loss.r", "0.5"], "loss.r must be at least 1 and finite, got 0.5"),
        (lambda table: table, ["--model.name", "nonsense"], "model.name: unknown network 'nonsense'"),
        (lambda table: table, ["--data.vote_std", "7"], "data.vote_std must be above 0 and at most 4.5"),
        (lambda table: table, ["--batch.images", "500"], "images of csv to train on, but a batch has 500"),
        (lambda table: table, ["--optim.kind", "rmsprop"], "optim.kind must be one of sgd, adam"),
        (lambda table: table, ["--epochs", "0"], "epochs must be at least 1"),
        (lambda table: table, ["--root", "/nowhere"], "/nowhere: no such folder"),
        (lambda table: table, ["--init", "/nowhere"], "/nowhere: no such model folder"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_left(voted, tmp_path, change, flags, message, capsys):
    args = labels_with(voted, tmp_path, change)
    base = [
        "--model.name",
        "squeezenet1_1",
        "--model.weights",
        "none",
        "--model.crop",
        "48",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*args, *base, *flags]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
    assert not (tmp_path / "run").exists()


def test_a_model_of_one_score_is_no_nima(voted, tmp_path):
    save_model(build_model("squeezenet1_1", crop=48), tmp_path / "rank")
    with pytest.raises(InputError, match="gives one score, not ten votes, so it is no NIMA"):
        NimaTrainer(settings(voted, tmp_path / "run", init=str(tmp_path / "rank"), model=NimaModelConfig()))


def test_a_split_that_tests_what_the_start_learned_is_refused(voted, tmp_path):
    config = settings(voted, tmp_path / "first", steps=1)
    NimaTrainer(config).run()
    data = dataclasses.replace(config.data, split_seed=1)
    again = settings(voted, tmp_path / "run", init=str(tmp_path / "first"), model=NimaModelConfig(), data=data)
    with pytest.raises(InputError, match=r"split random leaks: .*first learned from \d+ of the 8 test images"):
        NimaTrainer(again)
    own = dataclasses.replace(again, split=str(tmp_path / "first" / "split.csv"))
    assert NimaTrainer(own).split.count("test") == 8


def test_ava_trains_as_it_is_distributed(tmp_path):
    root, out = tmp_path / "ava", tmp_path / "run"
    root.mkdir()
    votes = layouts.ava(root)
    args = ["--config", "train/configs/nima_ava.yaml", "--root", str(root), "--out", str(out), "--steps", "2"]
    args += ["--model.name", "squeezenet1_1", "--model.weights", "none", "--model.crop", "48", "--model.resize", "56"]
    args += ["--batch.images", "2", "--data.val_fraction", "0", "--data.workers", "0"]
    assert main(args) == 0
    split = pd.read_csv(out / "split.csv").set_index("path")["part"]
    parts = {"images/101.jpg": "train", "images/102.jpg": "train", "images/103.jpg": "test", "images/105.jpg": "test"}
    assert split.dropna().to_dict() == parts
    assert load_model(out)[1]["finetuned_on"]["paths"] == ["images/101.jpg", "images/102.jpg"]
    trainer = NimaTrainer(parse([*args, "--overwrite"]))
    assert trainer.target[0] == pytest.approx(np.array(votes["101"]) / sum(votes["101"]))


def test_ava_s_columns_are_counted(tmp_path, capsys):
    layouts.ava(tmp_path)
    lines = [line.split() for line in (tmp_path / "AVA.txt").read_text().splitlines()]
    (tmp_path / "AVA.txt").write_text("\n".join(" ".join(line[:11] + line[12:]) for line in lines))
    flags = ["--model.name", "squeezenet1_1", "--model.weights", "none", "--out", str(tmp_path / "run")]
    assert main(["--dataset", "ava", "--root", str(tmp_path), *flags]) == 2
    assert "AVA.txt, line 1: 14 columns, but AVA has 15" in capsys.readouterr().err
