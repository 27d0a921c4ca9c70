"""Judges: which way their values run, and the ranks that put several together."""

import sys

import cv2
import numpy as np
import piq
import pytest
import torch
from scipy.stats import percentileofscore

from rankiqa.errors import InputError
from rankiqa.extras import MissingExtra
from rankiqa.judge import KNOTS, METRICS, Judge, JudgeScale, ScaledJudge

ALL = Judge(METRICS)


@pytest.fixture(scope="module")
def photo(photos):
    return next(iter(photos.values()))[100:196, 120:216]


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ("mdsi", ("mdsi",)),
        ("haarpsi", ("haarpsi",)),
        ("vsi,mdsi", ("vsi", "mdsi")),
        ("mean", ("mdsi", "haarpsi", "vsi")),
    ],
)
def test_names_of_judges(text, metrics):
    assert Judge.parse(text) == Judge(metrics)


@pytest.mark.parametrize("text", ["ssim", "", "mdsi,", "MDSI", "none,mdsi", "mean,vsi"])
def test_an_unknown_judge_is_refused_with_those_that_are_known(text):
    with pytest.raises(InputError, match=r"unknown judge .*known: none, mdsi, haarpsi, vsi, several .* or mean"):
        Judge.parse(text)
    with pytest.raises(InputError, match="names a metric twice"):
        Judge.parse("vsi,mdsi,vsi")


def test_values_are_the_metrics_turned_so_that_higher_is_better(photo):
    x = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255
    y = torch.from_numpy(blurred(photo, 1.5)).permute(2, 0, 1)[None].float() / 255
    wanted = [1 - piq.mdsi(y, x).item(), piq.haarpsi(y, x).item(), piq.vsi(y, x).item()]
    assert ALL.look(blurred(photo, 1.5), photo).tolist() == pytest.approx(wanted, abs=1e-6)
    assert (
        Judge(("vsi", "mdsi")).look(blurred(photo, 1.5), photo).tolist()
        == ALL.look(blurred(photo, 1.5), photo)[[2, 0]].tolist()
    )
    together = ALL.values(torch.cat([y, x, y]), torch.cat([x, x, x]))
    assert together.shape == (3, 3) and together[1].tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert together[[0, 2]].tolist() == [pytest.approx(wanted, abs=1e-6)] * 2


def test_more_blur_is_worse_for_each_metric_and_the_pristine_image_best(photo):
    values = np.array([ALL.look(photo, photo), *(ALL.look(blurred(photo, s), photo) for s in (0.6, 1.2, 2.4, 4.8))])
    assert values[0].tolist() == [1, 1, 1]
    assert (np.diff(values, axis=0) < 0).all()


def test_flat_images_have_a_value_of_at_most_one():
    black, grey = (np.full((32, 32, 3), v, np.uint8) for v in (0, 90))
    assert ALL.look(black, black.copy()).tolist() == [1, 1, 1]
    for pair in ((black, grey), (grey, black), (grey, grey + 1)):
        values = ALL.look(*pair)
        assert np.isfinite(values).all() and (values <= 1).all()
    zeros = torch.zeros(1, 3, 32, 32)
    assert ALL.values(zeros, zeros).tolist() == [[1, 1, 1]]  # HaarPSI's would be infinite


def test_images_too_small_and_a_missing_package_are_said(monkeypatch):
    tiny = np.zeros((15, 20, 3), np.uint8)
    with pytest.raises(InputError, match="20×15 px are too few for a judge, which needs 16×16"):
        ALL.look(tiny, tiny + 1)
    with pytest.raises(InputError, match="20×15 px are not the size of the pristine image, 15×15 px"):
        ALL.look(tiny, tiny[:, :15])
    monkeypatch.setitem(sys.modules, "piq", None)
    with pytest.raises(MissingExtra, match=r'the package piq is needed for this: pip install "rankiqa\[train\]"'):
        ALL.need()
    with pytest.raises(MissingExtra, match="the package piq is needed for a judge"):
        ALL.look(np.zeros((32, 32, 3), np.uint8), np.ones((32, 32, 3), np.uint8))


def sample(n, m=1, seed=0):
    return np.random.default_rng(seed).beta(4, 2, size=(n, m))


def test_a_rank_is_the_share_of_the_sample_below():
    values = sample(2000)
    scale = JudgeScale.measure(Judge(("mdsi",)), values)
    for value in (0.2, 0.5, 0.7, 0.9):
        share = percentileofscore(values[:, 0], value) / 100
        # The last of 64 steps is from the best of the sample to the pristine image.
        assert scale.quality(np.array([value])) == pytest.approx(share * (KNOTS - 2) / (KNOTS - 1), abs=0.01)
    assert scale.quality(np.array([[1.0], [-3.0], [values.min()]])).tolist() == [1, 0, 0]
    assert values.max() < 1 and scale.quality(values.max(0)) < 1


def test_ranks_keep_the_order_and_do_not_ask_for_the_unit():
    judge, values = Judge(("vsi",)), sample(300)
    scale = JudgeScale.measure(judge, values)
    rising = np.linspace(0, 1, 400)[:, None]
    assert (np.diff(scale.quality(rising)) >= 0).all()
    squeezed = JudgeScale.measure(judge, 0.9 + values / 10)
    assert np.allclose(squeezed.quality(0.9 + rising / 10), scale.quality(rising), atol=1e-9)


def test_several_metrics_are_the_mean_of_their_ranks():
    values = sample(100, 3, seed=1)
    scale = JudgeScale.measure(ALL, values)
    each = [
        JudgeScale.measure(Judge((name,)), values[:, [i]]).quality(values[:, [i]]) for i, name in enumerate(METRICS)
    ]
    assert np.allclose(scale.quality(values), np.mean(each, axis=0))
    assert scale.quality(np.ones(3)) == 1


def test_a_scale_survives_json_to_the_bit():
    import json

    values = sample(50, 3, seed=2)
    scale = JudgeScale.measure(ALL, values)
    assert JudgeScale.from_config(json.loads(json.dumps(scale.config()))) == scale


def test_a_scaled_judge_goes_from_two_images_to_a_quality(photo):
    made = [blurred(photo, sigma) for sigma in (0.6, 1.2, 2.4)]
    scale = JudgeScale.measure(ALL, np.array([ALL.look(image, photo) for image in made]))
    judge = ScaledJudge(ALL, scale)
    found = [judge.quality(image, photo) for image in (photo, *made)]
    assert found == sorted(found, reverse=True) and found[0] == 1 and found[-1] == pytest.approx(0, abs=1e-6)
    assert judge.config() == {"metrics": list(METRICS), "scale": scale.config()}
