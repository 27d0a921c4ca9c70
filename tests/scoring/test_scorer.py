"""One image, one number: however it is held, and whatever is scored beside it."""

import math
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import rankiqa
from rankiqa.errors import InputError
from rankiqa.images.crops import MODES
from rankiqa.images.pixels import pixels_of
from rankiqa.models import build_model, build_nima, save_model
from rankiqa.models.reference import Reference
from rankiqa.scoring.dense import score_map
from rankiqa.scoring.scorer import Score, Scorer

FEW = {"patches": 3}


@pytest.fixture(scope="module")
def bundled():
    return rankiqa.load(device="cpu")


@pytest.fixture(scope="module")
def files(photos, tmp_path_factory):
    """Files of every kind: colour, grey, transparent, with a palette, CMYK, 16 bits, turned, small."""
    folder = tmp_path_factory.mktemp("files")
    part = photos["astronaut.png"][:260, 60:340]
    colour, alpha = Image.fromarray(part), np.dstack([part, np.tile(np.arange(280) % 256, (260, 1)).astype(np.uint8)])
    colour.save(folder / "colour.png")
    colour.save(folder / "lossy.jpg", quality=30)
    colour.convert("L").save(folder / "grey.png")
    Image.fromarray(alpha).save(folder / "alpha.png")
    colour.quantize(64).save(folder / "palette.png")
    colour.convert("CMYK").save(folder / "cmyk.tif")
    Image.fromarray(part[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(folder / "turned.jpg", exif=exif)
    Image.fromarray(part[:100, :150]).save(folder / "small.png")
    return folder


ALL = [
    "colour.png",
    "lossy.jpg",
    "grey.png",
    "alpha.png",
    "palette.png",
    "cmyk.tif",
    "deep.png",
    "turned.jpg",
    "small.png",
]


def random_model(name="unpadded", crop=160, **settings):
    torch.manual_seed(0)
    network = build_model(name, crop=crop).eval()
    nn.init.normal_(network.backbone.get_submodule(network.head).weight)
    return Scorer(network, settings, "random")


def random_nima():
    torch.manual_seed(0)
    network = build_nima("shallow").eval()
    nn.init.normal_(network.backbone.head.weight)
    return Scorer(network, {"score_range": [1.0, 10.0]}, "random NIMA")


@pytest.mark.parametrize("name", ALL)
def test_a_path_a_pillow_image_an_array_and_a_tensor_have_the_same_score(bundled, files, name):
    image = Image.open(files / name)
    score = bundled.score(files / name, **FEW)
    pixels = pixels_of(image)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    for held in (str(files / name), image, pixels, tensor, tensor[None].float() / 255):
        assert bundled.score(held, **FEW) == score
    assert math.isfinite(score.value)


def test_pictures_that_differ_have_scores_that_differ(bundled, files):
    scores = [bundled.score(files / name, **FEW).value for name in ALL if name not in ("deep.png", "cmyk.tif")]
    assert len(set(scores)) == len(scores)


def test_a_score(bundled, files):
    score = bundled.score(files / "colour.png", **FEW)
    assert isinstance(score, Score) and float(score) == score.value and score.patches == 1 and score.note == ""
    assert score.unit == pytest.approx(score.value) and 0 < score.unit < 1  # people's scale, 0 to 1
    assert score.percentile == bundled.reference.percentile(score.value)
    assert score.spread > 0
    assert bundled.score(files / "colour.png", mode="random").patches == 30


def test_modes(bundled, files):
    assert bundled.modes == MODES
    scores = {mode: bundled.score(files / "colour.png", patches=4, mode=mode) for mode in MODES}
    windows = bundled.map(files / "colour.png").size
    assert [score.patches for score in scores.values()] == [4, 4, windows, 1, 1, 1]
    assert scores.pop("whole") == scores["native"]  # the image is no large one
    assert len({score.value for score in scores.values()}) == 5
    few = FEW | {"mode": "random"}
    assert bundled.score(files / "colour.png", seed=1, **few) != bundled.score(files / "colour.png", **few)


def test_files_have_the_scores_of_images_in_any_order_and_with_any_workers(bundled, files):
    alone = {name: bundled.score(files / name, **FEW) for name in ALL}
    for names, workers in ((ALL, 2), (ALL[::-1], 0), (ALL[2:5] * 2, 3)):
        found = list(bundled.score_files([files / name for name in names], workers=workers, **FEW))
        assert found == [alone[name] for name in names]
    dense = list(bundled.score_files([files / "grey.png"], mode="dense"))
    assert dense == [bundled.score(files / "grey.png", mode="dense")]


def test_files_that_cannot_be_scored_are_in_their_places(bundled, files, tmp_path):
    Image.new("RGB", (31, 400)).save(tmp_path / "tiny.png")
    (tmp_path / "text.png").write_text("no image")
    paths = [tmp_path / "tiny.png", files / "colour.png", tmp_path / "text.png", tmp_path / "none.png"]
    tiny, score, text, none = bundled.score_files(paths, **FEW)
    assert isinstance(tiny, InputError) and str(tiny).startswith(
        f"{paths[0]}: the image (31×400) is smaller than 32×32"
    )
    assert isinstance(text, InputError) and isinstance(none, InputError) and "no such file" in str(none)
    assert score == bundled.score(paths[1], **FEW)
    with pytest.raises(InputError, match=r"31×400.*too little to judge"):
        bundled.score(paths[0])
    with pytest.raises(InputError, match="too little to judge"):
        bundled.map(np.zeros((31, 400, 3), np.uint8))


def test_a_small_image_is_scored_with_a_note(bundled, files):
    few = FEW | {"mode": "random"}
    score = bundled.score(files / "small.png", **few)
    assert score.note == "smaller than the crop of 224 px"
    assert list(bundled.score_files([files / "small.png"], **few)) == [score]
    enlarged = bundled.score(files / "small.png", small="resize", **few)
    assert enlarged.value != score.value and enlarged.note
    assert bundled.score(files / "small.png", mode="resize").note == ""  # resized as any image is
    assert bundled.score(files / "small.png").note == ""  # large enough to be seen whole
    with pytest.raises(InputError, match=r"\(150×100\) is smaller than the 224×224 crop"):
        bundled.score(files / "small.png", mode="random", small="error")
    assert bundled.score(np.zeros((32, 32, 3), np.uint8), **FEW).note
    assert bundled.map(files / "small.png").shape == (1, 1)


def test_the_map_is_that_of_the_network(bundled, files):
    image = np.array(Image.open(files / "colour.png"))
    found = bundled.map(files / "colour.png")
    with torch.no_grad():
        wanted = score_map(bundled.network, torch.from_numpy(image).permute(2, 0, 1), torch.device("cpu"))
    np.testing.assert_allclose(found, wanted, atol=1e-5)  # there batch norms are folded
    assert bundled.score(image, mode="dense").value == pytest.approx(found.mean())


def test_without_a_reference_there_is_no_unit(files):
    score = random_model().score(files / "colour.png", **FEW)
    assert math.isfinite(score.value) and math.isnan(score.unit) and math.isnan(score.percentile)


def test_a_fine_tuned_model_has_the_scale_of_its_human_scores(files):
    value = random_model().score(files / "colour.png", **FEW).value
    reference = Reference.of_scores(np.linspace(value - 3, value + 1, 50), "x")
    low, high = value - 1, value + 3
    for kept in (reference, Reference(reference.what, 50, reference.quantiles, value - 9, value + 9)):
        model = random_model(score_range=[low, high], reference=kept.config())
        score = model.score(files / "colour.png", **FEW)
        assert score.unit == pytest.approx(0.25)  # on the human scale, whatever the reference has
        assert score.percentile == pytest.approx(75, abs=2)
    assert random_model(score_range=[value + 1, value + 2]).score(files / "colour.png", **FEW).unit == 0


def test_a_nima_sees_the_whole_image(files):
    model = random_nima()
    score = model.score(files / "colour.png")
    assert score.patches == 1 and 1 < score.value < 10 and score.spread == 0
    assert score.unit == pytest.approx((score.value - 1) / 9)
    assert model.score(files / "colour.png", seed=5) == score
    assert model.score(files / "small.png").note == ""
    assert "dense" not in model.modes
    with pytest.raises(InputError, match="a NIMA sees the whole image at once"):
        model.map(files / "colour.png")


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_a_network_without_maps_of_features_has_no_dense_mode(name):
    model = Scorer(build_model(name).eval(), {}, name)
    assert model.modes == ("random", "grid", "whole", "resize", "native")
    with pytest.raises(InputError, match=f"{name}: dense mode needs maps of features"):
        model.map(np.zeros((230, 230, 3), np.uint8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patches": 0}, "patches must be at least 1"),
        ({"mode": "everywhere"}, "mode must be one of"),
        ({"small": "stretch"}, "small must be one of"),
    ],
)
def test_bad_arguments_are_named(bundled, files, arguments, message):
    with pytest.raises(InputError, match=message):
        bundled.score(files / "colour.png", **arguments)
    with pytest.raises(InputError, match=message):
        list(bundled.score_files([files / "colour.png"], **arguments))


def test_a_folder_and_a_run_are_loaded(tmp_path, files):
    model = random_model()
    save_model(model.network, tmp_path / "run" / "model", score_range=(0, 1))
    for place in (tmp_path / "run", tmp_path / "run" / "model", str(tmp_path / "run")):
        found = rankiqa.load(place, device="cpu")
        assert found.score(files / "colour.png", **FEW).value == model.score(files / "colour.png", **FEW).value
        assert found.source == str(place) and (found.low, found.high) == (0, 1)


def test_a_damaged_reference_names_the_model(tmp_path):
    save_model(random_model().network, tmp_path / "model", reference={"quantiles": "many"})
    with pytest.raises(InputError, match=r"model: .*reference"):
        Scorer.load(tmp_path / "model", "cpu")


def test_a_pickle_is_whole(bundled, files):
    assert pickle.loads(pickle.dumps(bundled)).score(files / "colour.png", **FEW) == bundled.score(
        files / "colour.png", **FEW
    )
