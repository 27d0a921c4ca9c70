"""Samplers: what is in a batch, that nothing is left out, and that a step is a pure function."""

from collections import Counter

import numpy as np
import pytest
import torch

from rankiqa.errors import InputError
from rankiqa.images.crops import random_crop
from rankiqa.losses import ordered_pairs
from rankiqa.seeding import generator
from rankiqa.training.samplers import EfficientGroups, HardNegatives, RandomPairs

LIVE = dict.fromkeys(("GB", "GN", "JPEG", "JP2K"), (0, 1, 2, 3, 4, 5))
TID = {f"{i:02d}": (0, 1, 2, 3, 4) for i in range(17)}


def photos(n):
    return tuple(f"{i}.png" for i in range(n))


def pairs(items):
    group = torch.tensor([i.group for i in items])
    level = torch.tensor([i.level for i in items])
    return ordered_pairs(group, level).nonzero().tolist()


@pytest.mark.parametrize(
    ("levels", "groups", "images", "size", "n_pairs"),
    [(LIVE, None, 2, 48, 240), (LIVE, 4, 1, 24, 60), (TID, 9, 1, 45, 90), (TID, 3, 4, 60, 480)],
)
def test_efficient_batch_has_the_layout_of_the_paper(levels, groups, images, size, n_pairs):
    sampler = EfficientGroups(photos(10), levels, groups, images)
    items = sampler.batch(0)
    assert len(items) == size == len(set(items))
    assert len(pairs(items)) == n_pairs
    for i, j in pairs(items):
        assert items[i].distortion == items[j].distortion and items[i].level < items[j].level


def test_within_photo_pairs_only():
    items = EfficientGroups(photos(10), LIVE, images=3, across=False).batch(4)
    found = pairs(items)
    assert len(found) == 4 * 3 * 15
    assert all(items[i].reference == items[j].reference for i, j in found)


@pytest.mark.parametrize(("n", "images"), [(7, 2), (8, 2), (5, 8), (1, 1)])
def test_an_epoch_shows_every_photo_of_every_type_once(n, images):
    sampler = EfficientGroups(photos(n), LIVE, images=images)
    seen = Counter()
    sizes = []
    for step in range(sampler.steps_per_epoch):
        items = sampler.batch(step)
        sizes.append(len(items))
        seen.update((i.reference, i.distortion, i.level) for i in items)
    assert set(seen.values()) == {1} and len(seen) == n * 24
    assert sizes[-1] == 24 * (n - images * (sampler.steps_per_epoch - 1))  # the last batch holds what is left
    # The next epoch comes in another order.
    if n > 5:
        assert [i.reference for i in sampler.batch(0)] != [i.reference for i in sampler.batch(len(sizes))]


def test_drawn_types_and_levels_come_equally_often():
    sampler = EfficientGroups(photos(20), TID, groups=9, n_levels=3)
    types, levels = Counter(), Counter()
    steps = 1000
    for step in range(steps):
        items = sampler.batch(step)
        types.update({i.distortion for i in items})
        levels.update(i.level for i in items)
    # Binomial: 1000 draws at 9/17; five standard deviations.
    expected, deviation = steps * 9 / 17, (steps * 9 / 17 * 8 / 17) ** 0.5
    assert all(abs(count - expected) < 5 * deviation for count in types.values()) and len(types) == 17
    share = np.array([levels[i] for i in range(5)]) / (steps * 27)
    np.testing.assert_allclose(share, 0.2, atol=0.01)


@pytest.mark.parametrize("across", [True, False])
def test_random_pairs_are_pairs_and_cover_all_level_differences(across):
    sampler = RandomPairs(photos(6), LIVE, pairs=30, across=across)
    counts = Counter()
    same_photo = 0
    for step in range(100):
        items = sampler.batch(step)
        found = pairs(items)
        assert len(items) == 60 and len(found) == 30
        for i, j in found:
            assert {i, j} == {2 * items[i].group, 2 * items[i].group + 1}
            assert items[i].distortion == items[j].distortion
            counts[items[i].level, items[j].level] += 1
            same_photo += items[i].reference == items[j].reference
    assert len(counts) == 15
    # 3000 pairs over 15 pairs of levels: 200 each, standard deviation 13.7.
    assert max(abs(c - 200) for c in counts.values()) < 5 * 13.7
    if across:
        assert abs(same_photo / 3000 - 1 / 6) < 5 * (5 / 36 / 3000) ** 0.5
    else:
        assert same_photo == 3000


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: EfficientGroups(photos(9), TID, 5, 2, 3, seed=seed),
        lambda seed: RandomPairs(photos(9), LIVE, 10, seed=seed),
        lambda seed: HardNegatives(photos(9), LIVE, 10, seed=seed, keep=3),
    ],
)
def test_a_step_is_a_pure_function_of_seed_and_step(make):
    forwards = [make(0).batch(step) for step in range(20)]
    one = make(0)
    backwards = [one.batch(step) for step in reversed(range(20))][::-1]
    assert forwards == backwards
    assert forwards != [make(1).batch(step) for step in range(20)]
    assert len({tuple(b) for b in forwards}) == 20


def test_crops_are_uniform_and_their_pixels_are_the_image_s_own():
    image = np.arange(12 * 9 * 3, dtype=np.uint8).reshape(12, 9, 3)
    rng = generator(0, "crops")
    corners = Counter()
    for _ in range(2800):
        crop = random_crop(image, 6, rng)
        top, left = next(
            (t, x) for t in range(7) for x in range(4) if np.array_equal(image[t : t + 6, x : x + 6], crop)
        )
        corners[top, left] += 1
    assert len(corners) == 28  # every place, the last row and column among them
    assert max(abs(count - 100) for count in corners.values()) < 5 * 10


def test_a_crop_of_the_whole_image_is_the_image():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(random_crop(image, 8, generator(0)), image)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: random_crop(np.zeros((10, 300, 3), np.uint8), 224, generator(0)),
            "300×10 px is smaller than the crop of 224×224",
        ),
        (lambda: EfficientGroups((), LIVE), "no reference image"),
        (lambda: EfficientGroups(photos(3), {}), "no distortion type"),
        (lambda: EfficientGroups(photos(3), {"GB": (0,)}), "GB has levels"),
        (lambda: EfficientGroups(photos(3), LIVE, groups=9), "batch.groups is 9, but the ranked set has 4"),
        (lambda: EfficientGroups(photos(3), LIVE, n_levels=7), "batch.levels is 7, but must be 2 to 6"),
        (lambda: EfficientGroups(photos(3), LIVE, images=0), "images must be at least 1, got 0"),
        (lambda: RandomPairs(photos(3), LIVE, pairs=0), "pairs must be at least 1"),
        (lambda: HardNegatives(photos(3), LIVE, pairs=4, keep=5), "batch.keep is 5"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
