"""NIMA in real Keras with weights from a rule: its files in every layout, and its outputs on real photographs.

    python tests/keras/make_nima.py FOLDER [--record tests/reference/keras_nima.json]

Needs tests/keras/requirements.txt; run by tests/keras/test_real_keras.py. `--record` writes what the fast tests
compare with.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

import h5py
import keras
import numpy as np
import skimage
import tensorflow as tf
import tf_keras
from PIL import Image
from random_weights import layer_keys, weight

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png")
SIZES = ((224, 224), (299, 317))
NETWORKS = {"nima-inception_resnet_v2": "InceptionResNetV2", "nima-mobilenet": "MobileNet"}


def nima(library, network: str, nested: bool = False):
    """NIMA of Keras 3 (`keras`) or Keras 2 (`tf_keras`), for images of any size."""
    base = getattr(library.applications, network)(
        include_top=False, weights=None, pooling="avg", input_shape=(None, None, 3)
    )
    if nested:
        return library.Sequential([base, library.layers.Dropout(0.75), library.layers.Dense(10, activation="softmax")])
    votes = library.layers.Dense(10, activation="softmax")(library.layers.Dropout(0.75)(base.output))
    return library.Model(base.input, votes)


def leaves(model) -> list:
    """The layers, those of a nested model in its place."""
    return [leaf for layer in model.layers for leaf in (leaves(layer) if hasattr(layer, "layers") else [layer])]


def names_of(layer) -> list[str]:
    """kernel, bias …; Keras 2 has conv2d/kernel:0, and depthwise_kernel."""
    names = [w.name.rpartition("/")[2].partition(":")[0] for w in layer.weights]
    return ["depthwise_kernel" if "Depthwise" in type(layer).__name__ and n == "kernel" else n for n in names]


def fill(model):
    layers = [layer for layer in leaves(model) if layer.weights]
    keys = layer_keys([layer.name for layer in layers])
    for layer in layers:
        shapes = [tuple(w.shape) for w in layer.weights]
        layer.set_weights([weight(keys[layer.name], n, s) for n, s in zip(names_of(layer), shapes, strict=True)])
    return model


def photos(size: tuple[int, int]) -> np.ndarray:
    """The upper left corners, in [−1, 1] as Keras's own preprocess_input makes them."""
    folder = Path(skimage.__file__).parent / "data"
    crops = [np.array(Image.open(folder / name))[: size[0], : size[1]] for name in PHOTOS]
    return np.stack(crops).astype(np.float32) / 127.5 - 1


def outputs(model) -> dict[str, list]:
    """Size → photo → ten shares."""
    return {f"{h}x{w}": model.predict(photos((h, w)), verbose=0).astype(float).round(7).tolist() for h, w in SIZES}


def save_all(model_name: str, folder: Path) -> tuple[dict, dict]:
    """Write the files; return the outputs of Keras 3 and Keras 2, and the facts about the network."""
    network = NETWORKS[model_name]
    for library in (keras, tf_keras):
        library.backend.clear_session()  # numbers from the start
    new, old = fill(nima(keras, network)), fill(nima(tf_keras, network))
    nima(keras, network), nima(tf_keras, network)  # so that the numbers of what follows go on from here
    shifted, nested = fill(nima(tf_keras, network)), fill(nima(tf_keras, network, nested=True))
    nested3 = fill(nima(keras, network, nested=True))

    new.save_weights(folder / f"{model_name}-keras3.weights.h5")
    new.save(folder / f"{model_name}-keras3-whole.h5")
    old.save_weights(folder / f"{model_name}-keras2.h5", save_format="h5")
    shifted.compile(optimizer="adam", loss="mse")
    shifted.optimizer.build(shifted.trainable_variables)
    shifted.save(folder / f"{model_name}-keras2-shifted-whole.h5", save_format="h5")
    nested.save_weights(folder / f"{model_name}-keras2-nested.h5", save_format="h5")
    nested3.save_weights(folder / f"{model_name}-keras3-nested.weights.h5")

    layers = [[x.name, dict(zip(names_of(x), [list(w.shape) for w in x.weights], strict=True))] for x in new.layers]
    return {"keras3": outputs(new), "keras2": outputs(old)}, {"layers": layers, "outputs": outputs(new)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files go, about 2 GB")
    parser.add_argument("--record", type=Path, help="write the reference of the fast tests here")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    measured, reference = {}, {}
    for name in NETWORKS:
        measured[name], reference[name] = save_all(name, args.folder)
    (args.folder / "outputs.json").write_text(json.dumps(measured))
    if args.record:
        versions = {"keras": keras.__version__, "tf_keras": tf_keras.__version__, "tensorflow": tf.__version__}
        versions |= {"numpy": np.__version__, "h5py": h5py.__version__, "python": platform.python_version()}
        head = {
            "what": "NIMA in real Keras, weights from tests/keras/random_weights.py: layers of model.layers in order "
            "with the shapes of their weights, and outputs by height×width on the upper left corners of the photos",
            "command": "python tests/keras/make_nima.py FOLDER --record tests/reference/keras_nima.json",
            "versions": versions,
            "photos": PHOTOS,
        }
        args.record.write_text(compact(head | reference))


def compact(value, depth: int = 0) -> str:
    """JSON with a line a layer."""
    if isinstance(value, dict) and depth < 2:
        rows = [f"{json.dumps(k)}: {compact(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + "\n}" + ("\n" if depth == 0 else "")
    if isinstance(value, list) and depth == 2 and len(value) > 10:
        return "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in value) + "\n]"
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    main()
