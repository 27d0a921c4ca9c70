"""What the stages that learn from human scores share: what must not leak, how images are scored, what is saved."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from rankiqa.config import ScoredRunConfig
from rankiqa.config.scores import ScoresConfig
from rankiqa.datasets.leakage import check_leakage, learned_from, seen_in_test
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split, write_split
from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.images.photos import Photo
from rankiqa.models import RankModel, load_model
from rankiqa.models.build import WIDEN
from rankiqa.models.config_file import HALF
from rankiqa.models.reference import MOST, Reference
from rankiqa.models.statistics import StageStatistics
from rankiqa.precision import at_float64
from rankiqa.scoring.patches import PatchScores
from rankiqa.scoring.view import View
from rankiqa.seeding import derive_seed, generator
from rankiqa.training.loop import Trainer
from rankiqa.training.precision import make_accelerator
from rankiqa.training.scored_data import options_called, score_rows, scores_learned_from
from rankiqa.votes import VOTE_COLUMNS

with extra("train"):
    from accelerate import Accelerator


def load_start(init: str) -> tuple[RankModel, dict[str, Any]]:
    """The model that the setting `init` names, and its config; errors name this setting.

    A model with statistics comes without its map to people's scale: what is trained is the score beneath it.

    Raises:
        InputError: as `load_model` does, and for a model in half precision.
    """
    with options_called({"model": "init"}):
        model, config = load_model(init)
        if config.get("dtype") == HALF:
            raise InputError("is in half precision, which is for scoring, not to train from", path=init, **WIDEN)
    if isinstance(model.backbone, StageStatistics):
        model.backbone.scale = None
    return model, config


def share_out(
    accelerator: Accelerator, count: int, compute: Callable[[np.ndarray], Sequence], width: int = 1
) -> np.ndarray:
    """(count, width) float64 of `count` things: each process computes a part of them, and all have all.

    Args:
        accelerator: the processes.
        count: how many things.
        compute: from the places (m,) of some of them to their m numbers, or rows of `width` numbers.
        width: numbers of a thing.
    """
    mine = np.arange(count)[accelerator.process_index :: accelerator.num_processes]
    found = torch.zeros((count, width), dtype=torch.float64, device=at_float64(accelerator.device))
    if len(mine):
        values = np.array(compute(mine))
        found[mine] = torch.as_tensor(values, dtype=torch.float64, device=found.device).view(-1, width)
    return accelerator.reduce(found, "sum").cpu().numpy()


class ScoredTrainer(Trainer):
    """A stage that learns from human scores.

    It reads its settings with `open_model` and `open_data`, makes what it needs of the data in `prepare`, and may look
    at the network before the first step in `start`.

    Args:
        config: the run's settings.

    Raises:
        InputError: settings that no run can have, data that does not suit them, or a split whose test part is not new
            to the network; the run's folder is not touched. And as every `Trainer` does.
    """

    score_range: tuple[float, float]  # of the network's scores, lowest and highest
    free_keys: ClassVar[tuple[str, ...]] = ("root", "init")
    config: ScoredRunConfig

    def __init__(self, config: ScoredRunConfig) -> None:
        config.check()
        self.config = config
        torch.manual_seed(derive_seed(config.seed, "weights"))
        # The cheapest faults first: the folder, the run's model, the labels, the images.
        if config.root and not Path(config.root).is_dir():
            raise InputError(
                "no such folder",
                path=config.root,
                cure=f"give that of the data set {config.dataset}",
                options=("root",),
            )
        model, self.origin = self.open_model()
        self.dataset, self.split, self.photos = self.open_data()
        self._refuse_seen()
        self.prepare(model)
        accelerator = make_accelerator(config.precision)
        trained = self.origin.get("training_photos")
        for line in check_leakage(self.dataset, self.split, photos=self.photos, trained_photos=trained):
            if accelerator.is_main_process:
                print(f"warning: {line}", file=sys.stderr)
        self.validates = bool(self.split.count("val"))
        if not config.resume:
            self.start(model, accelerator.device)
        super().__init__(config, accelerator, model, self._fingerprint())
        if accelerator.is_main_process:
            write_split(self.split, self.dataset, Path(config.out) / "split.csv")

    def _refuse_seen(self) -> None:
        """Raise `InputError` for a split that tests on human scores which the network has learned already."""
        if found := seen_in_test(self.origin.get("finetuned_on"), self.dataset, self.split):
            init, test = self.config.init, self.split.count("test")
            same = bool(learned_from(self.origin.get("finetuned_on"), self.dataset))
            raise InputError(
                f"split {self.config.split} leaks: {init} learned from {len(found)} of the {test} test images, the "
                f"first is {found[0]}",
                cure="give the split of that run" if same else "give a split that tests on other references",
                options=(f"split={init}/split.csv",) if same else ("split",),
            )

    @abstractmethod
    def open_model(self) -> tuple[RankModel, dict[str, Any]]:
        """The network to start from, and the config of the model that it is from ({} where it is from none)."""

    @abstractmethod
    def open_data(self) -> tuple[ScoredSet, Split, dict[str, Photo]]:
        """The images with their scores, their parts, and the size and hash of each image by its path."""

    def prepare(self, model: RankModel) -> None:
        """Check the data against the network, and make of it what the batches need."""

    def start(self, model: RankModel, device: torch.device) -> None:
        """Look at the network, or change it, before the first step of a new run."""

    def score(
        self, model: RankModel, rows: np.ndarray, device: torch.device, view: View | None = None
    ) -> list[PatchScores]:
        """The scores of some rows (n,) of the data set, as `view` shows their images; None: as in a validation."""
        return score_rows(self.dataset, rows, model, view or self.view, device, self.reading)

    def score_part(self, part: str, width: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the rows in a part, and (n, width) their mean scores, or votes where `width` is more than one.

        The images are shared out to the processes.
        """
        rows = np.flatnonzero(self.split.mask(part))

        def of(mine: np.ndarray) -> list:
            results = self.score(self.model, rows[mine], self.accelerator.device)
            return [result.mean if width == 1 or result.votes is None else result.votes[0] for result in results]

        return rows, share_out(self.accelerator, len(rows), of, width)

    def keep_reference(self, scores: np.ndarray) -> None:
        """Remember the scores of a validation."""
        self.reference = Reference.of_scores(scores, f"images of {self.dataset.name} held out")

    def measure_reference(self) -> Reference | None:
        """The scores of up to `MOST` images to train on, drawn with the seed."""
        rows = np.flatnonzero(self.split.mask("train"))
        rows = np.sort(generator(self.config.seed, "reference").permutation(rows)[:MOST])
        found = self.score(self.model, rows, self.accelerator.device)
        return Reference.of_scores([result.mean for result in found], f"images of {self.dataset.name} trained on")

    @property
    def view(self) -> View:
        """What the network is shown of an image of the data set when it is scored."""
        return View(seed=self.config.seed)

    @property
    @abstractmethod
    def reading(self) -> ScoresConfig:
        """The settings that say how images are read."""

    def _fingerprint(self) -> dict[str, str]:
        """What must be the same for a run to go on: the start, the images, their scores, votes and parts."""
        votes = [self.dataset.table[name].map(repr) for name in VOTE_COLUMNS if name in self.dataset.table]
        labels = self.dataset.labels_sha256(self.split.parts, *votes)
        return {"labels": labels, "start": self.origin.get("weights_sha256", "")}

    def other_data(self, key: str) -> InputError:
        """The error for another start, or for other images, scores or parts."""
        if key == "start":
            what = "is not the model that the run began with"
            return InputError(what, path=self.config.init, cure="give that one", options=("init",))
        return InputError(
            "its images, scores or split are not what the run began with",
            path=self.dataset.root,
            cure="give those, or choose another place",
            options=("out",),
        )

    def model_files(self) -> dict[str, Any]:
        """What config.json tells of the scale of the scores, the photos and scores learned from, and the start."""
        return {
            "training_photos": self.origin.get("training_photos"),
            "score_range": self.score_range,
            "finetuned_on": scores_learned_from(self.dataset, self.split, self.origin.get("finetuned_on")),
            "provenance": self.provenance() | {"init": self.origin.get("weights_sha256")},
        }
