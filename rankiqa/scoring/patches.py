"""From a network that scores crops to one score of an image.

RankIQA scores 30 random crops of an image and averages them; `rankiqa.scoring.dense` takes all places at once. A
network that ends in statistics of its stages sees the whole image, at its own size. NIMA judges the picture: it sees
the whole image, resized to its input.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from rankiqa.errors import InputError
from rankiqa.images.crops import DENSE, FULL, check_least
from rankiqa.images.icc import CONVERT, check_icc
from rankiqa.images.reading import read_image
from rankiqa.models.parts import statistics_of
from rankiqa.models.rank_model import RankModel
from rankiqa.parallel import ahead
from rankiqa.precision import FP32, computing, unwrapped
from rankiqa.scoring.dense import score_map
from rankiqa.scoring.device import on, place_of
from rankiqa.scoring.inputs import inputs_of
from rankiqa.scoring.passes import ImageTooSmall, Passes, Shown, together
from rankiqa.scoring.view import View
from rankiqa.scoring.windows import in_unit, whole_scores
from rankiqa.votes import mean_of

# Most crops in one pass. A GPU takes the paper's 30 at once; on a CPU the activations of so many fit no cache,
# and a few passes are faster (results/benchmarks/scoring.py).
CPU_PASS, GPU_PASS = 8, 128

Look = Callable[[str, np.ndarray], Any]  # the path of a file, and its pixels


@dataclass(frozen=True)
class PatchScores:
    """The scores of an image's crops or windows; the image's score is their mean.

    Attributes:
        scores: (P,) float64, higher is better, of each crop or window.
        votes: (P, 10) shares of the votes from 1 to 10, of a network that predicts them; None of any other.
        size: height and width of the image in pixels, where it was read from a file.
        windows: (W,) float64, scores of windows of an image that was seen whole, by a network that ends in statistics
            of its stages; they tell how the quality differs from place to place, and are no part of the score.
    """

    scores: np.ndarray
    votes: np.ndarray | None = None
    size: tuple[int, int] | None = None
    windows: np.ndarray | None = None

    @property
    def mean(self) -> float:
        """The image's score."""
        return float(self.scores.mean())

    @property
    def median(self) -> float:
        """The median over the crops, as the original prints it too."""
        return float(np.median(self.scores))

    @property
    def std(self) -> float:
        """Standard deviation over the crops or windows (divided by their number): how much it hangs on the place."""
        return float((self.scores if self.windows is None else self.windows).std())


def score_image(
    model: nn.Module,
    image: np.ndarray,
    view: View | None = None,
    device: str | torch.device | None = None,
) -> PatchScores:
    """Score an image by its crops, in batches.

    The same pixels and seed give the same number, whatever the file is called and whatever is scored before
    or beside it: the places of the crops come from the seed and a hash of the pixels.

    Args:
        model: (N, 3, H, W) float RGB in [0, 1] → (N,), higher is better; `model.crop` is the side of its
            input. Evaluated in evaluation mode, and left in the mode it came in.
        image: uint8 H×W×3, RGB.
        view: what the model is shown of it; None: 30 random crops, or what is the model's own.
        device: where to compute; the model is moved there. None: where the model is.

    Raises:
        InputError: not such an image, one smaller than the crop where `view.small` is "error", or a view that the model
            does not allow.
    """
    view = (view or View()).of(model)
    inputs = inputs_of(image, _crop_side(model), view, statistics_of(model) is not None)
    return score_inputs(model, inputs, place_of(model, device), view)


def score_files(
    model: nn.Module,
    paths: Iterable[str | os.PathLike[str]],
    view: View | None = None,
    *,
    device: str | torch.device | None = None,
    convert: bool = False,
    icc: str = CONVERT,
    frames: str = "error",
    least: int = 1,
    workers: int = 2,
    look: Look | None = None,
) -> Iterator[PatchScores | InputError]:
    """Score files one after another: for each path, in order, its scores or why it has none.

    Args:
        model: as for `score_image`.
        paths: of image files.
        view: as for `score_image`.
        device: as for `score_image`.
        convert: of `rankiqa.images.reading.read_image`.
        icc: of `read_image`.
        frames: of `read_image`.
        least: the shortest side that an image may have, pixels.
        workers: threads that read and cut the next files while the network runs; 0: none. A few files ahead are held in
            memory (of a GPU, which scores images of one shape together, some hundred), whatever the number of paths.
            Results do not depend on it.
        look: called with the path and the pixels of each file that can be read, in one of these threads.

    Returns:
        An iterator. A file that cannot be read or is too small gives an `InputError` that names it.

    Raises:
        InputError: a bad argument, before any file is read; while they are scored, a device whose memory does not hold
            one image.
    """
    if workers < 0:
        raise InputError(f"workers must be at least 0, not {workers}")
    check_icc(icc)
    crop, place, view = _crop_side(model), place_of(model, device), (view or View()).of(model)
    reduced = statistics_of(model) is not None

    def read(path: str | os.PathLike[str]) -> Shown | InputError:
        try:
            image = read_image(path, convert=convert, frames=frames, icc=icc)
            if look is not None:
                look(os.fspath(path), image)
            check_least(image, least)
            return Shown(path, inputs_of(image, crop, view, reduced), (image.shape[0], image.shape[1]))
        except InputError as error:
            return error.at(path)

    passes = Passes(lambda batch: score_batch(model, batch, place, view), together(place, view))
    return passes.over(ahead(read, paths, workers, passes.ahead))


def _crop_side(model: nn.Module) -> int:
    crop = getattr(model, "crop", None)
    if not isinstance(crop, int) or crop < 1:
        raise InputError(f"{type(model).__name__}.crop must be the side of its input in pixels, not {crop!r}")
    return crop


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradients, and the precision that the model has for scoring; it is left as it was.

    That is true float32, but for one whose attribute `precision` says otherwise; see `rankiqa.precision`.
    """
    kind = place_of(model).type
    if training := _in_training(model):
        model.eval()
    try:
        with unwrapped(model), computing(getattr(model, "precision", FP32), kind), torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def _in_training(model: nn.Module) -> list[nn.Module]:
    """The modules in training mode; asked for each image, of whose time `modules` and `eval` would take a tenth."""
    found, left = [], [model]
    while left:
        module = left.pop()
        if module.training:
            found.append(module)
        left += [child for child in module._modules.values() if child is not None]
    return found


def score_inputs(model: nn.Module, inputs: torch.Tensor, device: torch.device, view: View) -> PatchScores:
    """The scores of what the network is shown of one image; see `score_batch`."""
    return score_batch(model, [inputs], device, view)[0]


def score_batch(model: nn.Module, batch: Sequence[torch.Tensor], device: torch.device, view: View) -> list[PatchScores]:
    """The scores of what the network is shown of some images of one shape: whole ones at once, crops in passes.

    Args:
        model: on `device`.
        batch: (P, 3, H, W) uint8 RGB of each image, as `rankiqa.scoring.inputs.inputs_of` gives them.
        device: where to compute.
        view: with a mode. In the mode "dense" P is 1, and the scores are those of all windows.

    Raises:
        ImageTooSmall: the network's layers leave nothing of inputs of this size.
        InputError: the model gives something else than (N,).
    """
    if view.mode == DENSE:
        with evaluating(model):
            # `View.of` has made sure that it is a ranking network.
            return [PatchScores(score_map(cast(RankModel, model), image[0], device).ravel()) for image in batch]
    inputs = batch[0] if len(batch) == 1 else torch.cat([*batch])
    if view.mode in (FULL, "native") and (net := statistics_of(model)) is not None:
        with evaluating(model):
            both = whole_scores(cast(RankModel, model), net, on(device, inputs))
            found, windows = (part.cpu().double().numpy() for part in both)
            return [PatchScores(found[k : k + 1], windows=windows[k].ravel()) for k in range(len(batch))]
    parts = inputs.split(CPU_PASS if device.type == "cpu" else GPU_PASS)
    with evaluating(model):
        # Channels last: convolutions are about twice as fast so on a CPU.
        images = (on(device, part) for part in parts)
        try:
            scores, votes = zip(*(_predict(model, in_unit(part)) for part in images), strict=True)
        except RuntimeError as error:
            if "size is too small" in str(error) or "can't be greater than actual input size" in str(error):
                height, width = inputs.shape[2:]
                raise ImageTooSmall(
                    f"{width}×{height} px is too small for the network", cure="score it resized"
                ) from error
            raise
    if votes[0] is not None:
        shares = torch.cat(votes).cpu().double().numpy().reshape(len(batch), -1, votes[0].shape[1])
        return [PatchScores(mean_of(some), some) for some in shares]
    values = torch.cat(scores)
    if values.shape != (len(inputs),):
        raise InputError(f"the model gave scores of shape {tuple(values.shape)} for {len(inputs)} crops, not (N,)")
    return [PatchScores(some) for some in values.cpu().double().numpy().reshape(len(batch), -1)]


def _predict(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Scores, and votes of a network that predicts them; any module that gives scores will do."""
    return model.predict(images) if isinstance(model, RankModel) else (model(images), None)
