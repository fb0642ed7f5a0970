"""Rates as triplets, gathered into one sparse matrix whose columns sum to minus the killing."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

__all__ = ["generator"]

Array = NDArray[np.float64]
Indices = NDArray[np.int32]


@njit(cache=True, nogil=True)
def _scatter(
    targets: Indices, sources: Indices, rates: Array, starts: NDArray[np.int64], size: int
) -> tuple[Indices, Array]:
    """Sort triplets by source, zeros left out; each column gets a slot for its diagonal too."""
    for k in range(sources.size):
        starts[sources[k] + 1] += rates[k] > 0.0
    for j in range(size):
        starts[j + 1] += starts[j] + 1
    filled = starts[:-1].copy()
    rows = np.empty(starts[size], np.int32)
    values = np.empty(starts[size])
    for j in range(size):
        rows[filled[j]], values[filled[j]] = j, 0.0
        filled[j] += 1
    for k in range(sources.size):
        if rates[k] <= 0.0:
            continue
        at = filled[sources[k]]
        rows[at], values[at] = targets[k], rates[k]
        filled[sources[k]] += 1
    return rows, values


@njit(cache=True, nogil=True)
def _compress(
    rows: Indices, values: Array, starts: NDArray[np.int64], killing: Array
) -> tuple[Indices, int]:
    """Sort each column by row, add up duplicates, and set the diagonal, all in place."""
    size = killing.size
    pointers = np.empty(size + 1, np.int32)
    pointers[0] = 0
    end = 0
    for j in range(size):
        begin, stop = starts[j], starts[j + 1]
        for k in range(begin + 1, stop):
            row, value = rows[k], values[k]
            at = k
            while at > begin and rows[at - 1] > row:
                rows[at], values[at] = rows[at - 1], values[at - 1]
                at -= 1
            rows[at], values[at] = row, value
        # Written at `end`, which never overtakes `begin`.
        first, diagonal = end, end
        for k in range(begin, stop):
            if end > first and rows[end - 1] == rows[k]:
                values[end - 1] += values[k]
            else:
                rows[end], values[end] = rows[k], values[k]
                end += 1
            if rows[k] == j:
                diagonal = end - 1
        # What returns to its own cell (an offset round a tiny periodic axis) is no rate at all.
        outflow = killing[j]
        for k in range(first, end):
            if k != diagonal:
                outflow += values[k]
        values[diagonal] = -outflow
        pointers[j + 1] = end
    return pointers, end


def generator(targets: Indices, sources: Indices, rates: Array, killing: Array) -> csc_matrix:
    """Sparse generator ``Q`` with ``Q[target, source]`` the sum of the rates given for it.

    Parameters
    ----------
    targets, sources : (m,) int32; rates : (m,), nonnegative
        A rate from a cell to itself is dropped; a rate of zero is not stored.
    killing : (n,)

    Returns
    -------
    csc_matrix, shape (n, n)
        Sorted, with every diagonal entry stored: minus the sum of the others of its column and of
        the killing.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = np.array([0, 1], np.int32)
    >>> generator(pairs[::-1].copy(), pairs, np.array([1.0, 2.0]), np.zeros(2)).toarray()
    array([[-1.,  2.],
           [ 1., -2.]])
    """
    size = killing.size
    starts = np.zeros(size + 1, np.int64)
    rows, values = _scatter(targets, sources, rates, starts, size)
    pointers, end = _compress(rows, values, starts, killing)
    return csc_matrix((values[:end].copy(), rows[:end].copy(), pointers), shape=(size, size))
