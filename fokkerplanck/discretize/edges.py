"""Rates along the edges of a grid, from offsets and weights at every cell.

Every cell gives half of each weight to the edges ``x -> x + e`` and ``x -> x - e``, so that an
edge conducts the mean of what its two ends ask of it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix

from fokkerplanck.discretize.flux import bernoulli, fitted_rates
from fokkerplanck.discretize.grid import Grid

__all__ = ["edge_matrix"]

Array = NDArray[np.float64]

REFLECTED, ABSORBED = -1, -2


@njit(cache=True)
def _neighbour(
    index: NDArray[np.int64],
    offset: NDArray[np.int16],
    sign: int,
    shape: NDArray[np.int64],
    walls: NDArray[np.int64],
) -> tuple[int, float]:
    """Flat index of ``index + sign * offset``, or which wall is hit first and where on the way.

    `walls` holds, for each axis and side, 0 reflecting, 1 absorbing, 2 periodic.
    """
    flat, first, hit = 0, 2.0, REFLECTED
    for a in range(shape.size):
        move = sign * offset[a]
        target = index[a] + move
        if target < 0 or target >= shape[a]:
            side = 0 if target < 0 else 1
            if walls[a, side] == 2:
                target %= shape[a]
            else:
                room = index[a] + 0.5 if side == 0 else shape[a] - 0.5 - index[a]
                fraction = room / abs(move)
                if fraction < first:
                    first, hit = fraction, ABSORBED if walls[a, side] == 1 else REFLECTED
        flat = flat * shape[a] + target
    if first < 2.0:
        return hit, first
    return flat, 1.0


@njit(cache=True, nogil=True)
def _emit(
    shape: NDArray[np.int64],
    walls: NDArray[np.int64],
    offsets: NDArray[np.int16],
    weights: Array,
    axis_weights: Array,
    slope: Array,
    wall_slope: Array,
    level: Array,
    residual: Array,
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    values: Array,
    killing: Array,
) -> int:
    """Write the off-diagonal rates as triplets; returns how many."""
    size = shape.size
    cells = killing.size
    stencil = offsets.shape[1]
    index = np.zeros(size, np.int64)
    unit = np.zeros((size, size), np.int16)
    for a in range(size):
        unit[a, a] = 1
    targets = np.empty((2,), np.int64)
    fractions = np.empty((2,))
    count = 0
    for x in range(cells):
        here = min(x, offsets.shape[0] - 1)
        # A pair of offsets that leaves the grid both ways (a corner) would isolate the cell.
        on_axes = False
        oblique = False
        for k in range(stencil):
            if weights[here, k] > 0.0:
                nonzero = 0
                for a in range(size):
                    nonzero += offsets[here, k, a] != 0
                oblique = oblique or nonzero > 1
                up, _ = _neighbour(index, offsets[here, k], 1, shape, walls)
                down, _ = _neighbour(index, offsets[here, k], -1, shape, walls)
                if up == REFLECTED and down == REFLECTED:
                    on_axes = True
        pairs = size if on_axes else stencil
        for k in range(pairs):
            weight = axis_weights[here, k] if on_axes else weights[here, k]
            offset = unit[k] if on_axes else offsets[here, k]
            if weight <= 0.0:
                continue
            for s in range(2):
                targets[s], fractions[s] = _neighbour(index, offset, 1 - 2 * s, shape, walls)
            for s in range(2):
                y = targets[s]
                sign = 1 - 2 * s
                if y == REFLECTED:
                    continue
                if y == ABSORBED:
                    z = 0.0
                    for a in range(size):
                        z -= sign * offset[a] * wall_slope[x, a] * fractions[s]
                    z *= fractions[s]
                    killing[x] += weight * bernoulli(z) / fractions[s]
                    continue
                # The inner edge of an oblique cell at a wall takes the whole weight: dropping the
                # outer half would leave the strip along the wall with too little diffusion, an
                # error of first order.  A stencil on the axes has no flux across the wall to lose.
                one_sided = targets[1 - s] == REFLECTED and oblique
                conductance = weight if one_sided else 0.5 * weight
                z = level[y] - level[x]
                if slope.size:
                    for a in range(size):
                        z -= 0.5 * sign * offset[a] * (slope[x, a] + slope[y, a])
                up_rate, down_rate = fitted_rates(z)
                rows[count], columns[count] = y, x
                values[count] = conductance * up_rate
                rows[count + 1], columns[count + 1] = x, y
                values[count + 1] = conductance * down_rate
                count += 2
        if residual.size:
            for a in range(size):
                y, _ = _neighbour(index, unit[a], 1, shape, walls)
                if y >= 0:
                    push = 0.5 * (residual[x, a] + residual[y, a])
                    source, sink = (x, y) if push > 0.0 else (y, x)
                    rows[count], columns[count], values[count] = sink, source, abs(push)
                    count += 1
                elif y == ABSORBED and residual[x, a] > 0.0:
                    killing[x] += residual[x, a]
                y, _ = _neighbour(index, unit[a], -1, shape, walls)
                if y == ABSORBED and residual[x, a] < 0.0:
                    killing[x] -= residual[x, a]
        for a in range(size - 1, -1, -1):
            index[a] += 1
            if index[a] < shape[a]:
                break
            index[a] = 0
    return count


def edge_matrix(
    grid: Grid,
    offsets: NDArray[np.int16],
    weights: Array,
    axis_weights: Array,
    *,
    level: Array,
    slope: Array | None = None,
    wall_slope: Array | None = None,
    residual: Array | None = None,
) -> tuple[csc_matrix, Array]:
    """Exponentially fitted generator of cell masses, and the killing rate of each cell.

    Parameters
    ----------
    grid : Grid, n cells in d dimensions
    offsets : (n or 1, k, d) int16; weights : (n or 1, k)
        Decomposition of the tensor in index units; one entry serves all cells of a constant one.
    axis_weights : (n or 1, d)
        Diagonal of the tensor in index units, for corners.
    level : (n,)
        Potential of the cell masses, as far as it is known: ``z = level_y - level_x``.
    slope : (n, d), optional
        ``g`` in index units; adds ``-e . (g_x + g_y)/2`` to ``z``.
    wall_slope : (n, d), optional
        ``g`` in index units for the way to an absorbing wall; needed where there is one.
    residual : (n, d), optional
        Drift in index units that is carried upwind along the axes.
    """
    codes = {"reflecting": 0, "absorbing": 1, "periodic": 2}
    walls = np.array([[codes[word] for word in axis.boundary] for axis in grid.axes], np.int64)
    size = grid.dimension
    none = np.empty((0, size))

    def given(values: Array | None) -> Array:
        return none if values is None else np.ascontiguousarray(values)

    per_cell = 4 * max(offsets.shape[1], size) + size * (residual is not None)
    capacity = grid.size * per_cell
    rows, columns = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    values, killing = np.empty(capacity), np.zeros(grid.size)
    count = _emit(
        np.array(grid.shape, np.int64),
        walls,
        offsets,
        weights,
        axis_weights,
        given(slope),
        given(wall_slope),
        np.ascontiguousarray(level),
        given(residual),
        rows,
        columns,
        values,
        killing,
    )
    off = coo_matrix((values[:count], (rows[:count], columns[:count])), shape=(grid.size,) * 2)
    matrix = csc_matrix(off)
    matrix.sum_duplicates()
    return _with_diagonal(matrix, killing), killing


def _with_diagonal(off: csc_matrix, killing: Array) -> csc_matrix:
    """Append minus the sum of each column, summed in the order in which it is stored."""
    # Periodic wraps on tiny grids can make an offset return to its own cell: no rate at all.
    off.setdiag(0.0)
    off.eliminate_zeros()
    outflow = np.asarray(off.sum(axis=0)).ravel() + killing
    diagonal = csc_matrix(
        (-outflow, (np.arange(off.shape[0]), np.arange(off.shape[0]))), shape=off.shape
    )
    matrix: csc_matrix = (off + diagonal).tocsc()
    matrix.sort_indices()
    return matrix
