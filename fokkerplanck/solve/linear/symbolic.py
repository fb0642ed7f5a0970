"""Symbolic analysis: which dense fronts a sparse factorisation consists of, before any number.

A *front* belongs to one separator (or leaf) of the nested dissection. Its rows are first the
cells that it eliminates (pivots), then the later cells that those touch, directly or through
cells eliminated before (updates). Children hand their update matrices to their parent (Duff,
Reid 1983). All of it depends on the pattern alone and is shared by matrices that have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.solve.linear.ordering import nested_dissection

__all__ = ["Analysis", "Fronts", "analyze"]

IntArray = NDArray[np.int32]
LongArray = NDArray[np.int64]

# Sets of at most this many cells are eliminated as one dense front (measured: 32 and 128 are
# both slower, by bookkeeping and by fill).
_LEAF = 64
# A matrix with more than this share of its entries is eliminated as one dense front.
_DENSE_SHARE = 0.1


class Fronts(NamedTuple):
    """The fronts of a factorisation in elimination order, as flat arrays for compiled code.

    Front f eliminates positions ``pivot[f]:pivot[f+1]`` and updates the positions
    ``update[update_start[f]:update_start[f+1]]``. Its children are
    ``child[child_start[f]:child_start[f+1]]``; update row r of front f is local row
    ``to_parent[update_start[f] + r]`` of its parent. The matrix entry ``entry_source[t]``, for t
    in ``entry_start[f]:entry_start[f+1]``, belongs at ``(entry_row[t], entry_column[t])``.
    ``panel[f]`` and ``stack[f]`` are offsets of its factors and of its update matrix.
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


@dataclass(frozen=True)
class Analysis:
    """Elimination order and structure of all matrices with one sparsity pattern.

    Attributes
    ----------
    indptr, indices : pattern of the CSC matrices that it is for.
    order : (n,) cell eliminated at each position.
    fronts : the dense fronts.
    nonzeros : entries of the factors that will be stored.
    flops : floating-point operations of one factorisation.
    largest_front : rows of the largest front.
    stack_size : numbers held by update matrices that wait for their parents, at most.
    """

    indptr: IntArray
    indices: IntArray
    order: IntArray
    fronts: Fronts
    nonzeros: int
    flops: float
    largest_front: int
    stack_size: int

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.order)


@njit(cache=True)
def _elimination_tree(
    start: LongArray, end: LongArray, parent: LongArray
) -> tuple[LongArray, LongArray]:
    """First pivots of the nonempty tree nodes in elimination order, and their parents."""
    nodes = np.flatnonzero(end > start)
    nodes = nodes[np.argsort(start[nodes])]
    number = np.full(len(start), -1)
    for f in range(len(nodes)):
        number[nodes[f]] = f
    pivot = np.empty(len(nodes) + 1, np.int64)
    above = np.full(len(nodes), -1)
    for f in range(len(nodes)):
        pivot[f] = start[nodes[f]]
        node = parent[nodes[f]]
        while node >= 0 and number[node] < 0:
            node = parent[node]
        if node >= 0:
            above[f] = number[node]
    pivot[-1] = end[nodes[-1]] if len(nodes) else 0
    return pivot, above


@njit(cache=True)
def _children(above: LongArray) -> tuple[LongArray, IntArray]:
    """Children of every front, in elimination order."""
    count = len(above)
    begin = np.zeros(count + 1, np.int64)
    for f in range(count):
        if above[f] >= 0:
            begin[above[f] + 1] += 1
    begin = np.cumsum(begin)
    fill = begin.copy()
    child = np.empty(begin[-1], np.int32)
    for f in range(count):
        if above[f] >= 0:
            child[fill[above[f]]] = f
            fill[above[f]] += 1
    return begin, child


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
    """Sorted positions that each front updates: the structure of the factors."""
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
        first = used
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
        rows[first:used] = np.sort(rows[first:used])
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


def _sizes(
    pivot: LongArray, begin: LongArray, child_start: LongArray, child: IntArray
) -> tuple[LongArray, LongArray, int, float, int]:
    """Offsets of factors and update matrices, stack size, flops and largest front."""
    pivots = np.diff(pivot)
    updates = np.diff(begin)
    rows = pivots + updates
    # One more column than rows: the killing rates.
    panel = np.concatenate([[0], np.cumsum(pivots * (rows + 1) + updates * pivots)])
    held = updates * (updates + 1)
    stack = np.zeros(len(pivots), np.int64)
    top = 0
    deepest = 0
    for f in range(len(pivots)):
        children = child[child_start[f] : child_start[f + 1]]
        # Children are on top of the stack: the first of them marks the place that becomes free.
        stack[f] = stack[children].min() if len(children) else top
        top = int(stack[f] + held[f])
        deepest = max(deepest, top)
    flops = float(np.sum(2.0 * pivots * rows**2 - 2.0 * pivots**2 * rows + 2.0 / 3 * pivots**3))
    return panel, stack, deepest, flops, int(rows.max(initial=0))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _coordinates(
    n: int, shape: tuple[int, ...] | None, cells: ArrayLike | None
) -> NDArray[np.int32]:
    if shape is None:
        return np.empty((0, n), np.int32)
    flat = np.arange(n) if cells is None else np.asarray(cells)
    total = int(np.prod(shape))
    if len(flat) != n or (cells is None and n != total) or (n and flat.max() >= total):
        raise FokkerPlanckError(
            f"the matrix has {n} cells, but shape {shape} has {total} and {len(flat)} are named; "
            "pass cells= with the flat index of every cell that was kept"
        )
    return np.array(np.unravel_index(flat, shape), dtype=np.int32)


def analyze(
    pattern: sparse.sparray | sparse.spmatrix | NDArray[np.float64],
    *,
    shape: tuple[int, ...] | None = None,
    cells: ArrayLike | None = None,
) -> Analysis:
    """Choose an elimination order for matrices with the pattern of ``pattern``.

    Parameters
    ----------
    pattern : (n, n) matrix; only the positions of its stored entries matter.
    shape : shape of the grid whose cells, in C order, are the states. Separators are then
        planes of the grid, as thick as the stencil needs. Without it the graph alone is used.
    cells : (n,) flat indices of the cells that are states, where only some of them are.

    Returns
    -------
    Analysis

    Raises
    ------
    FokkerPlanckError : the matrix is not square, or does not fit ``shape`` and ``cells``.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> chain = sparse.diags_array([np.ones(99), np.ones(99)], offsets=[-1, 1])
    >>> analyze(chain, shape=(100,)).size
    100
    """
    matrix = sparse.csc_array(pattern)
    n = matrix.shape[0]
    if matrix.shape != (n, n):
        raise FokkerPlanckError(f"a generator is square, this matrix is {matrix.shape}")
    coordinates = _coordinates(n, shape, cells)
    matrix.sum_duplicates()
    indptr = matrix.indptr.astype(np.int32)
    indices = matrix.indices.astype(np.int32)
    ones = sparse.csc_array((np.ones(len(indices), np.int8), indices, indptr), shape=(n, n))
    graph = sparse.csr_array(ones + ones.T)
    leaf = n if graph.nnz > _DENSE_SHARE * n * n else _LEAF
    graph_indptr = graph.indptr.astype(np.int32)
    graph_indices = graph.indices.astype(np.int32)
    order, start, end, parent = nested_dissection(graph_indptr, graph_indices, coordinates, leaf)
    position = np.empty(n, np.int32)
    position[order] = np.arange(n)
    pivot, above = _elimination_tree(start, end, parent)
    child_start, child = _children(above)
    begin, rows = _update_rows(
        graph_indptr, graph_indices, order, position, pivot, child_start, child
    )
    to_parent = _maps_to_parents(pivot, above, begin, rows)
    entries = _entries_by_front(indptr, indices, position, pivot, begin, rows)
    panel, stack, deepest, flops, largest = _sizes(pivot, begin, child_start, child)
    arrays = (pivot, begin, rows, to_parent, child_start, child, *entries, panel, stack)
    return Analysis(
        _frozen(indptr),
        _frozen(indices),
        _frozen(order),
        Fronts(*(_frozen(array) for array in arrays)),
        int(panel[-1]),
        flops,
        largest,
        deepest,
    )
