"""Whole images and their windows, by networks that end in statistics of their stages."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from rankiqa.errors import InputError
from rankiqa.images.crops import enlarge, reduce, reduced_size, whole
from rankiqa.models import build_model
from rankiqa.scoring.dense import score_map
from rankiqa.scoring.heatmap import quality_map
from rankiqa.scoring.patches import score_files, score_image
from rankiqa.scoring.quality_loss import QualityLoss
from rankiqa.scoring.scorer import Scorer
from rankiqa.scoring.view import View
from rankiqa.scoring.windows import COARSE, FINE, Windows, statistic_scores, whole_scores, window_statistics

CPU = torch.device("cpu")


def statistics_network(name="mobilenetv3_small_050", seed=0, **head):
    """Random weights, and a head that tells images apart."""
    torch.manual_seed(seed)
    model = build_model(name, crop=96, head={"kind": "statistics", "hidden": 8, **head}).eval()
    nn.init.normal_(model.backbone.output.weight)
    return model


@pytest.fixture(scope="module")
def model():
    return statistics_network()


def picture(height, width, seed=0):
    """A soft slope, with noise of a strength that grows to the right."""
    rng = np.random.default_rng(seed)
    slope = (
        np.linspace(40, 200, height)[:, None, None]
        + rng.normal(size=(height, width, 3)) * np.linspace(0, 60, width)[:, None]
    )
    return slope.clip(0, 255).astype(np.uint8)


def tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None] / 255


@torch.no_grad()
def test_the_default_mode_is_the_network_on_the_image_at_its_own_size(model):
    for size in ((192, 256), (131, 97), (64, 400)):
        found = score_image(model, picture(*size))
        assert found.scores.shape == (1,)
        assert found.mean == found.median == pytest.approx(model(tensor(picture(*size))).item(), abs=1e-5)
    assert View().of(model).mode == "whole" and View().of(model).patches == 1


@torch.no_grad()
def test_the_statistics_of_a_window_are_those_of_that_part_of_the_maps(model):
    """Where a window's borders are those of places in every stage, by slicing."""
    backbone = model.backbone
    maps = backbone.maps(model.preprocessing(tensor(picture(256, 320))))
    windows = window_statistics(maps, (256, 320), Windows(128))
    assert windows.shape == (1, 9, 13, 2 * sum(backbone.channels))
    for top, left in ((0, 0), (32, 96), (128, 192)):
        sliced = [
            stage[:, :, top * h // 256 : (top + 128) * h // 256, left * w // 320 : (left + 128) * w // 320]
            for stage, h, w in ((stage, *stage.shape[2:]) for stage in maps)
        ]
        wanted = backbone.statistics(sliced)
        torch.testing.assert_close(windows[:, top // 16, left // 16], wanted, atol=1e-5, rtol=1e-4)
        scores = statistic_scores(model, backbone, tensor(picture(256, 320)), Windows(128))
        torch.testing.assert_close(scores[:, top // 16, left // 16], backbone.top(wanted)[:, 0], atol=1e-4, rtol=1e-4)
    assert scores.std() > 0.01


def test_a_window_takes_of_a_place_the_share_that_it_covers():
    """Between the places, by a map that is repeated until every window's border is one of its own."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.randn(2, 3, 6, 9, generator=rng)  # one place for 32 pixels
    fine = coarse.repeat_interleave(32, 2).repeat_interleave(32, 3)
    found = window_statistics([coarse], (192, 288), Windows(80, 24))
    for i, j in np.ndindex(*found.shape[1:3]):
        part = fine[:, :, 24 * i : 24 * i + 80, 24 * j : 24 * j + 80]
        variance, mean = torch.var_mean(part, (2, 3), correction=0)
        torch.testing.assert_close(found[:, i, j], torch.cat([mean, (variance + 1e-6).sqrt()], 1))


def test_deviations_are_exact_beside_large_means():
    rng = torch.Generator().manual_seed(0)
    stage = 1000 + 1e-2 * torch.randn(1, 2, 64, 64, generator=rng).double()
    found = window_statistics([stage.float()], (512, 512), Windows(128, 128))[0, ..., 2:]
    parts = stage.float().double().unfold(2, 16, 16).unfold(3, 16, 16)
    wanted = (parts.var((4, 5), correction=0) + 1e-6).sqrt()[0].permute(1, 2, 0)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-3, atol=0)


@torch.no_grad()
def test_a_window_of_the_image_s_own_size_has_its_score(model):
    images = torch.rand(2, 3, 100, 141, generator=torch.Generator().manual_seed(0))
    found = statistic_scores(model, model.backbone, images, Windows(141))
    assert found.shape == (2, 1, 1)
    torch.testing.assert_close(found[:, 0, 0], model(images), atol=1e-5, rtol=1e-5)
    pixels = (images * 255).to(torch.uint8)
    score, windows = whole_scores(model, model.backbone, pixels)
    assert torch.equal(score, model(pixels.float() / 255)) and windows.shape == (2, 1, 1)


def test_a_window_needs_a_side():
    with pytest.raises(InputError, match="side of 1 px or more, not 0"):
        Windows(0)


@torch.no_grad()
def test_dense_is_the_mean_over_the_windows_of_the_crop_s_side(model):
    image = picture(130, 170)
    found = score_image(model, image, View(mode="dense"))
    wanted = statistic_scores(model, model.backbone, tensor(image), Windows(96, 16))
    np.testing.assert_allclose(found.scores, wanted.ravel(), atol=1e-5)
    assert found.scores.shape == (3 * 5,)
    np.testing.assert_allclose(Scorer(model, {}, "x").map(image), wanted[0], atol=1e-5)
    assert np.ptp(found.scores) > 0.01
    with pytest.raises(InputError, match="all of its stages"):
        score_map(model, torch.zeros(3, 96, 96, dtype=torch.uint8), CPU, places=True)


def test_the_spread_is_over_windows_and_no_part_of_the_score(model):
    image = picture(192, 256)
    found = score_image(model, image)
    with torch.no_grad():
        windows = statistic_scores(model, model.backbone, tensor(image), COARSE)
    assert found.std == pytest.approx(windows.double().std(correction=0).item(), rel=1e-3) and found.std > 0.01
    score = Scorer(model, {}, "x").score(image)
    assert (score.value, score.spread) == pytest.approx((found.mean, found.std), abs=1e-5)
    assert (score.patches, score.note) == (1, "")


def test_files_of_any_size_get_the_score_of_their_pixels(model, tmp_path):
    sizes = [(100, 120), (300, 80), (65, 65), (100, 120), (40, 90), (20, 90)]
    for k, size in enumerate(sizes):
        Image.fromarray(picture(*size, seed=k)).save(tmp_path / f"{k}.png")
    files = [tmp_path / f"{k}.png" for k in range(len(sizes))]
    scorer = Scorer(model, {}, "x")
    found = list(scorer.score_files(files))
    for k, size in enumerate(sizes[:5]):
        assert found[k] == scorer.score(picture(*size, seed=k))
    assert found[0].value != found[3].value
    assert found[4].note == "smaller than 64 px"
    assert "20" in str(found[5]) and "smaller than 32×32" in str(found[5])
    refused = list(score_files(model, files, View(small="error")))
    assert str(refused[4]).startswith(str(files[4])) and "smaller than the 64×64 px that the network needs" in str(
        refused[4]
    )


def test_a_large_image_is_reduced_by_areas(model):
    image = picture(300, 2048)
    image[:, 1000:] = 255 - image[:, 1000:]
    small = reduce(image)
    assert small.shape == (150, 1024, 3)
    np.testing.assert_allclose(small, image.reshape(150, 2, 1024, 2, 3).mean((1, 3)), atol=0.51)
    scorer = Scorer(model, {}, "x")
    found = scorer.score(image)
    assert found.value == scorer.score(small).value
    assert found.note == "reduced to 1024×150 px" and scorer.score(small).note == ""
    assert scorer.score(image, mode="native").value != found.value
    dense = scorer.score(image, mode="dense")
    assert dense.value == scorer.score(small, mode="dense").value and dense.note == found.note
    np.testing.assert_array_equal(scorer.map(image), scorer.map(small))
    assert dense.value != found.value


def test_sizes_after_the_reduction():
    assert reduced_size(3000, 4000) == (768, 1024)
    assert reduced_size(1024, 5) == (1024, 5)
    assert reduced_size(400, 25600) == (64, 4096)  # a strip keeps what the network needs
    assert reduced_size(40, 9000) == (40, 9000)
    assert whole(picture(40, 2000), "reflect").shape == (64, 2000, 3)
    np.testing.assert_array_equal(whole(picture(40, 200), "resize"), enlarge(picture(40, 200), 64, "resize"))
    with pytest.raises(InputError, match="40"):
        whole(picture(40, 200), "error")


def test_a_loss_is_the_score_of_the_whole_image(model):
    images = torch.rand(2, 3, 70, 90, generator=torch.Generator().manual_seed(0)).mul(255).round().div(255)
    images.requires_grad_()
    scorer = Scorer(model, {"score_range": [0.0, 1.0]}, "x")
    loss = QualityLoss(scorer, "none")
    found = loss(images)
    for value, image in zip(found, images, strict=True):
        assert value.item() == pytest.approx(1 - scorer.score(image.detach()).value, abs=1e-5)
    found.sum().backward()
    assert images.grad.abs().amax((1, 2, 3)).min() > 0
    with pytest.raises(InputError, match="50×70 px are smaller than 64 px"):
        loss(torch.rand(1, 3, 70, 50))


def test_a_loss_reduces_a_large_image_as_the_score_does(model):
    image = picture(100, 1500)
    loss = QualityLoss(Scorer(model, {}, "x"))
    pixels = tensor(image).requires_grad_()
    by_opencv = cv2.resize(image / np.float32(255), (1024, 68), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        wanted = model(torch.from_numpy(by_opencv).permute(2, 0, 1)[None])
    assert -loss(pixels).item() == pytest.approx(wanted.item(), abs=1e-4)
    # a score sees the reduced image rounded to 8 bits
    assert wanted.item() == pytest.approx(score_image(model, image).mean, abs=0.02)
    loss(pixels).backward()
    assert pixels.grad.abs().sum() > 0


def test_the_heat_map_tells_two_halves_apart(model):
    """Noise on the right half; the map is level in both, and falls or rises once between them."""
    image = np.full((256, 384, 3), 120, np.uint8)
    image[:, 192:] = np.random.default_rng(0).integers(0, 256, (256, 192, 3))
    found = quality_map(Scorer(model, {}, "x"), image)
    assert found.scores.shape == (9, 17) == (len(found.y), len(found.x))
    left, right = found.scores[:, found.x < 192 - 64 - 16], found.scores[:, found.x > 192 + 64 + 16]
    assert left.size and right.size
    gap = abs(left.mean() - right.mean())
    assert gap > 5 * max(left.std(), right.std())
    steps = np.diff(found.scores.mean(0))
    assert np.abs(steps).sum() < 1.6 * gap  # no streaks between


def test_the_heat_map_is_of_the_photo_as_it_came(model):
    image = picture(600, 1536)
    scorer = Scorer(model, {}, "x")
    found = quality_map(scorer, image)
    np.testing.assert_array_equal(found.image, image)
    small = quality_map(scorer, reduce(image))
    np.testing.assert_array_equal(found.scores, small.scores)
    np.testing.assert_allclose(found.x, small.x * 1.5)
    np.testing.assert_allclose(small.x, FINE.side / 2 + 16 * np.arange(len(small.x)))
    finer = quality_map(scorer, image, window=64)
    assert finer.scores.shape == tuple(side + 4 for side in found.scores.shape)
    tiny = quality_map(scorer, picture(90, 400))
    assert tiny.image.shape == (128, 400, 3) and tiny.scores.shape == (1, 18)
    with pytest.raises(InputError, match="no windows to choose"):
        quality_map(Scorer(build_model("shallow").eval(), {}, "x"), image, window=64)


def test_the_network_that_scores_follows_the_one_that_is_kept():
    """Batch norms are folded for scoring; what is saved, exported or changed is the network itself."""
    network = statistics_network()
    scorer, image = Scorer(network, {}, "x"), picture(96, 128)
    before, state = scorer.score(image), {key: value.clone() for key, value in network.state_dict().items()}
    assert scorer.network is network and scorer.scoring is scorer.scoring is not network
    assert not any(isinstance(module, nn.BatchNorm2d) for module in scorer.scoring.modules())
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    with torch.no_grad():
        network.backbone.output.bias += 1
    assert scorer.score(image).value == pytest.approx(before.value + 1, abs=1e-5)
    network.load_state_dict(state)
    assert scorer.score(image) == before == pickle.loads(pickle.dumps(scorer)).score(image)
    assert len(pickle.dumps(scorer)) < 1.1 * len(pickle.dumps(network))


def test_a_network_without_batch_norms_scores_itself():
    network = build_model("squeezenet1_1").eval()
    assert Scorer(network, {}, "x").scoring is network
