"""Which types and strengths a ranked set is made of: the published sets, and what a user chooses."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Collection, Mapping
from pathlib import Path

from rankiqa.distortions import codec_types, laboratory
from rankiqa.distortions.camera import types as camera
from rankiqa.distortions.chains import CHAINS
from rankiqa.distortions.levels import TID2013_PSNR
from rankiqa.distortions.registry import DISTORTIONS, Distortion
from rankiqa.errors import InputError
from rankiqa.extras import MissingExtra
from rankiqa.yaml_file import read_yaml

PAPER, PSNR, EVEN = "paper", "psnr", "even:"

# Two names with a bar between them: the first whose optional package is installed. None after the bar: the type is
# left out where its package is missing.
_TID2013 = (
    *("GN", "GNC", "HFN", "IN", "QN", "GB", "ID|ID-NLM", "JPEG", "JP2K", "NEPN", "BW"),
    *("MSH", "MSL", "CCH", "CCL", "CS", "MGN", "CQD", "CA"),
)
SETS: dict[str, tuple[str, ...]] = {
    "live": ("GB", "GN", "JPEG", "JP2K"),
    "tid2013": _TID2013,
    "tid2013-24": (
        *("GN", "GNC", "SCN", "MN", "HFN", "IN", "QN", "GB", "ID|ID-NLM", "JPEG", "JP2K", "JPEGTE", "JP2KTE"),
        *("NEPN", "BW", "MSH", "MSL", "CCH", "CCL", "CS", "MGN", "CN", "LCNI", "CQD", "CA", "SSR"),
    ),
    "mlive": tuple(d.name for d in laboratory.TYPES if "mlive" in d.levels and "+" in d.name),
    "kadid10k": (
        *("GB", "LENS", "MOTION", "CDIFF", "CSHIFT", "CQD", "HSVSAT", "LABSAT", "JP2K", "JPEG", "GN", "GNC", "IN"),
        *("SPECKLE", "ID|ID-NLM", "BRIGHT", "DARK", "MSH", "MSL", "JITTER", "NEPN", "PIXEL", "QN", "CBLOCK", "SHARP"),
        *("CURVEH", "CURVEL"),
    ),
    # Every type of the sets above, each with the first of its tables; one of the two denoisers.
    "all": tuple("ID|ID-NLM" if d.name == "ID" else d.name for d in laboratory.TYPES if d.name != "ID-NLM"),
    "camera": tuple(d.name for d in camera.TYPES),
    "codecs": tuple(f"{d.name}|" if d.extra else d.name for d in codec_types.TYPES),
    "photo": CHAINS,
}

# From a type's name to its strengths, mildest first; None where they are found for each image
# (`rankiqa.distortions.psnr`).
Strengths = Mapping[str, tuple[float, ...] | None]


def resolve(text: str) -> tuple[Distortion, ...]:
    """The distortions that `text` names: sets and names with commas ("live", "GB,JPEG", "camera,codecs").

    Raises:
        InputError: a name is unknown (the message lists those that are known) or given twice, or there is none.
        MissingExtra: a type needs an optional package that is not installed.
    """
    return tuple(DISTORTIONS[name] for name in _tables(text))


def plan(distortions: str, levels: str = PAPER) -> Strengths:
    """Types and strengths of a ranked set.

    Args:
        distortions: sets and names, as `resolve` takes them. What two of them bring is there once, as the first
            has it.
        levels: "paper" for the set's published strengths (for names: the first table that each type has), "even:7" for
            7 strengths of each type, evenly from the mildest to the strongest of those (`Distortion.at`), "psnr" for
            strengths that give each image TID2013's PSNR where the type allows it, or the path of a YAML file with the
            strengths of some types, `GB: [1, 2, 4]`; the other types keep the published ones.

    Raises:
        InputError: an unknown type, level table or file, a strength out of range, strengths that do not rise, or more
            even levels than a type has strengths.
        MissingExtra: a type needs an optional package that is not installed.
    """
    tables = _tables(distortions)
    if levels.startswith(EVEN):
        return {name: _even(DISTORTIONS[name], table, levels) for name, table in tables.items()}
    strengths = {name: DISTORTIONS[name].levels[table] for name, table in tables.items()}
    if levels == PSNR:
        return {name: None if DISTORTIONS[name].psnr else of_type for name, of_type in strengths.items()}
    if levels != PAPER:
        strengths |= _read(levels, strengths)
    for name, of_type in strengths.items():
        DISTORTIONS[name].check_levels(of_type)
    return strengths


def stand_ins(names: Collection[str], text: str) -> list[str]:
    """A line for each type of the sets in `text` that is not among `names`, as its optional package is missing.

    It says which type stands in for it, or that it is left out, and which extra brings the package.
    """
    lines: dict[str, None] = {}  # several sets may have a type
    for entry in (entry for part in text.split(",") for entry in SETS.get(part.strip(), ())):
        first, bar, second = entry.partition("|")
        if bar and first not in names:
            wanted = DISTORTIONS[first]
            what = f"without {first}"
            if second:
                what = f"{second}, {DISTORTIONS[second].title}, stands in for {wanted.title}"
            extra = wanted.extra or ""
            lines[f"{what}: {MissingExtra(wanted.package or extra, extra, first)}"] = None
    return list(lines)


def number_of_levels(strengths: tuple[float, ...] | None) -> int:
    """How many levels a type has above the pristine image."""
    return len(TID2013_PSNR if strengths is None else strengths)


def _tables(text: str) -> dict[str, str]:
    """From each type that `text` names to the table of its levels: the set's own, or the type's first."""
    tables: dict[str, str] = {}
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        names = list(filter(None, map(_first_available, SETS[part]))) if part in SETS else [part]
        for name in names:
            if name not in DISTORTIONS:
                known = ", ".join([*SETS, *DISTORTIONS])
                raise InputError(f"unknown distortion {name!r}; known: {known}")
            if name == part and parts.count(name) > 1:
                raise InputError(f"distortion {name!r} is given twice", cure="name each once")
            distortion = DISTORTIONS[name]
            if distortion.extra and not distortion.available:
                raise MissingExtra(distortion.package or distortion.extra, distortion.extra, name)
            tables.setdefault(name, part if part in distortion.levels else next(iter(distortion.levels)))
    return tables


def _even(distortion: Distortion, table: str, levels: str) -> tuple[float, ...]:
    count = levels.removeprefix(EVEN)
    if not re.fullmatch("[0-9]{1,6}", count) or not int(count):
        raise InputError(f"levels {levels}: give a number from 1 on, such as {EVEN}7", options=("levels",))
    try:
        return distortion.scale(table).even(int(count))
    except InputError as error:
        raise error.but(reason=f"{distortion.name}: {error.reason}", options=("levels",)) from None


def _first_available(entry: str) -> str:
    """The type that an entry of a set is here; "" for one that is left out."""
    names = entry.split("|")
    return next((name for name in names if name and DISTORTIONS[name].available), names[-1])


def _read(path: str, known: Collection[str]) -> dict[str, tuple[float, ...]]:
    if not Path(path).is_file():
        cure = f"give {PAPER}, {EVEN}7, {PSNR} or a YAML file"
        raise InputError("no such level table or file", path=path, cure=cure, options=("levels",))
    content = read_yaml(path)
    if not isinstance(content, dict) or not content:
        raise InputError("holds no mapping from types to strengths, such as GB: [1, 2, 4]", path=path)
    strengths: dict[str, tuple[float, ...]] = {}
    for name, values in content.items():
        if name not in known:
            why = f"{str(name)[:80]!r} is not among the types of the set: {', '.join(known)}"
            raise InputError(why, path=path)
        numbers = values if isinstance(values, list) else [values]
        if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in numbers):
            raise InputError(f"{name} must be a list of numbers, not {reprlib.repr(values)}", path=path)
        strengths[name] = tuple(numbers)
        try:
            DISTORTIONS[name].check_levels(strengths[name])
        except InputError as error:
            raise error.at(path) from None
        except OverflowError as error:  # of a whole number beyond any float
            raise InputError(f"{name}: {error}", path=path) from None
    return strengths
