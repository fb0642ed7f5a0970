"""Analysis of a sparsity pattern: all that matrices with the same pattern share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.solve.linear.ordering import nested_dissection
from fokkerplanck.solve.linear.symbolic import Fronts, fronts_of

__all__ = ["Analysis", "analyze"]

# Sets of at most this many cells are eliminated as one dense front (measured: 32 and 128 are
# both slower, by bookkeeping and by fill).
_LEAF = 64
# A matrix with more than this share of its entries is eliminated as one dense front.
_DENSE_SHARE = 0.1
# Steps of a uniform start after which the states of such a matrix are ordered.
_STEPS = 64


@dataclass(frozen=True)
class Analysis:
    """Elimination order and structure of all matrices with one sparsity pattern.

    Attributes
    ----------
    indptr, indices : pattern of the CSC matrices that it is for.
    order : (n,) cell eliminated at each position.
    fronts : the dense fronts.
    """

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    order: NDArray[np.int32]
    fronts: Fronts

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.order)

    @property
    def nnz(self) -> int:
        """Entries that the factors store."""
        return int(self.fronts.panel[-1])

    @property
    def flops(self) -> float:
        """Floating-point operations of one factorisation."""
        pivots = np.diff(self.fronts.pivot)
        rows = pivots + np.diff(self.fronts.update_start)
        # One multiplication and one addition for each entry behind each pivot.
        return float(np.sum(2.0 * pivots * rows * (rows - pivots) + 2.0 / 3.0 * pivots**3))

    @property
    def largest_front(self) -> int:
        """Rows of the largest front."""
        rows = np.diff(self.fronts.pivot) + np.diff(self.fronts.update_start)
        return int(rows.max(initial=0))


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


def _seldom_first(matrix: sparse.csc_array) -> NDArray[np.int32]:
    """States by how seldom they are visited.

    Where a matrix is dense any order has the same fill.  Eliminated last, a state that is hardly
    ever reached makes the way out of the others so unlikely that doubles cannot hold it.
    """
    rates = sparse.csc_array(abs(matrix))
    rates.setdiag(0.0)
    leaving = rates.sum(axis=0)
    fastest = float(leaving.max(initial=0.0))
    visits = np.ones(matrix.shape[0])
    for _ in range(_STEPS if fastest > 0.0 else 0):
        visits += (rates @ visits - leaving * visits) / fastest
    return np.argsort(visits, kind="stable").astype(np.int32)


def analyze(
    pattern: sparse.sparray | sparse.spmatrix | NDArray[np.float64],
    *,
    shape: tuple[int, ...] | None = None,
    cells: ArrayLike | None = None,
) -> Analysis:
    """Choose an elimination order for matrices with the pattern of ``pattern``.

    Parameters
    ----------
    pattern : (n, n) matrix; the positions of its stored entries, and where it is dense which
        states are seldom visited.
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
    if len(start) == 1:
        order = _seldom_first(matrix)
    fronts = fronts_of(indptr, indices, graph_indptr, graph_indices, order, (start, end, parent))
    for array in (indptr, indices, order):
        array.flags.writeable = False
    return Analysis(indptr, indices, order, fronts)
