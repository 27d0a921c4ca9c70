"""The scores of an evaluation: a row an image, with what it is measured against."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rankiqa.errors import InputError
from rankiqa.evaluation.items import SHARE_COLUMNS, VOTED
from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.models import RankModel
from rankiqa.scoring.patches import score_files
from rankiqa.votes import std_of

EVALUATED_COLUMNS = (
    *("path", "reference", "group", "distortion", "level", "native", "truth"),
    *("score", "median", "std", "patches"),
)


@dataclass(frozen=True)
class ItemScores:
    """What became of the images of an evaluation.

    Attributes:
        table: a row an image that was scored, with `EVALUATED_COLUMNS`. Of the columns `VOTED` it has vote1 … vote10 if
            people voted, and of a model that predicts votes their shares p1 … p10 (over several crops the mean) and
            standard deviation.
        skipped: path and reason of each image left out.
        small: how many images were smaller than the crop (in the mode "whole" than 64 px), and mirrored or enlarged.
    """

    table: pd.DataFrame
    skipped: list[dict[str, str]]
    small: int


def score_items(model: RankModel, items: pd.DataFrame, options: EvaluationOptions) -> ItemScores:
    """Score the files of `items`, as `rankiqa.evaluation.items.ranked_items` or `scored_items` give them.

    An image that cannot be scored is left out with a warning on stderr.

    Raises:
        InputError: no image can be scored; with `options.strict` the first that cannot.
    """
    from tqdm import tqdm

    view = options.view.of(model)
    results = score_files(
        *(model, list(items["file"]), view),
        device=options.device,
        convert=options.convert,
        icc=options.icc,
        workers=options.workers,
    )
    bar = tqdm(
        zip(items["path"], results, strict=True),
        total=len(items),
        desc="scoring",
        unit="image",
        mininterval=0.1 if sys.stderr.isatty() else 30,  # a log file gets a line now and then in place of a moving bar
        disable=not options.progress,
    )
    numbers: list[list[float]] = []
    skipped, votes, small = [], {}, 0
    errors: list[InputError] = []
    for place, (path, result) in enumerate(bar):
        if isinstance(result, InputError):
            if options.strict:
                raise result
            bar.write(f"warning: left out: {result}", file=sys.stderr)
            errors.append(result)
            skipped.append({"path": path, "reason": str(result)})
            numbers.append([math.nan] * 3 + [0])
            continue
        numbers.append([result.mean, result.median, result.std, len(result.scores)])
        if result.votes is not None:
            votes[items.index[place]] = result.votes.mean(0)
        small += result.size is not None and min(result.size) < view.least(model.crop)
    if len(errors) == len(items):
        more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
        first = errors[0] if errors else InputError("there are no images")
        raise first.but(reason=f"no image could be scored: {first.reason}{more}")
    scored = pd.DataFrame(numbers, columns=["score", "median", "std", "patches"], index=items.index)
    if votes:
        shares = np.stack(list(votes.values()))
        predicted = pd.DataFrame(shares, columns=list(SHARE_COLUMNS), index=list(votes)).assign(
            votes_std=std_of(shares)
        )
        scored = scored.join(predicted)
    table = pd.concat([items, scored], axis=1)
    table = table[[*EVALUATED_COLUMNS, *(column for column in VOTED if column in table)]]
    return ItemScores(table[table["patches"] > 0].reset_index(drop=True), skipped, small)
