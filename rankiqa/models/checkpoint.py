"""A model on disk: a folder with model.safetensors and config.json, and nothing that can run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import torch

from rankiqa.errors import InputError
from rankiqa.models.build import build_model, layout, read_weights
from rankiqa.models.config_file import FORMAT, HALF, read_config
from rankiqa.models.locate import CONFIG, WEIGHTS, check_free, find_model
from rankiqa.models.nima import build_nima
from rankiqa.models.rank_model import RankModel
from rankiqa.models.unfilled import Unfilled


def replace_folder(temporary: Path, final: Path) -> None:
    """Put a finished folder in its place; whoever looks sees the old one or the new one, whole."""
    if final.exists():
        old = final.with_name(f".{final.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.rename(final, old)
        os.rename(temporary, final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(temporary, final)


def save_model(
    model: RankModel,
    folder: str | Path,
    *,
    training_photos: dict[str, str] | None = None,
    score_range: tuple[float, float] | None = None,
    finetuned_on: dict | None = None,
    provenance: dict | None = None,
    reference: dict | None = None,
    half: bool = False,
) -> None:
    """Write `folder`/model.safetensors and config.json, both new before either is seen.

    Args:
        model: what to save.
        folder: made if need be; an older model there is replaced whole.
        training_photos: SHA-256 of the pixels of each pristine photo trained on (`rankiqa.images.photos.pixels_sha256`)
            → its reference name. Older models have training_references instead, with the SHA-256 of the files.
        score_range: (lowest, highest) of a calibrated score; None for ranking alone.
        finetuned_on: of a calibrated score: dataset, the groups and paths trained on, or the split of which all but the
            test part was, native_range and native_higher_is_better of its human scores.
        provenance: how it was made.
        reference: the scores of known images, as `rankiqa.models.reference.Reference.config` gives them.
        half: in half precision, for scoring: half the bytes; `load_model` widens it, a training refuses it.
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write_model_files(model, temporary, training_photos, score_range, finetuned_on, provenance, reference, half)
    replace_folder(temporary, folder)


def write_model_files(
    model: RankModel,
    folder: Path,
    training_photos: dict[str, str] | None = None,
    score_range: tuple[float, float] | None = None,
    finetuned_on: dict | None = None,
    provenance: dict | None = None,
    reference: dict | None = None,
    half: bool = False,
) -> None:
    """Write the two files of `save_model`, whose arguments these are, into a folder that nobody reads yet."""
    from safetensors.torch import save

    # Contiguous copies in float32: the memory layout of the training is no business of the file.
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.backbone.state_dict().items()}
    if half:
        tensors = {k: _halved(k, v) for k, v in tensors.items()}
    weights = save(tensors)  # as bytes: `save_file` makes a file that nobody else may read
    (folder / WEIGHTS).write_bytes(weights)
    config = {
        "format": FORMAT,
        **({"dtype": HALF} if half else {}),
        "architecture": model.architecture(),
        "preprocessing": model.input_steps(),
        "higher_is_better": True,
        "score_range": score_range,
        "reference": reference,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "provenance": provenance or {},
        "training_photos": training_photos,
        "finetuned_on": finetuned_on,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _halved(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """In half precision, but for what standardises the statistics, whole numbers, and numbers beyond its range."""
    if name in ("centre", "spread") or not tensor.is_floating_point():
        return tensor
    narrow = tensor.half()
    return narrow if torch.equal(narrow.isfinite(), tensor.isfinite()) else tensor


def widen_model(folder: str | Path, out: str | Path, overwrite: bool = False) -> None:
    """Write a model in half precision anew in float32, to train from: the same numbers, four bytes each.

    Args:
        folder: of the model, which stays as it is.
        out: the folder to make; its config.json is that of the model, with the hash of the file that it was made of
            under provenance.widened_from.
        overwrite: replace a model that is there.

    Raises:
        InputError: as for `load_model`; the model is in float32 already, or `out` is there.
    """
    folder, out = find_model(folder), Path(out)
    model, config = load_model(folder)
    if config.get("dtype") != HALF:
        raise InputError("is in float32 already", path=folder, cure="use it as it is")
    check_free(out, overwrite)
    temporary = out.with_name(f".{out.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write_model_files(model, temporary)
    made = json.loads((temporary / CONFIG).read_text(encoding="utf-8"))
    origin = (config.get("provenance") or {}) | {"widened_from": config["weights_sha256"]}
    kept = {key: value for key, value in config.items() if key != "dtype"}
    text = json.dumps(kept | {"weights_sha256": made["weights_sha256"], "provenance": origin}, indent=1)
    (temporary / CONFIG).write_text(text + "\n", encoding="utf-8")
    replace_folder(temporary, out)


def load_model(folder: str | Path, device: str | torch.device = "cpu") -> tuple[RankModel, dict]:
    """Read a model that `save_model` wrote; one in half precision is widened to float32, for scoring.

    Args:
        folder: of the model, or of a training run; or the name of a bundled model.
        device: where it shall be.

    Returns:
        The model, in evaluation mode, and the content of its config.json.

    Raises:
        InputError: something is missing, damaged or of another format; the file is named.
    """
    folder = find_model(folder)
    config = read_config(folder / CONFIG)
    architecture, preprocessing = config["architecture"], dict(config["preprocessing"])
    name, dropout = architecture["name"], architecture.get("dropout")
    crop, resize = preprocessing.pop("crop"), preprocessing.pop("resize", None)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError("missing", path=weights, cure="copy the model folder whole")
    if hashlib.sha256(weights.read_bytes()).hexdigest() != config["weights_sha256"]:
        raise InputError(
            f"is not the file that {CONFIG} describes (SHA-256 differs)", path=weights, cure="copy both again"
        )

    def build() -> RankModel:
        if architecture.get("votes"):
            return build_nima(name, "none", preprocessing, crop, dropout, resize)
        return build_model(name, "none", preprocessing, crop, dropout, architecture.get("head", "linear"))

    tensors = read_weights(weights)
    if config.get("dtype") != HALF and any(value.dtype == torch.float16 for value in tensors.values()):
        raise InputError(f"has tensors in half precision, and {CONFIG} says nothing of them", path=weights)
    # The shapes alone: a small file must not have a network of many GB made.
    with torch.device("meta"), Unfilled():
        if layout(build().backbone.state_dict()) != layout(tensors):
            raise InputError(f"the weights are of another network than {name}", path=weights)
    with Unfilled():
        model = build()
    model.backbone.load_state_dict(tensors)
    return model.eval().to(device), config
