"""Where a model lies: with the package, in a folder, or in a repository of the Hugging Face hub."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.models.bundled import BUNDLED, DEFAULT

WEIGHTS, CONFIG = "model.safetensors", "config.json"
NO_FILES = ("imagenet", "none")  # what weights may be beside a file
HUB_OPTIONS = ("revision", "cache_dir", "token", "force_download", "local_files_only")
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # owner/name
_PATIENCE = 10  # seconds
# What the errors of the hub's client mean, by their names.
_WHY = {
    "GatedRepoError": "access to it must be asked for on its page",
    "RepositoryNotFoundError": "no such repository; a private one needs a token: hf auth login",
    "RevisionNotFoundError": "it has no such revision",
    "LocalEntryNotFoundError": "it was not downloaded before, and nothing may be downloaded now",
    "EntryNotFoundError": f"it does not hold {CONFIG} and {WEIGHTS}",
    "OfflineModeIsEnabled": "HF_HUB_OFFLINE is set",
}


def find_model(folder: str | Path) -> Path:
    """The folder that holds config.json: `folder` itself, the `model` in a training run, or that of a bundled model.

    A model of one's own wins over a bundled one of its name (`rankiqa.models.bundled.BUNDLED`); a folder of that name
    that holds no model, as one of ranked images, does not.

    Raises:
        InputError: there is no such folder, or no model in it.
    """
    folder = Path(folder)
    for place in (folder, folder / "model"):
        if (place / CONFIG).is_file():
            return place
    if str(folder) in BUNDLED:
        return BUNDLED[str(folder)]
    if not folder.is_dir():
        raise InputError(
            "no such model folder",
            path=folder,
            cure=f"train one with train/train_rank.sh, give one, or a bundled one: {', '.join(BUNDLED)}",
            options=("model",),
        )
    checkpoints = sorted((folder / "checkpoints").glob(f"step-*/{CONFIG}"))
    cure = f"the run is not finished: resume it, or give {checkpoints[-1].parent}" if checkpoints else ""
    raise InputError(f"no {CONFIG} in it, so it is not a model", path=folder, cure=cure)


def check_weights(weights: str | Path) -> None:
    """Raise `InputError` for the `weights` of `build_model` where they are a file that is not there, or no safetensors.

    "imagenet" and "none" are no files.
    """
    if weights in NO_FILES:
        return
    path = Path(weights)
    if not path.is_file():
        raise InputError("no such weights file", path=path)
    if path.suffix != ".safetensors":
        raise InputError("weights are read from .safetensors files only (a pickle can run code)", path=path)


def check_free(out: str | Path, overwrite: bool = False) -> None:
    """Raise `InputError` where a model cannot be made in `out`.

    Something is there, but for a model to `overwrite`; or the system would refuse.
    """
    out = Path(out)
    above = out.absolute().parent
    while not above.exists():
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(f"cannot be written: {above} is not a folder that you may write to", path=out)
    there = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if there and not (overwrite and (out / CONFIG).is_file()):
        raise InputError(
            "is there already", path=out, cure="give another folder, or overwrite a model", options=("out", "overwrite")
        )


def locate(model: str | Path | None = None, **hub: Any) -> Path:
    """The folder of a model: config.json and model.safetensors.

    Args:
        model: a model folder or a training run; "default" or "ranks", a model that comes with the package; OWNER/NAME
            on the hub, whose two files are downloaded once and kept; None: "default" of the package. A folder that is
            there wins over a repository of its name, and one that holds a model over the package's.
        hub: revision, cache_dir, token, force_download and local_files_only of `huggingface_hub.hf_hub_download`.

    Raises:
        InputError: there is no such folder, or the hub does not give the two files.
        TypeError: another keyword.
    """
    if unknown := sorted(set(hub) - set(HUB_OPTIONS)):
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}; known: {', '.join(HUB_OPTIONS)}")
    if model is None:
        return BUNDLED[DEFAULT]
    return _download(str(model), hub) if _is_of_hub(model) else find_model(model)


def check_model(model: str | Path | None) -> None:
    """Raise the `InputError` of `locate` where the hub need not be asked: it is there at once, and loads nothing."""
    if model is not None and not _is_of_hub(model):
        find_model(model)


def _is_of_hub(model: str | Path) -> bool:
    return not Path(model).exists() and _HUB_ID.fullmatch(str(model)) is not None


def _download(name: str, hub: dict[str, Any]) -> Path:
    import logging

    with extra("hub", f"{name}, which is no folder here but may be a model of the Hugging Face hub"):
        from huggingface_hub import hf_hub_download

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; one line says it all
    try:
        _reach(name, hub)
        paths = [Path(hf_hub_download(name, file, **hub)) for file in (CONFIG, WEIGHTS)]
    except Exception as error:  # the hub's client raises its own kinds, httpx's and OSError
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        reason = next((_WHY[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _WHY), first)
        raise InputError(
            f"no such model folder, and the Hugging Face hub does not give a model of that name ({reason})",
            path=name,
            cure="give a folder, a run, or OWNER/NAME of the hub",
        ) from error
    return paths[0].parent


def _reach(name: str, hub: dict[str, Any]) -> None:
    """Without what was downloaded before, ask the hub once: its client asks six times, which takes half a minute."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.utils import get_session

    if hub.get("local_files_only") or constants.HF_HUB_OFFLINE:
        return
    if not isinstance(try_to_load_from_cache(name, WEIGHTS, hub.get("cache_dir"), hub.get("revision")), str):
        try:
            get_session().head(constants.ENDPOINT, timeout=_PATIENCE)
        except Exception as error:  # httpx's kinds, or those of requests
            raise ConnectionError(f"it cannot be reached: {error}") from error
