"""Dense scoring against one crop at a time."""

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from rankiqa.errors import InputError
from rankiqa.models import build_model, build_nima
from rankiqa.models.parts import parts_of, window_of
from rankiqa.scoring import dense
from rankiqa.scoring.dense import places_of, score_map, window_scores
from rankiqa.scoring.patches import score_files, score_image
from rankiqa.scoring.view import View

CPU = torch.device("cpu")
NETWORKS = ["unpadded", "shallow", "squeezenet1_1", "alexnet", "alexnet_caffe", "resnet10t"]


def network(name, seed=0):
    torch.manual_seed(seed)
    return build_model(name).eval()


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_the_parts_together_are_the_network(name):
    model = network(name)
    parts, window = parts_of(model), window_of(model)
    crops = torch.rand(2, 3, model.crop, model.crop)
    maps = parts.features(crops)
    assert tuple(maps.shape[2:]) == window
    assert torch.equal(parts.top(maps)[:, 0], model(crops))
    # one stride more of image is one place more of features
    taller = parts.features(torch.rand(1, 3, model.crop + 2 * parts.stride, model.crop + 3 * parts.stride))
    assert tuple(taller.shape[2:]) == (window[0] + 2, window[1] + 3)


@torch.no_grad()
def test_without_padding_a_window_has_exactly_the_score_of_its_crop():
    model, image = network("unpadded"), picture(290, 311)
    found = score_map(model, tensor(image), CPU)
    seen = 223  # pixels that the 13 features of a crop of 224 come from
    assert found.shape == ((290 - seen) // 16 + 1, (311 - seen) // 16 + 1)
    for i, j in np.ndindex(found.shape):
        crop = tensor(image)[None, :, 16 * i : 16 * i + 224, 16 * j : 16 * j + 224] / 255
        assert found[i, j] == pytest.approx(model(crop).item(), abs=1e-5)
    assert found.std() > 1e-3


@torch.no_grad()
def test_a_top_of_linear_layers_slides_over_the_features():
    """VGG's kind of top, against its windows one by one; the padding of the features is the only difference."""
    model, image = network("alexnet_caffe"), picture(227 + 70, 227 + 100)
    found = score_map(model, tensor(image), CPU)
    maps = model.backbone.features(model.preprocessing(tensor(image)[None] / 255))
    for i, j in np.ndindex(found.shape):
        assert found[i, j] == pytest.approx(model.backbone.top(maps[:, :, i : i + 6, j : j + 6]).item(), abs=1e-4)
    assert found.std() > 1e-3


@pytest.mark.parametrize("name", ["unpadded", "squeezenet1_1", "alexnet_caffe"])
@torch.no_grad()
def test_tiles_are_seamless(name, monkeypatch):
    model, image = network(name), tensor(picture(431, 518))
    whole = score_map(model, image, CPU)
    monkeypatch.setattr(dense, "TILE", 300**2)
    tiled = score_map(model, image, CPU)
    assert whole.shape == tiled.shape
    if name == "unpadded":  # of the others the borders of a tile are padded, as those of a crop are
        np.testing.assert_allclose(tiled, whole, atol=1e-5)


@torch.no_grad()
def test_the_mean_over_the_places_of_a_window_is_its_score(monkeypatch):
    model, image = network("unpadded"), tensor(picture(431, 518))
    windows, places = (score_map(model, image, CPU, places=p) for p in (False, True))
    assert places.shape == tuple(side + 12 for side in windows.shape)
    for i, j in [(0, 0), (3, 7), (windows.shape[0] - 1, windows.shape[1] - 1)]:
        assert windows[i, j] == pytest.approx(places[i : i + 13, j : j + 13].mean(), abs=1e-5)
    monkeypatch.setattr(dense, "TILE", 300**2)
    np.testing.assert_allclose(score_map(model, image, CPU, places=True), places, atol=1e-5)
    with pytest.raises(InputError, match="more than a mean"):
        score_map(network("alexnet_caffe"), image, CPU, places=True)


@torch.no_grad()
def test_an_entry_of_the_map_tells_where_it_looks():
    """A spot moves only the scores near it, most where its place says that it lies."""
    model = network("unpadded")
    grey = torch.full((3, 448, 480), 128, dtype=torch.uint8)
    spot = grey.clone()
    spot[:, 240:256, 160:176] = 255
    change = np.abs(score_map(model, spot, CPU, places=True) - score_map(model, grey, CPU, places=True))
    y, x = places_of(model, change.shape, places=True)
    assert (change.sum(1) @ y) / change.sum() == pytest.approx(248, abs=16)
    assert (change.sum(0) @ x) / change.sum() == pytest.approx(168, abs=16)


def test_every_window_lies_in_one_tile(monkeypatch):
    for side in (224, 239, 240, 700, 2003):
        for most in (230**2, 300**2, 700**2):
            monkeypatch.setattr(dense, "TILE", most)
            tiles = [tile for tile, _ in dense._tiles(side, 224, 16)]
            starts = [s for tile in tiles for s in range(tile.start, min(tile.stop, side) - 224 + 1, 16)]
            assert starts == list(range(0, side - 224 + 1, 16))
            assert tiles[-1].stop == side
            assert all((tile.stop - tile.start) <= max(most**0.5, 224) + 15 for tile in tiles)


def test_score_image_takes_the_mean_over_the_windows(tmp_path):
    from PIL import Image

    model, image = network("unpadded"), picture(300, 260)
    with torch.no_grad():
        windows = score_map(model, tensor(image), CPU)
    found = score_image(model, image, View(mode="dense"))
    assert found.mean == pytest.approx(windows.mean())
    assert found.std == pytest.approx(windows.std())
    Image.fromarray(image).save(tmp_path / "a.png")
    (of_file,) = score_files(model, [tmp_path / "a.png"], View(mode="dense"))
    np.testing.assert_array_equal(of_file.scores, found.scores)
    image.flags.writeable = False
    np.testing.assert_array_equal(score_image(model, image, View(mode="dense")).scores, found.scores)


def test_many_random_crops_come_near_the_dense_score():
    """The mean over all places is what the mean over random places tends to."""
    model = network("unpadded")
    photo = astronaut()  # the windows, 16 px apart, end where the last crops do
    images = [cv2.GaussianBlur(photo, (0, 0), sigma) for sigma in (0.1, 0.7, 1, 1.4, 2, 3)]
    many = [score_image(model, image, View(patches=100)) for image in images]
    found = [score_image(model, image, View(mode="dense")).mean for image in images]
    for one, of_many in zip(found, many, strict=True):
        assert abs(one - of_many.mean) < 3 * of_many.std / 10


def test_small_images_follow_the_policy():
    model, image = network("unpadded"), picture(100, 300)
    with pytest.raises(InputError, match=r"\(300×100\) is smaller than the 224×224 crop"):
        score_image(model, image, View(mode="dense", small="error"))
    assert score_image(model, image, View(mode="dense")).scores.shape == (5,)


def test_window_scores_carry_gradients():
    model = network("unpadded")
    images = torch.rand(2, 3, 240, 256, requires_grad=True)
    scores = window_scores(parts_of(model), window_of(model), images)
    assert scores.shape == (2, 2, 3)
    scores.mean().backward()
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: build_nima("shallow"), "a NIMA sees the whole image at once"),
        (lambda: torch.nn.Conv2d(3, 1, 3), "Conv2d: dense mode needs a network of rankiqa"),
        (lambda: build_model("vit_tiny_patch16_224"), "vit_tiny_patch16_224: dense mode needs"),
    ],
)
def test_networks_that_do_not_allow_it_are_named(model, message):
    model = model()
    model.crop = 224
    with pytest.raises(InputError, match=message):
        score_image(model, picture(230, 230), View(mode="dense"))
