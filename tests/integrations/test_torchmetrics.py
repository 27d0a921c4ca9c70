"""RankIQA as a torchmetrics metric: the scorer's own numbers, however the images come in."""

import importlib
import pickle
import sys

import numpy as np
import pytest
import torch

pytest.importorskip("torchmetrics")

from torchmetrics import MetricCollection

import rankiqa
from rankiqa.errors import InputError
from rankiqa.integrations.torchmetrics import RankIQA
from rankiqa.models import build_model, build_nima
from rankiqa.scoring import View
from rankiqa.scoring.scorer import Scorer

VIEW = View(patches=3)


@pytest.fixture(scope="module")
def scorer():
    return rankiqa.load(device="cpu")


@pytest.fixture(scope="module")
def images(photos):
    parts = [photos["astronaut.png"][y : y + 230, x : x + 250] for y, x in ((0, 100), (100, 60), (250, 200), (200, 0))]
    return torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def scores(scorer, images):
    return [scorer.score(image, VIEW) for image in images]


@pytest.mark.parametrize("batches", [[4], [1, 1, 1, 1], [3, 1], [0, 4]])
def test_the_mean_of_the_scorers_scores_in_any_batches(scorer, images, scores, batches):
    metric = RankIQA(scorer, view=VIEW)
    for batch in images.split(batches):
        metric.update(batch)
    assert metric.compute().item() == pytest.approx(np.mean([score.value for score in scores]), abs=1e-12)
    assert len({score.value for score in scores}) == 4
    metric.reset()
    metric.update(images[1:2])
    assert metric.compute().item() == scores[1].value


def test_the_unit_scale(scorer, images, scores):
    metric = RankIQA(scorer, scale="unit", view=VIEW)
    assert metric(images[:2]).item() == pytest.approx(np.mean([score.unit for score in scores[:2]]))
    assert metric(images[2:]).item() == pytest.approx(np.mean([score.unit for score in scores[2:]]))
    assert metric.compute().item() == pytest.approx(np.mean([score.unit for score in scores]))  # of all
    assert (metric.plot_lower_bound, metric.plot_upper_bound) == (0, 1)


def test_images_in_0_to_1_are_the_same_as_in_8_bits(scorer, images, scores):
    metric = RankIQA(scorer, view=VIEW)
    metric.update(images[:1].float() / 255)
    assert metric.compute().item() == scores[0].value


def test_two_metrics_merge(scorer, images, scores):
    one, other = RankIQA(scorer, view=VIEW), RankIQA(scorer, view=VIEW)
    one.update(images[:1])
    other.update(images[1:])
    one.merge_state(other)
    assert one.compute().item() == pytest.approx(np.mean([score.value for score in scores]), abs=1e-12)


def test_processes_add_up(scorer, images, scores, monkeypatch):
    """What torchmetrics does in a distributed run: gather the states of all processes, and reduce each."""
    one, other = RankIQA(scorer, view=VIEW), RankIQA(scorer, view=VIEW)
    one.update(images[:1])
    other.update(images[1:])
    gathered = iter([[getattr(one, name), getattr(other, name)] for name in one._defaults])
    one.sync(dist_sync_fn=lambda *_, **__: next(gathered), distributed_available=lambda: True)
    assert one._computed is None and one.count == 4
    assert (one.raw / one.count).item() == pytest.approx(np.mean([score.value for score in scores]), abs=1e-12)


def test_a_collection_keeps_metrics_apart_that_look_otherwise(scorer, images):
    metrics = MetricCollection(
        {
            "raw": RankIQA(scorer, view=VIEW),
            "unit": RankIQA(scorer, scale="unit", view=VIEW),
            "grid": RankIQA(scorer, view=View(3, "grid")),
        }
    )
    metrics.update(images[:1, :, :224, :224])  # one crop: random and grid see the same
    metrics.update(images[1:])
    found = metrics.compute()
    for name, options in {"raw": {}, "unit": {"scale": "unit"}, "grid": {"view": View(3, "grid")}}.items():
        alone = RankIQA(scorer, **({"view": VIEW} | options))
        alone.update(images[:1, :, :224, :224])
        alone.update(images[1:])
        assert found[name].item() == pytest.approx(alone.compute().item())
    assert found["raw"] != found["grid"]


def test_copies_and_pickles_are_whole(scorer, images, scores):
    metric = RankIQA(scorer, view=VIEW)
    metric.update(images[:1])
    for copy in (metric.clone(), pickle.loads(pickle.dumps(metric))):
        copy.update(images[1:2])
        assert copy.compute().item() == pytest.approx(np.mean([score.value for score in scores[:2]]))
        assert copy.network is copy.scorer.network is not scorer.network
    assert metric.count == 1


def test_a_network_of_statistics_sees_whole_images():
    torch.manual_seed(0)
    network = build_model("mobilenetv3_small_050", crop=96, head="statistics").eval()
    torch.nn.init.normal_(network.backbone.output.weight)
    scorer = Scorer(network, {}, "random")
    metric, images = RankIQA(scorer), torch.rand(2, 3, 70, 100, generator=torch.Generator().manual_seed(0))
    metric.update(images)
    wanted = [scorer.score(image).value for image in images]
    assert metric.compute().item() == pytest.approx(np.mean(wanted)) and wanted[0] != wanted[1]


def test_to_moves_the_network(scorer):
    metric = RankIQA(Scorer(build_model("shallow").eval(), {}, "random"))
    metric.to("meta")
    assert metric.scorer.device.type == "meta" and metric.raw.device.type == "meta"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": "percent"}, "scale must be raw or unit"),
        ({"view": View(mode="dense"), "model": Scorer(build_nima("shallow"), {}, "n")}, "sees the whole image at once"),
        ({"model": "no/such/model"}, "no such model folder"),
        ({"model": Scorer(build_model("shallow"), {}, "mine"), "scale": "unit"}, "mine: the model has no scale"),
    ],
)
def test_bad_arguments_are_named_at_construction(arguments, message):
    with pytest.raises(InputError, match=message):
        RankIQA(**arguments)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 240, 240), r"\(N, 3, H, W\), not \(3, 240, 240\)"),
        ([torch.zeros(3, 240, 240)], "not list"),
        (torch.full((1, 3, 240, 240), 2.0), r"must lie in \[0, 1\]"),
        (torch.zeros(1, 3, 20, 20), "too little to judge"),
    ],
)
def test_other_images_are_refused_and_leave_the_state_as_it_was(scorer, images, message):
    metric = RankIQA(scorer, view=VIEW)
    with pytest.raises(InputError, match=message):
        metric.update(images)
    assert metric.count == 0


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.delitem(sys.modules, "rankiqa.integrations.torchmetrics")
    with pytest.raises(
        ImportError, match=r'the package torchmetrics is needed for this: pip install "rankiqa\[torchmetrics\]"'
    ):
        importlib.import_module("rankiqa.integrations.torchmetrics")
