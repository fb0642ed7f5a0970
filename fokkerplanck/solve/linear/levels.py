"""Grids of ever larger blocks: the levels of a multigrid method for Markov generators.

A level is a sparse generator of masses without its diagonal, by rows. The pattern of every level
and the places that its rates add up to on the next are found once; only numbers change after.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Level", "Transfer", "levels_of"]

Index = NDArray[np.int32]
Wide = NDArray[np.int64]


@dataclass(frozen=True)
class Transfer:
    """From one level to the next.

    Attributes
    ----------
    block : (n,) coarse cell of each cell.
    place : (entries,) coarse entry that each entry adds to, -1 inside a block.
    thinning : (entries,) share of it that carries the same diffusion there.
    """

    block: Index
    place: Index
    thinning: NDArray[np.float32]


@dataclass(frozen=True)
class Level:
    """Pattern of a generator on a grid, by rows, without its diagonal.

    Attributes
    ----------
    first : (n + 1,), source : (entries,)
        Cells from which rates lead into cell i: ``source[first[i]:first[i + 1]]``, ascending.
    opposite : (entries,) entry of the rate the other way; empty on the finest level.
    axes : (entries,)
        Axes along which each rate leads, one bit each.
    shape : cells along each axis.
    down : to the next level; None on the coarsest.
    """

    first: Index
    source: Index
    opposite: Index
    axes: NDArray[np.uint8]
    shape: tuple[int, ...]
    down: Transfer | None

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.first.size - 1


def levels_of(
    rates: sparse.csr_array, shape: tuple[int, ...], periodic: tuple[bool, ...], coarsest: int
) -> list[Level]:
    """Levels from the finest, whose pattern is that of `rates`, to one of at most `coarsest` cells.

    Parameters
    ----------
    rates : (n, n) without diagonal, rows sorted.
    shape : cells along each axis, in C order.
    periodic : whether each axis closes on itself.
    coarsest : 2**d or more.
    """
    first, source = rates.indptr.astype(np.int32), rates.indices.astype(np.int32)
    opposite = np.empty(0, np.int32)
    levels: list[Level] = []
    while first.size - 1 > coarsest:
        coarse = tuple((cells + 1) // 2 for cells in shape)
        position = np.indices(shape, dtype=np.int32).reshape(len(shape), -1)
        flat = np.ravel_multi_index(tuple(position // 2), coarse)
        block: Index = np.asarray(flat, dtype=np.int32)
        wrap = np.array([n if p else 0 for n, p in zip(shape, periodic, strict=True)], np.int32)
        axes = _axes(first, source, np.ascontiguousarray(position.T))
        pattern = _coarse_pattern(first, source, block, int(np.prod(coarse)))
        place = _places(first, source, block, pattern.indptr, pattern.indices)
        thinning = _thinning(first, source, np.ascontiguousarray(position.T), wrap)
        down = Transfer(block, place, thinning)
        levels.append(Level(first, source, opposite, axes, shape, down))
        first, source, shape = pattern.indptr, pattern.indices, coarse
        opposite = _opposite(first, source)
    position = np.indices(shape, dtype=np.int32).reshape(len(shape), -1)
    axes = _axes(first, source, np.ascontiguousarray(position.T))
    levels.append(Level(first, source, opposite, axes, shape, None))
    return levels


def _coarse_pattern(first: Index, source: Index, block: Index, blocks: int) -> sparse.csr_array:
    """Which blocks exchange mass, in both directions, without the diagonal; rows sorted."""
    members = np.argsort(block, kind="stable")
    bounds = np.searchsorted(block[members], np.arange(blocks + 1))
    pointer = np.zeros(blocks + 1, np.int32)
    none = np.empty(0, np.int32)
    _neighbours(first, source, block, members, bounds, pointer, none)
    pointer = np.cumsum(pointer).astype(np.int32)
    column = np.empty(pointer[-1], np.int32)
    _neighbours(first, source, block, members, bounds, pointer, column)
    ones = np.ones(column.size, np.int8)
    pattern = sparse.csr_array((ones, column, pointer), shape=(blocks, blocks))
    both = sparse.csr_array(pattern + pattern.T)
    both.sort_indices()
    return both


@njit(cache=True)
def _neighbours(
    first: Index,
    source: Index,
    block: Index,
    members: Wide,
    bounds: Wide,
    pointer: Index,
    column: Index,
) -> None:
    """Count (into pointer[1:]) or list (into column) the other blocks that lead into each block."""
    seen = np.full(bounds.size - 1, -1)
    for b in range(bounds.size - 1):
        count = 0
        for m in range(bounds[b], bounds[b + 1]):
            for p in range(first[members[m]], first[members[m] + 1]):
                other = block[source[p]]
                if other != b and seen[other] != b:
                    seen[other] = b
                    if column.size:
                        column[pointer[b] + count] = other
                    count += 1
        if not column.size:
            pointer[b + 1] = count


@njit(cache=True)
def _find(first: Index, source: Index, row: int, column: int) -> int:
    low, high = first[row], first[row + 1]
    while low < high:
        middle = (low + high) // 2
        if source[middle] < column:
            low = middle + 1
        else:
            high = middle
    return int(low)


@njit(cache=True)
def _places(
    first: Index, source: Index, block: Index, coarse_first: Index, coarse_source: Index
) -> Index:
    place = np.full(source.size, -1, np.int32)
    for i in range(first.size - 1):
        for p in range(first[i], first[i + 1]):
            if block[source[p]] != block[i]:
                place[p] = _find(coarse_first, coarse_source, block[i], block[source[p]])
    return place


@njit(cache=True)
def _opposite(first: Index, source: Index) -> Index:
    result = np.empty(source.size, np.int32)
    for i in range(first.size - 1):
        for p in range(first[i], first[i + 1]):
            result[p] = _find(first, source, source[p], i)
    return result


@njit(cache=True)
def _thinning(
    first: Index, source: Index, position: NDArray[np.int32], wrap: Index
) -> NDArray[np.float32]:
    """Squared length of each hop over the mean square of the hops between blocks it becomes.

    An odd hop of e cells becomes one of e - 1 or e + 1, each half of the time; an even one stays.
    """
    result = np.empty(source.size, np.float32)
    for i in range(first.size - 1):
        for p in range(first[i], first[i + 1]):
            length, coarse = 0, 0
            for a in range(position.shape[1]):
                hop = abs(position[i, a] - position[source[p], a])
                if wrap[a]:
                    hop = min(hop, wrap[a] - hop)
                length += hop * hop
                coarse += hop * hop + hop % 2
            result[p] = length / coarse
    return result


@njit(cache=True)
def _axes(first: Index, source: Index, position: NDArray[np.int32]) -> NDArray[np.uint8]:
    result = np.zeros(source.size, np.uint8)
    for i in range(first.size - 1):
        for p in range(first[i], first[i + 1]):
            for a in range(position.shape[1]):
                if position[i, a] != position[source[p], a]:
                    result[p] |= 1 << a
    return result
