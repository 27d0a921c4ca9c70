"""What this machine has for rankiqa, what is missing, and how to get it.

Every check runs by itself, so that one that fails, a broken PyTorch even, leaves the others to tell their part.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

OK, MISSING, BROKEN = "ok", "missing", "broken"
# What every use needs. The extras are told of apart from it, but for those that only bring others.
PACKAGES = (
    *("torch", "torchvision", "numpy", "scipy", "pandas", "opencv-python", "scikit-image", "pillow", "safetensors"),
    "tqdm",
)
COLLECTIONS = ("all", "dev")
_REQUIREMENT = re.compile(r"""^([\w.-]+).*;\s*extra\s*==\s*['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        group: the heading that it stands under.
        name: what was looked at.
        state: "ok"; "missing" for an optional thing that is not there; "broken" for one that rankiqa needs.
        text: what was found.
        cure: what to do about it; empty where all is well.
    """

    group: str
    name: str
    state: str
    text: str
    cure: str = ""


def examine() -> list[Finding]:
    """All findings, in the order of the report."""
    checks = (_python, _packages, _torch, _devices, _codecs, _model, _extras, _hub)
    return [finding for check in checks for finding in _guarded(check)]


def _guarded(check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:  # whatever a broken installation raises
        name = check.__name__.strip("_")
        return [Finding(name, name, BROKEN, _line(error), "see to what is broken above; else reinstall the packages")]


def _line(error: BaseException) -> str:
    """An error in one line, without the folders of this machine: they name its user."""
    text = " ".join(str(error).split())
    for place in (Path(__file__).parents[2], Path(sys.prefix), Path.home()):
        if len(place.parts) > 1:  # not the root itself, which is in every path
            text = text.replace(os.fspath(place), "…")
    return f"{type(error).__name__}: {text}"[:200]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python() -> Iterable[Finding]:
    from rankiqa.version import __version__

    yield Finding("versions", "rankiqa", OK, __version__)
    old = sys.version_info < (3, 10)
    cure = "use Python 3.10 or newer" if old else ""
    yield Finding(
        "versions", "python", BROKEN if old else OK, f"{platform.python_version()}, {platform.system()}", cure
    )


def _packages() -> Iterable[Finding]:
    for name in PACKAGES:
        version = _version(name)
        if version is None:
            yield Finding("versions", name, BROKEN, "not installed", f"pip install {name}")
        else:
            yield Finding("versions", name, OK, version)


def _torch() -> Iterable[Finding]:
    cure = "install both anew, together and from one index: pip install --force-reinstall torch torchvision"
    for name in ("torch", "torchvision", "torchvision.ops"):
        try:
            importlib.import_module(name)
        except Exception as error:
            # "operator torchvision::nms does not exist": the two were built for each other's neighbours.
            yield Finding("PyTorch", name, BROKEN, f"cannot be imported: {_line(error)}", cure)
            return
    import torch
    import torchvision

    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4]])
    torchvision.ops.nms(boxes, torch.tensor([1.0, 0.5]), 0.5)
    yield Finding("PyTorch", "torch and torchvision", OK, "fit each other")


def _devices() -> Iterable[Finding]:
    import torch

    yield Finding("devices", "cpu", OK, f"{platform.machine()}, {torch.get_num_threads()} threads of {os.cpu_count()}")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(index)
            yield Finding("devices", f"cuda:{index}", OK, f"{found.name}, {found.total_memory / 2**30:.0f} GiB")
    else:
        built = torch.version.cuda
        why = (
            "this torch is built without it" if built is None else f"no device found (torch is built for CUDA {built})"
        )
        yield Finding("devices", "cuda", MISSING, why, "" if built else "a CUDA build of torch, if there is a GPU")


def _codecs() -> Iterable[Finding]:
    import numpy as np
    from PIL import Image

    from rankiqa.distortions.compression import jpeg2000

    y, x = np.mgrid[:32, :48]
    image = np.stack([5 * x, 8 * y, 255 - 5 * x], axis=-1).astype(np.uint8)
    for name in ("PNG", "BMP", "TIFF", "GIF", "JPEG", "WEBP", "JPEG2000", "AVIF"):
        try:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, name)
            again = np.asarray(Image.open(buffer).convert("RGB")).astype(int)
            error = np.abs(again - image).mean()
            lossless = name in ("PNG", "BMP", "TIFF")
            good = error == 0 if lossless else error < 20
            yield Finding(
                "codecs", name, OK if good else BROKEN, "reads and writes" if good else f"errs by {error:.0f}"
            )
        except Exception as error:
            yield Finding("codecs", name, BROKEN, _line(error), "pip install --force-reinstall pillow")
    try:
        jpeg2000(image, 20, np.random.default_rng(0))
        yield Finding("codecs", "JPEG 2000 at a given ratio", OK, "encodes")
    except Exception as error:
        yield Finding("codecs", "JPEG 2000 at a given ratio", BROKEN, _line(error), 'pip install "pillow>=11.3"')


def _model() -> Iterable[Finding]:
    import numpy as np

    from rankiqa.models.bundled import BUNDLED
    from rankiqa.models.locate import WEIGHTS
    from rankiqa.scoring.scorer import Scorer

    for name, folder in BUNDLED.items():
        try:
            score = Scorer.load(folder, device="cpu").score(np.full((96, 96, 3), 128, np.uint8))
        except Exception as error:
            cure = "reinstall rankiqa: its folder rankiqa/bundled is not whole"
            yield Finding("model", name, BROKEN, _line(error), cure)
            continue
        size = (folder / WEIGHTS).stat().st_size / 1e6
        yield Finding("model", name, OK, f"{size:.1f} MB, scores an image: {score.value:.3f}")


def extras() -> dict[str, list[str]]:
    """The optional extras of rankiqa, as it is installed: name → packages. `COLLECTIONS` are left out."""
    found: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("rankiqa") or ():
        if (match := _REQUIREMENT.match(line)) and match[2] not in COLLECTIONS:
            found.setdefault(match[2], []).append(match[1])
    return found


def _extras() -> Iterable[Finding]:
    for extra, packages in extras().items():
        versions = {name: _version(name) for name in packages}
        absent = [name for name, version in versions.items() if version is None]
        if absent:
            cure = f'pip install "rankiqa[{extra}]"'
            yield Finding("extras", extra, MISSING, f"without {', '.join(absent)}", cure)
        else:
            yield Finding("extras", extra, OK, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _hub() -> Iterable[Finding]:
    try:
        from huggingface_hub import constants
    except ModuleNotFoundError:  # an extra that is told of above
        return

    cache = Path(constants.HF_HUB_CACHE)
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if os.access(place, os.W_OK):
        yield Finding("Hugging Face hub", "cache", OK, "can be written")
    else:
        cure = "set HF_HOME to a folder that can be written"
        yield Finding("Hugging Face hub", "cache", MISSING, "cannot be written: no model can be downloaded", cure)
