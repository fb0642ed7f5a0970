"""Rates along the edges of a grid, from offsets and weights at every cell.

Every cell gives half of each weight to the edges ``x -> x + e`` and ``x -> x - e``, so that an
edge conducts the mean of what its two ends ask of it.  Equivalently, every cell contributes the
energy ``sum_k w_k [(u(x + e_k) - u(x))^2 + (u(x - e_k) - u(x))^2] / 4`` of its own tensor.  Near
reflecting walls, edges that lie off the axes take part in `fokkerplanck.discretize.tapers`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from fokkerplanck.discretize.columns import generator
from fokkerplanck.discretize.flux import bernoulli, blended_rates, fitted_rates
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.selling import longest_offsets
from fokkerplanck.discretize.tapers import wall_tapers
from fokkerplanck.discretize.upwind import upwind
from fokkerplanck.discretize.walls import (
    ABSORBED,
    REFLECTED,
    far_from_walls,
    leaves,
    neighbour,
    wall_codes,
)

__all__ = ["edge_matrix"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Offsets = NDArray[np.int16]
Flags = NDArray[np.bool_]


@njit(cache=True)
def _tapered(index: Integers, offset: Offsets, sign: int, shape: Integers, tapers: Array) -> float:
    """Factor of the edge from a cell along ``sign * offset``, of all walls together."""
    factor = 1.0
    last = tapers.shape[2] - 1
    for a in range(shape.size):
        if offset[a] == 0:
            continue
        span = abs(offset[a])
        first = min(index[a], index[a] + sign * offset[a])
        factor *= tapers[a, 0, min(max(first, 0), last), span]
        factor *= tapers[a, 1, min(max(shape[a] - 1 - first - span, 0), last), span]
    return factor


@njit(cache=True, nogil=True)
def _emit(
    shape: Integers,
    walls: Integers,
    barriers: Flags,
    tapers: Array,
    offsets: Offsets,
    weights: Array,
    axis_weights: Array,
    level: Array,
    slope: Array,
    bend: Array,
    wall_slope: Array,
    share: Array,
    source_slope: Array,
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    values: Array,
    killing: Array,
) -> int:
    """Write the off-diagonal rates as triplets; returns how many."""
    size = shape.size
    unit = np.eye(size).astype(np.int16)
    stride = np.ones(size, np.int64)
    for a in range(size - 1, 0, -1):
        stride[a - 1] = stride[a] * shape[a]
    # An edge is tapered for both its ends or for neither.
    margin = np.maximum(longest_offsets(offsets, weights), 1) + tapers.shape[2] - 1
    index = np.zeros(size, np.int64)
    ends = np.empty(2, np.int64)
    ways = np.ones(2)
    count = 0
    for x in range(killing.size):
        here = min(x, offsets.shape[0] - 1)
        inner = barriers.size == 0
        for a in range(size):
            inner = inner and margin[a] <= index[a] < shape[a] - margin[a]
        on_axes, oblique = False, False
        if not inner:
            # A pair of offsets that leaves the grid both ways (a corner) would isolate the cell.
            on_axes, oblique = leaves(index, offsets[here], weights[here], shape, walls, barriers)
        for k in range(size if on_axes else offsets.shape[1]):
            weight = axis_weights[here, k] if on_axes else weights[here, k]
            if weight <= 0.0:
                continue
            offset = unit[k] if on_axes else offsets[here, k]
            if inner:
                shift = 0
                for a in range(size):
                    shift += offset[a] * stride[a]
                ends[0], ends[1] = x + shift, x - shift
            else:
                for s in range(2):
                    ends[s], ways[s] = neighbour(index, offset, 1 - 2 * s, shape, walls, barriers)
            for s in range(2):
                y, sign = ends[s], 1 - 2 * s
                if y == REFLECTED:
                    continue
                if y == ABSORBED:
                    z = 0.0
                    for a in range(size):
                        z -= sign * offset[a] * wall_slope[x, a] * ways[s]
                    killing[x] += weight * bernoulli(z) / ways[s]
                    continue
                if (
                    source_slope.size
                    and far_from_walls(y, shape, walls, margin)
                    and (inner or far_from_walls(x, shape, walls, margin))
                ):
                    z = 0.0
                    for a in range(size):
                        z -= sign * offset[a] * source_slope[x, a]
                    rows[count], columns[count] = y, x
                    values[count] = weight * bernoulli(z)
                    count += 1
                    continue
                conductance = 0.5 * weight
                if oblique and not inner:
                    conductance *= _tapered(index, offset, sign, shape, tapers)
                z = level[y] - level[x]
                if slope.size:
                    for a in range(size):
                        z -= 0.5 * sign * offset[a] * (slope[x, a] + slope[y, a])
                    if bend.size:
                        for a in range(size):
                            for b in range(size):
                                z -= offset[a] * offset[b] * (bend[x, a, b] - bend[y, a, b]) / 12.0
                    up_rate, down_rate = blended_rates(z, share[x])
                else:
                    up_rate, down_rate = fitted_rates(z)
                rows[count], columns[count] = y, x
                values[count] = conductance * up_rate
                rows[count + 1], columns[count + 1] = x, y
                values[count + 1] = conductance * down_rate
                count += 2
        for a in range(size - 1, -1, -1):
            index[a] += 1
            if index[a] < shape[a]:
                break
            index[a] = 0
    return count


def edge_matrix(
    grid: Grid,
    offsets: Offsets,
    weights: Array,
    axis_weights: Array,
    *,
    level: Array,
    slope: Array | None = None,
    bend: Array | None = None,
    share: Array | None = None,
    wall_slope: Array | None = None,
    source_slope: Array | None = None,
    residual: Array | None = None,
    barriers: Flags | None = None,
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
    bend : (n, d, d), optional
        Its gradient; adds ``-e . (grad g_x - grad g_y) e/12``, which makes the sum the integral of
        ``g`` along the edge to fourth order.
    share : (n,), optional
        With a `slope`: the share of central rates in what each cell gives; see `blended_rates`.
    wall_slope : (n, d), optional
        ``g`` in index units for the way to an absorbing wall; needed where there is one.
    source_slope : (n, d), optional
        ``D^-1 A`` in index units: away from the walls a cell then sends ``w B(-e . D^-1 A)`` along
        its own offsets and nothing else, which takes no derivative of the tensor.
    residual : (n, d), optional
        Drift in index units that is carried upwind along the axes.
    barriers : (n, d) bool, optional
        Whether the upper face of a cell along an axis lets no noise through.
    """
    size = grid.dimension
    none = np.empty((0, size))

    def given(values: Array | None) -> Array:
        return none if values is None else np.ascontiguousarray(values)

    capacity = grid.size * 4 * max(offsets.shape[1], size)
    rows, columns = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    values, killing = np.empty(capacity), np.zeros(grid.size)
    count = _emit(
        np.array(grid.shape, np.int64),
        wall_codes(grid),
        np.empty((0, size), np.bool_) if barriers is None else barriers,
        wall_tapers(grid, offsets, weights),
        offsets,
        weights,
        axis_weights,
        np.ascontiguousarray(level),
        given(slope),
        np.empty((0, size, size)) if bend is None else np.ascontiguousarray(bend),
        given(wall_slope),
        np.zeros(grid.size) if share is None else share,
        given(source_slope),
        rows,
        columns,
        values,
        killing,
    )
    targets, sources, rates = rows[:count], columns[:count], values[:count]
    if residual is not None:
        more = upwind(grid, residual)
        targets = np.concatenate([targets, more[0]])
        sources = np.concatenate([sources, more[1]])
        rates = np.concatenate([rates, more[2]])
        killing += more[3]
    return generator(targets, sources, rates, killing), killing
