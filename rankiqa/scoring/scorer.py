"""A model ready to score images: what `rankiqa.load` gives, and what the commands use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rankiqa.errors import InputError
from rankiqa.images.crops import DENSE, FULL, WHOLE, check_least, fit, reduce, reduced_size
from rankiqa.images.icc import CONVERT
from rankiqa.images.pixels import pixels_of
from rankiqa.models import RankModel, load_model
from rankiqa.models.bundled import BUNDLED, DEFAULT
from rankiqa.models.locate import locate
from rankiqa.models.parts import check_dense, statistics_of, window_of
from rankiqa.models.reference import Reference, to_unit
from rankiqa.precision import FP32, check_precision
from rankiqa.scoring.dense import score_map
from rankiqa.scoring.device import pick_device
from rankiqa.scoring.folded import Folded
from rankiqa.scoring.hub import HubModel
from rankiqa.scoring.patches import Look, PatchScores, evaluating, score_files, score_image
from rankiqa.scoring.view import View

LEAST = 32  # pixels; of a smaller image there is nothing to judge


@dataclass(frozen=True)
class Score:
    """What a model says of one image. `float()` of it is the raw score.

    Attributes:
    ----------
    value
        The raw score, higher is better. Its scale is the model's own.
    unit
        The score on [0, 1]: from the lowest to the highest human score for a model that was fine-tuned on such; for
        one that learned ranks alone from the strongest distortions (0) to pristine photos (1) of its reference. NaN for
        a model without either.
    percentile
        Per cent of the model's reference images that have a lower score; NaN for a model without a reference.
    spread
        Standard deviation over the crops or windows: how much the score hangs on the place. Of an image that is seen
        whole, by a network that ends in statistics of its stages, that of `rankiqa.scoring.windows.COARSE`, which are
        no part of the score.
    patches
        How many crops or windows the score is the mean of; 1 for an image that is seen whole.
    note
        What was done to the image so that it could be scored; empty if nothing.
    """

    value: float
    unit: float
    percentile: float
    spread: float
    patches: int
    note: str = ""

    def __float__(self) -> float:
        return self.value


class Scorer(HubModel):
    """A network with what it needs to score images and to say what a score means.

    Args:
        network: gives the scores; see `rankiqa.models`.
        settings: the content of its config.json.
        source: where it comes from, for messages.

    Attributes:
    ----------
    reference
        The `rankiqa.models.reference.Reference` that is kept with the model; None if there is none.
    """

    def __init__(self, network: RankModel, settings: dict[str, Any], source: str) -> None:
        self.network, self.settings, self.source = network, settings, source
        self._folded = Folded()
        self.reference = Reference.from_config(settings.get("reference"))
        low, high = settings.get("score_range") or (None, None)
        if low is None and self.reference is not None:
            low, high = self.reference.low, self.reference.high
        self.low, self.high = low, high

    @classmethod
    def load(cls, model: str | Path | None = None, device: str = "auto", precision: str = FP32, **hub: Any) -> Scorer:
        """A model folder, a run, OWNER/NAME of the Hugging Face hub, or a bundled model: "default" (None), "ranks".

        `device` is that of `rankiqa.scoring.device.pick_device`, `precision` one of `rankiqa.precision.PRECISIONS`,
        `hub` that of `rankiqa.models.locate.locate`. Raises `InputError` where there is no such model, device or
        precision, or the model is damaged.
        """
        place, precision = pick_device(device), check_precision(precision)
        folder = locate(model, **hub)
        network, settings = load_model(folder, place)
        network.precision = precision
        try:
            return cls(network, settings, _called(model, folder))
        except InputError as error:
            raise error.at(folder) from error

    def score(self, image: Any, view: View | None = None, *, icc: str = CONVERT, **changes: Any) -> Score:
        """Score one image. The same image gives the same number, whatever is scored before or beside it.

        Args:
            image: a path, a Pillow image, an array or a tensor; see `rankiqa.images.pixels.pixels_of`.
            view: what the network is shown of it; None: what is the model's own, the whole image or 30 random crops.
                An image that is too small for it is mirrored at its borders, unless the view says otherwise; the score
                tells it in its note.
            icc: what becomes of an embedded colour profile: "convert" (to sRGB) or "ignore".
            changes: fields of the view: `score(image, mode="dense")`.

        Raises:
            InputError: not an image, or one below 32 pixels, with the reason; a view that there is not.

        >>> import numpy as np, rankiqa
        >>> score = rankiqa.load().score(np.full((300, 400, 3), 128, np.uint8))
        >>> 0 <= score.unit <= 1
        True
        """
        view = replace(view or View(), **changes).of(self.network)
        pixels = pixels_of(image, icc)
        check_least(pixels, LEAST)
        found = score_image(self.scoring, pixels, view)
        return self.meaning(found, (pixels.shape[0], pixels.shape[1]), view)

    def score_files(
        self,
        paths: Iterable[str | os.PathLike[str]],
        view: View | None = None,
        *,
        icc: str = CONVERT,
        workers: int = 2,
        look: Look | None = None,
        **changes: Any,
    ) -> Iterator[Score | InputError]:
        """Score files one after another: for each path, in order, its score or why it has none.

        Args:
            paths: of image files.
            view: as for `score`.
            icc: as for `score`.
            workers: threads that read ahead; the scores do not depend on it.
            look: called with the path and the pixels of each file that can be read, in one of these threads.
            changes: fields of the view.

        Raises:
            InputError: a view that there is not, or a negative number of workers.
        """
        view = replace(view or View(), **changes).of(self.network)
        for result in score_files(
            *(self.scoring, paths, view),
            convert=True,
            icc=icc,
            frames="first",
            least=LEAST,
            workers=workers,
            look=look,
        ):
            if isinstance(result, InputError):
                yield result
            else:
                assert result.size is not None  # of a file it is always known
                yield self.meaning(result, result.size, view)

    def map(self, image: Any, small: str = "reflect", icc: str = CONVERT) -> np.ndarray:
        """The score of every window of an image, (rows, columns) float64; see `rankiqa.scoring.dense.score_map`.

        `InputError` for a network that does not allow it.
        """
        check_dense(self.network)
        pixels = pixels_of(image, icc)
        check_least(pixels, LEAST)
        if statistics_of(self.network) is not None:
            pixels = reduce(pixels)
        pixels = fit(pixels, self.network.crop, small)
        network = self.scoring
        with evaluating(network):
            return score_map(network, torch.from_numpy(pixels.copy()).permute(2, 0, 1), self.device)

    @property
    def scoring(self) -> RankModel:
        """The network that scores in the place of `network`: the same numbers, sooner; see `for_scoring`."""
        return self._folded.of(self.network)

    def score_by(self, make: Callable[[RankModel], RankModel]) -> None:
        """Let the network that scores be what `make` makes of `network`, at once; see `scoring`.

        Such as `rankiqa.integrations.onnx_runtime.onnx_network`. What it raises leaves everything as it was.
        """
        folded = Folded(make)
        folded.of(self.network)
        self._folded = folded

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes of `score` that the network allows."""
        return ("random", "grid", *([DENSE] if allows_dense(self.network) else []), *WHOLE)

    def meaning(self, found: PatchScores, size: tuple[int, int], view: View) -> Score:
        """The `Score` of an image of this (height, width), from those of its crops; `view` has a mode."""
        value, note = found.mean, self._note(size, view)
        percentile = self.reference.percentile(value) if self.reference else math.nan
        return Score(value, to_unit(value, self.low, self.high), percentile, found.std, len(found.scores), note)

    def _note(self, size: tuple[int, int], view: View) -> str:
        """What is done to an image of this (height, width), so that it can be scored."""
        least = view.least(self.network.crop)
        reduces = view.mode == FULL or (view.mode == DENSE and statistics_of(self.network) is not None)
        notes = []
        if reduces and (seen := reduced_size(*size)) != size:
            notes.append(f"reduced to {seen[1]}×{seen[0]} px")
            size = seen
        if min(size) < least:
            notes.append(f"smaller than {least} px" if view.mode == FULL else f"smaller than the crop of {least} px")
        return "; ".join(notes)


def _called(model: str | Path | None, folder: Path) -> str:
    """What messages call a model that lies in a folder."""
    names = [name for name, place in BUNDLED.items() if place == folder]
    if model is None or names == [DEFAULT]:
        return "the bundled model"
    return f"the bundled model {names[0]}" if names else str(model)


def allows_dense(network: RankModel) -> bool:
    """Whether a network can score every window of an image at once; see `rankiqa.scoring.dense`."""
    if statistics_of(network) is not None:
        return True
    try:
        window_of(network)
    except InputError:
        return False
    return True
