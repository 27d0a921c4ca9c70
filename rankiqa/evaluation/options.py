"""How an evaluation is made, as one thing: what is shown of an image, which splits, which intervals."""

from __future__ import annotations

from dataclasses import dataclass, field

from rankiqa.errors import InputError
from rankiqa.images.icc import CONVERT, check_icc
from rankiqa.metrics.close_pairs import check_edges
from rankiqa.scoring.view import View

BOOTSTRAP = 1000  # repeats


@dataclass(frozen=True)
class EvaluationOptions:
    """How a model is evaluated, whatever the model and the data.

    Attributes:
        view: what the network is shown of an image. Its seed is that of the bootstrap too.
        split_seed: of a random split.
        repeats: how many random splits; each is measured, and each image scored once. Of {repeat} in the name of a
            model's folder, how many models; None: one split, or as many models as there are.
        test_fraction: of the groups, in a random split, (0, 1).
        all_references: also score photos that the model was trained on, and a split that tests on what it was
            fine-tuned on.
        bootstrap: repeats of the bootstrap for the 95 % intervals; 0: no intervals.
        pair_edges: of human scores, in their unit: the edges of the bins of `rankiqa.metrics.close_pairs`, rising.
            None: a 40th, 20th, 10th and 5th of the score range.
        device: auto, cpu, cuda, cuda:N or mps.
        convert: take greyscale, transparent, CMYK and 16-bit images too.
        icc: what becomes of embedded colour profiles, as in `rankiqa.images.reading.read_image`.
        workers: threads that read images while the network runs.
        strict: an image that cannot be scored is an error, not a warning.
        progress: show a bar and what is left out on stderr.
        thumbnails: show the worst-placed images in the report; without, their names alone, for images that may not be
            passed on.
        command: the command line, for the summary.

    Raises:
        InputError: a value out of its range.
    """

    view: View = field(default_factory=View)
    split_seed: int = 0
    repeats: int | None = None
    test_fraction: float = 0.2
    all_references: bool = False
    bootstrap: int = BOOTSTRAP
    pair_edges: tuple[float, ...] | None = None
    device: str = "auto"
    convert: bool = False
    icc: str = CONVERT
    workers: int = 2
    strict: bool = False
    progress: bool = False
    thumbnails: bool = True
    command: str = ""

    def __post_init__(self) -> None:
        check_icc(self.icc)
        for name, value, least in (("bootstrap", self.bootstrap, 0), ("workers", self.workers, 0)):
            if value < least:
                raise InputError(f"{name} must be at least {least}, not {value}")
        if self.repeats is not None and self.repeats < 1:
            raise InputError(f"repeats must be at least 1, not {self.repeats}")
        if self.pair_edges is not None:
            object.__setattr__(self, "pair_edges", check_edges(self.pair_edges, "pair_edges"))
