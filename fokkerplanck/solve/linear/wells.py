"""Wells of a distribution on a graph, and whether blocks of cells tell them apart."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["separate_wells"]

Array = NDArray[np.float64]
Index = NDArray[np.int32]


def separate_wells(
    first: Index, source: Index, log_weights: Array, block: Index, *, depth: float, reach: float
) -> tuple[int, int]:
    """Count the wells, and those that share a block with a heavier one.

    Parameters
    ----------
    first, source : rows of a sparse matrix
        Cells ``source[first[i]:first[i + 1]]`` are neighbours of cell i.
    log_weights : (n,)
    block : (n,) block of each cell.
    depth : float
        A maximum is a well where the weight drops by more on every way to a larger one.
    reach : float
        Maxima further below the largest are no wells.

    Returns
    -------
    wells, unresolved : int

    Notes
    -----
    Cells are flooded from the largest weight downwards; where two parts meet is their saddle (H.
    Edelsbrunner, D. Letscher and A. Zomorodian, Discrete Comput. Geom. 28, 511, 2002).

    Examples
    --------
    >>> first, source = np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1])
    >>> weights, apart = np.array([0.0, -9.0, -1.0]), np.array([0, 0, 1])
    >>> separate_wells(first, source, weights, apart, depth=5.0, reach=20.0)
    (2, 0)
    >>> separate_wells(first, source, weights, 0 * apart, depth=5.0, reach=20.0)
    (2, 1)
    """
    order = np.argsort(-log_weights, kind="stable")
    lowest = log_weights.max() - reach
    wells, unresolved = _flood(first, source, log_weights, order, block, depth, lowest)
    return int(wells), int(unresolved)


@njit(cache=True)
def _root(parent: Index, cell: int) -> int:
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = parent[cell]
    return cell


@njit(cache=True)
def _flood(
    first: Index,
    source: Index,
    log_weights: Array,
    order: NDArray[np.int64],
    block: Index,
    depth: float,
    lowest: float,
) -> tuple[int, int]:
    n = log_weights.size
    # The root of a part is its largest cell; -1 where the flood has not come yet.
    parent = np.full(n, -1)
    wells, unresolved = 1, 0
    for k in range(n):
        cell = order[k]
        if log_weights[cell] < lowest - depth:
            break
        parent[cell] = cell
        for p in range(first[cell], first[cell + 1]):
            if parent[source[p]] < 0:
                continue
            a, b = _root(parent, source[p]), _root(parent, cell)
            if a == b:
                continue
            if log_weights[a] < log_weights[b] or (log_weights[a] == log_weights[b] and a > b):
                a, b = b, a
            parent[b] = a
            if log_weights[b] - log_weights[cell] > depth and log_weights[b] > lowest:
                wells += 1
                unresolved += block[a] == block[b]
    return wells, unresolved
