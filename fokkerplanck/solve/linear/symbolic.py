"""Symbolic factorisation: the dense fronts of a sparse elimination, before any number.

A *front* belongs to one separator (or leaf) of the nested dissection. Its rows are first the
cells that it eliminates (pivots), then the later cells that those touch, directly or through
cells eliminated before (updates). Children hand their update matrices to their parent (Duff,
Reid 1983). All of it depends on the pattern alone and is shared by matrices that have it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Fronts", "fronts_of"]

IntArray = NDArray[np.int32]
LongArray = NDArray[np.int64]


class Fronts(NamedTuple):
    """The fronts of a factorisation in elimination order, as flat arrays for compiled code.

    Front f eliminates positions ``pivot[f]:pivot[f+1]`` and updates the positions
    ``update[update_start[f]:update_start[f+1]]``. Its children are
    ``child[child_start[f]:child_start[f+1]]``; update row r of front f is local row
    ``to_parent[update_start[f] + r]`` of its parent. The matrix entry ``entry_source[t]``, for t
    in ``entry_start[f]:entry_start[f+1]``, belongs at ``(entry_row[t], entry_column[t])``.
    ``panel[f]`` and ``stack[f]`` are offsets of its factors and of its update matrix; their last
    entries are the space that all factors, and all update matrices at a time, take.
    """

    pivot: LongArray
    update_start: LongArray
    update: IntArray
    to_parent: IntArray
    child_start: LongArray
    child: IntArray
    entry_start: LongArray
    entry_row: IntArray
    entry_column: IntArray
    entry_source: LongArray
    panel: LongArray
    stack: LongArray


def _elimination_tree(
    start: LongArray, end: LongArray, parent: LongArray
) -> tuple[LongArray, LongArray]:
    """First pivots of the nonempty tree nodes in elimination order, and their parents."""
    nodes = np.flatnonzero(end > start)
    nodes = nodes[np.argsort(start[nodes])]
    number = np.full(len(start) + 1, -1)
    number[nodes] = np.arange(len(nodes))
    above = parent[nodes]
    # Ancestors without cells are passed over; -1, which is no node, stays.
    while (passed := (above >= 0) & (number[above] < 0)).any():
        above = np.where(passed, parent[above], above)
    return np.append(start[nodes], end.max(initial=0)), number[above]


def _children(above: LongArray) -> tuple[LongArray, IntArray]:
    """Children of every front, in elimination order."""
    child = np.argsort(above, kind="stable")[np.count_nonzero(above < 0) :]
    begin = np.searchsorted(above[child], np.arange(len(above) + 1))
    return begin.astype(np.int64), child.astype(np.int32)


@njit(cache=True)
def _update_rows(
    indptr: IntArray,
    indices: IntArray,
    order: IntArray,
    position: IntArray,
    pivot: LongArray,
    child_start: LongArray,
    child: IntArray,
) -> tuple[LongArray, IntArray]:
    """Positions that each front updates, in any order: the structure of the factors."""
    count = len(pivot) - 1
    begin = np.zeros(count + 1, np.int64)
    rows = np.empty(4 * len(order) + 64, np.int32)
    seen = np.full(len(order), -1)
    used = 0
    for f in range(count):
        last = pivot[f + 1]
        if used + len(order) > len(rows):
            larger = np.empty(2 * len(rows), np.int32)
            larger[:used] = rows[:used]
            rows = larger
        for p in range(pivot[f], last):
            node = order[p]
            for t in range(indptr[node], indptr[node + 1]):
                q = position[indices[t]]
                if q >= last and seen[q] != f:
                    seen[q] = f
                    rows[used] = q
                    used += 1
        for c in range(child_start[f], child_start[f + 1]):
            for t in range(begin[child[c]], begin[child[c] + 1]):
                q = rows[t]
                if q >= last and seen[q] != f:
                    seen[q] = f
                    rows[used] = q
                    used += 1
        begin[f + 1] = used
    return begin, rows[:used].copy()


@njit(cache=True)
def _maps_to_parents(
    pivot: LongArray, above: LongArray, begin: LongArray, rows: IntArray
) -> IntArray:
    """Local row, in its parent's front, of every update row."""
    result = np.empty(len(rows), np.int32)
    for f in range(len(above)):
        if above[f] < 0:
            continue
        up = above[f]
        pivots = pivot[up + 1] - pivot[up]
        t = begin[up]
        for r in range(begin[f], begin[f + 1]):
            q = rows[r]
            if q < pivot[up + 1]:
                result[r] = q - pivot[up]
            else:
                while rows[t] < q:
                    t += 1
                result[r] = pivots + t - begin[up]
    return result


@njit(cache=True)
def _entries_by_front(
    indptr: IntArray,
    indices: IntArray,
    position: IntArray,
    pivot: LongArray,
    begin: LongArray,
    rows: IntArray,
) -> tuple[LongArray, IntArray, IntArray, LongArray]:
    """Where each off-diagonal entry Q[j, i] goes: row i, column j of the front of the earlier."""
    n = len(position)
    count = len(pivot) - 1
    owner = np.empty(n, np.int32)
    for f in range(count):
        owner[pivot[f] : pivot[f + 1]] = f
    start = np.zeros(count + 1, np.int64)
    for i in range(n):
        for t in range(indptr[i], indptr[i + 1]):
            if indices[t] != i:
                start[owner[min(position[i], position[indices[t]])] + 1] += 1
    start = np.cumsum(start)
    fill = start.copy()
    source = np.empty(start[-1], np.int64)
    row = np.empty(start[-1], np.int32)
    column = np.empty(start[-1], np.int32)
    for i in range(n):
        for t in range(indptr[i], indptr[i + 1]):
            if indices[t] != i:
                f = owner[min(position[i], position[indices[t]])]
                source[fill[f]] = t
                row[fill[f]] = position[i]
                column[fill[f]] = position[indices[t]]
                fill[f] += 1
    local = np.empty(n, np.int32)
    for f in range(count):
        for p in range(pivot[f], pivot[f + 1]):
            local[p] = p - pivot[f]
        for t in range(begin[f], begin[f + 1]):
            local[rows[t]] = pivot[f + 1] - pivot[f] + t - begin[f]
        for t in range(start[f], start[f + 1]):
            row[t] = local[row[t]]
            column[t] = local[column[t]]
    return start, row, column, source


def _offsets(
    pivot: LongArray, begin: LongArray, child_start: LongArray, child: IntArray
) -> tuple[LongArray, LongArray]:
    """Offsets of the factors and of the update matrices of all fronts."""
    pivots = np.diff(pivot)
    updates = np.diff(begin)
    rows = pivots + updates
    # One more column than rows: the killing rates.
    panel = np.concatenate([[0], np.cumsum(pivots * (rows + 1) + updates * pivots)])
    held = updates * (updates + 1)
    stack = np.zeros(len(pivots) + 1, np.int64)
    top = 0
    for f in range(len(pivots)):
        children = child[child_start[f] : child_start[f + 1]]
        # Children are on top of the stack: the first of them marks the place that becomes free.
        stack[f] = stack[children].min() if len(children) else top
        top = int(stack[f] + held[f])
        stack[-1] = max(stack[-1], top)
    return panel, stack


def fronts_of(
    indptr: IntArray,
    indices: IntArray,
    graph_indptr: IntArray,
    graph_indices: IntArray,
    order: IntArray,
    tree: tuple[LongArray, LongArray, LongArray],
) -> Fronts:
    """Symbolic factorisation.

    Parameters
    ----------
    indptr, indices : CSC pattern of the matrix.
    graph_indptr, graph_indices : the same, made symmetric.
    order : (n,) cells in elimination order.
    tree : first and last positions and parents of the separators, from `nested_dissection`.
    """
    position = np.empty(len(order), np.int32)
    position[order] = np.arange(len(order))
    pivot, above = _elimination_tree(*tree)
    child_start, child = _children(above)
    begin, rows = _update_rows(
        graph_indptr, graph_indices, order, position, pivot, child_start, child
    )
    # One sort of all rows, front by front, costs less than to compile one for each front.
    owner = np.repeat(np.arange(len(above)), np.diff(begin))
    rows = rows[np.argsort(owner * len(order) + rows)]
    to_parent = _maps_to_parents(pivot, above, begin, rows)
    entries = _entries_by_front(indptr, indices, position, pivot, begin, rows)
    panel, stack = _offsets(pivot, begin, child_start, child)
    result = Fronts(pivot, begin, rows, to_parent, child_start, child, *entries, panel, stack)
    for array in result:
        array.flags.writeable = False
    return result
