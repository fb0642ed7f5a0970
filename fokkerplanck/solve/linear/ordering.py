"""Nested dissection: an elimination order that keeps the fill of a sparse factorisation small.

A set of cells is halved by a key (a coordinate of the grid, or the rank in a breadth-first
search where no coordinates are known). The cells on one side that touch the other side are the
separator: exactly as wide as the stencil needs, also round a periodic wrap. The halves are
eliminated first, recursively, and the separator last (George 1973; Lipton, Rose, Tarjan 1979).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["nested_dissection"]

IntArray = NDArray[np.int32]
LongArray = NDArray[np.int64]

# A set is not split when its separator would hold more than this share of it: the halves would
# be too small to pay for the larger front.
_SEPARATOR_SHARE = 0.4


@njit(cache=True)
def _boundary_sizes(
    indptr: IntArray,
    indices: IntArray,
    nodes: IntArray,
    position: IntArray,
    lo: int,
    hi: int,
    key: IntArray,
    cut: int,
) -> tuple[int, int, int]:
    """Cells below the cut, and how many on each side touch the other side."""
    below = 0
    low_boundary = 0
    high_boundary = 0
    for q in range(lo, hi):
        node = nodes[q]
        low = key[node] < cut
        below += low
        for t in range(indptr[node], indptr[node + 1]):
            other = indices[t]
            if lo <= position[other] < hi and (key[other] < cut) != low:
                if low:
                    low_boundary += 1
                else:
                    high_boundary += 1
                break
    return below, low_boundary, high_boundary


@njit(cache=True)
def _median_cut(nodes: IntArray, lo: int, hi: int, key: IntArray) -> int:
    """Key value with about half of the cells below it."""
    smallest = key[nodes[lo]]
    largest = smallest
    for q in range(lo, hi):
        smallest = min(smallest, key[nodes[q]])
        largest = max(largest, key[nodes[q]])
    count = np.zeros(largest - smallest + 2, np.int64)
    for q in range(lo, hi):
        count[key[nodes[q]] - smallest + 1] += 1
    half = (hi - lo) / 2
    best = 1
    below = 0
    nearest = float(hi - lo)
    for k in range(1, len(count)):
        below += count[k]
        if abs(below - half) < nearest:
            nearest = abs(below - half)
            best = k
    return int(smallest + best)


@njit(cache=True)
def _breadth_first_rank(
    indptr: IntArray,
    indices: IntArray,
    nodes: IntArray,
    position: IntArray,
    lo: int,
    hi: int,
    rank: IntArray,
    queue: IntArray,
) -> None:
    """Rank the cells of a set by a breadth-first search from a far-off cell.

    The first sweep only looks for a cell far from the others (the last one it meets).
    Components that the search does not reach are ranked after it.
    """
    start = nodes[lo]
    for _ in range(2):
        for q in range(lo, hi):
            rank[nodes[q]] = -1
        queue[0] = start
        rank[start] = 0
        head = 0
        tail = 1
        fresh = lo
        while tail < hi - lo or head < tail:
            if head == tail:
                while rank[nodes[fresh]] >= 0:
                    fresh += 1
                queue[tail] = nodes[fresh]
                rank[nodes[fresh]] = tail
                tail += 1
            node = queue[head]
            head += 1
            for t in range(indptr[node], indptr[node + 1]):
                other = indices[t]
                if lo <= position[other] < hi and rank[other] < 0:
                    rank[other] = tail
                    queue[tail] = other
                    tail += 1
        start = queue[tail - 1]


@njit(cache=True)
def _partition(
    indptr: IntArray,
    indices: IntArray,
    nodes: IntArray,
    position: IntArray,
    lo: int,
    hi: int,
    key: IntArray,
    cut: int,
    take_low: bool,
    scratch: IntArray,
) -> tuple[int, int]:
    """Reorder a set as low half, high half, separator; return where the parts begin."""
    sizes = np.zeros(3, np.int64)
    for q in range(lo, hi):
        node = nodes[q]
        low = key[node] < cut
        part = 0 if low else 1
        if low == take_low:
            for t in range(indptr[node], indptr[node + 1]):
                other = indices[t]
                if lo <= position[other] < hi and (key[other] < cut) != low:
                    part = 2
                    break
        scratch[q] = part
        sizes[part] += 1
    starts = np.array([lo, lo + sizes[0], lo + sizes[0] + sizes[1]])
    fill = starts.copy()
    old = nodes[lo:hi].copy()
    for q in range(lo, hi):
        part = scratch[q]
        node = old[q - lo]
        nodes[fill[part]] = node
        position[node] = fill[part]
        fill[part] += 1
    return int(starts[1]), int(starts[2])


@njit(cache=True)
def nested_dissection(
    indptr: IntArray, indices: IntArray, coordinates: IntArray, leaf: int
) -> tuple[IntArray, LongArray, LongArray, LongArray]:
    """Order the nodes of a symmetric graph.

    Parameters
    ----------
    indptr, indices : CSR structure of the graph.
    coordinates : (d, n) integer coordinates of the nodes; d = 0 where there are none.
    leaf : sets of at most this many nodes are not split.

    Returns
    -------
    order : (n,) nodes in elimination order.
    start, end, parent : (k,) the tree of separators and leaves. Entry f holds the nodes
        ``order[start[f]:end[f]]``; it may be empty. Roots have parent -1.
    """
    axes, n = coordinates.shape
    nodes = np.arange(n).astype(np.int32)
    position = np.arange(n).astype(np.int32)
    rank = np.empty(n, np.int32)
    scratch = np.empty(n, np.int32)
    start = [0]
    end = [n]
    parent = [-1]
    todo = [(0, n, -1)] if n > 0 else [(0, 0, -1)]
    start.clear()
    end.clear()
    parent.clear()
    while len(todo) > 0:
        lo, hi, above = todo.pop()
        size = hi - lo
        middle = lo
        separator = lo
        if size > leaf:
            best = size
            best_axis = -1
            best_cut = 0
            best_low = True
            for axis in range(max(axes, 1)):
                if axes == 0:
                    _breadth_first_rank(indptr, indices, nodes, position, lo, hi, rank, scratch)
                    key = rank
                else:
                    key = coordinates[axis]
                cut = _median_cut(nodes, lo, hi, key)
                below, low, high = _boundary_sizes(
                    indptr, indices, nodes, position, lo, hi, key, cut
                )
                if min(below, size - below) > 0 and min(low, high) < best:
                    best = min(low, high)
                    best_axis = axis
                    best_cut = cut
                    best_low = low <= high
            if best_axis >= 0 and best <= _SEPARATOR_SHARE * size:
                key = rank if axes == 0 else coordinates[best_axis]
                middle, separator = _partition(
                    indptr, indices, nodes, position, lo, hi, key, best_cut, best_low, scratch
                )
        number = len(start)
        start.append(separator)
        end.append(hi)
        parent.append(above)
        if separator > lo:
            todo.append((lo, middle, number))
            todo.append((middle, separator, number))
    return nodes, np.array(start), np.array(end), np.array(parent)
