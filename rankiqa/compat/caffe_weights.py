"""Weights of Caffe: a .caffemodel becomes a model of ours, with the input that it was trained on.

What a file says of its layers (padding, stride, dilation, groups, transposition, the order of norm and pool) is
compared with the network, so that no other network passes for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from rankiqa.compat.caffe_file import Layer, read_layers, read_tensor
from rankiqa.compat.importing import Imported, ImportedTensor, assign, shape_text
from rankiqa.errors import InputError
from rankiqa.models.build import build_model
from rankiqa.models.preprocessing import PREPROCESSING
from rankiqa.models.rank_model import RankModel

_WITH_WEIGHTS = ("", "Convolution", "InnerProduct")  # kinds of layers; old files may not say it


class CaffeNetwork(NamedTuple):
    """A network of Caffe's.

    Attributes:
        name: ours, of `rankiqa.models.ARCHITECTURES`.
        layers: Caffe's name of each layer with weights → our module.
        order: the kinds of its norm and pool layers, as they follow each other.
        head: Caffe's name of the last layer.
    """

    name: str
    layers: dict[str, str]
    order: tuple[str, ...]
    head: str = "fc8"


_VGG16_CONVOLUTIONS = {"1": (0, 2), "2": (5, 7), "3": (10, 12, 14), "4": (17, 19, 21), "5": (24, 26, 28)}
_VGG16 = {
    f"conv{block}_{k}": f"features.{place}"
    for block, places in _VGG16_CONVOLUTIONS.items()
    for k, place in enumerate(places, 1)
} | {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}
_ALEXNET = {name: name for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")}
_NETWORKS = {
    "vgg16": CaffeNetwork("vgg16", _VGG16, ("Pooling",) * 5),
    "alexnet": CaffeNetwork("alexnet_caffe", _ALEXNET, ("LRN", "Pooling", "LRN", "Pooling", "Pooling")),
    "caffenet": CaffeNetwork("caffenet", _ALEXNET, ("Pooling", "LRN", "Pooling", "LRN", "Pooling")),
}
CAFFE_MODELS = tuple(_NETWORKS)


def import_caffe(
    path: str | Path, model: str, mean: Sequence[float] | str | Path | None = None, higher_is_better: bool = True
) -> Imported[RankModel]:
    """Read a .caffemodel of one of `CAFFE_MODELS` whose last layer has one output.

    Layers are found by Caffe's names for them (conv1_1, fc7, also with a suffix: fc8_m), others by their order. The
    input becomes BGR 0–255.

    Args:
        path: the file; both kinds of layer message, old and new shapes, floats and doubles. Read whole, 2 GiB at most.
        model: one of `CAFFE_MODELS`.
        mean: what was subtracted from the input in training: three numbers for B, G, R, or a .binaryproto file, of
            which the average per channel is taken. None: nothing, as in RankIQA's networks.
        higher_is_better: False negates the last layer, for a network trained on DMOS: here higher is better, always.

    Raises:
        InputError: no such model; a mean that is none; a file that is damaged, hostile, or of another network.
        ImportError: protobuf is missing.
    """
    if model not in _NETWORKS:
        raise InputError(f"model: unknown Caffe network {model!r}; known: {', '.join(CAFFE_MODELS)}")
    network = _NETWORKS[model]
    preprocessing, notes = _input(mean)
    path = str(path)
    layers = list(read_layers(path))
    notes += _check_order(path, layers, model)
    matched = _match(path, layers, network)
    del layers  # half a gigabyte in VGG16: a layer goes once its weights are in the network's shape
    _check_outputs(path, matched, network)
    if higher_is_better:
        notes.append(
            "a higher score is taken for better; import a network that was trained on DMOS as one for which lower is"
        )
    else:
        notes.append("the last layer is negated: lower was better in the file, higher is better here")
    ours = build_model(network.name, preprocessing=preprocessing)
    return assign(path, ours, _tensors(path, ours, matched, network, higher_is_better), notes)


def _tensors(
    path: str, model: RankModel, matched: dict[str, Layer], network: CaffeNetwork, higher_is_better: bool
) -> Iterator[ImportedTensor]:
    """The weights in the network's shapes; `matched` is emptied on the way."""
    for name in list(matched):
        layer = matched.pop(name)
        module = model.backbone.get_submodule(network.layers[name])
        _check_settings(path, layer, module)
        how = [] if _is_called(layer.name, name) else [f"{name} by its order"]
        sign = 1.0
        if name == network.head and not higher_is_better:
            sign, how = -1.0, [*how, "negated"]
        for (part, axes), (shape, values) in zip(
            (("weight", module.get_parameter("weight").ndim), ("bias", 1)), layer.blobs, strict=True
        ):
            value = np.multiply(values, sign, dtype=np.float32).reshape(_squeeze(shape, axes))
            target = f"{network.layers[name]}.{part}"
            yield ImportedTensor(target, value, f"{layer.name} {part}", shape, ", ".join(how))


def _input(mean: Sequence[float] | str | Path | None) -> tuple[dict, list[str]]:
    """The preprocessing for this mean, and what to tell of it."""
    steps = dict(PREPROCESSING["raw_bgr"])
    if mean is None:
        return steps, ["the input is BGR 0–255 without a mean subtracted, as in RankIQA's networks"]
    if isinstance(mean, (str, Path)):
        size, steps["mean"] = _read_mean(str(mean))
        source = f", the average of the {size} mean image {Path(mean).name}"
    else:
        values, source = np.asarray(mean, dtype=np.float64), ""
        if values.shape != (3,) or not (np.isfinite(values) & (values >= 0) & (values <= 255)).all():
            raise InputError(f"mean must be three numbers in 0–255 for B, G and R, or a .binaryproto file, got {mean}")
        steps["mean"] = tuple(values.tolist())
    return steps, [f"the input is BGR 0–255 minus {' '.join(f'{v:.6g}' for v in steps['mean'])}{source}"]


def _read_mean(path: str) -> tuple[str, tuple[float, ...]]:
    shape, values = read_tensor(path)
    shape = _squeeze(shape, 3)
    if len(shape) != 3 or shape[0] != 3:
        raise InputError(f"a mean image has the shape 1×3×H×W, this one {shape_text(shape)}", path=path)
    average = values.reshape(3, -1).mean(axis=1, dtype=np.float64)
    if not np.isfinite(average).all() or average.min() < 0 or average.max() > 255:
        raise InputError(f"the averages of a mean image are in 0–255, here {average.tolist()}", path=path)
    return f"{shape[1]}×{shape[2]}", tuple(average.tolist())


def _match(path: str, layers: Sequence[Layer], network: CaffeNetwork) -> dict[str, Layer]:
    """Caffe's name of a layer → the layer of the file: by its name, else by its order among those without."""
    matched: dict[str, Layer] = {}
    unnamed = []
    for layer in layers:
        if not layer.blobs:
            continue
        if layer.kind not in _WITH_WEIGHTS or len(layer.blobs) != 2:
            raise InputError(
                f"{layer.name} ({layer.kind or 'of no kind'}) holds {len(layer.blobs)} tensors; {network.name} has "
                "convolutions and inner products with a weight and a bias each",
                path=path,
            )
        name = next((name for name in network.layers if _is_called(layer.name, name)), None)
        if name is None:
            unnamed.append(layer)
        elif name in matched:
            raise InputError(f"two layers for {name}: {matched[name].name} and {layer.name}", path=path)
        else:
            matched[name] = layer
    free = [name for name in network.layers if name not in matched]
    if len(unnamed) > len(free):
        raise InputError(f"{network.name} has no place for {unnamed[len(free)].name}", path=path)
    return matched | dict(zip(free, unnamed, strict=False))


def _check_outputs(path: str, matched: Mapping[str, Layer], network: CaffeNetwork) -> None:
    if head := matched.get(network.head):
        shape = _squeeze(head.blobs[0][0], 2)
        if len(shape) == 2 and shape[0] != 1:
            raise InputError(
                f"{head.name} has {shape[0]} outputs, but a score is one number: this network was not trained to score",
                path=path,
            )


def _is_called(name: str, known: str) -> bool:
    """Whether a layer's name is `known` or that with a suffix: fc8_m, fc8-new, fc8a, but not conv1_1 for conv1."""
    return re.fullmatch(rf"{known}([_.-]?[A-Za-z].*)?", name) is not None


def _check_order(path: str, layers: Sequence[Layer], model: str) -> list[str]:
    """AlexNet and CaffeNet have weights of the same shapes: only the layers without weights tell them apart."""
    order = tuple(layer.kind for layer in layers if layer.kind in ("LRN", "Pooling"))
    if order == _NETWORKS[model].order:
        return []
    if not order:
        other = {"alexnet": "CaffeNet", "caffenet": "AlexNet"}.get(model)
        return [f"the file does not tell {model} from {other}: it lists no norm and pool layers"] if other else []
    for other, network in _NETWORKS.items():
        if order == network.order:
            reason = f"by its norm and pool layers this is {other}, not {model}"
            raise InputError(reason, path=path, cure="import it as that", options=(f"model={other}",))
    raise InputError(f"not {model}: its norm and pool layers are {', '.join(order[:8])}", path=path)


def _check_settings(path: str, layer: Layer, module: nn.Module) -> None:
    ours: dict[str, Any] = {"transpose": False}
    kind, called = "InnerProduct", "an inner product"
    if isinstance(module, nn.Conv2d):
        ours = {"pad": module.padding[0], "stride": module.stride[0], "dilation": 1, "group": module.groups}
        kind, called = "Convolution", "a convolution"
    if layer.kind and (layer.kind == "Convolution") != (kind == "Convolution"):
        raise InputError(f"{layer.name} should be {called}, but is of the kind {layer.kind}", path=path)
    for key, value in layer.settings.items():
        wanted, values = ours.get(key, "none"), value if isinstance(value, list) else [value]
        if any(v != wanted for v in values):
            found = ", ".join(map(str, values[:4]))
            raise InputError(f"{layer.name} has {key} {found}, but the network needs {wanted}", path=path)


def _squeeze(shape: tuple[int, ...], axes: int) -> tuple[int, ...]:
    """Old shapes have four axes always: 1×1×N×K of a fully connected layer, 1×1×1×N of a bias."""
    while len(shape) > axes and shape[0] == 1:
        shape = shape[1:]
    return shape
