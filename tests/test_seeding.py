import hashlib

import numpy as np

from rankiqa.seeding import derive_seed, generator


def test_the_seed_is_that_of_its_recipe_on_every_machine():
    digest = hashlib.sha256(b"7\x1fa/x.png\x1fGN\x1f3").digest()
    assert derive_seed(7, "a/x.png", "GN", 3) == int.from_bytes(digest[:8], "big") // 2


def test_neighbouring_names_and_seeds_give_different_seeds_in_range():
    seeds = {
        derive_seed(seed, name, kind, level)
        for seed in range(5)
        for name in ("a", "b", "ab")
        for kind in ("", "a", "GN")
        for level in (1, 2, 11)
    }
    assert len(seeds) == 5 * 3 * 3 * 3
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "a", "b") != derive_seed(0, "ab")


def test_a_generator_does_not_depend_on_what_was_drawn_before():
    first = generator(3, "x", 1).standard_normal(5)
    generator(3, "y", 1).standard_normal(1000)
    np.random.default_rng().standard_normal(10)
    assert (generator(3, "x", 1).standard_normal(5) == first).all()
    assert (generator(3).random(3) == np.random.default_rng(3).random(3)).all()


def test_generators_of_neighbouring_levels_are_uncorrelated():
    draws = np.stack([generator(0, "x", "GN", level).standard_normal(20000) for level in range(1, 6)])
    off_diagonal = np.corrcoef(draws)[~np.eye(5, dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(20000)
