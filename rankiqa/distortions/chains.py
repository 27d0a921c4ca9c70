"""Chains: what happened to one photo, one fault after the other as a pipeline makes them, all scaled by one strength.

Which faults, and how strong each is beside the others, is drawn once from a seed. The chain's strength, t on [0, 1],
then moves all of them together from just visible to their own most: every level has the faults of the one before, each
of them stronger, so that its levels are ranks without anyone's judgement.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from rankiqa.distortions import codec_types, feeds
from rankiqa.distortions.camera import types as camera
from rankiqa.distortions.distortion import STAGES, Distortion
from rankiqa.distortions.levels import CHAIN
from rankiqa.errors import InputError
from rankiqa.seeding import generator

# A chain is the same wherever it is drawn: it takes none of the codecs that may be missing.
_FAULTS = {d.name: d for d in (*camera.TYPES, *codec_types.TYPES) if d.extra is None}
_BY_STAGE = {stage: [d.name for d in _FAULTS.values() if d.stage == stage] for stage in STAGES}

# A fault's share of its own scale at t = 1: drawn from here, and less the more faults there are, so that four of them
# do not leave less of a photo than one.
_WEIGHTS = (0.35, 1.0)
_MARKED = 40  # seeds of each chain whose draws are the mark of all
_CROWD = 0.5  # the share is divided by the number of faults to this power

_STEP = re.compile(r"(?P<name>[A-Z0-9-]+) (?P<strength>[-+.e0-9]+)(?: \[(?P<encoder>[^]]*)\])?")


class Step(NamedTuple):
    """One thing that was done to an image."""

    name: str
    strength: float


def photo_steps(faults: int, t: float, seed: int) -> tuple[Step, ...]:
    """What happens to a photo: `faults` types of as many stages, in the order of `STAGES`, at `t` on [0, 1].

    The same seed gives the same types for every `t`, and none of them is milder for a larger one.
    """
    rng = generator(seed, "chain")
    stages = sorted(rng.choice(len(STAGES), faults, replace=False).tolist())
    steps = []
    for stage in stages:
        names = _BY_STAGE[STAGES[stage]]
        name, weight = names[rng.integers(len(names))], rng.uniform(*_WEIGHTS) / faults**_CROWD
        steps.append(Step(name, _FAULTS[name].at(t * weight)))
    return tuple(steps)


def feed_steps(rounds: int, t: float, seed: int) -> tuple[Step, ...]:
    """What a messenger or a network does with a photo, `rounds` times: resize, sharpen, encode; at `t` on [0, 1].

    At last it is shown at its old size. Each round draws how far it goes at t = 1.
    """
    rng = generator(seed, "chain")
    steps: list[Step] = []
    for _ in range(rounds):
        smaller, sharper, weight = rng.uniform(*feeds.FACTOR), rng.uniform(*feeds.GAIN), rng.uniform(*_WEIGHTS)
        codec = feeds.CODECS[rng.integers(len(feeds.CODECS))]
        # The first round shrinks to what the network shows, the next ones, elsewhere, a little more.
        share = (feeds.LEAST + (1 - feeds.LEAST) * t) / rounds**_CROWD
        steps += [
            Step("RESIZE", 1 - share * (1 - smaller)),
            Step("SHARPEN", share * sharper),
            Step(codec, _FAULTS[codec].at(t * weight / rounds**_CROWD)),
        ]
    return *steps, Step("SHOW", 1.0)


_DRAWS = {
    **{f"PHOTO{n}": partial(photo_steps, n) for n in (1, 2, 3, 4)},
    **{f"FEED{n}": partial(feed_steps, n) for n in (1, 2, 3)},
}
CHAINS = tuple(_DRAWS)


def take(image: np.ndarray, steps: Sequence[Step], seed: int) -> np.ndarray:
    """The image after all of `steps`, uint8 H×W×3 as before; each draws from a generator of its own, of `seed`."""
    made = image
    for place, (name, strength) in enumerate(steps):
        rng = generator(seed, "step", place, name)
        if name in feeds.STEPS:
            made = feeds.STEPS[name](made, strength, image.shape[:2])
        else:
            made = _FAULTS[name](made, strength, rng)
    return np.ascontiguousarray(made)


def write_recipe(steps: Iterable[Step]) -> str:
    """The steps as text, with the encoders' versions: "HAZE 0.5 > JPEG420 43 [libjpeg-turbo 3.2.0]"."""
    return " > ".join(f"{name} {strength!r}{_encoder(name)}" for name, strength in steps)


def read_recipe(text: str) -> tuple[Step, ...]:
    """The steps of `write_recipe`; versions are passed over. `InputError` for others and impossible strengths."""
    steps = []
    for part in text.split(" > "):
        found = _STEP.fullmatch(part)
        if found is None or found["name"] not in (*_FAULTS, *feeds.STEPS):
            raise InputError(f"the recipe {text[:80]!r} has an unknown step {part[:40]!r}")
        name, number = found["name"], found["strength"]
        try:
            strength = float(number)
        except ValueError:
            raise InputError(f"the recipe {text[:80]!r} has a step without a strength: {part[:40]!r}") from None
        _check(name, strength)
        steps.append(Step(name, int(number) if number.isdigit() else strength))
    return tuple(steps)


def _check(name: str, strength: float) -> None:
    """Raise `InputError` for a strength that a step cannot have."""
    if name in _FAULTS:
        _FAULTS[name].check(strength)
        return
    low, high = feeds.LIMITS[name]
    if not low <= strength <= high:
        raise InputError(f"{name}: strength {strength:g} is out of range; from {low:g} to {high:g}")


def remake(image: np.ndarray, recipe: str, seed: int) -> np.ndarray:
    """The image of a row of a manifest, bit for bit, from the pristine one, its recipe and its seed.

    Raises:
        InputError: the recipe cannot be read, or has a strength that there is not.
    """
    return take(image, read_recipe(recipe), _chain_seed(np.random.default_rng(seed)))


def chained_codecs(names: Iterable[str]) -> tuple[str, ...]:
    """The codecs that chains among the types `names` may take."""
    of_photos = _BY_STAGE["saving"] if any(name.startswith("PHOTO") for name in names) else []
    of_feeds = feeds.CODECS if any(name.startswith("FEED") for name in names) else ()
    return tuple(dict.fromkeys((*of_photos, *of_feeds)))


def drawn() -> str:
    """A short mark of what seeds draw: another one where a version of the library draws other chains."""
    draws = [_DRAWS[name](1.0, seed) for name in CHAINS for seed in range(_MARKED)]
    return hashlib.sha256(repr(draws).encode()).hexdigest()[:12]


def _chain_seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))


def _encoder(name: str) -> str:
    known = _FAULTS.get(name)
    return f" [{known.recipe(0, 0)}]" if known and known.recipe else ""


def _chain(name: str, image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    seed = _chain_seed(rng)
    return take(image, _DRAWS[name](strength, seed), seed)


def _recipe(name: str, strength: float, seed: int) -> str:
    return write_recipe(_DRAWS[name](strength, _chain_seed(np.random.default_rng(seed))))


_TITLES = {
    "PHOTO1": "One fault on a photo's way",
    "PHOTO2": "Two faults on a photo's way",
    "PHOTO3": "Three faults on a photo's way",
    "PHOTO4": "Four faults on a photo's way",
    "FEED1": "Resized, sharpened, encoded",
    "FEED2": "Resized, sharpened, encoded twice",
    "FEED3": "Resized, sharpened, encoded three times",
}
TYPES = tuple(
    Distortion(
        name, partial(_chain, name), _TITLES[name], "t {}", CHAIN, (0.0, 1.0),
        source="rankiqa", nested=True, context=None, psnr=False, recipe=partial(_recipe, name),
    )
    for name in CHAINS
)  # fmt: skip
