"""Whether votes join all photos, and what to ask where they do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from rankiqa.errors import InputError

_NAMED = 3  # pairs that an error asks for


def groups(photos: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Photos that the pairs join, directly or through others: the largest group first."""
    ends = np.array(list(pairs), dtype=int).reshape(-1, 2)
    # A matrix: older SciPy finds no components of a sparse array.
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(photos, photos))
    number, group = connected_components(graph, directed=False)
    return sorted((np.flatnonzero(group == k).tolist() for k in range(number)), key=len, reverse=True)


def check_connected(names: Sequence[str], pairs: Iterable[tuple[int, int]]) -> None:
    """Raise `InputError` where no votes lead from some photos to the others: they have no common scale."""
    first, *others = groups(len(names), pairs)
    if not others:
        return
    sizes = ", ".join(str(len(group)) for group in [first, *others][:5]) + (", …" if len(others) > 4 else "")
    middle = names[first[len(first) // 2]]
    ask = ", ".join(f"{names[group[0]]} against {middle}" for group in others[:_NAMED])
    more = f", and {len(others) - _NAMED} pairs more" if len(others) > _NAMED else ""
    raise InputError(
        f"the votes leave {len(others) + 1} groups of photos ({sizes}) that nothing compares with each other",
        cure=f"ask for {ask}{more}, as rankiqa label does by itself when it goes on",
    )
