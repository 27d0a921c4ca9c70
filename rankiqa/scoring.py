"""From a network that scores crops to one score of an image.

RankIQA scores 30 random crops of an image and averages them. Crops are never resized: interpolation would
change the distortion that is to be judged. NIMA judges the picture: it sees the whole image, resized to its input.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rankiqa.errors import InputError
from rankiqa.models.nima import Nima
from rankiqa.seeding import generator
from rankiqa.votes import mean_of

CROPS = ("random", "grid")  # parts of the image
WHOLE = ("resize", "native")  # the image itself, once
MODES = CROPS + WHOLE
SMALL = ("error", "reflect", "resize")
PATCHES = 30  # of the paper
# Most crops in one pass. A GPU takes the paper's 30 at once; on a CPU the activations of so many fit no cache,
# and a few passes are faster (results/benchmarks/scoring.py).
CPU_PASS, GPU_PASS = 8, 128


class ImageTooSmall(InputError):
    """An image that a network cannot take at its native size."""


@dataclass(frozen=True)
class PatchScores:
    """The scores of an image's crops, (P,) float64, higher is better; the image's score is their mean.

    `votes`: (P, 10) shares of the votes from 1 to 10, of a network that predicts them.
    """

    scores: np.ndarray
    votes: np.ndarray | None = None

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
    """How many inputs an image gives at most, and the mode: the given one, or the model's own."""
    mode = mode or getattr(model, "view", "random")
    check_view(patches, mode)
    return (1 if mode in WHOLE else patches), mode


def crop_positions(height: int, width: int, crop: int, patches: int, mode: str, rng: np.random.Generator) -> np.ndarray:
    """Upper left corners (top, left) of the crops, (P, 2) int64.

    Args:
        height, width: of the image, pixels, at least `crop`.
        crop: side of the square crop, pixels.
        patches: how many.
        mode: "random": `patches` places, each as likely as any other, maybe one twice. "grid": the rows ×
            columns ≤ `patches` whose neighbours lie closest, evenly spread from border to border. It may give
            fewer than `patches`: 28 = 4 × 7 of 30 in a picture of 384×512, one where the image is as large as
            the crop. All places differ; from four patches on, the four corners are among them.
        rng: for "random".

    Raises:
        InputError: the image is smaller than the crop, fewer than one patch, or an unknown mode.
    """
    if patches < 1:
        raise InputError(f"patches must be at least 1, not {patches}")
    if mode not in CROPS:
        raise InputError(f"mode must be one of {', '.join(CROPS)}, not {mode!r}")
    if min(height, width) < crop:
        raise InputError(
            f"the image ({width}×{height}) is smaller than the {crop}×{crop} crop; "
            "leave it out, or choose a policy for small images: small = reflect or resize"
        )
    free = height - crop, width - crop
    if mode == "random":
        return rng.integers(0, np.array(free) + 1, size=(patches, 2))
    rows, columns = _grid_shape(*free, patches)
    places = [_spread(free[0], rows), _spread(free[1], columns)]
    return np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).reshape(-1, 2)


def _spread(free: int, count: int) -> np.ndarray:
    if count == 1:
        return np.array([free // 2])
    return np.floor(np.linspace(0, free, count) + 0.5).astype(np.int64)


def _grid_shape(free_rows: int, free_columns: int, patches: int) -> tuple[int, int]:
    def step(free: int, count: int) -> float:
        return free / (count - 1) if count > 1 else 2 * free  # one crop in the middle: nothing at the border

    least = [min(2, free + 1) for free in (free_rows, free_columns)]
    if least[0] * least[1] > patches:  # too few for four corners
        least = [1, 1]
    shapes = []
    for rows in range(least[0], min(patches // least[1], free_rows + 1) + 1):
        columns = min(patches // rows, free_columns + 1)
        steps = step(free_rows, rows), step(free_columns, columns)
        shapes.append((max(steps), sum(steps), rows, columns))
    return min(shapes)[2:]


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
        patches: see `crop_positions`.
        mode: "random" or "grid" (see `crop_positions`); "resize": the whole image, resized to the square of the crop's
            side whatever its shape (bilinear); "native": the whole image as it is. None: the model's own, which is
            random for one that was trained on ranks, resize for NIMA.
        seed: of the random places; the grid does not use it.
        small: what to do with an image smaller than the crop: "error"; "reflect" continues it beyond its
            borders as in a mirror; "resize" enlarges it (bicubic) until it holds one crop, which softens it
            and so changes what is judged.
        device: where to compute; the model is moved there. None: where the model is.

    Raises:
        InputError: not such an image, smaller than the crop with small="error", or a bad argument.
    """
    _, mode = view_of(model, patches, mode)
    crops = _cut(image, _crop_side(model), patches, mode, seed, small)
    return score_inputs(model, crops, _place(model, device))


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
) -> Iterator[PatchScores | InputError]:
    """Score files one after another: for each path, in order, its scores or why it has none.

    `workers` threads read and cut the next files while the network runs (0: no threads); a few files ahead
    are held in memory, whatever the number of paths. Results do not depend on it. `convert` is that of
    `rankiqa.images.read_image`; the other arguments are those of `score_image`. A file that cannot be read or
    is too small gives an `InputError` that names it; bad arguments are raised before any file is read.
    """
    if workers < 0:
        raise InputError(f"workers must be at least 0, not {workers}")
    crop, device = _crop_side(model), _place(model, device)
    _, mode = view_of(model, patches, mode)
    _check_small(small)

    def read(path: str | os.PathLike[str]) -> tuple[str, torch.Tensor | InputError]:
        from rankiqa.images import read_image

        name = os.fspath(path)
        try:
            image = read_image(path, convert=convert)
        except InputError as error:
            return name, error
        try:
            return name, _cut(image, crop, patches, mode, seed, small)
        except InputError as error:
            return name, InputError(f"{name}: {error}")

    def results() -> Iterator[PatchScores | InputError]:
        for name, crops in ahead(read, paths, workers):
            if isinstance(crops, InputError):
                yield crops
                continue
            try:
                yield score_inputs(model, crops, device)
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


def _check_small(small: str) -> None:
    if small not in SMALL:
        raise InputError(f"small must be one of {', '.join(SMALL)}, not {small!r}")


def _cut(image: np.ndarray, crop: int, patches: int, mode: str, seed: int, small: str) -> torch.Tensor:
    """The crops of an image, (P, 3, crop, crop) uint8."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"an image must be a uint8 array of height × width × 3 (RGB), not {what}")
    _check_small(small)
    if mode in WHOLE:
        whole = squeeze(image, crop) if mode == "resize" else np.ascontiguousarray(image)
        return torch.from_numpy(whole.transpose(2, 0, 1)[None].copy())
    image = np.ascontiguousarray(image)
    pixels = hashlib.sha256(image).hexdigest()
    rng = generator(seed, pixels, *image.shape)
    if small != "error" and min(image.shape[:2]) < crop:
        image = enlarge(image, crop, small)
    places = crop_positions(*image.shape[:2], crop, patches, mode, rng)
    crops = np.stack([image[top : top + crop, left : left + crop] for top, left in places])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()


def squeeze(image: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """An H×W×3 image resized to height×width, a square without the latter, whatever its shape: NIMA's input.

    Bilinear, and smoothed where it shrinks.
    """
    from PIL import Image

    size = height if width is None else width, height
    return np.array(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BILINEAR))


def enlarge(image: np.ndarray, crop: int, how: str) -> np.ndarray:
    """An H×W×3 image that holds a crop: mirrored at its borders ("reflect") or interpolated ("resize")."""
    height, width = image.shape[:2]
    if how == "reflect":
        missing = [(max(0, crop - height)), max(0, crop - width)]
        return np.pad(image, [*((m // 2, m - m // 2) for m in missing), (0, 0)], mode="reflect")
    from PIL import Image

    scale = crop / min(height, width)
    size = max(crop, round(width * scale)), max(crop, round(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training: Sequence[nn.Module] = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def score_inputs(model: nn.Module, crops: torch.Tensor, device: torch.device) -> PatchScores:
    """The scores of (P, 3, H, W) uint8 inputs, in passes of a few; `model` is on `device`."""
    parts = crops.split(CPU_PASS if device.type == "cpu" else GPU_PASS)
    with _evaluating(model):
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
