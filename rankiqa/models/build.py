"""Architectures by name, with weights from ImageNet, from a file, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rankiqa.config.common import check_dropout
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.models import efficientnet_lite
from rankiqa.models.locate import check_weights
from rankiqa.models.names import is_timm_name, unknown
from rankiqa.models.preprocessing import PREPROCESSING, Preprocessing
from rankiqa.models.rank_model import RankModel
from rankiqa.models.shallow import Shallow
from rankiqa.models.statistics import StageStatistics, StatisticsHead


@dataclass(frozen=True)
class Architecture:
    """How a network is made, what its last layer is called, and the crop that the paper feeds it.

    Attributes:
        make: from dropout (None: the architecture's own) to the backbone with a single output. Its `features` are its
            convolutional part.
        head: name of its last layer.
        crop: side of its input in pixels.
        preprocessing: a name of `PREPROCESSING`.
        torchvision: name of torchvision's ImageNet weights, if there are any.
        stride: pixels from one place of the features to the next.
        top: from backbone and features to the score (N, 1); None: its method of this name. See `rankiqa.models.parts`.
        averages: the top is linear in the mean over the places.
    """

    make: Callable[[float | None], nn.Module]
    head: str
    crop: int
    preprocessing: str
    torchvision: str | None = None
    stride: int = 32
    top: Callable[[nn.Module, torch.Tensor], torch.Tensor] | None = None
    averages: bool = False


def _shallow(dropout: float | None) -> nn.Module:
    return Shallow(dropout or 0.0)


def _alexnet(dropout: float | None) -> nn.Module:
    from torchvision.models import alexnet

    net = alexnet(dropout=0.5 if dropout is None else dropout)
    net.classifier[6] = nn.Linear(4096, 1)
    return net


def _vgg16(dropout: float | None) -> nn.Module:
    from torchvision.models import vgg16

    net = vgg16(dropout=0.5 if dropout is None else dropout, init_weights=True)
    net.classifier[6] = nn.Linear(4096, 1)
    return net


def _squeezenet1_1(dropout: float | None) -> nn.Module:
    from torchvision.models import squeezenet1_1

    net = squeezenet1_1(dropout=0.5 if dropout is None else dropout)
    net.classifier[1] = nn.Conv2d(512, 1, kernel_size=1)
    # torchvision has a ReLU behind the last convolution: a score may be negative.
    net.classifier[2] = nn.Identity()
    return net


def _alexnet_caffe(dropout: float | None, pool_first: bool = False) -> nn.Module:
    from rankiqa.models.alexnet_caffe import AlexNetCaffe

    return AlexNetCaffe(pool_first, dropout=0.5 if dropout is None else dropout)


def _caffenet(dropout: float | None) -> nn.Module:
    return _alexnet_caffe(dropout, pool_first=True)


def _torchvision_top(net: nn.Module, maps: torch.Tensor) -> torch.Tensor:
    return net.get_submodule("classifier")(net.get_submodule("avgpool")(maps).flatten(1))


def _squeezenet_top(net: nn.Module, maps: torch.Tensor) -> torch.Tensor:
    return net.get_submodule("classifier")(maps).flatten(1)


ARCHITECTURES: dict[str, Architecture] = {
    "shallow": Architecture(_shallow, "head", 227, "imagenet", stride=16, averages=True),
    "alexnet": Architecture(_alexnet, "classifier.6", 227, "imagenet", "AlexNet_Weights", top=_torchvision_top),
    "vgg16": Architecture(_vgg16, "classifier.6", 224, "imagenet", "VGG16_Weights", top=_torchvision_top),
    "squeezenet1_1": Architecture(
        *(_squeezenet1_1, "classifier.1", 224, "imagenet", "SqueezeNet1_1_Weights", 16, _squeezenet_top, True)
    ),
    "alexnet_caffe": Architecture(_alexnet_caffe, "fc8", 227, "caffe"),
    "caffenet": Architecture(_caffenet, "fc8", 227, "caffe"),
}


# Ways out where weights cannot be had, as an `InputError` names them.
NO_WEIGHTS, WEIGHTS_OF_FILE = "model.weights=none", "model.weights=FILE.safetensors"
# How a file in half precision becomes one to train from, as an `InputError` says it.
WIDEN: dict[str, Any] = {"cure": "widen it first: rankiqa export float32 MODEL --out FOLDER"}


def timm_backbone(name: str, dropout: float | None, outputs: int = 1) -> tuple[nn.Module, str, Preprocessing]:
    """A network of timm with `outputs` outputs, the name of its last layer, and the preprocessing of its weights."""
    with extra("train", f"the network {name!r:.80}"):
        import timm

    if not is_timm_name(name) or not timm.is_model(name):
        raise unknown(name, timm.list_models(f"*{name.split('.')[0]}*") if is_timm_name(name) else [])
    options: dict[str, Any] = {} if dropout is None else {"drop_rate": dropout}
    try:
        net = timm.create_model(name, pretrained=False, num_classes=outputs, **options)
    except Exception as error:  # each of its networks refuses in its own way what it cannot be
        raise InputError(f"model.name: timm cannot make {name!r} ({' '.join(str(error).split())[:160]})") from error
    cfg = _pretrained_cfg(net)
    head = cfg.get("classifier")
    if not isinstance(head, str) or head not in dict(net.named_modules()):
        raise InputError(f"model.name: timm's {name!r} has no single last layer to make a score of")
    return net, head, Preprocessing("rgb", 1.0, cfg["mean"], cfg["std"])


def _pretrained_cfg(net: nn.Module) -> dict[str, Any]:
    """What timm tells with a network of its own: a plain dict, which the types of modules know nothing of."""
    cfg: Any = net.pretrained_cfg
    return cfg


def _no_download(name: str, error: Exception) -> InputError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(
        f"model.weights: the ImageNet weights of {name} cannot be downloaded ({reason[:120]})",
        cure="connect to the network, or give a file, or none to start from scratch",
        options=(WEIGHTS_OF_FILE, NO_WEIGHTS),
    )


def download(name: str, backbone: nn.Module) -> dict[str, torch.Tensor]:
    """ImageNet weights, from torchvision or from timm's place on the Hugging Face hub: name → tensor.

    Args:
        name: one of `ARCHITECTURES`, or a network of timm.
        backbone: the network of this name.

    Raises:
        InputError: there are none, or they cannot be downloaded.
    """
    if name not in ARCHITECTURES:
        return _download_timm(name, _pretrained_cfg(backbone))
    entry = ARCHITECTURES[name].torchvision
    if entry is None:
        raise _no_weights(f"there are no ImageNet weights of {name}")
    import torchvision

    weights = getattr(torchvision.models, entry).IMAGENET1K_V1
    try:
        # weights_only: tensors and nothing that could run; check_hash: the file that torchvision names.
        return weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise _no_download(name, error) from error


def _no_weights(reason: str) -> InputError:
    return InputError(
        f"model.weights: {reason}", cure="use none, or those of a file", options=(NO_WEIGHTS, WEIGHTS_OF_FILE)
    )


def _download_timm(name: str, cfg: dict[str, Any]) -> dict[str, torch.Tensor]:
    # timm's own loader falls back to pickles; the hub's safetensors file is fetched here, or none.
    import logging

    with extra("hub"):
        import huggingface_hub

    if not cfg.get("hf_hub_id"):
        raise _no_weights(f"timm publishes no weights of {name}")
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; one line says it all
    try:
        path = huggingface_hub.hf_hub_download(cfg["hf_hub_id"], "model.safetensors")
    except Exception as error:  # the hub's client raises its own kinds, httpx's and OSError
        raise _no_download(name, error) from error
    return read_weights(path)


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, by name. No pickle is read.

    Raises:
        InputError: there is no such file, it has another ending, or it is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_weights(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"not a readable safetensors file ({error})", path=path) from error


def layout(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Size, bool]]:
    """By which a file and a network are compared: name → shape, and whether the numbers are of floating point."""
    return {name: (value.shape, value.is_floating_point()) for name, value in tensors.items()}


def load_backbone(
    backbone: nn.Module, head: str, tensors: dict[str, torch.Tensor], path: str | Path | None = None
) -> bool:
    """Load `tensors` into `backbone`; only the last layer may have another shape, and is then left new.

    Args:
        backbone: changed in place.
        head: name of its last layer.
        tensors: by their names in the backbone.
        path: the file that they come from; None: a download.

    Returns:
        Whether the last layer came along.

    Raises:
        InputError: tensors that are missing, unknown, or of another shape or kind.
    """
    refuse_half(tensors, path)
    own, of_file = layout(backbone.state_dict()), layout(tensors)
    prefix = f"{head}."
    head_fits = all(of_file.get(k) == own[k] for k in own if k.startswith(prefix))
    body = {k for k in own if not k.startswith(prefix)}
    given = {k for k in tensors if not k.startswith(prefix)}
    # Batch norm's step counters are missing in files converted from elsewhere, and used by nothing here.
    missing = sorted(k for k in body - given if not k.endswith("num_batches_tracked"))
    surplus = sorted(given - body)
    wrong = sorted(k for k in body & given if own[k] != of_file[k])
    if missing or surplus or wrong:
        parts = [
            f"{len(names)} tensors {what} (first: {names[0]})"
            for what, names in (("missing", missing), ("unknown", surplus), ("of another shape or kind", wrong))
            if names
        ]
        where = "model.weights imagenet: " if path is None else ""
        raise InputError(f"{where}the weights are of another network: {'; '.join(parts)}", path=path)
    keep = {k: v for k, v in tensors.items() if k in body or (head_fits and k in own)}
    backbone.load_state_dict(keep, strict=False)
    return head_fits


def refuse_half(tensors: Mapping[str, torch.Tensor], path: str | Path | None) -> None:
    """`InputError` for weights in half precision, which are for scoring: small steps of a training vanish in them."""
    if any(value.dtype in (torch.float16, torch.bfloat16) for value in tensors.values()):
        raise InputError("is in half precision, which is for scoring, not to train from", path=path, **WIDEN)


def load_stages(backbone: StageStatistics, tensors: dict[str, torch.Tensor], path: str | Path | None = None) -> None:
    """Load `tensors` into a network of statistics: those of its backbone in timm's layout, or all of its own.

    Args:
        backbone: changed in place. In timm's layout, the tensors of the top that it leaves away are left away too.
        tensors: by their names.
        path: the file that they come from; None: a download.

    Raises:
        InputError: tensors that are missing, unknown, or of another shape or kind, or in half precision.
    """
    if "centre" in tensors:
        refuse_half(tensors, path)
        if layout(tensors) != layout(backbone.state_dict()):
            raise InputError(
                "the weights are of another network with statistics, or another head",
                path=path,
                cure="give the name and the head that they were trained with",
                options=("model.name", "model.hidden"),
            )
        backbone.load_state_dict(tensors)
        return
    body = {key: value for key, value in tensors.items() if key not in backbone.dropped}
    # No layer is called so: there is no last one here that could be left new.
    load_backbone(backbone.net, " ", body, path)


def initialise_head(backbone: nn.Module, head: str) -> None:
    """The original's new last layer: small Gaussian weights, no bias."""
    layer = backbone.get_submodule(head)
    nn.init.normal_(layer.get_parameter("weight"), std=0.01)
    nn.init.zeros_(layer.get_parameter("bias"))


def choose_preprocessing(asked: str | dict | None, default: Preprocessing) -> Preprocessing:
    """A preprocessing by its name in `PREPROCESSING`, from its fields, or the default; `InputError` for others."""
    if asked is None:
        return default
    if isinstance(asked, dict):
        return Preprocessing(**asked)
    if asked not in PREPROCESSING:
        raise InputError(f"model.preprocessing: unknown {asked!r}; known: {', '.join(PREPROCESSING)}")
    return Preprocessing(**PREPROCESSING[asked])


def build_model(
    name: str,
    weights: str = "none",
    preprocessing: str | dict | None = None,
    crop: int | None = None,
    dropout: float | None = None,
    head: str | Mapping[str, Any] = "linear",
) -> RankModel:
    """A network with one output.

    Args:
        name: one of `ARCHITECTURES`, or any backbone of timm.
        weights: "none"; "imagenet" (torchvision's or timm's download; the last layer is new); or the path of a
            .safetensors file of the backbone in torchvision's or timm's layout, or of a network of the same `head`.
        preprocessing: a name of `PREPROCESSING`, its fields as a dict, or None for the architecture's own.
        crop: side of the square input in pixels; None takes the architecture's own (timm: 224).
        dropout: probability; None keeps the architecture's own (of a head of statistics 0.3).
        head: "linear", a new last layer; or "statistics", `StageStatistics` on a convolutional network of timm. Or its
            fields as a dict: kind, hidden, drop_inputs, scale.

    Raises:
        InputError: unknown name, head or preprocessing, weights that cannot be had or are of another network.
    """
    check_dropout(dropout)
    fields = {"kind": head} if isinstance(head, str) else head
    if fields["kind"] == "statistics":
        return _build_statistics(name, weights, preprocessing, crop or 224, dropout, StatisticsHead.of(fields))
    if fields["kind"] != "linear":
        raise InputError(f"model.head must be one of linear, statistics; got {fields['kind']!r:.80}")
    if name in ARCHITECTURES:
        architecture = ARCHITECTURES[name]
        backbone, layer = architecture.make(dropout), architecture.head
        default = Preprocessing(**PREPROCESSING[architecture.preprocessing])
        crop = crop or architecture.crop
    else:
        backbone, layer, default = timm_backbone(name, dropout)
        crop = crop or 224
    steps = choose_preprocessing(preprocessing, default)
    initialise_head(backbone, layer)
    if weights == "imagenet":
        load_backbone(backbone, layer, download(name, backbone))
    elif weights != "none":
        load_backbone(backbone, layer, read_weights(weights), weights)
    return RankModel(name, backbone, layer, steps, crop, dropout)


def _build_statistics(
    name: str,
    weights: str,
    preprocessing: str | dict | None,
    crop: int,
    dropout: float | None,
    head: StatisticsHead,
) -> RankModel:
    if name in ARCHITECTURES:
        raise InputError(
            f"model.head: statistics are taken of the networks of timm, not of {name}",
            cure="name one of timm, or take another head",
            options=("model.name=tf_efficientnet_lite0", "model.head=linear"),
        )
    if name == efficientnet_lite.NAME:  # that of the bundled models: needs no timm, which takes long to import
        net: nn.Module = efficientnet_lite.EfficientNetLite0()
        cfg = efficientnet_lite.PRETRAINED
        default = Preprocessing("rgb", 1.0, cfg["mean"], cfg["std"])
    else:
        net, _, default = timm_backbone(name, None)
    backbone = StageStatistics(net, head, dropout)
    steps = choose_preprocessing(preprocessing, default)
    if weights == "imagenet":
        load_stages(backbone, download(name, net))
    elif weights != "none":
        load_stages(backbone, read_weights(weights), weights)
    return RankModel(name, backbone, "output", steps, crop, dropout)
