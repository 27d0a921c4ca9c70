"""Chains of faults: drawn once, scaled together, made again from what was written down."""

import itertools

import numpy as np
import pytest

from rankiqa.distortions import DISTORTIONS, chains, plan
from rankiqa.distortions.chains import (
    _FAULTS,
    CHAINS,
    Step,
    feed_steps,
    photo_steps,
    read_recipe,
    remake,
    take,
    write_recipe,
)
from rankiqa.distortions.distortion import STAGES
from rankiqa.distortions.feeds import CODECS, STEPS
from rankiqa.errors import InputError

TS = (0.0, 0.25, 0.3, 0.75, 1.0)
STAGE = {name: STAGES.index(fault.stage) for name, fault in _FAULTS.items()}


@pytest.mark.parametrize("faults", [1, 2, 3, 4])
def test_a_photo_meets_so_many_faults_in_the_order_of_a_pipeline_and_none_gets_milder(faults):
    for seed in range(60):
        chains = [photo_steps(faults, t, seed) for t in TS]
        assert len({tuple(step.name for step in chain) for chain in chains}) == 1
        stages = [STAGE[step.name] for step in chains[0]]
        assert len(stages) == faults and stages == sorted(set(stages))
        for milder, stronger in itertools.pairwise(chains):
            for a, b in zip(milder, stronger, strict=True):
                sign = 1 if _FAULTS[a.name].limits[1] > _FAULTS[a.name].limits[0] else -1
                assert (b.strength - a.strength) * sign >= 0
        assert [step.strength for step in chains[0]] == [_FAULTS[step.name].at(0) for step in chains[0]]


def test_every_fault_and_every_stage_comes_up():
    seen = [step.name for seed in range(1500) for step in photo_steps(2, 0.5, seed)]
    assert set(seen) == set(_FAULTS)
    counts = np.bincount([STAGE[name] for name in seen])
    assert len(counts) == len(STAGES) and counts.min() > 0.9 * 500 and counts.max() < 1.1 * 500


def test_no_fault_needs_a_package_that_may_be_missing():
    assert not any(fault.extra for fault in _FAULTS.values())
    assert set(CODECS) <= set(_FAULTS)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_feed_resizes_sharpens_and_encodes_in_rounds_and_shows_the_old_size(rounds, photo):
    for seed in range(30):
        chains = [feed_steps(rounds, t, seed) for t in TS]
        for chain in chains:
            *work, last = [step.name for step in chain]
            assert last == "SHOW" and len(work) == 3 * rounds
            assert work[0::3] == ["RESIZE"] * rounds and work[1::3] == ["SHARPEN"] * rounds
            assert set(work[2::3]) <= set(CODECS)
        for milder, stronger in itertools.pairwise(chains):
            assert all(a.strength > b.strength for a, b in zip(milder[0:-1:3], stronger[0:-1:3], strict=True))
            assert all(a.strength <= b.strength for a, b in zip(milder[1:-1:3], stronger[1:-1:3], strict=True))


def test_steps_are_what_the_types_do_one_after_the_other(photo):
    steps = (Step("JPEG420", 40), Step("RESIZE", 0.5), Step("SHOW", 1.0))
    coded = DISTORTIONS["JPEG420"](photo, 40, np.random.default_rng(0))
    shown = STEPS["SHOW"](STEPS["RESIZE"](coded, 0.5, photo.shape[:2]), 1.0, photo.shape[:2])
    assert (take(photo, steps, 3) == shown).all()


@pytest.mark.parametrize("name", CHAINS)
def test_an_image_is_made_again_from_its_recipe_and_seed(name, photo):
    small = photo[:120, :150]
    distortion = DISTORTIONS[name]
    for seed, t in ((5, 0.25), (6, 1.0)):
        recipe = distortion.recipe(t, seed)
        made = distortion(small, t, np.random.default_rng(seed))
        assert (remake(small, recipe, seed) == made).all()
        assert write_recipe(read_recipe(recipe)) == recipe


def test_the_mark_of_the_draws_changes_with_any_of_them(monkeypatch):
    before = chains.drawn()
    assert before == chains.drawn()
    for name, value in (("_WEIGHTS", (0.35, 0.99)), ("_CROWD", 0.51), ("_MARKED", 39)):
        with monkeypatch.context() as patch:
            patch.setattr(chains, name, value)
            assert chains.drawn() != before
    with monkeypatch.context() as patch:
        patch.setitem(chains._BY_STAGE, "sensor", ["OVER", "UNDER"])
        assert chains.drawn() != before


def test_a_recipe_tells_the_encoder():
    text = write_recipe([Step("JPEG420", 43), Step("SHOW", 1.0)])
    assert text.startswith("JPEG420 43 [libjpeg") and text.endswith("] > SHOW 1.0")


@pytest.mark.parametrize(
    "text", ["", "JPEG420", "JPEG420 x", "NOPE 1", "JPEG420 43 > ", "JPEG420 4e", "JPEG420 43 [a", "SHOW 1;"]
)
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(InputError, match=r"the recipe .* has"):
        read_recipe(text)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("JPEG420 900", "JPEG420: strength 900 is out of range"),
        ("JPEG420 " + "9" * 400, "JPEG420: strength inf is out of range"),
        ("JPEG420 43.5", "JPEG420: strength 43.5 must be a whole number"),
        ("RESIZE 1e9", r"RESIZE: strength 1e\+09 is out of range; from 0 to 1"),
        ("RESIZE -0.5", "RESIZE: strength -0.5 is out of range; from 0 to 1"),
        ("SHARPEN 1e999", "SHARPEN: strength inf is out of range; from 0 to 1.2"),
        ("SHOW 2.0", "SHOW: strength 2 is out of range"),
    ],
)
def test_a_recipe_with_an_impossible_strength_is_refused(step, words, photo):
    with pytest.raises(InputError, match=words):
        remake(photo, f"HAZE 0.5 > {step}", 1)


def test_the_set_photo_has_all_chains():
    assert tuple(plan("photo")) == CHAINS
