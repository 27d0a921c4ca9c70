"""The three experiments on a few small photographs: what is compared is comparable, and the numbers are right."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from rankiqa.cli.eval_experiments import main
from rankiqa.cli.make_ranks import main as make_ranks
from rankiqa.experiments import sampling
from rankiqa.experiments.levels import level_table, separation
from rankiqa.images.writing import write_image
from rankiqa.losses import pairwise_hinge
from rankiqa.metrics.correlation import lcc, srocc
from rankiqa.models import build_model, load_model, save_model
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.scoring.patches import score_image
from rankiqa.scoring.view import View
from rankiqa.training.samplers import make_sampler


@pytest.fixture(scope="module")
def sets(tmp_path_factory, photos):
    """Two ranked sets, of three and of two other photos of 80×80 px, with two types."""
    folder = tmp_path_factory.mktemp("ranks")
    for k, (name, photo) in enumerate(photos.items()):
        write_image(folder / ("train" if k < 3 else "test") / f"{name}.png", photo[100:180, 120:200], "png")
    for name in ("train", "test"):
        flags = ["--pristine", str(folder / name), "--out", str(folder / "ranks" / name), "--distortions", "GN,GB"]
        assert make_ranks([*flags, "--min-side", "64"]) == 0
    return folder / "ranks"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "rank.yaml"
    path.write_text(
        "model: {name: squeezenet1_1, weights: none, crop: 48, dropout: 0.0}\n"
        "optim: {lr: 0.01, clip: 1.0, head_lr: 1.0}\ndata: {workers: 0}\n"
    )
    return path


def test_separation_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    better, worse = rng.normal(1, 1, 17).round(1), rng.normal(0, 1, 23).round(1)
    pairs = [(a > b) + 0.5 * (a == b) for a in better for b in worse]
    assert separation(better, worse) == pytest.approx(np.mean(pairs))
    assert separation(better + 100, worse) == 1
    assert separation(worse, better + 100) == 0


def test_level_table_compares_each_level_with_the_one_before():
    rows = [("a", "pristine", 0, 5.0), ("b", "pristine", 0, 4.0)]
    rows += [(r, "GB", k, s) for r, k, s in (("a", 1, 4.5), ("b", 1, 3.0), ("a", 2, 1.0), ("b", 2, 2.0))]
    rows += [("a", "GN", 1, 9.0)]
    table = level_table(pd.DataFrame(rows, columns=["reference", "distortion", "level", "score"])).set_index("type")
    assert table.loc["GB", "separation"].tolist()[1:] == [3 / 4, 1.0]
    assert table.loc["GB", "mean"].tolist() == [4.5, 3.75, 1.5]
    # Only the photo that has the type stands for its pristine level.
    assert table.loc["GN", "images"].tolist() == [1, 1]
    assert table.loc["GN", "separation"].tolist()[1] == 0


@pytest.mark.parametrize("joint", [True, False])
def test_each_way_of_sampling_sees_as_many_images(sets, joint):
    ranks = RankedSet.read(sets / "train")
    types, levels = (2, 6) if joint else (1, 6)
    if not joint:
        ranks = sampling.only(ranks, "GB")
        assert ranks.distortions == ("GB",)
    sizes = {}
    for name in sampling.LABELS:
        batch = sampling.batch_settings(name, 1 if joint else 2, types, levels)
        sizes[name] = len(make_sampler(batch, ranks, 0).batch(0))
    assert set(sizes.values()) == {12}


def test_the_sampling_experiment_s_numbers_are_the_test_loss(sets, recipe, tmp_path, monkeypatch):
    seen = []
    real = sampling.held_out_loss

    def spy(trainer, test):
        found = real(trainer, test)
        if len(seen) < 1:
            images = [crop.float().div(255)[None] for crop in test["images"]]
            trainer.model.eval()
            with torch.no_grad():
                scores = torch.cat([trainer.model(image) for image in images])
            trainer.model.train()
            seen.append((pairwise_hinge(scores, test["group"], test["level"], 1.0).item(), found["test_loss"]))
        return found

    monkeypatch.setattr(sampling, "held_out_loss", spy)
    flags = ["--config", str(recipe), "--ranks", str(sets / "train"), "--test", str(sets / "test")]
    args = ["sampling", *flags, "--steps", "4", "--every", "2", "--out", str(tmp_path)]
    assert main(args) == 0
    assert seen[0][1] == pytest.approx(seen[0][0], rel=1e-4)
    table = pd.read_csv(tmp_path / "curves.csv")
    assert len(table) == 3 * 3 * 3
    start = table[table["step"] == 0]
    # The same network and the same test for the three ways of one type.
    assert start.groupby("types")["test_loss"].nunique().tolist() == [1, 1, 1]
    end = table[table["step"] == 4].set_index(["types", "sampler"])["test_loss"]
    assert end["all types"].nunique() == 3
    assert f"{end['GB', 'efficient']:.4f}" in (tmp_path / "sampling.md").read_text()
    assert np.asarray(Image.open(tmp_path / "sampling.png").convert("L")).std() > 5


def test_a_sampling_experiment_on_its_own_photos_is_refused(sets, recipe, tmp_path, capsys):
    flags = ["--config", str(recipe), "--ranks", str(sets / "train"), "--test", str(sets / "train")]
    assert main(["sampling", *flags, "--out", str(tmp_path / "out")]) == 2
    assert "shares 3 photos" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_levels_leaves_its_figure_and_the_table(sets, tmp_path):
    torch.manual_seed(0)
    model = build_model("squeezenet1_1", crop=48)
    save_model(model, tmp_path / "net")
    args = ["levels", "--model", str(tmp_path / "net"), "--ranks", str(sets / "test"), "--patches", "2"]
    assert main([*args, "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out" / "levels.csv")
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    some = scores[(scores["distortion"] == "GB") & (scores["level"] == 3)]["score"]
    row = table[(table["type"] == "GB") & (table["level"] == 3)].iloc[0]
    assert row["mean"] == pytest.approx(some.mean(), rel=1e-4)
    assert row["images"] == 2
    assert (tmp_path / "out" / "levels.png").is_file()
    assert "level 5 from 4" in (tmp_path / "out" / "levels.md").read_text()


def test_networks_are_tested_on_what_they_were_not_tuned_on(photos, tmp_path):
    folder = tmp_path / "scored"
    folder.mkdir()
    rows = []
    for k in range(12):
        picture = list(photos.values())[k % 5][20 * k : 20 * k + 60, 50:110]
        for level in range(3):
            Image.fromarray((picture * (1 - 0.3 * level)).astype(np.uint8)).save(folder / f"r{k}_{level}.png")
            rows.append((f"r{k}_{level}.png", f"r{k}", "test" if k < 3 else "train", 3.0 - level))
    pd.DataFrame(rows, columns=["name", "reference", "split", "mos"]).to_csv(folder / "labels.csv", index=False)
    torch.manual_seed(0)
    save_model(build_model("squeezenet1_1", crop=48, dropout=0.0), tmp_path / "init")
    recipe = tmp_path / "finetune.yaml"
    recipe.write_text(
        f"data: {{labels: {folder / 'labels.csv'}, workers: 0, score_range: [1, 3]}}\n"
        "model: {crop: 48}\nbatch: {images: 6}\noptim: {lr: 0.01, clip: 1.0, schedule: constant}\nsteps: 3\n"
    )
    args = ["networks", "--config", str(recipe), "--network", f"squeezenet1_1={tmp_path / 'init'}=none"]
    args += ["--dataset", "csv", "--root", str(folder), "--split", "column", "--patches", "2"]
    assert main([*args, "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out" / "networks.csv")
    assert table["stage"].tolist() == ["baseline", "ranks", "finetuned"]
    assert table["n"].tolist() == [9, 9, 9]
    model, config = load_model(tmp_path / "out" / "runs" / "squeezenet1_1-finetuned-0")
    assert not {path[:3] for path in config["finetuned_on"]["paths"]} & {"r0_", "r1_", "r2_"}
    names = [f"r{k}_{level}.png" for k in range(3) for level in range(3)]
    scores = [score_image(model, np.array(Image.open(folder / name)), View(patches=2)).mean for name in names]
    truth = [3 - int(name[3]) for name in names]
    row = table[table["stage"] == "finetuned"].iloc[0]
    assert row["srocc"] == pytest.approx(srocc(scores, truth), abs=1e-5)
    assert row["lcc"] == pytest.approx(lcc(scores, truth), abs=1e-5)
    assert (tmp_path / "out" / "networks.png").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--network", "vgg16=runs/x", "--split", "random"], "NAME=RUN=WEIGHTS"),
        (["--network", "shallow=x=none", "--repeats", "2", "--split", "rankiqa"], "rankiqa is one split"),
        (["--network", "shallow=x=none", "--repeats", "0"], "at least 1"),
    ],
)
def test_bad_options_are_one_line(flags, message, tmp_path, capsys):
    args = ["networks", "--config", "x.yaml", "--dataset", "csv", "--root", ".", "--out", str(tmp_path / "out"), *flags]
    assert main(args) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
