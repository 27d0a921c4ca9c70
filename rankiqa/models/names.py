"""Networks by name, told without PyTorch and timm, which take seconds to import."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

from rankiqa.errors import InputError

NETWORKS = ("shallow", "alexnet", "vgg16", "squeezenet1_1", "alexnet_caffe", "caffenet")  # those of `build`
NIMA_ALIASES = {"mobilenet": "mobilenetv1_100"}  # the paper's name for the network that timm calls by its width
NIMA_OWN = ("mobilenet_keras",)  # that a NIMA alone may be
SHOWN = 4  # names of timm that are like an unknown one
_TIMM = re.compile(r"[A-Za-z0-9_]{1,100}(\.[A-Za-z0-9_]{1,100})?")  # network, maybe a dot and a kind of weights
# How the source of timm makes a network known; the names that it has dropped stand in quotes.
_REGISTERED = re.compile(rb"\n@register_model\b[^\n]*\n(?:@[^\n]*\n)*def (\w+)\(")


def is_timm_name(name: str) -> bool:
    """Whether it may be a network of timm: a name and nothing but that.

    timm takes the places of other files in it too (hf-hub:…, local-dir:…).
    """
    return _TIMM.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise `InputError` for what names no network, of a NIMA or of any other, as far as it is known at once.

    Of timm's networks it is known by its source, in some 30 ms: a name that stands there neither as a function nor in
    quotes is none of them. What passes may still be none, which `rankiqa.models.build_model` says.
    """
    if name in (*NETWORKS, *NIMA_ALIASES, *NIMA_OWN):
        return
    if not is_timm_name(name):
        raise unknown(name)
    source, own = timm_source(), name.partition(".")[0]
    word = own.encode()
    if source and (word not in source or not re.search(rb"(def |['\"])" + word + rb"\b", source)):
        raise unknown(name, [known for known in registered(source) if own in known])


def registered(source: bytes) -> list[str]:
    """The names that timm's source registers, in order."""
    return sorted(name.decode() for name in _REGISTERED.findall(source))


def unknown(name: str, near: Sequence[str] = ()) -> InputError:
    """The error for a name of no network; `near` are names of timm that are like it."""
    hint = f"; timm has {', '.join(near[:SHOWN])}" if near else ""
    return InputError(
        f"model.name: unknown network {name!r:.80}; known: {', '.join(NETWORKS)}, and any of timm's{hint}"
    )


def timm_source() -> bytes:
    """What defines the networks of timm; empty where it is not there to be read."""
    spec = importlib.util.find_spec("timm")  # imports nothing
    places = spec.submodule_search_locations if spec else None
    files = sorted(Path(places[0], "models").glob("*.py")) if places else []
    try:
        return b"\n".join(file.read_bytes() for file in files)
    except OSError:
        return b""
