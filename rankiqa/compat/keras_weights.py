"""NIMA's weights out of Keras's .h5 files: every tensor placed by its layer's name and shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rankiqa.compat.importing import Imported, Tensor, assign
from rankiqa.compat.keras_file import Layers, Reader, show
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.models.mobilenet_keras import BLOCKS
from rankiqa.models.nima import Nima, build_nima

if TYPE_CHECKING:
    import h5py


class Part(NamedTuple):
    """A tensor of a layer: what Keras has called it, its key in PyTorch's module, the order of its axes there."""

    names: tuple[str, ...]
    key: str
    axes: tuple[int, ...] | None = None
    how: str = ""


# In the order in which Keras lists the weights of such a layer.
CONV = (Part(("kernel",), "weight", (3, 2, 0, 1), "HWIO → OIHW"), Part(("bias",), "bias"))
DEPTHWISE = (Part(("depthwise_kernel", "kernel"), "weight", (2, 3, 0, 1), "HWC1 → C1HW"),)
NORM = (
    Part(("gamma",), "weight"),
    Part(("beta",), "bias"),
    Part(("moving_mean",), "running_mean"),
    Part(("moving_variance",), "running_var"),
)
DENSE = (Part(("kernel",), "weight", (1, 0), "IO → OI"), Part(("bias",), "bias"))


class Place(NamedTuple):
    """A layer of Keras's network by name ("conv2d" and "batch_normalization": the next by number), and its module."""

    layer: str
    module: str
    parts: tuple[Part, ...]


# The convolutions of timm's blocks in the order in which Keras makes them, which is that of its numbers.
_MIXED_5B = ("branch0", "branch1.0", "branch1.1", "branch2.0", "branch2.1", "branch2.2", "branch3.1")
_BLOCK35 = _MIXED_5B[:-1]
_BLOCK17 = ("branch0", "branch1.0", "branch1.1", "branch1.2")  # mixed_6a and block8 too
_MIXED_7A = ("branch0.0", "branch0.1", "branch1.0", "branch1.1", "branch2.0", "branch2.1", "branch2.2")


def _inception_resnet_v2() -> list[Place]:
    places = []

    def numbered(*modules: str) -> None:
        for module in modules:
            places.append(Place("conv2d", f"{module}.conv", CONV))
            places.append(Place("batch_normalization", f"{module}.bn", NORM))

    def residual(module: str, convs: tuple[str, ...], name: str) -> None:
        numbered(*(f"{module}.{conv}" for conv in convs))
        places.append(Place(f"{name}_conv", f"{module}.conv2d", CONV))

    numbered("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a")
    numbered(*(f"mixed_5b.{conv}" for conv in _MIXED_5B))
    for k in range(10):
        residual(f"repeat.{k}", _BLOCK35, f"block35_{k + 1}")
    numbered(*(f"mixed_6a.{conv}" for conv in _BLOCK17))
    for k in range(20):
        residual(f"repeat_1.{k}", _BLOCK17, f"block17_{k + 1}")
    numbered(*(f"mixed_7a.{conv}" for conv in _MIXED_7A))
    for k in range(9):
        residual(f"repeat_2.{k}", _BLOCK17, f"block8_{k + 1}")
    residual("block8", _BLOCK17, "block8_10")
    places += [Place("conv_7b", "conv2d_7b.conv", CONV), Place("conv_7b_bn", "conv2d_7b.bn", NORM)]
    return places


def _mobilenet() -> list[Place]:
    names = ["conv1"] + [f"conv_{kind}_{k}" for k in range(1, len(BLOCKS) + 1) for kind in ("dw", "pw")]
    places = []
    for name in names:
        places.append(Place(name, name, DEPTHWISE if "_dw_" in name else CONV))
        places.append(Place(f"{name}_bn", f"{name}_bn", NORM))
    return places


class Recipe(NamedTuple):
    """A network of `build_nima`, where its layers go, and whether Keras makes its batch norms without gamma."""

    network: str
    places: Callable[[], list[Place]]
    gamma_absent: bool


KERAS_MODELS: dict[str, Recipe] = {
    "nima-inception_resnet_v2": Recipe("inception_resnet_v2", _inception_resnet_v2, True),
    "nima-mobilenet": Recipe("mobilenet_keras", _mobilenet, False),
}


def import_keras(path: str | Path, model: str) -> Imported:
    """NIMA with the weights of a Keras .h5 file: the base network, average pool, dropout 0.75, a dense layer of ten.

    The base may be a layer of its own, as in `Sequential([base, Dropout(0.75), Dense(10)])`. Numbered layers, as
    conv2d_17, are taken in the order of their numbers, whatever the first is; the dense layer may have any name.

    Args:
        path: of `save_weights("x.h5")`, `save("x.h5")`, or, of a current Keras 3, `save_weights("x.weights.h5")`.
        model: one of `KERAS_MODELS`.

    Raises:
        InputError: one line that names the file, for a file that is damaged, of another network, or that holds
            anything but plain tensors of the shapes that are needed.
    """
    if model not in KERAS_MODELS:
        raise InputError(f"unknown Keras model {model!r}; known: {', '.join(KERAS_MODELS)}")
    with extra("keras"):
        import h5py
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    recipe = KERAS_MODELS[model]
    nima = build_nima(recipe.network, preprocessing="inception")
    try:
        with path.open("rb") as stream:
            if stream.read(4) == b"PK\x03\x04":
                raise InputError(f'{path}: a .keras archive; load it in Keras and save it with model.save("x.h5")')
        with h5py.File(path, "r") as file:
            reader = Reader(path, h5py)
            layers = reader.layers(file)
            plan = _plan(path, model, recipe, nima, layers)
            notes = list(dict.fromkeys(reader.notes))
            if recipe.network == "mobilenet_keras":
                notes += _padding_notes(layers)
            return assign(str(path), nima, _tensors(path, plan), notes)
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError) as error:  # what h5py raises
        reason = show((str(error).strip().splitlines() or [type(error).__name__])[0], 160)
        raise InputError(f"{path}: not a readable HDF5 file ({reason})") from error


class Step(NamedTuple):
    """One tensor to come: its key, Keras's dataset (None: ones), its source, the order of axes, the remark."""

    target: str
    dataset: h5py.Dataset | None
    source: str
    axes: tuple[int, ...] | None
    how: str
    shape: tuple[int, ...]


def _numbered(layers: Layers, family: str) -> list[str]:
    """The layers that Keras named by itself, in the order in which it made them."""
    pattern = re.compile(rf"{family}(?:_v[12])?(?:_([0-9]{{1,9}}))?")  # TensorFlow 1.13 has batch_normalization_v1_7
    found = [(int(match[1] or 0), name) for name in layers.weights if (match := pattern.fullmatch(name))]
    return [name for _, name in sorted(found)]


def _plan(path: Path, model: str, recipe: Recipe, nima: Nima, layers: Layers) -> list[Step]:
    """Where each tensor goes. All shapes and types are checked, and no value is read yet."""
    own = {key: tuple(value.shape) for key, value in nima.backbone.state_dict().items()}
    places, left = recipe.places(), dict(layers.weights)
    numbered = {}
    for family in ("conv2d", "batch_normalization"):
        wanted = sum(place.layer == family for place in places)
        names = _numbered(layers, family) if wanted else []
        if len(names) != wanted:
            raise InputError(
                f"{path}: not {model}: it has {len(names)} layers {family}_…, but the network has {wanted}"
            )
        numbered[family] = iter(names)
    steps = []
    for place in places:
        name = next(numbered[place.layer]) if place.layer in numbered else place.layer
        if name not in left:
            raise InputError(f"{path}: not {model}: it has no layer {name}")
        steps += _layer(path, model, recipe, own, place, name, left.pop(name))
    if len(left) != 1:
        what = f"besides the network it has the layers {', '.join(map(show, sorted(left)[:4]))}"
        raise InputError(
            f"{path}: not {model}: {what if left else 'it has no dense layer'}; a NIMA has one dense layer of ten votes"
        )
    name, weights = left.popitem()
    return steps + _layer(path, model, recipe, own, Place(name, nima.head, DENSE), name, weights)


def _layer(path: Path, model: str, recipe: Recipe, own: dict, place: Place, name: str, weights: dict) -> list[Step]:
    parts = [part for part in place.parts if f"{place.module}.{part.key}" in own]
    steps, weights = [], dict(weights)
    if place.parts is NORM and recipe.gamma_absent and "gamma" not in weights and len(weights) == 3:
        parts = parts[1:]
        shape = own[f"{place.module}.weight"]
        steps.append(Step(f"{place.module}.weight", None, "", None, "gamma absent: 1", shape))
    for index, part in enumerate(parts):
        names = [key for key in (*part.names, str(index)) if key in weights]
        if len(names) != 1:
            raise InputError(f"{path}: not {model}: its layer {show(name)} has no {part.names[0]}")
        dataset, target, axes = weights.pop(names[0]), f"{place.module}.{part.key}", part.axes
        source = f"{show(name)}/{part.names[0] if names[0].isdigit() else names[0]}"
        shape = own[target] if axes is None else tuple(own[target][axes.index(k)] for k in range(len(axes)))
        if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8:
            raise InputError(f"{path}: {source} holds {show(str(dataset.dtype))}, but weights are float32")
        if dataset.shape != shape:
            raise InputError(f"{path}: {source} has the shape {dataset.shape}, but {model} needs {shape} for {target}")
        if dataset.id.get_storage_size() != int(np.prod(shape)) * dataset.dtype.itemsize:
            raise InputError(f"{path}: the values of {source} were never written")
        steps.append(Step(target, dataset, source, axes, part.how, shape))
    if weights:
        raise InputError(f"{path}: not {model}: its layer {show(name)} has {show(sorted(weights)[0])} too")
    return steps


def _tensors(path: Path, plan: list[Step]) -> Iterator[Tensor]:
    """The values, one tensor at a time."""
    for step in plan:
        if step.dataset is None:
            yield Tensor(step.target, np.ones(step.shape, np.float32), step.source, (), step.how)
            continue
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which `assign` refuses
            value = step.dataset[()].astype(np.float32)
        if step.target.endswith("running_var") and (value < 0).any():
            raise InputError(f"{path}: {step.source} holds negative variances")
        yield Tensor(
            step.target, value if step.axes is None else value.transpose(step.axes), step.source, step.shape, step.how
        )


def _padding_notes(layers: Layers) -> list[str]:
    """MobileNet changed how it pads with the versions of Keras; which it was shows in the layers without weights."""
    if "conv1_pad" in layers.names and layers.version.startswith("2.1."):
        return [
            f"Keras {show(layers.version)} padded MobileNet's strided layers by one pixel on every side, newer ones "
            "below and on the right: its scores differ a little from these"
        ]
    if "conv1_pad" in layers.names:
        return ["this Keras padded MobileNet's first layer otherwise where the height or the width is odd"]
    if "conv_pad_2" not in layers.names:
        return ["of MobileNet's padding the file says nothing: sizes that are multiples of 32 are safe"]
    return []
