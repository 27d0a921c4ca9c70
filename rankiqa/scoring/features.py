"""The statistics that a network ends in, of many photos, each read and computed once: what a new head learns from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from rankiqa.errors import InputError
from rankiqa.images.crops import check_least
from rankiqa.images.icc import CONVERT
from rankiqa.images.reading import read_image
from rankiqa.models.parts import statistics_of
from rankiqa.parallel import ahead
from rankiqa.scoring.inputs import inputs_of
from rankiqa.scoring.patches import evaluating
from rankiqa.scoring.scorer import LEAST, Scorer
from rankiqa.scoring.view import View


def file_statistics(
    scorer: Scorer, paths: Iterable[str | os.PathLike[str]], *, icc: str = CONVERT, workers: int = 2
) -> Iterator[np.ndarray]:
    """Of each file, in order, (2ΣC,) float32: the statistics of the stages over the whole image, as it is scored.

    Args:
        scorer: of a network that ends in statistics of its stages.
        paths: of image files.
        icc: of `rankiqa.images.reading.read_image`.
        workers: threads that read ahead.

    Raises:
        InputError: another network; a file that cannot be read, when its turn has come.
    """
    if statistics_of(scorer.network) is None:
        raise InputError(
            "has no head on statistics of its stages, which is what is tuned",
            path=scorer.source,
            cure="fine-tune it with rankiqa finetune, or tune default or ranks",
        )
    view = View().of(scorer.network)

    def read(path: str | os.PathLike[str]) -> torch.Tensor:
        try:
            image = read_image(path, convert=True, frames="first", icc=icc)
            check_least(image, LEAST)
            return inputs_of(image, scorer.network.crop, view, True)
        except InputError as error:
            raise error.at(path) from error

    network = scorer.scoring
    net = statistics_of(network)
    assert net is not None  # as its original is one
    for inputs in ahead(read, paths, workers):
        with evaluating(network):
            image = inputs.to(scorer.device, memory_format=torch.channels_last).float().div_(255)
            found = net.statistics(net.maps(network.preprocessing(image)))
        yield found[0].cpu().numpy()
