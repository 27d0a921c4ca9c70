"""Strategies that damage bytes, lines of text and trees of JSON, as accidents and enemies do."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

EXTREMES = (0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**16, 10**6, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
MAGIC, HEADER = 12, 100  # bytes: what a format is told by, and about where its sizes stand
# What stands where a number, a name or a path should.
TOKENS = (
    *("", " ", "-", "nan", "inf", "-inf", "1e999", "-1e308", "1e308", "-0", "0", "-1", "1.5", "1e-320", "0x10", "1_0"),
    *("9" * 25, "9" * 5000, "²", "٣", "½", "None", "null", "true", "NaN", "[]", "{}", "a", "é", "🙂", "\u2028"),
    *("..", ".", "/", "//", "../../etc/passwd", "/etc/passwd", "~", "a/../b", "\\", "..\\..\\x", "C:\\x", "a\0b", "\0"),
    *("\x1b[31m", "\r", "\n", "\t", '"', "'", ",", ";", ":", "|", "%s", "{0}", "${HOME}", "$(id)", "x" * 300, "*", "["),
    *("x" * 70000, "/".join("ab" * 200), "?", "(", "#", "&a", "*a", "!!python/object/apply:os.system [id]", "\ufeff"),
)


@st.composite
def place(draw, size: int) -> int:
    """An index in something of `size`: mostly anywhere behind the magic bytes, at times in them, often in a header."""
    head = min(MAGIC, size)
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return draw(st.integers(0, head))
    return draw(st.integers(head, max(size if kind < 12 else min(size, HEADER), head)))


@st.composite
def damaged(
    draw, samples: Sequence[bytes], pieces: Callable[[bytes], list[bytes]] | None = None, most: int = 4
) -> bytes:
    """A sample after some accidents; `pieces` cuts a file into what may be left out, doubled and exchanged."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, most))):
        accident = draw(st.sampled_from(_ACCIDENTS if pieces else [one for one in _ACCIDENTS if one is not _shuffle]))
        data = bytearray(accident(draw, data, samples, pieces))
    return bytes(data)


def _flip(draw, data, *_):
    k = draw(place(len(data)))
    data[k : k + 1] = bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in data[k : k + 1])
    return data


def _set(draw, data, *_):
    """A field of a header with an extreme value."""
    size = draw(st.sampled_from((1, 2, 4, 8)))
    value = draw(st.sampled_from(EXTREMES)) % 256**size
    k = draw(place(len(data)))
    data[k : k + size] = value.to_bytes(size, draw(st.sampled_from(("little", "big"))))
    return data


def _cut(draw, data, *_):
    return data[: draw(place(len(data)))]


def _remove(draw, data, *_):
    k = draw(place(len(data)))
    del data[k : k + draw(st.integers(1, 40))]
    return data


def _double(draw, data, *_):
    k = draw(place(len(data)))
    return data[: k + draw(st.integers(1, 200))] + data[k:]


def _insert(draw, data, *_):
    k = draw(place(len(data)))
    return data[:k] + draw(st.binary(min_size=1, max_size=30)) + data[k:]


def _splice(draw, data, samples, _):
    other = draw(st.sampled_from(samples))
    return data[: draw(place(len(data)))] + other[draw(place(len(other))) :]


def _shuffle(draw, data, samples, pieces):
    """Pieces left out, doubled, exchanged, or taken from another sample."""
    parts = pieces(bytes(data))
    others = pieces(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        if not parts:
            break
        k = draw(st.integers(0, len(parts) - 1))
        j = draw(st.integers(0, len(parts) - 1))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del parts[k]
        elif kind == 1:
            parts.insert(j, parts[k])
        elif kind == 2:
            parts[k], parts[j] = parts[j], parts[k]
        elif others:
            parts.insert(k, others[draw(st.integers(0, len(others) - 1))])
    return b"".join(parts)


_ACCIDENTS = (*(_flip,) * 4, *(_set,) * 5, _cut, _remove, _double, _insert, _splice, *(_shuffle,) * 3)


def token() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(TOKENS), st.text(max_size=12), st.integers().map(str), st.floats().map(str))


@st.composite
def damaged_text(draw, samples: Sequence[str], separator: str | None = ",") -> bytes:
    """A text file whose cells and lines have been exchanged, in some encoding; sometimes with damaged bytes."""
    text = draw(st.sampled_from(samples))
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(ending)
    for _ in range(draw(st.integers(1, 4))):
        k = draw(st.integers(0, max(len(lines) - 1, 0)))
        kind = draw(st.integers(0, 6)) if lines else 7
        if kind <= 2:
            cells = lines[k].split(separator) or [""]
            cells[draw(st.integers(0, len(cells) - 1))] = draw(token())
            lines[k] = (separator or " ").join(cells)
        elif kind == 3:
            del lines[k]
        elif kind == 4:
            lines.insert(k, draw(st.sampled_from(lines)))
        elif kind == 5:
            lines[k] += draw(token())
        else:
            lines.insert(k, draw(token()))
    text = draw(st.sampled_from((ending, "\n", "\r\n", "\r"))).join(lines)
    encoding = draw(st.sampled_from(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")))
    data = text.encode(encoding, "replace")
    return draw(damaged([data], most=2)) if draw(st.integers(0, 5)) == 0 else data


def value() -> st.SearchStrategy[Any]:
    """Anything that JSON can hold."""
    plain = st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from((*EXTREMES, -1, -(2**31), 10**400, 0.5, -0.5, 1e308, 1e-320, math.nan, math.inf, -math.inf)),
        st.integers(),
        st.floats(),
        token(),
    )
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(token(), inner, max_size=4), max_leaves=8
    )


@st.composite
def damaged_tree(draw, tree: Any, spare: st.SearchStrategy[Any] | None = None) -> Any:
    """A tree of JSON with some branches exchanged, left out or grown."""
    tree = json.loads(json.dumps(tree))
    for _ in range(draw(st.integers(1, 3))):
        branch, parent, key = tree, None, None
        while isinstance(branch, (dict, list)) and branch and draw(st.integers(0, 3)):
            keys = list(branch) if isinstance(branch, dict) else list(range(len(branch)))
            parent, key = branch, draw(st.sampled_from(keys))
            branch = branch[key]
        new = copy.deepcopy(draw(value() if spare is None or draw(st.booleans()) else spare))
        kind = draw(st.integers(0, 4))
        if kind == 0 and parent is not None:
            del parent[key]
        elif kind == 1 and isinstance(branch, dict):
            branch[draw(token())] = new
        elif parent is not None:
            parent[key] = new
        elif draw(st.integers(0, 9)) == 0:
            tree = new
    return tree
