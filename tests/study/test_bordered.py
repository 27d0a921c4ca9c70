"""A sparse matrix with a border: against the dense inverse, and bounded in memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import coo_array, diags_array

from rankiqa.study.bordered import Bordered


def drawn(n: int, votes: int, m: int, ground: float = 0.2) -> Bordered:
    """A graph of votes that conduct, each photo with a way to the ground; the border is weak enough."""
    draw = np.random.default_rng(n)
    left = draw.integers(0, n, votes)
    ends, each = (left, (left + draw.integers(1, n, votes)) % n), draw.uniform(0.02, 0.25, votes)
    joined = coo_array((each, ends), shape=(n, n))
    joined = joined + joined.T
    inner = (diags_array(joined.sum(1) + ground) - joined).tocsr()
    return Bordered(inner, draw.normal(0, 0.1, (n, m)), np.diag(draw.uniform(n, 2 * n, m)))


def dense(matrix: Bordered) -> np.ndarray:
    return np.block([[matrix.inner.toarray(), matrix.border], [matrix.border.T, matrix.corner]])


@pytest.mark.parametrize(
    ("n", "votes", "ground"), [(5, 4, 0.2), (300, 280, 0.2), (300, 2000, 0.2), (300, 60_000, 1e-3)]
)
def test_it_is_the_dense_inverse(n: int, votes: int, ground: float):
    matrix = drawn(n, votes, 4, ground)
    known = np.linalg.inv(dense(matrix))
    assert matrix.variances() == pytest.approx(known.diagonal(), rel=1e-6)
    some = np.random.default_rng(0).normal(size=(n + 4, 3))
    some[:, 1] = 0
    assert matrix.solve(some) == pytest.approx(known @ some, rel=1e-7, abs=1e-9)


def test_where_it_is_no_maximum_the_step_still_goes_down():
    matrix = drawn(40, 100, 3)
    matrix.corner[:] = np.diag([-50.0, 50, 50])
    values, vectors = np.linalg.eigh(dense(matrix))
    slope = vectors[:, :1]
    assert values[0] < 0  # Newton's own step would go up
    assert (slope.T @ matrix.solve(slope)).item() > 0


def test_thousands_of_photos_take_little_memory():
    matrix = drawn(2000, 4000, 10)
    tracemalloc.start()
    try:
        assert np.all(matrix.variances() > 0)
        assert tracemalloc.get_traced_memory()[1] < 16e6  # a matrix of all pairs has 32 MB
    finally:
        tracemalloc.stop()
