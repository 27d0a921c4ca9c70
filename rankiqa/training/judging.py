"""The judge's scale, measured before a run's first step on a sample of its images."""

from __future__ import annotations

import numpy as np

from rankiqa.judge import Judge, JudgeScale
from rankiqa.ranks.protocol import Ranks
from rankiqa.seeding import derive_seed, generator


def measure_scale(ranks: Ranks, judge: Judge, size: int, seed: int, count: int, progress: bool = False) -> JudgeScale:
    """The scale on `count` distorted crops of `ranks`: photo, type, level and place of each are drawn from `seed`.

    The types are equally likely, and the levels of each, so that the ranks are those among what the network will see.
    Pristine crops are left out: they are the end of the scale.

    Args:
        ranks: the images to train on.
        judge: whose scale it is.
        size: side of the crops, pixels; on disk it is of no matter, as whole images were judged.
        seed: of all draws.
        count: ≥ 2, how many crops.
        progress: show how far it is.

    Raises:
        InputError: as `Ranks.judged_crop` does.
    """
    from tqdm import tqdm

    types = ranks.distortions
    drawn = []
    for index in range(count):
        rng = generator(seed, "judge", index)
        distortion = types[rng.integers(len(types))]
        levels = ranks.levels[distortion][1:]
        reference = ranks.references[rng.integers(len(ranks.references))]
        drawn.append((reference, index, distortion, int(levels[rng.integers(len(levels))])))
    values = []
    # By photo, so that each is read once.
    for reference, index, distortion, level in tqdm(
        sorted(drawn), desc="judge", unit="crop", leave=False, disable=not progress, mininterval=1
    ):
        noise, place = derive_seed(seed, "judge", "distort", index), generator(seed, "judge", "crop", index)
        strength = ranks.draw_level(reference, distortion, level, noise)
        values.append(ranks.judged_crop(judge, reference, distortion, strength, size, place, noise)[1])
    return JudgeScale.measure(judge, np.array(values))
