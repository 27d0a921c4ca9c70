"""A symmetric matrix with a large sparse part and a border: scores of many photos, and the few unknowns of all of them.

    [ inner   border ]
    [ borderᵀ corner ]

The inner part is positive definite and well conditioned, as each photo's prior holds it and votes join few of them. So
conjugate gradients solve for any number of columns at once in a few dozen steps, and nothing as large as the square of
the photos is kept: a factor of the inner part, a random graph's, would be nearly dense.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, diags_array

_CLOSE = 1e-11  # length that is left of a column, where its solution is asked for
_CLOSE_ROOT = 1e-4  # and where its product with itself is: that is then right to about the square
_BLOCK = 200_000  # numbers of the columns that are solved for together
_STEPS = 10_000
_LEAST, _TINY = 1e-9, 1e-300


@dataclass(frozen=True)
class Bordered:
    """The curvature of a log posterior, with the sign that makes it positive at the maximum.

    Attributes:
        inner: (n, n) of the scores; positive definite.
        border: (n, m) of the scores with the others.
        corner: (m, m) of the others.
    """

    inner: csr_array
    border: np.ndarray
    corner: np.ndarray

    def solve(self, right: np.ndarray) -> np.ndarray:
        """(n + m, k) the inverse's product with (n + m, k) columns.

        Far from a maximum the matrix may be none of positive eigenvalues. Then it is solved for one that is: with
        those of what is left of the corner without their sign.
        """
        n = len(self.border)
        top = self._inner(right[:n], _CLOSE)
        low = self._corner @ (right[n:] - self.border.T @ top)
        return np.r_[top - self._through @ low, low]

    def variances(self) -> np.ndarray:
        """(n + m,) the diagonal of the inverse. Time grows with the product of photos and votes, memory with both."""
        n = len(self.border)
        own = np.empty(n)
        size = max(1, _BLOCK // max(n, 1))
        for start in range(0, n, size):
            some = np.arange(start, min(n, start + size))
            columns = np.zeros((n, len(some)))
            columns[some, some - start] = 1
            own[some] = self._inner(columns, _CLOSE_ROOT)[some, some - start]
        through = ((self._through @ self._corner) * self._through).sum(1)
        return np.r_[own + through, self._corner.diagonal()]

    @cached_property
    def _unit(self) -> tuple[csr_array, np.ndarray]:
        """The inner part with a diagonal of 1, and (n, 1) what its rows and columns were multiplied with."""
        scale = 1 / np.sqrt(self.inner.diagonal())
        return (diags_array(scale) @ self.inner @ diags_array(scale)).tocsr(), scale[:, None]

    @cached_property
    def _through(self) -> np.ndarray:
        """(n, m) how the scores follow the others."""
        return self._inner(self.border, _CLOSE)

    @cached_property
    def _corner(self) -> np.ndarray:
        """(m, m) of the inverse."""
        rest = self.corner - self.border.T @ self._through
        values, vectors = np.linalg.eigh((rest + rest.T) / 2)
        return (vectors / np.maximum(np.abs(values), _LEAST)) @ vectors.T

    def _inner(self, right: np.ndarray, close: float) -> np.ndarray:
        """(n, k) the inner part's inverse on (n, k) columns."""
        matrix, scale = self._unit
        return scale * _conjugate_gradients(matrix, scale * right, close)


def _conjugate_gradients(matrix: csr_array, right: np.ndarray, close: float) -> np.ndarray:
    """Hestenes and Stiefel's method (1952), for all columns at once, until of each no more than `close` is left."""
    found, rest, along = np.zeros_like(right), right.copy(), right.copy()
    work, size = np.empty_like(right), _squares(right)
    enough = close**2 * size
    for _ in range(_STEPS):
        if np.all(size <= enough):
            break
        bent = matrix @ along
        step = size / np.maximum(np.einsum("ij,ij->j", along, bent), _TINY)
        found += np.multiply(along, step, out=work)
        rest -= np.multiply(bent, step, out=work)
        before, size = size, _squares(rest)
        along *= size / np.maximum(before, _TINY)
        along += rest
    return found


def _squares(columns: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->j", columns, columns)
