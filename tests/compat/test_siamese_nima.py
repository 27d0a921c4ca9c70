"""Siamese NIMA's own interface, and its demo: ten images, one epoch, InceptionResNetV2."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from rankiqa.compat.siamese_nima import SiameseNIMA
from rankiqa.errors import InputError
from rankiqa.images.crops import squeeze
from rankiqa.models import build_nima, load_model, save_model

# The table of the original's demo.
DEMO = """file_name label
267683.jpg 1
774992.jpg 2
775717.jpg 0
953019.jpg 4
953619.jpg 6
953958.jpg 3
954113.jpg 8
954184.jpg 7
954228.jpg 5
1246918.jpg 9
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory, photos):
    folder = tmp_path_factory.mktemp("demo")
    (folder / "images").mkdir()
    pictures = list(photos.values())
    for k, line in enumerate(DEMO.splitlines()[1:]):
        picture = pictures[k % 5][10 * k : 10 * k + 180, 60 : 300 - 8 * k]
        Image.fromarray(picture).save(folder / "images" / line.split()[0], quality=95)
    (folder / "train_data.csv").write_text(DEMO)
    return folder


@pytest.fixture
def no_curves(monkeypatch):
    """Drawing takes longer than to train a small network: the demo does it."""
    monkeypatch.setattr("rankiqa.training.loop.write_curves", lambda run: None)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("small")
    save_model(build_nima("squeezenet1_1", crop=64, dropout=0.0), folder / "model")
    return folder / "model"


def test_the_demo_trains_and_predicts_with_inception_resnet_v2(demo, tmp_path):
    torch.manual_seed(0)
    save_model(build_nima("inception_resnet_v2", crop=96), tmp_path / "nima")
    siamese = SiameseNIMA(output_dir=tmp_path / "assets")
    train_raw = siamese.load_data(demo / "images", demo / "train_data.csv")
    assert train_raw[1].tolist() == [1, 2, 0, 4, 6, 3, 8, 7, 5, 9]
    folder = siamese.train(train_raw, epochs=1, batch_size=16, nima_weight_path=tmp_path / "nima")
    assert folder == tmp_path / "assets" / "model"
    log = pd.read_csv(tmp_path / "assets" / "log.csv")
    assert log["step"].tolist() == [2]  # twenty pairs, sixteen a batch
    assert (tmp_path / "assets" / "curves.png").stat().st_size > 10_000
    # What lies before the first block8 is as it was; what follows has learned.
    before, after = (load_file(place / "model.safetensors") for place in (tmp_path / "nima", folder))
    moved = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert moved == {"repeat_2", "block8", "conv2d_7b", "classif"}
    predict_raw = siamese.load_data(demo / "images", demo / "train_data.csv", columns=["file_name"])
    assert len(predict_raw) == 1
    results = siamese.predict(predict_raw, nima_weight_path=folder)
    assert list(results) == ["source", "mean", "std", "scores"]
    assert results["source"].tolist() == predict_raw[0].tolist()
    shares = np.stack(results["scores"])
    assert shares.sum(1) == pytest.approx(np.ones(10), abs=1e-5)
    assert results["mean"].to_numpy() == pytest.approx(shares @ np.arange(1, 11))
    assert results["mean"].between(1, 10).all()


def test_images_are_predicted_at_their_own_size_or_at_a_given_one(demo, small):
    model = load_model(small)[0]
    siamese = SiameseNIMA()
    raw = siamese.load_data(demo / "images", demo / "train_data.csv", columns=["file_name"])
    native = siamese.predict(raw, nima_weight_path=small)
    fixed = siamese.predict(raw, batch_size=4, target_size=(90, 120))  # the model is kept
    for k, path in enumerate(raw[0]):
        image = np.asarray(Image.open(path))
        for found, pixels in ((native, image), (fixed, squeeze(image, 90, 120))):
            tensor = torch.from_numpy(pixels.transpose(2, 0, 1)[None] / np.float32(255))
            with torch.no_grad():
                votes = model(tensor, distribution=True)[0].numpy()
            assert found["scores"][k] == pytest.approx(votes, abs=1e-5)
            values = np.arange(1, 11)
            std = np.sqrt(votes @ (values - votes @ values) ** 2)
            assert (found["mean"][k], found["std"][k]) == pytest.approx((votes @ values, std), abs=1e-4)
    assert np.abs(native["mean"] - fixed["mean"]).max() > 1e-4
    assert siamese.predict(raw, to_df=False).shape == (10, 10)
    one_by_one = siamese.predict(list(raw[0]), target_size=(90, 120))
    assert np.stack(one_by_one["scores"]) == pytest.approx(np.stack(fixed["scores"]), abs=1e-6)


@pytest.mark.usefixtures("no_curves")
def test_training_with_validation_keeps_the_images_apart(demo, small, tmp_path):
    siamese = SiameseNIMA(tmp_path / "out")
    paths, labels = siamese.load_data(demo / "images", demo / "train_data.csv")
    siamese.train((paths[:6], labels[:6]), (paths[6:], labels[6:]), small, epochs=2, batch_size=4, buckets=3)
    split = pd.read_csv(tmp_path / "out" / "split.csv")
    assert split["part"].value_counts().to_dict() == {"train": 6, "val": 4}
    assert pd.read_csv(tmp_path / "out" / "val.csv")["step"].tolist() == [0, 3, 6]
    assert siamese.model_nima.crop == 64
    with pytest.raises(InputError, match="holds a run already"):
        siamese.train((paths[:6], labels[:6]), nima_weight_path=small, epochs=1, buckets=3)
    with pytest.raises(InputError, match="is there twice"):
        SiameseNIMA(tmp_path / "twice").train((paths[:6], labels[:6]), (paths[5:], labels[5:]), small, buckets=3)


@pytest.mark.usefixtures("no_curves")
def test_the_seed_governs_the_weights_of_a_new_network(demo, tmp_path):
    raw = SiameseNIMA.load_data(demo / "images", demo / "train_data.csv")
    saved = []
    for run in ("a", "b", "c"):
        torch.manual_seed(ord(run))
        folder = SiameseNIMA(tmp_path / run, "resnet10t").train(raw, epochs=1, seed=int(run == "c"))
        saved.append(load_file(folder / "model.safetensors"))
    assert all(torch.equal(saved[0][key], saved[1][key]) for key in saved[0])
    assert not torch.equal(saved[0]["conv1.0.weight"], saved[2]["conv1.0.weight"])


def test_paths_are_taken_as_they_come(demo, small):
    paths = [demo / "images" / name for name in ("267683.jpg", "774992.jpg")]
    siamese = SiameseNIMA()
    siamese.build(small)
    for given in (paths, tuple(paths), tuple(map(str, paths)), np.array(list(map(str, paths)))):
        assert siamese.predict(given)["source"].tolist() == list(map(str, paths))
    assert len(siamese.predict(str(paths[0]))) == 1
    for size in ((0, 5), (224,)):
        with pytest.raises(InputError, match="target_size must be a height and a width"):
            siamese.predict(paths, target_size=size)
    with pytest.raises(InputError, match="epochs must be a whole number"):
        siamese.train((np.array(paths), np.array([1.0, 2.0])), epochs=2.5)


def test_csv_is_read_as_well(demo, tmp_path):
    (tmp_path / "data.csv").write_text(DEMO.replace(" ", ","))
    (tmp_path / "data.tsv").write_text(DEMO.replace(" ", "\t"))
    spaced = SiameseNIMA.load_data(demo / "images", demo / "train_data.csv")
    for name, sep in (("data.csv", " "), ("data.csv", ","), ("data.csv", "\t"), ("data.tsv", "\t")):
        plain = SiameseNIMA.load_data(demo / "images", tmp_path / name, sep)
        assert plain[0].tolist() == spaced[0].tolist()
        assert plain[1].tolist() == spaced[1].tolist()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("file_name label\n267683.jpg one\n", {}, "the label of 267683.jpg is not a finite number"),
        ("file_name label\nnone.jpg 1\n", {}, "1 of 1 images are not in .*, the first is 'none.jpg'"),
        ("name label\n267683.jpg 1\n", {}, "no column file_name, only name, label"),
        ("file_name label\n", {}, "no rows below the header"),
        ("", {}, "data.csv: empty; a header"),
        ("file_name label\n267683.jpg\n", {}, "line 2: 1 cells, but the header has 2"),
        ("file_name;label\n267683.jpg;nan\n", {"sep": ";"}, "line 2: the label of 267683.jpg is not a finite number"),
        ("file_name;label\n267683.jpg\n", {"sep": ";"}, "line 2: 1 cells, but the header has 2"),
        ("file_name label\n267683.jpg 1\n", {"sep": "; "}, "sep must be one character"),
        ("file_name label\n267683.jpg 1\n", {"columns": ["a", "b", "c"]}, "columns must be one, to predict, or two"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(demo, tmp_path, text, options, message):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        SiameseNIMA.load_data(demo / "images", tmp_path / "data.csv", **options)


def test_what_is_not_there_is_named(demo, small, tmp_path):
    with pytest.raises(InputError, match="no such folder of images"):
        SiameseNIMA.load_data(tmp_path / "none", demo / "train_data.csv")
    with pytest.raises(InputError, match=r"none.csv: no such file"):
        SiameseNIMA.load_data(demo / "images", tmp_path / "none.csv")
    with pytest.raises(InputError, match="there is no model yet"):
        SiameseNIMA().predict([demo / "images" / "267683.jpg"])
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for size in (None, (64, 64)):
        with pytest.raises(InputError, match=r"broken\.jpg"):
            SiameseNIMA().predict([tmp_path / "broken.jpg"], target_size=size, nima_weight_path=small)
