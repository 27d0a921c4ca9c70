"""The images with human scores that a stage learns from: opened, divided, and remembered in the model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from rankiqa.config import ScoresConfig
from rankiqa.config.scores import PAIRS
from rankiqa.datasets.leakage import learned_from, learned_paths
from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split, make_split
from rankiqa.errors import InputError
from rankiqa.images.icc import CONVERT
from rankiqa.images.photos import Photo, read_photos
from rankiqa.models import RankModel
from rankiqa.scoring.patches import PatchScores, score_files
from rankiqa.scoring.view import View
from rankiqa.training.voted_set import open_votes


@contextmanager
def options_called(names: Mapping[str, str]) -> Iterator[None]:
    """Name the options of an error by the settings that give them here: {"labels": "data"}."""
    try:
        yield
    except InputError as error:
        split = [option.partition("=") for option in error.options]
        raise error.but(options=[names.get(name, name) + sign + value for name, sign, value in split]) from error


def open_scores(
    name: str, root: str, options: ScoresConfig, labels: str | None = None
) -> tuple[ScoredSet, dict[str, Photo]]:
    """The data set with what can be decoded of it, and the size and hash of each image by its path.

    Args:
        name: of the data set.
        root: its folder.
        options: how it is read.
        labels: csv: the file with the scores; pairs: that of the votes.

    Raises:
        InputError: as `open_dataset` does; an image is missing or cannot be decoded, unless such images are to be
            recorded.
    """
    if name == PAIRS:
        return decodable(open_votes(root, labels), options.convert, options.icc, record=options.missing != "error")
    low_high = options.score_range
    dataset = open_dataset(
        name,
        root,
        missing=options.missing,
        labels=labels,
        name_column=options.name_column,
        score_column=options.score_column,
        direction=options.direction,
        score_range=(low_high[0], low_high[1]) if low_high else None,
        pristine=options.pristine,
    )
    # AVA is known to hold images that cannot be decoded.
    if options.missing != "error" or dataset.name == "ava":
        return decodable(dataset, options.convert, options.icc, record=True)
    try:
        return decodable(dataset, options.convert, options.icc)
    except InputError as error:
        without = "go on without them"
        cure = f"{error.cure}; or {without}" if error.cure else without
        raise error.but(cure=cure, options=(*error.options, "missing=record")) from error


def decodable(
    dataset: ScoredSet, convert: bool, icc: str = CONVERT, *, record: bool = False
) -> tuple[ScoredSet, dict[str, Photo]]:
    """The images that can be decoded, and the size and hash of each by its path.

    Args:
        dataset: the images.
        convert: take greyscale, transparent, CMYK and 16-bit images too.
        icc: of `rankiqa.images.reading.read_image`.
        record: leave out an image that cannot be decoded, with a warning.

    Raises:
        InputError: an image cannot be decoded; unless `record`.
    """
    table = dataset.table
    found = read_photos(dict(zip(table["path"], table["file"], strict=True)), convert, icc)
    photos = {path: photo for path, photo in found.items() if isinstance(photo, Photo)}
    broken = {path: photo for path, photo in found.items() if isinstance(photo, InputError)}
    if broken and not record:
        first = next(iter(broken.values()))
        raise first.but(reason=f"{first.reason} (and {len(broken) - 1} more)") if len(broken) > 1 else first
    left_out = [*dataset.left_out, *({"path": path, "reason": why.reason} for path, why in broken.items())]
    if left_out:
        line = f"{left_out[0]['path']}: {left_out[0]['reason']}"
        print(f"warning: left out {len(left_out)} images, the first: {line}", file=sys.stderr)
    return dataset.select(~table["path"].isin(broken)) if broken else dataset, photos


def divide(dataset: ScoredSet, spec: str, options: ScoresConfig, least: int = 1) -> Split:
    """The parts to train on, to validate on and to test on.

    Args:
        dataset: the images.
        spec: of the split, as `rankiqa.datasets.splits.make_split` takes it.
        options: how it is drawn.
        least: images that a batch needs.

    Raises:
        InputError: as `make_split` does; there are fewer than `least` images to train on, or all have one score.
    """
    split = make_split(
        dataset,
        spec,
        seed=options.split_seed,
        repeat=options.repeat,
        test_fraction=options.test_fraction,
        val_fraction=options.val_fraction,
    )
    train = split.mask("train")
    if train.sum() < least:
        batch = least > 1
        raise InputError(
            f"split {spec}: {train.sum()} images of {dataset.name} to train on, but a batch has {least}",
            cure="give another split or a smaller batch" if batch else "give another split",
            options=("split", "batch.images") if batch else ("split",),
        )
    scores = dataset.table["score"].to_numpy()[train]
    if scores.min() == scores.max():
        raise InputError(
            f"{dataset.name}: all {len(scores)} training images have the score {scores[0]:g}: no scale to learn"
        )
    return split


def check_sizes(
    dataset: ScoredSet, used: np.ndarray, photos: Mapping[str, Photo], crop: int, small: str, option: str | None = None
) -> None:
    """`InputError` for images that a crop is larger than, unless `small` says what becomes of them.

    Args:
        dataset: n rows.
        used: (n,) booleans, which of them are cropped.
        photos: path → size.
        crop: side in pixels.
        small: error, reflect or resize.
        option: what the crop's side may be changed by.
    """
    paths = dataset.table["path"][used]
    found = [path for path in paths if min(photos[path].width, photos[path].height) < crop]
    if found and small == "error":
        photo = photos[found[0]]
        raise InputError(
            f"{found[0]}: {photo.width}×{photo.height} px is smaller than the crop of {crop} px "
            f"({len(found)} such images)",
            path=dataset.root,
            cure=f"mirror or enlarge such images{', or give a smaller crop' if option else ''}",
            options=("small=reflect", "small=resize", *([option] if option else [])),
        )


def score_rows(
    dataset: ScoredSet,
    rows: np.ndarray,
    model: RankModel,
    view: View,
    device: torch.device,
    how: ScoresConfig,
) -> list[PatchScores]:
    """The scores of some rows (n,) of a data set, whose images are read as `how` says.

    Raises:
        InputError: an image cannot be read or scored.
    """
    files = [dataset.table["file"].iloc[row] for row in rows]
    found = []
    for result in score_files(model, files, view, device=device, convert=how.convert, icc=how.icc):
        if isinstance(result, InputError):
            raise result
        found.append(result)
    return found


def scores_learned_from(dataset: ScoredSet, split: Split, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What config.json tells of the human scores that a model learned from (finetuned_on).

    Images of the same data set that its start learned from count too: testing on them would leak. What that learned of
    other sets is in "earlier".

    Args:
        dataset: the images.
        split: their parts; train and val are learned from.
        before: finetuned_on of the model that the run started from; None: it had none.
    """
    seen = split.mask("train") | split.mask("val")
    groups, paths = {g for g, s in zip(split.groups, seen, strict=True) if s}, set(dataset.table["path"][seen])
    entries = [before, *(before.get("earlier") or ())] if before else []
    for entry in learned_from(before, dataset):
        groups |= set(entry.get("groups") or ())
        paths |= learned_paths(entry, dataset)
        entries.remove(entry)
    return {
        "dataset": dataset.name,
        "groups": sorted(groups),
        "paths": sorted(paths),
        "native_range": list(dataset.score_range),
        "native_higher_is_better": dataset.higher_is_better,
        "earlier": [{key: value for key, value in entry.items() if key != "earlier"} for entry in entries],
    }
