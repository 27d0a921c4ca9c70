"""The joint stage: its losses, its maps, its start and its end, exact resume, several processes, what it refuses."""

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
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm

from rankiqa.cli.train_joint import main, parse
from rankiqa.config import (
    JointConfig,
    JointSetConfig,
    JudgeConfig,
    OptimConfig,
    PeopleConfig,
    RankBatchConfig,
    RankDataConfig,
    RankLossConfig,
    RankModelConfig,
)
from rankiqa.errors import InputError
from rankiqa.images.photos import PRISTINE
from rankiqa.images.writing import write_image
from rankiqa.losses import pairwise_hinge
from rankiqa.models import load_model
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.scoring.scorer import Scorer
from rankiqa.training.joint import JointTrainer
from rankiqa.training.monotone_map import fit_scale
from rankiqa.training.ranking import RankTrainer
from tests.launching import run_in_two
from tests.training import ranked_runs
from tests.training.ranked_runs import ROOT, flags, weights


def scored_folder(folder, photos, column, first):
    """24 images of six references, of 70×60 px, whose quality falls with the blackness laid over them."""
    rows = []
    for reference in range(6):
        picture = list(photos.values())[first + reference % 2][40 * reference : 40 * reference + 60, 200:270]
        for level in range(4):
            name = f"r{reference}_{level}.png"
            Image.fromarray((picture * (1 - 0.25 * level)).astype(np.uint8)).save(folder / name)
            rows.append((name, f"r{reference}", 5 - 4 * level / 3 if column == "mos" else 30 * level + reference))
    pd.DataFrame(rows, columns=["name", "reference", column]).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def people(tmp_path_factory, photos):
    """Two sets of other photos: one with MOS from 1 to 5, one with DMOS from 0 to 100."""
    found = {}
    for column, first in (("mos", 1), ("dmos", 3)):
        found[column] = scored_folder(tmp_path_factory.mktemp(column), photos, column, first)
    return found


def one_set(folder, column="mos", **changes):
    limits = [1, 5] if column == "mos" else [0, 100]
    base = {"dataset": "csv", "root": str(folder), "labels": str(folder / "labels.csv"), "score_range": limits}
    return JointSetConfig(**(base | {"images": 6, "val_fraction": 0.3} | changes))


def settings(ranks, sets, out, **changes):
    ranking = dataclasses.asdict(ranked_runs.settings(ranks, out)) | {
        "data": RankDataConfig(ranks=str(ranks), holdout=1, workers=0),
        "model": RankModelConfig(name="squeezenet1_1", crop=48, dropout=0.5),
        "batch": RankBatchConfig(images=1, groups=1),
        "optim": OptimConfig(lr=0.01, schedule="constant", clip=1.0, head_lr=1.0),
        "people": PeopleConfig(crop=56),
        "sets": sets,
    }
    known = {field.name for field in dataclasses.fields(JointConfig)}
    return JointConfig(**({key: value for key, value in ranking.items() if key in known - {"loss", "judge"}} | changes))


@pytest.fixture
def both(people):
    """A set of each direction; one learns by pairs, one by the squared error."""
    return [one_set(people["mos"]), one_set(people["dmos"], "dmos", loss="mse", weight=0.5, images=5)]


def test_the_loss_is_the_ranks_and_each_set_s_pairs_or_squared_error(ranks, both, tmp_path):
    trainer = JointTrainer(settings(ranks, both, tmp_path / "run", rank_weight=0.7))
    with torch.no_grad():  # a map that is not the identity
        trainer.more_tensors()["1.a"].fill_(0.4)
        trainer.more_tensors()["1.b"].fill_(-0.3)
    value, scores, batch = trainer.train_step(trainer.batches()[0])
    assert (len(batch["group"]), len(scores)) == (6, 17)
    scores, mapped = scores.double().numpy().T
    ranked = pairwise_hinge(torch.tensor(scores[:6]), batch["group"], batch["level"], 1.0).item()

    mos, dmos = (pd.read_csv(one.labels) for one in both)
    target = batch["people.target"].double().numpy()
    for one, table, part in zip(trainer.sets, (mos, dmos), (target[:6], target[6:]), strict=True):
        column = table.columns[-1]
        wanted = (table[column] - 1) / 4 if column == "mos" else 1 - table[column] / 100  # the best is 1
        np.testing.assert_allclose(one.target, wanted)
        train = one.target[one.rows("train")]
        assert one.spread == pytest.approx(np.std(train)) and set(part.round(5)) <= set(train.round(5))
    pairs = []
    for i in range(6):
        for j in range(6):
            if i != j:
                prefers = norm.cdf((target[i] - target[j]) / (0.5 * trainer.sets[0].spread))
                says = 1 / (1 + np.exp(scores[6 + j] - scores[6 + i]))
                pairs.append(-prefers * np.log(says) - (1 - prefers) * np.log(1 - says))
    on_scale = 1 / (1 + np.exp(0.3 - np.exp(0.4) * scores[12:]))
    np.testing.assert_allclose(mapped[12:], on_scale, rtol=1e-5)
    error = np.mean((on_scale - target[6:]) ** 2) / trainer.sets[1].spread ** 2
    assert value.item() == pytest.approx(0.7 * ranked + np.mean(pairs) + 0.5 * error, rel=1e-5)
    told = trainer.statistics(torch.tensor(np.stack((scores, mapped), 1)), batch)
    found = [told[name] for name in ("rank_loss", "people_loss", "csv_loss", "csv-2_loss")]
    assert found == pytest.approx([ranked, np.mean(pairs) + 0.5 * error, np.mean(pairs), error], rel=1e-5)


def test_a_map_of_pairs_learns_without_moving_the_network(ranks, people, tmp_path):
    trainer = JointTrainer(settings(ranks, [one_set(people["mos"])], tmp_path / "run"))
    batch = trainer.batches()[0]
    scores = trainer.batch_scores(batch)
    assert torch.equal(scores[:6, 0], scores[:6, 1])
    error = (scores[6:, 1] - batch["people.target"]).square().mean()
    parameters = list(trainer.more_tensors().values()) + list(trainer.model.parameters())
    gradients = torch.autograd.grad(error, parameters, allow_unused=True, retain_graph=True)
    assert all(value is not None and value != 0 for value in gradients[:2])
    assert all(value is None or not value.any() for value in gradients[2:])

    # What the loss gives the map is the same; a line that is told has no share of it.
    trainer.loss(scores, batch).backward()
    for value, gradient in zip(parameters, gradients[:2], strict=False):
        assert value.grad.item() == pytest.approx(gradient.item() / trainer.sets[0].spread ** 2, rel=1e-4)


def test_the_ranked_half_is_ranking_s_and_the_crops_have_their_own_sides(ranks, both, tmp_path):
    trainer = JointTrainer(settings(ranks, both, tmp_path / "run"))
    config = trainer.config
    alone = ranked_runs.settings(ranks, tmp_path / "alone", batch=config.batch, model=config.model)
    other = RankTrainer(alone)
    assert trainer.train_set.references == other.train_set.references
    for step in (0, 3):
        batch, ranked = trainer.batches()[step], other.batches()[step]
        assert all(torch.equal(batch[key], value) for key, value in ranked.items())
        assert batch["people.images"].shape == (11, 3, 56, 56) and batch["images"].shape[2:] == (48, 48)
    first, again = trainer.batches()[0]["people.images"], trainer.batches()[0]["people.images"]
    assert torch.equal(first, again) and not torch.equal(first[:6], trainer.batches()[1]["people.images"][:6])


def train_and_kill(config):
    """Train in a process of its own until the second checkpoint, and kill that."""
    process = subprocess.Popen(
        [sys.executable, "train/train_joint.py", *flags(config)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline, second = time.monotonic() + 600, f"checkpoints/step-{2 * config.checkpoint_every:08}"
    while not Path(config.out, second).is_dir() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not Path(config.out, "model").exists()


def test_a_killed_run_resumed_ends_with_bit_equal_weights(ranks, both, tmp_path):
    JointTrainer(settings(ranks, both, tmp_path / "whole", steps=8)).run()
    broken = settings(ranks, both, tmp_path / "broken", steps=8)
    train_and_kill(broken)
    broken.resume = True
    trainer = JointTrainer(broken)
    assert 4 <= trainer.step < 8 and trainer.more_tensors()["0.a"] != 0
    trainer.run()
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert expected.keys() == got.keys() and all(torch.equal(expected[k], got[k]) for k in expected)
    scales = [load_model(tmp_path / name)[1]["provenance"]["scales"] for name in ("whole", "broken")]
    assert scales[0] == scales[1] and set(scales[0]) == {"csv", "csv-2"}
    rows = [list(csv.DictReader((tmp_path / name / "log.csv").open())) for name in ("whole", "broken")]
    keys = ("step", "loss", "rank_loss", "people_loss", "csv_loss", "csv-2_loss")
    assert [[row[k] for k in keys] for row in rows[0]] == [[row[k] for k in keys] for row in rows[1]]


def test_two_processes_train_as_one_does(ranks, both, tmp_path):
    common = {"model": RankModelConfig(name="squeezenet1_1", crop=48, dropout=0.0), "steps": 3}
    start = JointTrainer(settings(ranks, both, tmp_path / "start", **common)).model.backbone.state_dict()
    JointTrainer(settings(ranks, both, tmp_path / "one", **common)).run()
    two = settings(ranks, both, tmp_path / "two", **common)  # 6, 6 and 5 images: the last set is shared out unevenly
    run_in_two("train_joint.sh", *flags(two))
    expected, got = weights(tmp_path / "one"), weights(tmp_path / "two")
    moved = max((expected[k] - start[k]).abs().max().item() for k in expected)
    difference = max((expected[k] - got[k]).abs().max().item() for k in expected)
    assert moved > 1e-3 and difference < 1e-3 * moved
    states = [yaml.safe_load((tmp_path / name / "checkpoints/step-00000003/training_state.json").read_text())
              for name in ("one", "two")]  # fmt: skip
    for key, value in states[0]["more"].items():
        assert value != 0 and states[1]["more"][key] == pytest.approx(value, rel=1e-3)
    logs = [list(csv.DictReader((tmp_path / name / "log.csv").open())) for name in ("one", "two")]
    np.testing.assert_allclose(*[[float(row["loss"]) for row in log] for log in logs], rtol=1e-4)
    vals = [pd.read_csv(tmp_path / name / "val.csv") for name in ("one", "two")]
    assert vals[0]["distortion"].tolist() == vals[1]["distortion"].tolist() == ["GB", "GN", "ALL", "csv", "csv-2"]


@pytest.mark.usefixtures("curves")
def test_it_learns_both_and_knows_all_it_saw(ranks, both, tmp_path):
    config = settings(
        ranks, both, tmp_path / "run", steps=50, checkpoint_every=50, val_every=50,
        model=RankModelConfig(name="squeezenet1_1", crop=48, dropout=0.0),
        batch=RankBatchConfig(images=3), optim=OptimConfig(lr=0.02, schedule="cosine", clip=1.0, head_lr=1.0),
    )  # fmt: skip
    trainer = JointTrainer(config)
    rows = trainer.run()
    assert all(rows[name]["srocc"] > 0.7 and rows[name]["lcc"] > 0.7 for name in ("csv", "csv-2"))
    _, config = load_model(tmp_path / "run")
    assert set(config["training_photos"].values()) == set(trainer.train_set.references)
    assert config["score_range"] is None and config["provenance"]["stage"] == "joint"
    tuned = config["finetuned_on"]
    entries = [tuned, *tuned["earlier"]]
    for entry, one, limits in zip(entries, trainer.sets, ([1, 5], [0, 100]), strict=True):
        seen = one.split.mask("train") | one.split.mask("val")
        assert sorted(entry["paths"]) == sorted(one.dataset.table["path"][seen])
        assert entry["native_range"] == limits
    assert [entry["native_higher_is_better"] for entry in entries] == [True, False]
    split = pd.read_csv(tmp_path / "run" / "split.csv")
    assert sorted(split.loc[split["part"] != "test", "path"]) == sorted(tuned["paths"])
    assert (tmp_path / "run" / "splits" / "csv-2.csv").is_file()
    reference = config["reference"]
    assert reference["what"] == "images of csv held out" and reference["images"] == trainer.sets[0].split.count("val")
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    assert log["ordered"].tail(5).mean() > 0.75
    for column in ("rank_loss", "csv_loss", "csv-2_loss"):
        assert log[column].tail(5).mean() < log[column].head(5).mean()


def test_a_head_of_statistics_scores_on_the_scale_of_the_first_set(ranks, both, tmp_path):
    sets = [dataclasses.replace(one, small="reflect") for one in both]
    model = RankModelConfig(name="mobilenetv3_small_050", head="statistics", crop=64)
    optim = OptimConfig(kind="adam", lr=1e-3, schedule="constant", average=0.5, weight_decay=0.0)
    config = settings(ranks, sets, tmp_path / "run", steps=2, model=model, optim=optim, people=PeopleConfig(crop=72))
    trainer = JointTrainer(config)
    trainer.run()
    assert trainer.model.backbone.scale is None  # what learns is the score beneath
    found, config = load_model(tmp_path / "run")
    scale = found.backbone.scale
    assert config["score_range"] == [0, 1] and dataclasses.asdict(scale) == config["provenance"]["scales"]["csv"]
    part = trainer.sets[0].rows("val")
    files = [trainer.sets[0].dataset.table["file"].iloc[row] for row in part]
    scores = np.array([Scorer.load(str(tmp_path / "run"), device="cpu").score(file).value for file in files])
    assert scores.min() > 0 and scores.max() < 1
    assert config["reference"]["images"] == len(part)
    quantiles = [config["reference"]["quantiles"][k] for k in (0, 50, 100)]
    np.testing.assert_allclose(quantiles, np.quantile(scores, [0, 0.5, 1]), rtol=1e-4)

    # The best curve of this form through the photos held out.
    raw, target = np.log(scores / (1 - scores)), trainer.sets[0].target[part]
    raw = (raw - scale.offset) / scale.slope
    best = minimize(lambda p: np.mean((expit(np.exp(p[0]) * raw + p[1]) - target) ** 2), [0.0, 0.0], tol=1e-10)
    assert np.mean((scores - target) ** 2) <= best.fun * 1.01


def test_a_fitted_map_rises_whatever_people_say():
    scores = np.linspace(-3, 5, 40)
    truth = expit(0.7 * scores - 1)
    scale = fit_scale(scores, truth)
    assert (scale.slope, scale.offset) == pytest.approx((0.7, -1), rel=1e-4)
    assert fit_scale(scores, 1 - truth).slope > 0
    assert fit_scale(np.zeros(5), truth[:5]) is None


def test_pictures_that_another_source_learns_from_are_told_or_refused(ranks, people, tmp_path, capsys):
    one, other = (one_set(people["mos"], split=str(tmp_path / f"{name}.csv")) for name in ("a", "b"))
    table = pd.read_csv(one.labels).rename(columns={"name": "path", "reference": "group"})[["path", "group"]]

    def split(name, test, val):
        part = ["test" if g in test else "val" if g in val else "train" for g in table["group"]]
        table.assign(part=part).to_csv(tmp_path / f"{name}.csv", index=False)

    split("a", {"r0"}, {"r1"})
    split("b", {"r5"}, {"r1"})
    with pytest.raises(InputError, match=r"4 of the test images of csv are learned from in csv-2, the first is r0_0"):
        JointTrainer(settings(ranks, [one, other], tmp_path / "run"))
    split("b", {"r0"}, {"r2"})
    JointTrainer(settings(ranks, [one, other], tmp_path / "run"))
    warned = capsys.readouterr().err
    assert "csv is validated on 4 pictures that csv-2 trains on, the first is r1_0.png (there r1_0.png)" in warned

    # A test image that is a photo of the ranks.
    photo = RankedSet.read(ranks).image("astronaut.png.png", PRISTINE, 0)
    for path in people["mos"].glob("*.png"):
        shutil.copy(path, tmp_path)
    Image.fromarray(photo).save(tmp_path / "r0_2.png")
    config = settings(ranks, [dataclasses.replace(one, root=str(tmp_path))], tmp_path / "run")
    config.data.holdout_names, config.data.holdout = ["chelsea.png.png"], 0
    with pytest.raises(InputError, match=r"photos that the ranking stage learned from, the first is r0_2\.png"):
        JointTrainer(config)


@pytest.mark.parametrize("where", ["loader", "device"])
def test_a_judge_orders_the_ranked_half(photos, people, tmp_path, where):
    for name, photo in list(photos.items())[:2]:
        write_image(tmp_path / "photos" / name, photo[100:160, 120:180], "png")
    data = RankDataConfig(source="online", pristine=str(tmp_path / "photos"), distortions="GN,GB,JPEG", workers=0)
    config = settings(
        "unused", [one_set(people["mos"], val_fraction=0)], tmp_path / "run", data=data, steps=2,
        batch=RankBatchConfig(levels=2, images=1),
        judge=JudgeConfig(kind="mdsi", sample=4, where=where), loss=RankLossConfig(kind="logistic"),
    )  # fmt: skip
    assert JointTrainer(config).run() is None
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    assert (log["judged"] > 0).all() and np.isfinite(log["rank_loss"]).all()
    _, saved = load_model(tmp_path / "run")
    assert saved["reference"]["what"] == "images of csv trained on" and "judge" in saved["provenance"]


GOOD = ["--data.workers=0", "--model.name=squeezenet1_1", "--model.crop=48"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--sets=[]"], "sets is missing: joint training takes human scores beside the ranks; give a set, or train"),
        (["--data.ranks="], "data.ranks is missing: joint training takes ranked images beside the human scores"),
        (
            ["--sets.dataset=null"],
            "sets.1: dataset is missing; give the name of the data set and its folder (--",
        ),
        (["--sets.root=nowhere"], "nowhere: no such folder; give that of the data set csv (--sets.root)"),
        (["--sets.loss=hinge"], "sets.1.loss must be one of pairs, mse; got 'hinge'"),
        (["--sets.images=1"], "sets.1.images must be at least 2, got 1"),
        (["--sets.images=200"], "a batch has 200; give another split or a smaller batch (--sets.split, --sets.images)"),
        (["--sets.deviation=0"], "sets.1.deviation must be above 0, got 0"),
        (["--sets.weight=0"], "sets.1.weight must be above 0, got 0"),
        (["--rank_weight=0"], "rank_weight must be above 0, got 0"),
        (
            ["--people.crop=64"],
            "mirror or enlarge such images, or give a smaller crop (--sets.small",
        ),
        (
            ["--sets.score_column=quality"],
            "does not say whether a higher quality is better; say it (--sets.direction higher, --sets.direction",
        ),
        (["--sets.img=3"], "img"),
    ],
)
def test_bad_settings_are_one_line_and_touch_nothing(ranks, people, tmp_path, capsys, changes, message):
    table = pd.read_csv(people["mos"] / "labels.csv")
    table.assign(quality=table["mos"]).to_csv(tmp_path / "labels.csv", index=False)
    one = f"{{dataset: csv, root: {people['mos']}, labels: {tmp_path / 'labels.csv'}, images: 6}}"
    out = tmp_path / "run"
    assert main([*GOOD, f"--data.ranks={ranks}", f"--sets=[{one}]", f"--out={out}", *changes]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not out.exists()


@pytest.mark.parametrize("recipe", ["joint_quick", "joint_efficientnet"])
def test_the_recipes_are_settings_that_a_run_can_have(recipe):
    sets = [] if recipe == "joint_efficientnet" else ["--sets=[{dataset: csv}]", "--data.ranks=x"]
    config = parse(["--config", f"train/configs/{recipe}.yaml", *sets, "--sets.root=x"])
    config.check()
    assert config.sets[0].root == "x" and config.sets[0].loss == "pairs"
