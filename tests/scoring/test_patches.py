import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from rankiqa.errors import InputError
from rankiqa.images.crops import crop_positions, squeeze
from rankiqa.models import build_nima
from rankiqa.scoring import patches as scoring
from rankiqa.scoring.inputs import cut
from rankiqa.scoring.patches import score_files, score_image


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


# --- places -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(384, 512), (512, 384), (225, 900), (224, 224), (224, 500), (226, 226), (1080, 1920)])
@pytest.mark.parametrize("patches", [4, 5, 9, 30, 100])
def test_the_grid_is_even_unique_and_holds_the_corners(size, patches):
    free = np.array(size) - 224
    places = crop_positions(*size, 224, patches, "grid", None)
    assert len(places) <= patches
    assert len({tuple(place) for place in places.tolist()}) == len(places)
    for top in (0, free[0]):
        for left in (0, free[1]):
            assert [top, left] in places.tolist()
    for axis in (0, 1):
        steps = np.diff(np.unique(places[:, axis]))
        assert len(steps) == 0 or steps.max() - steps.min() <= 1  # even, to the pixel


def test_no_other_grid_lies_closer():
    def widest(size, rows, columns):
        return max(f / (n - 1) for f, n in zip(np.array(size) - 224, (rows, columns), strict=True))

    for size in [(384, 512), (500, 500), (300, 1200)]:
        for patches in (4, 12, 30):
            places = crop_positions(*size, 224, patches, "grid", None)
            shape = [len(np.unique(places[:, axis])) for axis in (0, 1)]
            others = [(r, c) for r in range(2, patches) for c in range(2, patches) if r * c <= patches]
            assert widest(size, *shape) == min(widest(size, *other) for other in others)


def test_a_grid_of_fewer_than_four():
    assert crop_positions(424, 324, 224, 1, "grid", None).tolist() == [[100, 50]]
    assert crop_positions(424, 324, 224, 2, "grid", None).tolist() == [[0, 50], [200, 50]]
    assert crop_positions(224, 324, 224, 3, "grid", None).tolist() == [[0, 0], [0, 50], [0, 100]]


def test_random_places_reach_every_corner_evenly():
    places = crop_positions(34, 35, 32, 12000, "random", np.random.default_rng(0))
    found, counts = np.unique(places, axis=0, return_counts=True)
    assert found.tolist() == [[top, left] for top in range(3) for left in range(4)]
    assert np.abs(counts - 1000).max() < 150  # five standard deviations


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 31}, r"the image \(50×31\) is smaller than the 32×32 crop.*small=reflect, small=resize"),
        ({"patches": 0}, "patches must be at least 1, not 0"),
        ({"mode": "dense"}, "crops are random or grid, not 'dense'"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {"height": 40, "width": 50, "crop": 32, "patches": 4, "mode": "grid", "rng": None} | change
    with pytest.raises(InputError, match=message):
        crop_positions(**arguments)


# --- an image ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["random", "grid"])
def test_one_pass_gives_what_one_crop_at_a_time_gives(mode, monkeypatch):
    monkeypatch.setattr(scoring, "CPU_PASS", 30)
    model, image = Network().eval(), picture()
    got = score_image(model, image, mode=mode, seed=5)
    crops = cut(image, 32, 30, mode, 5, "error")
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
    got = score_image(model, image, mode="grid").scores
    np.testing.assert_allclose(got, np.array(red) - 0.3 * np.array(green), atol=1e-5)
    assert sum(model.passes) == len(places)


def test_memory_does_not_grow_with_the_number_of_patches(monkeypatch):
    model, image = Brightness(), picture()
    monkeypatch.setattr(scoring, "CPU_PASS", 20)
    whole = score_image(model, image, patches=20).scores
    monkeypatch.setattr(scoring, "CPU_PASS", 8)
    np.testing.assert_allclose(score_image(model, image, patches=20).scores, whole, atol=1e-6)
    assert model.passes == [20, 8, 8, 4]


def test_the_seed_and_the_pixels_choose_the_crops():
    model, image = Brightness(), picture()
    first = score_image(model, image, seed=1).scores
    np.testing.assert_array_equal(first, score_image(model, image.copy(order="F"), seed=1).scores)
    assert not np.array_equal(first, score_image(model, image, seed=2).scores)
    other = image.copy()
    other[0, 0, 0] ^= 1
    assert np.abs(first - score_image(model, other, seed=1).scores).max() > 1e-3


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
        score_image(model, image)
    padded = np.concatenate([image[6:0:-1], image, image[-2:-8:-1]])  # mirrored without the border line
    got = score_image(model, image, mode="grid", small="reflect").scores
    np.testing.assert_allclose(got, score_image(model, padded, mode="grid").scores, atol=1e-7)
    larger = np.asarray(Image.fromarray(image).resize((80, 32), Image.Resampling.BICUBIC))
    got = score_image(model, image, mode="grid", small="resize").scores
    np.testing.assert_allclose(got, score_image(model, larger, mode="grid").scores, atol=1e-7)
    assert len(score_image(model, picture(3, 1), small="reflect", patches=5).scores) == 5
    assert len(score_image(model, picture(3, 90), small="resize", patches=5).scores) == 5
    large = picture()
    for small in ("reflect", "resize"):  # nothing to do
        np.testing.assert_array_equal(score_image(model, large, small=small).scores, score_image(model, large).scores)


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
        score_image(Brightness(), picture(), small="zoom")
    for name in ("tpu9", "meta", "cuda:99"):
        with pytest.raises(InputError, match=f"device .*{name}"):
            score_image(Brightness(), picture(), device=name)


# --- files ------------------------------------------------------------------------------------------


def test_an_image_gets_one_number_under_any_name_order_and_number_of_workers(files, tmp_path):
    model = Network()
    expected = {path: score_image(model, picture(seed=k), seed=3).scores for k, path in enumerate(files)}
    for workers in (0, 1, 4):
        for order in (files, files[::-1], files[2:5]):
            got = list(score_files(model, order, seed=3, workers=workers))
            assert len(got) == len(order)
            for path, result in zip(order, got, strict=True):
                np.testing.assert_array_equal(result.scores, expected[path])
    other = tmp_path / "folder" / "another name.bmp"
    other.parent.mkdir()
    Image.open(files[4]).save(other)
    (got,) = score_files(model, [other], seed=3)
    np.testing.assert_array_equal(got.scores, expected[files[4]])


def test_a_bad_file_gives_its_error_in_its_place(files, tmp_path):
    broken, small = tmp_path / "broken.png", tmp_path / "small.png"
    broken.write_bytes(files[0].read_bytes()[:900])
    Image.fromarray(picture(20, 20)).save(small)
    paths = [files[0], broken, tmp_path / "absent.png", small, files[1]]
    for workers in (0, 3):
        got = list(score_files(Brightness(), paths, workers=workers))
        assert [isinstance(result, InputError) for result in got] == [False, True, True, True, False]
        for result, path in zip(got[1:4], paths[1:4], strict=True):
            assert str(path) in str(result)
            assert "\n" not in str(result)
        assert "(20×20) is smaller than the 32×32 crop" in str(got[3])


def test_only_a_few_files_are_read_ahead(files, monkeypatch):
    import rankiqa.images.reading

    seen = []
    real = rankiqa.images.reading.read_image
    monkeypatch.setattr(
        rankiqa.images.reading, "read_image", lambda path, **how: seen.append(path) or real(path, **how)
    )
    results = score_files(Brightness(), files * 10, workers=2)
    next(results)
    assert len(seen) <= 4
    results.close()
    assert len(seen) <= 4


def test_bad_arguments_are_raised_before_any_file_is_read(files):
    for bad in ({"patches": 0}, {"mode": "zigzag"}, {"small": "zoom"}, {"workers": -1}):
        with pytest.raises(InputError, match=next(iter(bad))):
            score_files(Brightness(), files, **bad)


# --- whole images -----------------------------------------------------------------------------------


def test_the_whole_image_is_scored_once_resized_or_as_it_is():
    model, image = Brightness(), picture(80, 120)
    means = image.reshape(-1, 3).mean(0) / 255
    native = score_image(model, image, mode="native")
    assert native.scores == pytest.approx([means[0] - 0.3 * means[1]], abs=1e-6)
    resized = score_image(model, image, mode="resize")
    by_pillow = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR)) / 255
    wanted = by_pillow[..., 0].mean() - 0.3 * by_pillow[..., 1].mean()
    assert resized.scores == pytest.approx([wanted], abs=1e-6)
    assert model.passes == [1, 1]


def test_a_whole_image_may_be_smaller_than_the_input():
    small = picture(20, 31)
    assert score_image(Brightness(), small, mode="resize").scores.shape == (1,)
    assert score_image(Brightness(), small, mode="native").scores.shape == (1,)
    with pytest.raises(InputError, match="smaller than the 32×32 crop"):
        score_image(Brightness(), small)


def test_resizing_knows_height_from_width():
    image = picture(80, 120)
    assert squeeze(image, 30, 50).shape == (30, 50, 3)
    assert squeeze(image, 30).shape == (30, 30, 3)
    flat = np.full((9, 7, 3), 77, np.uint8)
    assert (squeeze(flat, 16) == 77).all()


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
    crops = score_image(model, picture(), mode="random", patches=5)
    assert crops.votes.shape == (5, 10)


def test_an_image_too_small_for_the_network_is_named(tmp_path):
    Image.fromarray(picture(8, 9)).save(tmp_path / "tiny.png")
    model = build_nima("squeezenet1_1", crop=64).eval()
    (found,) = score_files(model, [tmp_path / "tiny.png"], mode="native")
    assert isinstance(found, InputError)
    assert "tiny.png" in str(found) and "9×8 px" in str(found)
