"""Where a model lies: the one that comes with the package, a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError
from rankiqa.models.checkpoint import CONFIG, WEIGHTS, find_model

BUNDLED = Path(__file__).parents[1] / "bundled" / "compact"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")  # owner/name


def locate(model: str | Path | None = None, **hub: Any) -> Path:
    """The folder of a model: config.json and model.safetensors.

    Args:
        model: a model folder or a training run; OWNER/NAME on the hub, whose two files are downloaded once and kept;
            None: the model that comes with the package. A folder that is there wins over a repository of its name.
        hub: revision, cache_dir, token, force_download and local_files_only of `huggingface_hub.hf_hub_download`.

    Raises:
        InputError: there is no such folder, or the hub does not give the two files.
    """
    if model is None:
        return BUNDLED
    if Path(model).exists() or not _HUB_ID.fullmatch(str(model)):
        return find_model(model)
    return _download(str(model), hub)


def _download(name: str, hub: dict[str, Any]) -> Path:
    import logging

    from huggingface_hub import hf_hub_download

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; one line says it all
    try:
        paths = [Path(hf_hub_download(name, file, **hub)) for file in (CONFIG, WEIGHTS)]
    except Exception as error:  # the hub's client raises its own kinds, httpx's and OSError
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{name}: no such model folder, and the Hugging Face hub does not give a model of that name "
            f"({reason[:160]}); give a folder, a run, or OWNER/NAME of the hub"
        ) from error
    return paths[0].parent
