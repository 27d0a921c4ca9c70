"""The map of lost quality."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.interpolate import RegularGridInterpolator

from rankiqa.cli import heatmap as command
from rankiqa.distortions import DISTORTIONS
from rankiqa.errors import InputError
from rankiqa.models import build_model, build_nima, save_model
from rankiqa.models.reference import Reference
from rankiqa.scoring.heatmap import QualityMap, quality_map, write_heatmap
from rankiqa.scoring.scorer import Scorer


def scorer(tmp_path, model=None, **saved):
    torch.manual_seed(0)
    save_model(model or build_model("unpadded").eval(), tmp_path / "model", **saved)
    return Scorer.load(tmp_path / "model", "cpu")


def example(**change):
    values = {
        "scores": np.array([[0.0, 1.0, 2.0], [4.0, 3.0, 1.0]]),
        "y": np.array([20.0, 60.0]),
        "x": np.array([10.0, 30.0, 50.0]),
        "image": np.full((80, 60, 3), 90, np.uint8),
        "low": 0.0,
        "high": 4.0,
    }
    return QualityMap(**values | change)


def test_interpolation_is_scipy_s_between_the_places_and_level_beyond():
    quality = example()
    found = quality.at_pixels(80, 60)
    y, x = np.mgrid[20:60, 10:50]
    by_scipy = RegularGridInterpolator((quality.y, quality.x), quality.scores)(np.stack([y + 0.5, x + 0.5], axis=-1))
    np.testing.assert_allclose(found[20:60, 10:50], by_scipy, atol=1e-12)
    assert found[0, 0] == 0 and found[-1, 0] == 4 and found[0, -1] == 2
    np.testing.assert_allclose(quality.at_pixels(8, 6).mean(), found.mean(), atol=0.05)


def test_the_picture_shows_the_worst_place_and_leaves_the_best_grey(tmp_path):
    write_heatmap(tmp_path / "map.png", example(scores=np.array([[0.0, 0, 4], [0, 0, 4]])), alpha=1)
    picture = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    photo = picture[12:92, 12:72]  # without the border
    assert np.abs(photo[:, -3] - 90).max() <= 1
    red = photo[40, 2]
    assert red[0] > red[1] + 60 and red[0] > red[2] + 60


def test_scales(tmp_path):
    flat = example(scores=np.full((2, 3), 2.0))
    for scale in ("model", "image"):
        write_heatmap(tmp_path / f"{scale}.png", flat, scale=scale)
    write_heatmap(tmp_path / "none.png", example(low=None, high=None))  # falls back on the image's own
    with pytest.raises(InputError, match="scale must be model or image, not 'log'"):
        write_heatmap(tmp_path / "x.png", flat, scale="log")
    with pytest.raises(InputError, match=r"alpha must be in \[0, 1\], not 2"):
        write_heatmap(tmp_path / "x.png", flat, alpha=2)
    assert not (tmp_path / "x.png").exists()


def test_places_cover_the_photo(tmp_path, photos):
    image = photos["astronaut.png"][:300, :400]
    found = quality_map(scorer(tmp_path), image)
    assert found.scores.shape == (len(found.y), len(found.x))
    assert found.y[0] < 100 and found.y[-1] > 200 and found.x[0] < 100 and found.x[-1] > 300
    np.testing.assert_array_equal(found.image, image)
    assert (found.low, found.high) == (None, None)
    small = quality_map(scorer(tmp_path), image[:100, :150])
    assert small.image.shape == (224, 224, 3)


def test_networks_without_places_give_windows_and_a_nima_is_refused(tmp_path, photos):
    image = photos["astronaut.png"][:300, :400]
    torch.manual_seed(0)
    found = quality_map(scorer(tmp_path, build_model("alexnet_caffe").eval()), image)
    assert found.scores.shape == (4, 7)
    with pytest.raises(InputError, match="NIMA sees the whole image"):
        quality_map(scorer(tmp_path, build_nima("shallow").eval()), image)


@pytest.mark.parametrize("name, strength", [("GB", 4), ("JPEG", 5), ("GN", 0.05)])
def test_the_bundled_model_finds_the_half_that_is_distorted(photos, name, strength):
    photo = photos["astronaut.png"]
    image = photo.copy()
    image[:, 256:] = DISTORTIONS[name](photo, strength, np.random.default_rng(0))[:, 256:]
    model = Scorer.load(device="cpu")
    before, after = quality_map(model, photo), quality_map(model, image)
    lost = before.scores - after.scores
    left, right = after.x < 256 - 76, after.x > 256 + 76
    assert lost[:, right].mean() > 0.05 * (model.high - model.low)
    # Their windows end before the middle, but the last stages look beyond a window.
    assert np.abs(lost[:, left]).mean() < 0.5 * lost[:, right].mean()


def test_command(tmp_path, capsys, photos):
    Image.fromarray(photos["coffee.png"][:250, :300]).save(tmp_path / "photo.png")
    out = tmp_path / "new" / "map.png"
    assert command.main([str(tmp_path / "photo.png"), "-o", str(out)]) == 0
    assert "map.png: mean over the places" in capsys.readouterr().out
    assert Image.open(out).size[0] > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.png", "-o", "x.png"], "absent.png: no such file"),
        (["tiny.png", "-o", "x.png"], "tiny.png: the image (9×9) is smaller than 32×32"),
        (["tiny.png", "-o", "x.jpg"], "x.jpg: the picture is a PNG; give a name that ends in .png (--out)"),
        (["text.png", "-o", "x.png"], "text.png: not an image"),
        (["tiny.png", "-o", "x.png", "--model", "nowhere"], "nowhere: no such model folder"),
        (["good.png", "-o", "x.png", "--alpha", "7"], "alpha must be in [0, 1], not 7"),
    ],
)
def test_command_says_what_is_wrong_in_a_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 9)).save("tiny.png")
    Image.new("RGB", (40, 40)).save("good.png")
    (tmp_path / "text.png").write_text("hello")
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "x.png").exists()


def test_reference_gives_the_scale(tmp_path, photos):
    items = [("a", "GB", 0), ("a", "GB", 1)]
    reference = Reference.of_ranks(items, np.array([2.0, -1.0]), "two images")
    found = quality_map(scorer(tmp_path, reference=reference.config()), photos["astronaut.png"][:300, :300])
    assert (found.low, found.high) == (-1.0, 2.0)
