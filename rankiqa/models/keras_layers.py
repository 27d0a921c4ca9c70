"""Keras counts the layers of InceptionResNetV2, the activations and sums among them; this finds the place in timm's."""

from __future__ import annotations

from rankiqa.errors import InputError

# How many layers of Keras each part has, in the order of `model.layers`, the input layer first. A convolution with its
# batch norm and activation counts three, a pool and a concatenation one each; a residual block ends with four more: the
# concatenation, the last convolution, the scaled sum and the activation. tests/reference/keras_nima.json has them one
# by one, as Keras lists them.
_PARTS = (
    ("", 1),  # the input
    ("conv2d_1a", 3),
    ("conv2d_2a", 3),
    ("conv2d_2b", 3),
    ("maxpool_3a", 1),
    ("conv2d_3b", 3),
    ("conv2d_4a", 3),
    ("maxpool_5a", 1),
    ("mixed_5b", 7 * 3 + 2),
    *[(f"repeat.{k}", 6 * 3 + 4) for k in range(10)],
    ("mixed_6a", 4 * 3 + 2),
    *[(f"repeat_1.{k}", 4 * 3 + 4) for k in range(20)],
    ("mixed_7a", 7 * 3 + 2),
    *[(f"repeat_2.{k}", 4 * 3 + 4) for k in range(9)],
    ("block8", 4 * 3 + 3),  # the last residual block has no activation
    ("conv2d_7b", 3),
    ("global_pool", 3),  # average pool, dropout, dense
)
LAYERS = sum(layers for _, layers in _PARTS)


def boundaries() -> dict[str, int]:
    """Name of a module of timm's inception_resnet_v2 → how many of Keras's layers come before it."""
    counts, total = {}, 0
    for name, layers in _PARTS:
        counts[name] = total
        total += layers
    del counts[""]
    return counts


def layer_at(count: int) -> str:
    """The first module of timm's inception_resnet_v2 that learns when the first `count` layers of Keras's are frozen.

    Args:
        count: as in Keras's `for layer in model.layers[:count]: layer.trainable = False`, of InceptionResNetV2 without
            its top, with average pool, dropout and a dense layer: 783 layers.

    Raises:
        InputError: a count inside a block, or one that leaves nothing to learn.

    >>> layer_at(618)
    'repeat_2'
    """
    known = boundaries()
    top = known["global_pool"]
    if not 1 <= count < LAYERS:
        raise InputError(
            f"freeze_until: {count} of Keras's layers",
            cure=f"give 1 to {LAYERS - 1}, which leaves the last of {LAYERS}",
        )
    if count >= top:
        # The pool and the dropout have no weights; a frozen dropout would do nothing here, and still work in Keras.
        return "global_pool"
    for name, layers in known.items():
        if layers == count:
            # The whole row of blocks where its first one begins: the same place, and the shorter name.
            return name.removesuffix(".0")
    inside = max((name for name in known if known[name] < count), key=known.__getitem__)
    below, above = known[inside], min(layers for layers in known.values() if layers > count)
    raise InputError(
        f"freeze_until: {count} of Keras's layers end inside {inside}",
        cure=f"give {below}, and it learns, or {above}, and it is frozen",
    )
