"""Scores, maps, losses and exports of a network on a device are those of the CPU, and nothing is mixed on the way."""

import numpy as np
import pytest
import torch
from torch import nn

from rankiqa.models import build_model, build_nima
from rankiqa.scoring.device import pick_device
from rankiqa.scoring.heatmap import quality_map
from rankiqa.scoring.quality_loss import QualityLoss
from rankiqa.scoring.scorer import Scorer
from tests.devices.pretend import REAL, pretending

KINDS = ("cuda", "mps")
NEAR = 1e-4 if REAL else 1e-5  # a real device sums in another order


def bundled(device):
    return Scorer.load(device=device)


def ranking(device):
    torch.manual_seed(0)
    network = build_model("squeezenet1_1", crop=96).eval()
    nn.init.normal_(network.backbone.get_submodule(network.head).weight)
    return Scorer(network.to(pick_device(device)), {"score_range": [-3.0, 1.0]}, "random")


def with_a_top(device):
    torch.manual_seed(0)
    network = build_model("topped", crop=64).eval()
    return Scorer(network.to(pick_device(device)), {}, "random")


def nima(device):
    torch.manual_seed(0)
    network = build_nima("shallow").eval()
    nn.init.normal_(network.backbone.head.weight)
    return Scorer(network.to(pick_device(device)), {"score_range": [1.0, 10.0]}, "random")


def known(kind, make, act, monkeypatch):
    """What `act` makes of a network on the CPU, and of the same on a device."""
    wanted = act(make("cpu"))
    with pretending(monkeypatch, kind) as mode:
        scorer = make("auto")
        assert scorer.device == mode.device
        return wanted, act(scorer)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [bundled, ranking, with_a_top, nima])
def test_every_mode_scores_as_on_the_cpu(monkeypatch, photo, kind, make):
    def act(scorer):
        found = [scorer.score(photo[:230, :225], mode=mode, patches=3) for mode in scorer.modes]
        assert len(found) >= 5 - (make is nima)
        return [(score.value, score.spread, score.unit) for score in found]

    wanted, found = known(kind, make, act, monkeypatch)
    np.testing.assert_allclose(found, wanted, atol=NEAR)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [bundled, ranking, with_a_top])
def test_a_map_is_that_of_the_cpu(monkeypatch, photo, kind, make):
    def act(scorer):
        return [scorer.map(photo[:228, :225]), quality_map(scorer, photo[:220, :210]).scores]

    for wanted, found in zip(*known(kind, make, act, monkeypatch), strict=True):
        np.testing.assert_allclose(found, wanted, atol=NEAR)


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_scored_as_on_the_cpu(monkeypatch, photo_folder, kind):
    files = sorted(photo_folder.rglob("*.png"))
    wanted, found = known(kind, bundled, lambda scorer: [s.value for s in scorer.score_files(files)], monkeypatch)
    np.testing.assert_allclose(found, wanted, atol=NEAR)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [bundled, ranking, with_a_top, nima])
def test_a_loss_goes_to_its_images(monkeypatch, photo, kind, make):
    """The network may be on the device and the images not, or the other way round."""
    pixels = torch.from_numpy(photo[:228, :225].copy()).permute(2, 0, 1)[None].float() / 255

    def act(where):
        def loss_of(scorer):
            loss = QualityLoss(scorer)
            images = pixels.clone().to(where(scorer)).requires_grad_()
            found = loss(images)
            assert found.device == images.device == scorer.device
            found.backward()
            assert images.grad.device == images.device
            return found.item(), images.grad.cpu()

        return loss_of

    for where in (lambda scorer: scorer.device, lambda scorer: "cpu"):
        (wanted, gradient), (found, other) = known(kind, make, act(where), monkeypatch)
        assert found == pytest.approx(wanted, abs=NEAR)
        torch.testing.assert_close(other, gradient, rtol=1e-3 if REAL else 1e-5, atol=NEAR)
    with pretending(monkeypatch, kind) as mode:
        (found, other) = act(lambda _: mode.device)(make("cpu"))
        assert found == pytest.approx(wanted, abs=NEAR)
