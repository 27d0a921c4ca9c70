"""The settings of every stage that learns from human scores: how they are read and divided, and what a batch is."""

from __future__ import annotations

from dataclasses import dataclass

from rankiqa.config.common import ICC, at_least, one_of
from rankiqa.errors import InputError

PAIRS = "pairs"  # a data set of one's own: votes on which of two photos is better


@dataclass
class ScoresConfig:
    """How human scores are read and divided.

    Args:
        name_column: csv: column with the names of the images, if not name, path, image or file_name.
        score_column: csv: column with the human scores, if not mos, dmos, score or label.
        direction: csv: higher or lower, whichever scores are better; needed for a column called score or by a name of
            its own.
        score_range: csv: lowest and highest score of the scale; none: those of the file (of votes: 1 and 10).
        missing: error, or record (go on without images that are missing or cannot be decoded, and list them).
        pristine: keep the undistorted copies that a data set scores too (LIVE's).
        split_seed: random: of the draw of the references.
        repeat: random: which of the repeated draws.
        test_fraction: random: share of the references to test on.
        val_fraction: share of the training references to hold out for the validation while it trains.
        convert: take greyscale, transparent, CMYK and 16-bit images too, converted to RGB.
        icc: embedded colour profiles, such as a phone's Display P3: convert (to sRGB) or ignore.
    """

    name_column: str | None = None
    score_column: str | None = None
    direction: str | None = None
    score_range: list[float] | None = None
    missing: str = "error"
    pristine: bool = True
    split_seed: int = 0
    repeat: int = 0
    test_fraction: float = 0.2
    val_fraction: float = 0.1
    convert: bool = False
    icc: str = "convert"


@dataclass
class ScoredDataConfig(ScoresConfig):
    """How the images with human scores are read and divided.

    Args:
        labels: csv: the file with the scores; pairs: votes.sqlite of a study, or a CSV file with better, worse and
            weight; `root` is the folder of its images.
        small: images smaller than the crop: error, reflect (mirror them at their borders) or resize (enlarge them).
        workers: processes that read and crop beside each training process; 0: the process does it itself.
    """

    labels: str | None = None
    small: str = "error"
    workers: int = 1


@dataclass
class ScoredBatchConfig:
    """A batch, over all devices together.

    Args:
        images: how many images, one random crop of each.
        flip: mirror half of the crops left to right.
    """

    images: int = 32
    flip: bool = True


def named(dataset: str | None, root: str | None) -> tuple[str, str]:
    """The name of a data set and its folder; `InputError` for one that is not given."""
    if not dataset or not root:
        raise InputError(
            f"{'root' if dataset else 'dataset'} is missing",
            cure="give the name of the data set and its folder",
            options=("dataset=NAME", "root=DIR"),
        )
    return dataset, root


def check_scores(data: ScoresConfig, key: str = "data") -> None:
    """Raise `InputError` for values in the group `key` of the settings that no run can have."""
    one_of(f"{key}.missing", data.missing, ("error", "record"))
    one_of(f"{key}.icc", data.icc, ICC)
    at_least(f"{key}.repeat", data.repeat, 0)
    if not 0 <= data.val_fraction < 1:
        raise InputError(f"{key}.val_fraction must be in [0, 1), got {data.val_fraction}")
    if data.score_range is not None and len(data.score_range) != 2:
        raise InputError(f"{key}.score_range must be two numbers, lowest and highest, got {data.score_range}")
