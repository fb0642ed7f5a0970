"""The probability current, read off the rates of the operator."""

from __future__ import annotations

import numpy as np

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.operator import FokkerPlanckOperator, require_rates
from fokkerplanck.errors import GridMismatch
from fokkerplanck.results.density import Density
from fokkerplanck.results.field import VectorField

__all__ = ["probability_current"]


def probability_current(operator: FokkerPlanckOperator, density: Density) -> VectorField:
    """``J = A p - div(D p)`` at the cell centres, from the net flow along every edge.

    ``J_x = sum_edges e h (q_xy P_x - q_yx P_y) / (2 V)`` over the edges ``x -> y = x + e`` of a
    cell: half of each edge's flow is counted at either end.  Second order inside; in the layer of
    cells at a wall the component across it is that of half a cell.

    Parameters
    ----------
    operator : FokkerPlanckOperator
    density : Density
        On the operator's grid; stationary or not.

    Raises
    ------
    GridMismatch
        When the two grids differ.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> ring = fpk.Grid(x=(0, 1, 10), boundary="periodic")
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [2], [[1]]), ring)
    >>> fpk.probability_current(operator, fpk.stationary_density(operator)).values.round(12)
    array([[2., 2., 2., 2., 2., 2., 2., 2., 2., 2.]])
    """
    require_rates(operator, "probability_current")
    grid = operator.grid
    if not isinstance(grid, Grid):
        raise GridMismatch("currents are read off the edges of a Grid; a mesh has none")
    if density.grid != grid:
        raise GridMismatch(f"the density lives on {density.grid}, the operator on {grid}")
    rates = operator.matrix.tocoo()
    flows = rates.data * density.masses.ravel()[rates.col]
    off = rates.row != rates.col
    source, target, flow = rates.col[off], rates.row[off], flows[off]
    starts = np.unravel_index(source, grid.shape)
    stops = np.unravel_index(target, grid.shape)
    current = np.empty((grid.dimension, grid.size))
    for a, axis in enumerate(grid.axes):
        step = stops[a] - starts[a]
        if axis.periodic:
            # The short way round.
            step = (step + axis.cells // 2) % axis.cells - axis.cells // 2
        moved = flow * step
        both = np.bincount(source, moved, grid.size) + np.bincount(target, moved, grid.size)
        along = [-1 if k == a else 1 for k in range(grid.dimension)]
        length = np.broadcast_to((axis.spacing * axis.stretch).reshape(along), grid.shape)
        current[a] = both * length.ravel() / 2
    current /= grid.volumes.ravel()
    return VectorField(current.reshape(-1, *grid.shape), grid, "probability current", density.info)
