import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from rankiqa.errors import InputError
from rankiqa.images.crops import crop_positions, squeeze
from rankiqa.models import build_nima
from rankiqa.scoring import patches as scoring
from rankiqa.scoring.inputs import inputs_of
from rankiqa.scoring.patches import score_files, score_image
from rankiqa.scoring.view import View


class Brightness(nn.Module):
    """Mean red less a little green: depends on where the crops are and on the order of the channels."""

    crop = 32

    def __init__(self):
        super().__init__()
        self.passes = []

    def forward(self, x):
        self.passes.append(len(x))
        return x[:, 0].mean((1, 2)) - 0.3 * x[:, 1].mean((1, 2))


class Network(nn.Module):
    """What sees the difference between training and evaluation, and between a batch and its parts."""

    crop = 32

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, 1, 3)
        )

    def forward(self, x):
        return self.net(x).mean((1, 2, 3))


def picture(height=80, width=120, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def files(tmp_path):
    paths = []
    for k in range(7):
        path = tmp_path / f"{k}.png"
        Image.fromarray(picture(seed=k)).save(path)
        paths.append(path)
    return paths


# --- an image ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["random", "grid"])
def test_one_pass_gives_what_one_crop_at_a_time_gives(mode, monkeypatch):
    monkeypatch.setattr(scoring, "CPU_PASS", 30)
    model, image = Network().eval(), picture()
    got = score_image(model, image, View(mode=mode, seed=5))
    crops = inputs_of(image, 32, View(30, mode, 5))
    with torch.no_grad():
        single = [model(crop[None].float() / 255).item() for crop in crops]
    np.testing.assert_allclose(got.scores, single, atol=1e-5)
    assert np.std(single) > 1e-3
    assert got.mean == pytest.approx(np.mean(single), abs=1e-5)
    assert got.median == pytest.approx(np.median(single), abs=1e-5)
    assert got.std == pytest.approx(np.std(single), abs=1e-5)


def test_the_crops_are_cut_from_the_image_in_rgb():
    image = picture()
    places = crop_positions(80, 120, 32, 30, "grid", None)
    red = [image[t : t + 32, x : x + 32, 0].mean() / 255 for t, x in places]
    green = [image[t : t + 32, x : x + 32, 1].mean() / 255 for t, x in places]
    model = Brightness()
    got = score_image(model, image, View(mode="grid")).scores
    np.testing.assert_allclose(got, np.array(red) - 0.3 * np.array(green), atol=1e-5)
    assert sum(model.passes) == len(places)


def test_memory_does_not_grow_with_the_number_of_patches(monkeypatch):
    model, image = Brightness(), picture()
    monkeypatch.setattr(scoring, "CPU_PASS", 20)
    whole = score_image(model, image, View(patches=20)).scores
    monkeypatch.setattr(scoring, "CPU_PASS", 8)
    np.testing.assert_allclose(score_image(model, image, View(patches=20)).scores, whole, atol=1e-6)
    assert model.passes == [20, 8, 8, 4]


def test_the_seed_and_the_pixels_choose_the_crops():
    model, image = Brightness(), picture()
    first = score_image(model, image, View(seed=1)).scores
    np.testing.assert_array_equal(first, score_image(model, image.copy(order="F"), View(seed=1)).scores)
    assert not np.array_equal(first, score_image(model, image, View(seed=2)).scores)
    other = image.copy()
    other[0, 0, 0] ^= 1
    assert np.abs(first - score_image(model, other, View(seed=1)).scores).max() > 1e-3


def test_the_model_is_evaluated_and_left_as_it_was():
    model = Network()
    model.net[1].eval()  # frozen, as in fine-tuning
    before = model.net[1].running_mean.clone()
    first, second = (score_image(model, picture()).scores for _ in range(2))
    np.testing.assert_array_equal(first, second)  # dropout is off
    assert torch.equal(before, model.net[1].running_mean)
    assert model.training
    assert model.net[3].training
    assert not model.net[1].training


def test_small_images_follow_the_policy():
    model, image = Brightness(), picture(20, 50)
    with pytest.raises(InputError, match=r"\(50×20\) is smaller than the 32×32 crop"):
        score_image(model, image, View(small="error"))
    padded = np.concatenate([image[6:0:-1], image, image[-2:-8:-1]])  # mirrored without the border line
    got = score_image(model, image, View(mode="grid", small="reflect")).scores
    np.testing.assert_allclose(got, score_image(model, padded, View(mode="grid")).scores, atol=1e-7)
    larger = np.asarray(Image.fromarray(image).resize((80, 32), Image.Resampling.BICUBIC))
    got = score_image(model, image, View(mode="grid", small="resize")).scores
    np.testing.assert_allclose(got, score_image(model, larger, View(mode="grid")).scores, atol=1e-7)
    np.testing.assert_array_equal(
        score_image(model, image, View(mode="grid", small="reflect")).scores,
        score_image(model, image, View(mode="grid")).scores,
    )
    assert len(score_image(model, picture(3, 1), View(small="reflect", patches=5)).scores) == 5
    assert len(score_image(model, picture(3, 90), View(small="resize", patches=5)).scores) == 5
    large = picture()
    for small in ("reflect", "resize"):  # nothing to do
        np.testing.assert_array_equal(
            score_image(model, large, View(small=small)).scores, score_image(model, large).scores
        )


@pytest.mark.parametrize("image", [picture().astype(np.float32), picture()[..., 0], picture()[..., :2], None])
def test_other_arrays_are_refused(image):
    with pytest.raises(InputError, match="uint8 array of height × width × 3"):
        score_image(Brightness(), image)


def test_bad_models_and_devices_are_refused():
    class Column(Brightness):
        def forward(self, x):
            return super().forward(x)[:, None]

    with pytest.raises(InputError, match=r"scores of shape \(30, 1\) for 30 crops"):
        score_image(Column(), picture())
    with pytest.raises(InputError, match=r"Identity.crop must be the side"):
        score_image(nn.Identity(), picture())
    with pytest.raises(InputError, match="small must be one of"):
        score_image(Brightness(), picture(), View(small="zoom"))
    for name in ("tpu9", "meta", "cuda:99"):
        with pytest.raises(InputError, match=f"device .*{name}"):
            score_image(Brightness(), picture(), device=name)


# --- files ------------------------------------------------------------------------------------------


def test_an_image_gets_one_number_under_any_name_order_and_number_of_workers(files, tmp_path):
    model = Network()
    expected = {path: score_image(model, picture(seed=k), View(seed=3)).scores for k, path in enumerate(files)}
    for workers in (0, 1, 4):
        for order in (files, files[::-1], files[2:5]):
            got = list(score_files(model, order, View(seed=3), workers=workers))
            assert len(got) == len(order)
            for path, result in zip(order, got, strict=True):
                np.testing.assert_array_equal(result.scores, expected[path])
    other = tmp_path / "folder" / "another name.bmp"
    other.parent.mkdir()
    Image.open(files[4]).save(other)
    (got,) = score_files(model, [other], View(seed=3))
    np.testing.assert_array_equal(got.scores, expected[files[4]])


def test_a_bad_file_gives_its_error_in_its_place(files, tmp_path):
    broken, small = tmp_path / "broken.png", tmp_path / "small.png"
    broken.write_bytes(files[0].read_bytes()[:900])
    Image.fromarray(picture(20, 20)).save(small)
    paths = [files[0], broken, tmp_path / "absent.png", small, files[1]]
    for workers in (0, 3):
        got = list(score_files(Brightness(), paths, View(small="error"), workers=workers))
        assert [isinstance(result, InputError) for result in got] == [False, True, True, True, False]
        for result, path in zip(got[1:4], paths[1:4], strict=True):
            assert str(path) in str(result)
            assert "\n" not in str(result)
        assert "(20×20) is smaller than the 32×32 crop" in str(got[3])


def test_only_a_few_files_are_read_ahead(files, monkeypatch):
    seen = []
    real = scoring.read_image
    monkeypatch.setattr(scoring, "read_image", lambda path, **how: seen.append(path) or real(path, **how))
    results = score_files(Brightness(), files * 10, workers=2)
    next(results)
    assert len(seen) <= 4
    results.close()
    assert len(seen) <= 4


def test_bad_arguments_are_raised_before_any_file_is_read(files):
    for bad in ({"patches": 0}, {"mode": "zigzag"}, {"small": "zoom"}):
        with pytest.raises(InputError, match=next(iter(bad))):
            View(**bad)
    with pytest.raises(InputError, match="workers"):
        score_files(Brightness(), files, workers=-1)
    with pytest.raises(InputError, match=r"dense mode needs a network of rankiqa.models"):
        score_files(Brightness(), files, View(mode="dense"))


def test_who_asks_sees_the_pixels_of_each_file_that_can_be_read(files, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    Image.fromarray(picture(20, 20)).save(tmp_path / "small.png")
    paths = [files[0], tmp_path / "broken.png", tmp_path / "small.png", files[1]]
    for workers in (0, 2):
        seen = {}
        results = score_files(Brightness(), paths, least=32, workers=workers, look=seen.__setitem__)
        assert [isinstance(result, InputError) for result in results] == [False, True, True, False]
        assert set(seen) == {str(path) for path in paths} - {str(tmp_path / "broken.png")}  # also what is too small
        for path, pixels in seen.items():
            np.testing.assert_array_equal(pixels, np.asarray(Image.open(path)))


# --- whole images -----------------------------------------------------------------------------------


def test_the_whole_image_is_scored_once_resized_or_as_it_is():
    model, image = Brightness(), picture(80, 120)
    means = image.reshape(-1, 3).mean(0) / 255
    native = score_image(model, image, View(mode="native"))
    assert native.scores == pytest.approx([means[0] - 0.3 * means[1]], abs=1e-6)
    resized = score_image(model, image, View(mode="resize"))
    by_pillow = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR)) / 255
    wanted = by_pillow[..., 0].mean() - 0.3 * by_pillow[..., 1].mean()
    assert resized.scores == pytest.approx([wanted], abs=1e-6)
    assert model.passes == [1, 1]


def test_a_whole_image_may_be_smaller_than_the_input():
    small = picture(20, 31)
    assert score_image(Brightness(), small, View(mode="resize")).scores.shape == (1,)
    assert score_image(Brightness(), small, View(mode="native")).scores.shape == (1,)
    with pytest.raises(InputError, match="smaller than the 32×32 crop"):
        score_image(Brightness(), small, View(small="error"))


def test_a_network_of_votes_is_scored_whole_by_default_and_tells_its_votes(files):
    torch.manual_seed(0)
    model = build_nima("squeezenet1_1", crop=64).eval()
    found = list(score_files(model, files))
    for result, path in zip(found, files, strict=True):
        assert result.votes.shape == (1, 10)
        assert result.votes.sum() == pytest.approx(1, abs=1e-6)
        assert result.mean == pytest.approx(float(result.votes[0] @ np.arange(1, 11)))
        image = squeeze(np.asarray(Image.open(path)), 64).transpose(2, 0, 1)[None] / np.float32(255)
        with torch.no_grad():
            assert result.mean == pytest.approx(model(torch.from_numpy(image)).item(), abs=1e-5)
    crops = score_image(model, picture(), View(mode="random", patches=5))
    assert crops.votes.shape == (5, 10)


def test_an_image_too_small_for_the_network_is_named(tmp_path):
    Image.fromarray(picture(8, 9)).save(tmp_path / "tiny.png")
    model = build_nima("squeezenet1_1", crop=64).eval()
    (found,) = score_files(model, [tmp_path / "tiny.png"], View(mode="native"))
    assert isinstance(found, InputError)
    assert "tiny.png" in str(found) and "9×8 px" in str(found)
