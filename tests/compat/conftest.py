"""Files of Caffe and Keras, made anew."""

import dataclasses

import pytest
import torch
from torch import nn

from rankiqa.models import ARCHITECTURES
from tests.compat.caffe_models import ALEXNET_SHAPES, NARROW, WIDE, random_weights


@pytest.fixture(scope="module")
def alexnet_weights():
    return random_weights(ALEXNET_SHAPES)


@pytest.fixture
def small(monkeypatch):
    """Caffe's networks with narrow fully connected layers; all else is as it is."""

    def narrow(name, places):
        architecture = ARCHITECTURES[name]

        def make(dropout):
            with torch.device("meta"):
                net = architecture.make(dropout)
            inputs = net.get_submodule(places[0]).in_features
            for place, outputs in zip(places, (WIDE, NARROW, 1), strict=True):
                parent, _, key = place.rpartition(".")
                setattr(net.get_submodule(parent), key, nn.Linear(inputs, outputs, device="meta"))
                inputs = outputs
            return net.to_empty(device="cpu")

        monkeypatch.setitem(ARCHITECTURES, name, dataclasses.replace(architecture, make=make))

    narrow("vgg16", ("classifier.0", "classifier.3", "classifier.6"))
    for name in ("alexnet_caffe", "caffenet"):
        narrow(name, ("fc6", "fc7", "fc8"))


@pytest.fixture
def write(tmp_path):
    def write(data, name="net.caffemodel"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    from tests.compat.keras_files import MOBILENET, write_legacy  # h5py is an extra

    return write_legacy(tmp_path_factory.mktemp("keras") / "mobilenet.h5", MOBILENET)


@pytest.fixture(scope="module")
def mobilenet3(tmp_path_factory):
    from tests.compat.keras_files import MOBILENET, write_keras3

    return write_keras3(tmp_path_factory.mktemp("keras") / "mobilenet3.weights.h5", MOBILENET)
