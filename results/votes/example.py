r"""A folder of 300 photos and 1,000 votes on them, to tune on: of raters who like good photos and strong colours.

python results/votes/example.py --biq2021 DIR --photos photos.csv --weights WEIGHTS --work WORK

writes WORK/example/photos and WORK/example/pairs.csv.
"""

from __future__ import annotations

import shutil

import numpy as np
from raters import Raters, Setting, arguments

from rankiqa.datasets.pairs import Pairs, pairs_text

PHOTOS, VOTES = 300, 1000


def main() -> None:
    args = arguments(__doc__)
    setting = Setting.of(args)
    rng = np.random.default_rng(0)
    rows = rng.permutation(setting.voted)[:PHOTOS]
    votes = Raters.of(setting.tastes["BIQ2021 and colour"]).votes(rows, VOTES, rng)
    folder = args.work / "example" / "photos"
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        shutil.copy(setting.files[row], folder)
    names = [setting.files[int(photo)].name for photo in votes.photos]
    answers = [
        (names[better], names[worse], 1.0, False) for better, worse in zip(votes.better, votes.worse, strict=True)
    ]
    (folder.parent / "pairs.csv").write_text(pairs_text(Pairs.of(answers)), encoding="utf-8")


if __name__ == "__main__":
    main()
