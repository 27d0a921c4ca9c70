"""The quality of images as a loss: its value, its gradients, and that the judge stays as it is."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import rankiqa
from rankiqa.errors import InputError
from rankiqa.models import build_model, build_nima
from rankiqa.scoring.quality_loss import QualityLoss
from rankiqa.scoring.scorer import Scorer


@pytest.fixture(scope="module")
def bundled():
    return rankiqa.load(device="cpu")


@pytest.fixture(scope="module")
def images(photos):
    parts = [photos["astronaut.png"][y : y + 233, x : x + 250] for y, x in ((0, 100), (230, 60))]
    return torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2).float() / 255


def small_crop(name="unpadded", crop=160, seed=0, **settings):
    """A network of random weights whose scores differ from image to image."""
    torch.manual_seed(seed)
    network = build_model(name, crop=crop).eval()
    nn.init.normal_(network.backbone.get_submodule(network.head).weight)
    return Scorer(network, settings, "random")


def test_it_is_the_score_on_the_scale_of_unit(bundled, images):
    for scorer, mode in ((bundled, "whole"), (small_crop(score_range=[-3.0, 1.0]), "dense")):
        loss = QualityLoss(scorer, "none")(images)
        for value, image in zip(loss, images, strict=True):
            score = scorer.score(image, mode=mode)
            wanted = (scorer.high - score.value) / (scorer.high - scorer.low)
            assert value.item() == pytest.approx(wanted, abs=1e-4)
        assert loss[0] != loss[1]


def test_reductions(bundled, images):
    each = QualityLoss(bundled, "none")(images)
    assert each.shape == (2,)
    assert QualityLoss(bundled)(images).item() == pytest.approx(each.mean().item())
    assert QualityLoss(bundled, "sum")(images).item() == pytest.approx(each.sum().item())
    with pytest.raises(ValueError, match="reduction must be mean, sum or none, not 'median'"):
        QualityLoss(bundled, "median")


def test_load_gives_it(images):
    loss = rankiqa.load(device="cpu", as_loss=True)
    assert isinstance(loss, QualityLoss) and loss(images).ndim == 0


def test_without_a_scale_it_is_minus_the_score(images):
    scorer = small_crop()
    loss = QualityLoss(scorer, "none")
    torch.testing.assert_close(loss(images), -loss.scores(images))


def test_a_fine_tuned_model_has_the_scale_of_its_human_scores(images):
    loss = QualityLoss(small_crop(score_range=[1.0, 5.0]), "none")
    torch.testing.assert_close(loss(images), (5 - loss.scores(images)) / 4)


def test_gradients_are_those_of_finite_differences():
    """Along random directions, in float64."""
    scorer = small_crop()
    loss = QualityLoss(scorer).double()
    torch.manual_seed(1)
    image = torch.rand(1, 3, 161, 178, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(image), image)
    step = 1e-9  # small, so that hardly a ReLU switches in between
    for _ in range(5):
        direction = torch.randn_like(image)
        with torch.no_grad():
            change = (loss(image + step * direction) - loss(image - step * direction)) / (2 * step)
        assert change.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-3)
    assert gradient.abs().sum() > 0


def test_descent_on_the_loss_raises_the_score_of_a_noisy_image(bundled, images):
    noisy = (images[:1] + 0.15 * torch.randn(1, 3, 233, 250, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    loss, image = QualityLoss(bundled), noisy.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], lr=3e-3)
    for _ in range(8):
        optimizer.zero_grad()
        loss(image).backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
    before, after = (bundled.score(each[0].detach()).value for each in (noisy, image))
    assert after > before + 0.02 * (bundled.high - bundled.low)


def test_the_judge_stays_as_it_is(bundled, images):
    loss = QualityLoss(bundled)
    state = copy.deepcopy(loss.network.state_dict())
    trained = nn.ModuleDict({"restorer": nn.Conv2d(3, 3, 1), "loss": loss}).train()
    assert trained["restorer"].training and not any(module.training for module in loss.modules())
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    optimizer = torch.optim.SGD([p for p in trained.parameters() if p.requires_grad], lr=0.1)
    trained["loss"](trained["restorer"](images).sigmoid()).backward()
    assert trained["restorer"].weight.grad.abs().sum() > 0
    optimizer.step()
    assert all(torch.equal(value, state[key]) for key, value in loss.network.state_dict().items())


def test_a_network_that_cannot_be_taken_apart_sees_crops_on_a_grid():
    torch.manual_seed(0)
    network = build_model("vit_tiny_patch16_224").eval()
    nn.init.normal_(network.backbone.get_submodule(network.head).weight)
    scorer = Scorer(network, {}, "random")
    loss = QualityLoss(scorer, "none")
    image = torch.randint(0, 256, (1, 3, 226, 225), dtype=torch.uint8).float() / 255
    image.requires_grad_()
    score = scorer.score(image[0], mode="grid")
    found = loss.scores(image)
    assert score.patches > 1 and found.item() == pytest.approx(score.value, abs=1e-5)
    found.sum().backward()
    assert image.grad.abs().sum() > 0
    assert "dense" not in scorer.modes


def test_a_nima_sees_the_whole_image(images):
    torch.manual_seed(0)
    network = build_nima("shallow").eval()
    nn.init.normal_(network.backbone.head.weight)
    scorer = Scorer(network, {"score_range": [1.0, 10.0]}, "random")
    loss, images = QualityLoss(scorer, "none"), images.clone().requires_grad_()
    found = loss(images)
    for value, image in zip(found, images, strict=True):
        wanted = (10 - scorer.score(image).value) / 9  # there Pillow resizes
        assert value.item() == pytest.approx(wanted, abs=0.02)
    found.sum().backward()
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((3, 240, 240), torch.float32, r"\(N, 3, H, W\)"),
        ((1, 1, 240, 240), torch.float32, r"\(N, 3, H, W\)"),
        ((1, 3, 240, 240), torch.uint8, "not torch.uint8"),
        ((2, 3, 60, 300), torch.float32, "300×60 px are smaller than 64 px"),
    ],
)
def test_other_images_are_refused(bundled, shape, dtype, message):
    with pytest.raises(InputError, match=message):
        QualityLoss(bundled)(torch.zeros(shape, dtype=dtype))
