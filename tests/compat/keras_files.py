"""Files as Keras writes them, with the layers and shapes that were recorded from real Keras."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import torch

from tests.keras.random_weights import layer_keys, weight

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "keras_nima.json").read_text())
INCEPTION, MOBILENET = "nima-inception_resnet_v2", "nima-mobilenet"
TOLERANCE = 1e-4  # of a share of the votes; 5e-7 was measured


def tensors(model):
    """(layer, weights) in the order of Keras's model.layers, with the values that the rule gives them."""
    layers = REFERENCE[model]["layers"]
    keys = layer_keys([name for name, _ in layers])
    for name, shapes in layers:
        yield name, {w: weight(keys[name], w, tuple(shape)) for w, shape in shapes.items()}


def write_legacy(path, model, rename=lambda name: name, whole=False, base=None, end=":0"):
    """As Keras's `save_weights` and `save` do; `base`: a name under which all but the dense layer are one layer."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        root.attrs["keras_version"] = "2.2.4"
        names = []
        for layer, weights in tensors(model):
            name = rename(layer)
            group = root.require_group(base if base and not layer.startswith("dense") else name)
            names.append(group.name.strip("/").encode())
            for w, value in weights.items():
                group.create_dataset(f"{name}/{w}{end}", data=value)
        root.attrs["layer_names0"], root.attrs["layer_names1"] = names[:5], names[5:40]
        if whole:
            root.create_group("top_level_model_weights")
            file.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": "never run"}}'
            file.create_dataset("optimizer_weights/adam/iteration", data=np.int64(3))
    return path


def write_keras3(path, model, base=None):
    """As Keras 3 does: groups are numbered by class, and the layer's name is an attribute of vars."""
    with h5py.File(path, "w") as file:
        for number, (layer, weights) in enumerate(tensors(model)):
            nested = f"layers/{base}/layers" if base and not layer.startswith("dense") else "layers"
            group = file.create_group(f"{nested}/layer_{number}/vars")
            group.attrs["name"] = layer
            for k, value in enumerate(weights.values()):
                group[str(k)] = value
        file.create_group("vars").attrs["name"] = "functional"
        file.create_dataset("optimizer/vars/0", data=np.int64(3))
        file.create_dataset("layers/dropout/seed_generator/vars/0", data=np.zeros(2, np.uint32))
    return path


def check_outputs(imported, photos, model):
    for size, votes in REFERENCE[model]["outputs"].items():
        height, width = map(int, size.split("x"))
        crops = [torch.from_numpy(photos[name][:height, :width].copy()) for name in REFERENCE["photos"]]
        with torch.inference_mode():
            ours = imported.model(torch.stack(crops).permute(0, 3, 1, 2) / 255, distribution=True)
        np.testing.assert_allclose(ours, votes, atol=TOLERANCE, rtol=0, err_msg=size)
        assert np.std(votes, axis=0).max() > 50 * TOLERANCE  # the photos differ by far more


def later(name):
    """As in a session that had made seven such layers before: conv2d → conv2d_7, conv2d_2 → conv2d_9."""
    match = re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d+))?", name)
    return f"{match[1]}_{int(match[2] or 0) + 7}" if match else name
