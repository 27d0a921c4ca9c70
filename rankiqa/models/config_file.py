"""config.json of a model, from whoever sent it: checked, and used as data alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError
from rankiqa.votes import VOTES

FORMAT = 1
HALF = "float16"  # dtype of a file in half precision; others do not say it
MOST_BYTES = 64 << 20  # the photos of a large training are named in it
MOST_SIDE = 8192  # of an input, in pixels
MOST_UNITS = 1 << 16  # of a head
MOST_NUMBER = 1e6  # of scales, means and standard deviations, far above those of pixels


def read_config(path: Path) -> dict[str, Any]:
    """The content of a config.json, as `rankiqa.models.save_model` writes it.

    The architecture may still be unknown.

    Raises:
        InputError: it is damaged, too large, of another format or out of range; file and key are named.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"has more than {MOST_BYTES >> 20} MiB; this is no model's config", path=path)
        config = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise _no_config(path, error) from error
    try:
        _check(config)
    except (KeyError, TypeError) as error:
        raise _no_config(path, error) from error
    except InputError as error:
        raise error.at(path) from None
    return config


def _no_config(path: Path, error: Exception) -> InputError:
    return InputError(f"not a model's config ({type(error).__name__}: {str(error)[:200]})", path=path)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r:.80} is there twice")
    return found


def _check(config: dict[str, Any]) -> None:
    if config["format"] != FORMAT:
        raise InputError(f"format {_short(config['format'])}, but this version reads {FORMAT}", cure="update rankiqa")
    if config.get("higher_is_better", True) is not True:
        raise InputError(
            f"its scores run the other way (higher_is_better is {_short(config['higher_is_better'])})",
            cure="negate its last layer and say true, as everything here takes a higher score for better",
        )
    architecture, preprocessing = config["architecture"], config["preprocessing"]
    votes = architecture.get("votes") if isinstance(architecture, dict) else None
    if votes not in (None, VOTES) or isinstance(votes, float):
        raise InputError(f"a model of {_short(votes)} votes, but this version reads {VOTES}")
    more_of_it = {"dropout": _or_none(_is_share), "votes": _anything} | ({} if votes else {"head": _anything})
    _fields("architecture", architecture, {"name": _is_text}, more_of_it)
    if "head" in architecture:
        _check_head(architecture["head"])
    side = {"resize": _or_none(_is_side)} if votes else {}
    steps = {"crop": _is_side, "channels": _is_order, "scale": _is_positive, "mean": _are_three, "std": _are_positive}
    _fields("preprocessing", preprocessing, steps, side)
    more = {
        "dtype": _is_dtype,
        "score_range": _is_range,
        "training_photos": _are_names,
        "training_references": _are_names,
        "finetuned_on": _is_tuning,
        "provenance": _is_dict,
    }
    _fields("", config, {"weights_sha256": _is_text}, {key: _or_none(check) for key, check in more.items()}, True)
    _fields("provenance", config.get("provenance") or {}, {}, {"settings": _or_none(_is_dict)}, True)


def _check_head(head: Any) -> None:
    name = "architecture.head"
    more = {"hidden": _is_units, "drop_inputs": _is_share, "scale": _or_none(_is_dict)}
    _fields(name, head, {"kind": _is_kind}, more)
    if (scale := head.get("scale")) is not None:
        needed = {"low": _is_moderate, "high": _is_moderate, "slope": _is_positive, "offset": _is_moderate}
        _fields(f"{name}.scale", scale, needed, {})
        if not scale["low"] < scale["high"]:
            raise InputError(f"{name}.scale.low must be below high, got {scale['low']} and {scale['high']}")


def _fields(
    name: str,
    values: Any,
    needed: Mapping[str, Callable[[Any], bool]],
    optional: Mapping[str, Callable[[Any], bool]],
    others: bool = False,
) -> None:
    """Raise `InputError` unless `values` has the `needed` fields, maybe `optional` ones, and with `others` any more."""
    if not isinstance(values, dict):
        raise InputError(f"{name} must have fields, not be {_short(values)}")
    prefix = f"{name}." if name else ""
    if missing := needed.keys() - values.keys():
        raise InputError(f"{prefix}{min(missing)} is missing")
    for key, value in values.items():
        check = needed.get(key) or optional.get(key)
        if check is None and not others:
            raise InputError(f"{prefix}{_short(key)} is unknown; known: {', '.join([*needed, *optional])}")
        if check is not None and not check(value):
            raise InputError(f"{prefix}{key} cannot be {_short(value)}")


def _short(value: Any) -> str:
    """A value for a message, whatever its size."""
    text = f"{type(value).__name__} of {len(value)}" if isinstance(value, (dict, list)) and len(value) > 4 else value
    try:
        return f"{text!r:.80}"
    except ValueError:  # an integer of thousands of digits
        return f"a number of {value.bit_length()} bits"


def _is_number(value: Any) -> bool:
    """A finite number that a float can hold; not true or false."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -math.inf < value < math.inf


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_order(value: Any) -> bool:
    return value in ("rgb", "bgr")


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _anything(_: Any) -> bool:
    return True


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SIDE


def _is_units(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_UNITS


def _is_kind(value: Any) -> bool:
    return value == "statistics"


def _is_dtype(value: Any) -> bool:
    return value in (HALF, "float32")


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 1


def _is_moderate(value: Any) -> bool:
    return _is_number(value) and abs(value) <= MOST_NUMBER


def _is_positive(value: Any) -> bool:
    return _is_moderate(value) and value > 1 / MOST_NUMBER


def _are_three(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_moderate, value))


def _are_positive(value: Any) -> bool:
    return _are_three(value) and all(map(_is_positive, value))


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] < value[1]


def _are_names(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_tuning(value: Any, earlier: bool = True) -> bool:
    """What a model learned human scores from, and in `earlier` what it had learned before."""
    if not isinstance(value, dict) or not isinstance(value.get("dataset"), str):
        return False
    if not isinstance(value.get("split", ""), str):
        return False
    lists = [value.get(key) or [] for key in ("groups", "paths")]
    before = value.get("earlier") or []
    return (
        all(isinstance(names, list) and all(map(_is_text, names)) for names in lists)
        and isinstance(before, list)
        and all(earlier and _is_tuning(entry, False) for entry in before)
    )
