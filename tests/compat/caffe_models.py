"""Caffe's networks for tests: files of narrow ones, and what they compute, in NumPy."""

import numpy as np
import torch

from tests.compat import caffe_encoder as caffe

# Outputs of the fully connected layers in these tests: 4096 twice would make every file hundreds of megabytes.
WIDE, NARROW = 24, 16

ALEXNET_SHAPES = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (WIDE, 9216),
    "fc7": (NARROW, WIDE),
    "fc8": (1, NARROW),
}
VGG_CHANNELS = {"1": (64, 64), "2": (128, 128), "3": (256, 256, 256), "4": (512, 512, 512), "5": (512, 512, 512)}
ORDERS = {"alexnet": ("norm1", "pool1", "norm2", "pool2"), "caffenet": ("pool1", "norm1", "pool2", "norm2")}
KINDS = {"norm": "LRN", "pool": "Pooling"}
SETTINGS = {
    "conv1": {"stride": 4},
    "conv2": {"pad": 2, "group": 2},
    "conv3": {"pad": 1},
    "conv4": {"pad": 1, "group": 2},
    "conv5": {"pad": 1, "group": 2},
}


def random_weights(shapes, seed=0):
    """Name → (weight, bias), of a size that lets values of 0–255 through."""
    rng = np.random.default_rng(seed)
    return {
        name: (
            (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32),
            rng.standard_normal(shape[0]).astype(np.float32),
        )
        for name, shape in shapes.items()
    }


def alexnet_file(weights, model="alexnet", old=False, legacy=False, names=None, bare=False, double=False, **change):
    """The bytes of a .caffemodel. `bare`: only layers with weights; `change`: layer → (weight, bias)."""
    weights = weights | change
    order = ORDERS[model]
    places = {"conv1": order[:2], "conv2": order[2:], "conv5": ("pool5",)}
    layers = [] if bare else [caffe.layer("data", "Data", old=old)]
    for name, arrays in weights.items():
        blobs = [caffe.blob(a, legacy, double, pieces=2 if name == "conv3" else 1) for a in arrays]
        kind = "Convolution" if name.startswith("conv") else "InnerProduct"
        parameters = caffe.convolution(old, **SETTINGS[name]) if name in SETTINGS and not bare else b""
        layers.append(caffe.layer((names or {}).get(name, name), kind, blobs, old, parameters))
        if not bare:
            layers.append(caffe.layer(f"relu_{name}", "ReLU", old=old))
            layers += [caffe.layer(place, KINDS[place[:4]], old=old) for place in places.get(name, ())]
    return caffe.network(layers)


def images(n=2, side=227, seed=0):
    """Whole values of 0–255, as RGB in [0, 1]."""
    pixels = torch.randint(0, 256, (n, 3, side, side), generator=torch.Generator().manual_seed(seed))
    return pixels.float() / 255


# Caffe's layers in NumPy, in float64.


def np_conv(x, weight, bias, stride=1, pad=0, group=1):
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    side = weight.shape[-1]
    out = []
    for part, filters in zip(np.split(x, group), np.split(weight.astype(np.float64), group), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(part, (side, side), axis=(1, 2))[:, ::stride, ::stride]
        out.append(np.einsum("chwij,ocij->ohw", windows, filters, optimize=True))
    return np.concatenate(out) + bias[:, None, None].astype(np.float64)


def np_pool(x):
    """3×3 with step 2; the last window may hang over the edge."""
    size = [-(-(n - 3) // 2) + 1 for n in x.shape[1:]]
    rows = [[x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2)) for j in range(size[1])] for i in range(size[0])]
    return np.moveaxis(np.array(rows), 2, 0)


def np_norm(x):
    """Over 5 neighbouring channels, those that there are."""
    out = np.empty_like(x)
    for c in range(len(x)):
        total = np.zeros(x.shape[1:])
        for other in range(max(0, c - 2), min(len(x), c + 3)):
            total += x[other] ** 2
        out[c] = x[c] / (1 + 1e-4 / 5 * total) ** 0.75
    return out


def np_alexnet(weights, image, model="alexnet"):
    """The score of one image, C×H×W as the network sees it."""
    relu = lambda x: np.maximum(x, 0)  # noqa: E731
    steps = {"norm": np_norm, "pool": np_pool}
    x = image.astype(np.float64)
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5"):
        x = relu(np_conv(x, *weights[name], **SETTINGS[name]))
        for step in {"conv1": ORDERS[model][:2], "conv2": ORDERS[model][2:], "conv5": ("pool5",)}.get(name, ()):
            x = steps[step[:4]](x)
    x = x.ravel()
    for name in ("fc6", "fc7", "fc8"):
        x = weights[name][0].astype(np.float64) @ x + weights[name][1]
        x = x if name == "fc8" else relu(x)
    return x[0]
