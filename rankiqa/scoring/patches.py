"""From a network that scores crops to one score of an image.

RankIQA scores 30 random crops of an image and averages them; `rankiqa.scoring.dense` takes all places at once. NIMA
judges the picture: it sees the whole image, resized to its input.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from rankiqa.errors import InputError
from rankiqa.images.crops import DENSE, MODES, WHOLE, check_least, check_small
from rankiqa.models.nima import Nima
from rankiqa.models.parts import parts_of
from rankiqa.scoring.dense import score_map
from rankiqa.scoring.inputs import cut
from rankiqa.votes import mean_of

PATCHES = 30  # of the paper
# Most crops in one pass. A GPU takes the paper's 30 at once; on a CPU the activations of so many fit no cache,
# and a few passes are faster (results/benchmarks/scoring.py).
CPU_PASS, GPU_PASS = 8, 128


class ImageTooSmall(InputError):
    """An image that a network cannot take at its native size."""


@dataclass(frozen=True)
class PatchScores:
    """The scores of an image's crops, or windows, (P,) float64, higher is better; the image's score is their mean.

    `votes`: (P, 10) shares of the votes from 1 to 10, of a network that predicts them. `size`: height and width of the
    image in pixels, where it was read from a file.
    """

    scores: np.ndarray
    votes: np.ndarray | None = None
    size: tuple[int, int] | None = None

    @property
    def mean(self) -> float:
        return float(self.scores.mean())

    @property
    def median(self) -> float:
        return float(np.median(self.scores))

    @property
    def std(self) -> float:
        """Standard deviation over the crops (divided by P): how much the score hangs on the place."""
        return float(self.scores.std())


def check_view(patches: int, mode: str | None) -> None:
    """Raise `InputError` for a number of patches, or a mode, that there is not; None is the model's own mode."""
    if patches < 1:
        raise InputError(f"patches must be at least 1, not {patches}")
    if mode is not None and mode not in MODES:
        raise InputError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")


def view_of(model: nn.Module, patches: int, mode: str | None) -> tuple[int, str]:
    """How many inputs an image gives at most, and the mode: the given one, or the model's own.

    `InputError` for a mode that the model does not allow.
    """
    mode = mode or getattr(model, "view", "random")
    check_view(patches, mode)
    if mode == DENSE:
        parts_of(model)
    return (1 if mode in (DENSE, *WHOLE) else patches), mode


def score_image(
    model: nn.Module,
    image: np.ndarray,
    patches: int = PATCHES,
    mode: str | None = None,
    seed: int = 0,
    small: str = "error",
    device: str | torch.device | None = None,
) -> PatchScores:
    """Score an image by its crops, in batches.

    The same pixels and seed give the same number, whatever the file is called and whatever is scored before
    or beside it: the places of the crops come from the seed and a hash of the pixels.

    Args:
        model: (N, 3, H, W) float RGB in [0, 1] → (N,), higher is better; `model.crop` is the side of its
            input. Evaluated in evaluation mode, and left in the mode it came in.
        image: uint8 H×W×3, RGB.
        patches: of "random" and "grid", see `rankiqa.images.crops.crop_positions`.
        mode: "random" or "grid" (see `rankiqa.images.crops.crop_positions`); "dense": every window of the features of
            the whole image (see `rankiqa.scoring.dense`), where the network allows it; "resize": the whole image,
            resized to the square of the crop's side whatever its shape (bilinear); "native": the whole image as it is.
            None: the model's own, which is random for one that was trained on ranks, resize for NIMA.
        seed: of the random places; the grid does not use it.
        small: what to do with an image smaller than the crop: "error"; "reflect" continues it beyond its
            borders as in a mirror; "resize" enlarges it (bicubic) until it holds one crop, which softens it
            and so changes what is judged.
        device: where to compute; the model is moved there. None: where the model is.

    Raises:
        InputError: not such an image, smaller than the crop with small="error", or a bad argument.
    """
    _, mode = view_of(model, patches, mode)
    crops = cut(image, _crop_side(model), patches, mode, seed, small)
    return score_inputs(model, crops, _place(model, device), mode)


def score_files(
    model: nn.Module,
    paths: Iterable[str | os.PathLike[str]],
    patches: int = PATCHES,
    mode: str | None = None,
    seed: int = 0,
    small: str = "error",
    device: str | torch.device | None = None,
    convert: bool = False,
    workers: int = 2,
    frames: str = "error",
    least: int = 1,
) -> Iterator[PatchScores | InputError]:
    """Score files one after another: for each path, in order, its scores or why it has none.

    `workers` threads read and cut the next files while the network runs (0: no threads); a few files ahead
    are held in memory, whatever the number of paths. Results do not depend on it. `convert` and `frames` are those of
    `rankiqa.images.reading.read_image`; `least` is the shortest side that an image may have; the other arguments are
    those of `score_image`. A file that cannot be read or is too small gives an `InputError` that names it; bad
    arguments are raised before any file is read.
    """
    if workers < 0:
        raise InputError(f"workers must be at least 0, not {workers}")
    crop, device = _crop_side(model), _place(model, device)
    _, mode = view_of(model, patches, mode)
    check_small(small)

    def read(path: str | os.PathLike[str]) -> tuple[str, torch.Tensor | InputError, tuple[int, int] | None]:
        from rankiqa.images.reading import read_image

        name = os.fspath(path)
        try:
            image = read_image(path, convert=convert, frames=frames)
        except InputError as error:
            return name, error, None
        try:
            check_least(image, least)
            return name, cut(image, crop, patches, mode, seed, small), image.shape[:2]
        except InputError as error:
            return name, InputError(f"{name}: {error}"), None

    def results() -> Iterator[PatchScores | InputError]:
        for name, crops, size in ahead(read, paths, workers):
            if isinstance(crops, InputError):
                yield crops
                continue
            try:
                yield replace(score_inputs(model, crops, device, mode), size=size)
            except ImageTooSmall as error:
                yield InputError(f"{name}: {error}")

    return results()


def pick_device(name: str) -> torch.device:
    """ "auto" (CUDA if there is any, else the CPU), "cpu", "cuda" or "cuda:N" as a device that is there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"device must be auto, cpu, cuda or cuda:N, not {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputError(f"device {name}: this machine has {count} CUDA devices; use auto or cpu")
    return device


def ahead(function, items: Iterable, workers: int) -> Iterator:
    """`map(function, items)` in threads, in order, with at most `workers` + 1 results waiting."""
    if not workers:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    waiting: deque = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also when whoever asked stops early
        pool.shutdown(wait=True, cancel_futures=True)


def _crop_side(model: nn.Module) -> int:
    crop = getattr(model, "crop", None)
    if not isinstance(crop, int) or crop < 1:
        raise InputError(f"{type(model).__name__}.crop must be the side of its input in pixels, not {crop!r}")
    return crop


def _place(model: nn.Module, device: str | torch.device | None) -> torch.device:
    if device is None:
        first = next(model.parameters(), None)
        return torch.device("cpu") if first is None else first.device
    if isinstance(device, str):
        device = pick_device(device)
    model.to(device)
    return device


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients, for a while; the model is left as it was."""
    training: Sequence[nn.Module] = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def score_inputs(model: nn.Module, crops: torch.Tensor, device: torch.device, mode: str = "random") -> PatchScores:
    """The scores of (P, 3, H, W) uint8 inputs, in passes of a few; `model` is on `device`.

    In mode "dense" P is 1, and the scores are those of all windows.
    """
    if mode == DENSE:
        with evaluating(model):
            return PatchScores(score_map(model, crops[0], device).ravel())
    parts = crops.split(CPU_PASS if device.type == "cpu" else GPU_PASS)
    with evaluating(model):
        # Channels last: convolutions are about twice as fast so on a CPU.
        images = (part.to(device, memory_format=torch.channels_last).float().div_(255) for part in parts)
        try:
            if isinstance(model, Nima):
                votes = torch.cat([model(part, distribution=True) for part in images]).double().cpu().numpy()
                return PatchScores(mean_of(votes), votes)
            scores = torch.cat([model(part) for part in images])
        except RuntimeError as error:
            if "size is too small" in str(error) or "can't be greater than actual input size" in str(error):
                height, width = crops.shape[2:]
                raise ImageTooSmall(f"{width}×{height} px is too small for the network; score it resized") from error
            raise
    if scores.shape != (len(crops),):
        shape = tuple(scores.shape)
        raise InputError(f"the model gave scores of shape {shape} for {len(crops)} crops, not (N,)")
    return PatchScores(scores.double().cpu().numpy())
