"""Nested dissection: an elimination order that keeps the fill of a sparse factorisation small.

A set of cells is cut in two by a key (a coordinate of the grid, or a difference of distances in
the graph where no coordinates are known). The cells on one side that touch the other side are the
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
# Halves smaller than this are accepted only where nothing else cuts the set.
_LEAST_SHARE = 0.2


@njit(cache=True)
def _best_cut(
    indptr: IntArray,
    indices: IntArray,
    nodes: IntArray,
    position: IntArray,
    lo: int,
    hi: int,
    key: IntArray,
) -> tuple[float, int, int, bool]:
    """Cut of a set, by key, with the best ratio of separator to halves.

    One sweep counts the separators of all cuts: a cell with key k whose neighbours' keys reach
    up to K touches the other side of the cuts k + 1 to K.

    Returns the ratio (infinite where nothing can be cut), the separator's size, the cut, and
    whether the separator is the boundary of the low side (or else of the high side).
    """
    size = hi - lo
    smallest = key[nodes[lo]]
    largest = smallest
    for q in range(lo, hi):
        smallest = min(smallest, key[nodes[q]])
        largest = max(largest, key[nodes[q]])
    count = np.zeros(largest - smallest + 2, np.int64)
    low = np.zeros(largest - smallest + 2, np.int64)
    high = np.zeros(largest - smallest + 2, np.int64)
    for q in range(lo, hi):
        node = nodes[q]
        own = key[node]
        below = own
        above = own
        for t in range(indptr[node], indptr[node + 1]):
            other = indices[t]
            if lo <= position[other] < hi:
                below = min(below, key[other])
                above = max(above, key[other])
        count[own - smallest + 1] += 1
        low[own - smallest + 1] += 1
        low[above - smallest + 1] -= 1
        high[below - smallest + 1] += 1
        high[own - smallest + 1] -= 1
    count = np.cumsum(count)
    low = np.cumsum(low)
    high = np.cumsum(high)
    for least in (_LEAST_SHARE, 0.0):
        best = np.inf
        cut = 0
        for k in range(1, largest - smallest + 1):
            share = count[k] / size
            if least <= share <= 1.0 - least:
                # One more, so that among empty separators the most even one counts.
                ratio = (min(low[k], high[k]) + 1) / (share * (1.0 - share))
                if ratio < best:
                    best = ratio
                    cut = k
        if best < np.inf:
            return best, min(low[cut], high[cut]), smallest + cut, low[cut] <= high[cut]
    return np.inf, size, 0, True


@njit(cache=True)
def _search(
    indptr: IntArray,
    indices: IntArray,
    position: IntArray,
    lo: int,
    hi: int,
    start: int,
    value: int,
    step: int,
    level: IntArray,
    queue: IntArray,
) -> int:
    """Breadth-first search within a set among the cells whose level is -1.

    Levels begin with ``value`` and grow by ``step`` at each distance. ``queue`` receives the
    cells in the order in which they are met; returns their number.
    """
    queue[0] = start
    level[start] = value
    head = 0
    tail = 1
    while head < tail:
        node = queue[head]
        head += 1
        for t in range(indptr[node], indptr[node + 1]):
            other = indices[t]
            if lo <= position[other] < hi and level[other] < 0:
                level[other] = level[node] + step
                queue[tail] = other
                tail += 1
    return tail


@njit(cache=True)
def _graph_key(
    indptr: IntArray,
    indices: IntArray,
    nodes: IntArray,
    position: IntArray,
    lo: int,
    hi: int,
    key: IntArray,
    level: IntArray,
    queue: IntArray,
) -> None:
    """A coordinate for cells that have none: distance from one end less that from the other.

    Its level sets are straight, where those of a single distance are arcs. Cells in pieces that
    do not touch get the number of their piece.
    """
    key[nodes[lo:hi]] = -1
    pieces = 0
    met = 0
    for q in range(lo, hi):
        if key[nodes[q]] < 0:
            met = _search(indptr, indices, position, lo, hi, nodes[q], pieces, 0, key, queue)
            pieces += 1
    if pieces > 1:
        return
    end = queue[met - 1]
    key[nodes[lo:hi]] = -1
    met = _search(indptr, indices, position, lo, hi, end, 0, 1, key, queue)
    end = queue[met - 1]
    level[nodes[lo:hi]] = -1
    _search(indptr, indices, position, lo, hi, end, 0, 1, level, queue)
    for q in range(lo, hi):
        key[nodes[q]] -= level[nodes[q]]


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
    key = np.empty(n, np.int32)
    level = np.empty(n, np.int32)
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
            ratio = np.inf
            width = size
            cut = 0
            low = True
            best_axis = 0
            for axis in range(max(axes, 1)):
                if axes == 0:
                    _graph_key(indptr, indices, nodes, position, lo, hi, key, level, scratch)
                else:
                    key = coordinates[axis]
                found = _best_cut(indptr, indices, nodes, position, lo, hi, key)
                if found[0] < ratio:
                    ratio, width, cut, low = found
                    best_axis = axis
            if width <= _SEPARATOR_SHARE * size:
                key = key if axes == 0 else coordinates[best_axis]
                middle, separator = _partition(
                    indptr, indices, nodes, position, lo, hi, key, cut, low, scratch
                )
        number = len(start)
        start.append(separator)
        end.append(hi)
        parent.append(above)
        if separator > lo:
            todo.append((lo, middle, number))
            todo.append((middle, separator, number))
    return nodes, np.array(start), np.array(end), np.array(parent)
