"""Caffe's weights: every number back in its place, and the scores of AlexNet those of NumPy."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rankiqa.compat.caffe_weights import import_caffe
from rankiqa.errors import InputError
from tests.compat import caffe_encoder as caffe
from tests.compat.caffe_models import NARROW, VGG_CHANNELS, WIDE, alexnet_file, images, np_alexnet, random_weights

pytestmark = pytest.mark.usefixtures("small")


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
def test_every_tensor_comes_back_from_both_kinds_of_layers_and_shapes(alexnet_weights, write, old, legacy):
    path = write(alexnet_file(alexnet_weights, old=old, legacy=legacy))
    imported = import_caffe(path, "alexnet")
    state = imported.model.backbone.state_dict()
    assert len(state) == len(imported.rows) == 16
    for name, (weight, bias) in alexnet_weights.items():
        np.testing.assert_array_equal(state[f"{name}.weight"], weight)
        np.testing.assert_array_equal(state[f"{name}.bias"], bias)
    rows = {row.target: row for row in imported.rows}
    assert rows["fc6.weight"].shape == ((1, 1, WIDE, 9216) if legacy else (WIDE, 9216))
    assert rows["conv1.bias"].shape == ((1, 1, 1, 96) if legacy else (96,))
    assert rows["conv1.weight"] == ("conv1 weight", (96, 3, 11, 11), "conv1.weight", "")
    assert imported.model.crop == 227 and imported.model.name == "alexnet_caffe"


@pytest.mark.parametrize("model", ["alexnet", "caffenet"])
def test_the_scores_are_those_of_caffe_s_network_on_raw_bgr(alexnet_weights, write, model):
    imported = import_caffe(write(alexnet_file(alexnet_weights, model)), model)
    batch = images()
    raw = np.rint(batch.numpy() * 255)[:, ::-1]
    expected = [np_alexnet(alexnet_weights, image, model) for image in raw]
    other = [np_alexnet(alexnet_weights, image, "caffenet" if model == "alexnet" else "alexnet") for image in raw]
    with torch.inference_mode():
        scores = imported.model(batch).numpy()
    np.testing.assert_allclose(scores, expected, rtol=2e-4)
    assert np.abs(np.subtract(expected, other)).min() > 0.01 * np.abs(expected).max()
    assert any("without a mean" in note for note in imported.notes)


def vgg_weights():
    shapes, channels = {}, 3
    for block, widths in VGG_CHANNELS.items():
        for k, width in enumerate(widths, 1):
            shapes[f"conv{block}_{k}"] = (width, channels, 3, 3)
            channels = width
    return random_weights(shapes | {"fc6": (WIDE, 25088), "fc7": (NARROW, WIDE), "fc8_m": (1, NARROW)}, seed=1)


def vgg_file(weights, old=True, legacy=True):
    layers = []
    for name, arrays in weights.items():
        is_conv = name.startswith("conv")
        blobs = [caffe.blob(a, legacy) for a in arrays]
        parameters = caffe.convolution(old, num_output=len(arrays[1]), pad=1, kernel_size=3) if is_conv else b""
        layers.append(caffe.layer(name, "Convolution" if is_conv else "InnerProduct", blobs, old, parameters))
        if is_conv and int(name[-1]) == len(VGG_CHANNELS[name[4]]):
            layers.append(caffe.layer(f"pool{name[4]}", "Pooling", old=old))
    return caffe.network(layers)


def test_rankiqa_s_vgg16_scores_as_its_layers_one_by_one(write):
    weights = vgg_weights()
    imported = import_caffe(write(vgg_file(weights)), "vgg16")
    assert len(imported.rows) == 32 and imported.model.crop == 224
    assert imported.rows[-2][::2] == ("fc8_m weight", "classifier.6.weight")
    batch = images(1, 224, seed=4)
    with torch.inference_mode():
        x = (batch * 255)[:, [2, 1, 0]]
        for name, (weight, bias) in weights.items():
            weight, bias = torch.from_numpy(weight), torch.from_numpy(bias)
            if name.startswith("conv"):
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
                x = F.max_pool2d(x, 2) if int(name[-1]) == len(VGG_CHANNELS[name[4]]) else x
            else:
                x = F.linear(x.flatten(1), weight, bias)
                x = x if name == "fc8_m" else F.relu(x)
        np.testing.assert_allclose(imported.model(batch), x[:, 0], rtol=1e-5)


def test_layers_with_names_of_their_own_go_by_their_order(alexnet_weights, write):
    names = {"conv2": "conv1_2", "conv3": "third", "fc7": "fc7-new", "fc8": "score"}
    imported = import_caffe(write(alexnet_file(alexnet_weights, names=names)), "alexnet")
    np.testing.assert_array_equal(imported.model.backbone.conv3.weight.detach(), alexnet_weights["conv3"][0])
    np.testing.assert_array_equal(imported.model.backbone.fc8.weight.detach(), alexnet_weights["fc8"][0])
    how = {row.source: row.how for row in imported.rows}
    assert how["conv1_2 bias"] == "conv2 by its order"  # not a conv1 with a suffix
    assert how["third bias"] == "conv3 by its order" and how["score weight"] == "fc8 by its order"
    assert how["fc7-new weight"] == ""
    # Named layers go by their names wherever they stand.
    turned = dict(reversed(alexnet_weights.items()))
    imported = import_caffe(write(alexnet_file(turned, bare=True)), "alexnet")
    np.testing.assert_array_equal(imported.model.backbone.conv4.weight.detach(), alexnet_weights["conv4"][0])


def test_doubles_are_read_and_rounded(alexnet_weights, write):
    imported = import_caffe(write(alexnet_file(alexnet_weights, bare=True, double=True)), "alexnet")
    np.testing.assert_array_equal(imported.model.backbone.fc6.weight.detach(), alexnet_weights["fc6"][0])


def test_a_mean_is_subtracted_in_bgr(alexnet_weights, write, tmp_path):
    path = write(alexnet_file(alexnet_weights))
    imported = import_caffe(path, "alexnet", mean=(104, 117.5, 123))
    mean = np.array([104, 117.5, 123])[:, None, None]
    batch = images(1)
    expected = np_alexnet(alexnet_weights, np.rint(batch[0].numpy() * 255)[::-1] - mean)
    with torch.inference_mode():
        np.testing.assert_allclose(imported.model(batch), [expected], rtol=2e-4)
    assert "the input is BGR 0–255 minus 104 117.5 123" in imported.notes
    # A mean image: the average of each channel.
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, 20, 30)).astype(np.float32)
    for legacy in (True, False):
        file = write(caffe.blob(picture, legacy), "mean.binaryproto")
        imported = import_caffe(path, "alexnet", mean=file)
        steps = imported.model.preprocessing
        np.testing.assert_allclose(steps.mean.flatten(), picture.mean((0, 2, 3)), rtol=1e-6)
        assert steps.channels == "bgr" and steps.scale == 255 and steps.std.flatten().tolist() == [1, 1, 1]
        assert any("the average of the 20×30 mean image mean.binaryproto" in note for note in imported.notes)


@pytest.mark.parametrize("mean", [(1, 2), (1, 2, np.nan), (1, 2, -3), (1, 2, 256), 104])
def test_a_mean_that_is_none_is_refused_before_the_file_is_read(mean):
    with pytest.raises(InputError, match="mean must be three numbers in 0–255"):
        import_caffe("none.caffemodel", "alexnet", mean=mean)


def test_a_network_for_which_lower_is_better_is_turned(alexnet_weights, write):
    path = write(alexnet_file(alexnet_weights))
    with torch.inference_mode():
        plain = import_caffe(path, "alexnet").model(images())
        imported = import_caffe(path, "alexnet", higher_is_better=False)
        turned = imported.model(images())
    assert plain.abs().min() > 0 and torch.equal(turned, -plain)
    assert [row.target for row in imported.rows if row.how == "negated"] == ["fc8.weight", "fc8.bias"]
    assert any("negated" in note for note in imported.notes)


def test_alexnet_and_caffenet_are_told_apart_by_their_layers_without_weights(alexnet_weights, write):
    for model, other in (("alexnet", "caffenet"), ("caffenet", "alexnet")):
        for old in (False, True):
            path = write(alexnet_file(alexnet_weights, model, old=old))
            with pytest.raises(InputError, match=rf"this is {model}, not {other}; import it as that \(model={model}\)"):
                import_caffe(path, other)
    notes = import_caffe(write(alexnet_file(alexnet_weights, bare=True)), "caffenet").notes
    assert "the file does not tell caffenet from AlexNet: it lists no norm and pool layers" in notes
