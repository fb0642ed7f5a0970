"""Regions of the domain: from relations or predicates to the share of each cell inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanFunction

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.level import Level, level_function, on_coordinates
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.discretize.panel_regions import panel_fraction
from fokkerplanck.errors import InvalidRegion

__all__ = ["region_fraction"]

Array = NDArray[np.float64]

# Sub-cells along each axis in a cell that the boundary cuts; linear interpolation of the level
# inside each makes planar boundaries exact along the axes and curved ones good to 1e-4 of a cell.
SUBCELLS = {1: 64, 2: 16, 3: 8, 4: 4}


def region_fraction(region: Any, grid: Grid | Mesh) -> Array:
    """Share of every cell that lies inside the region, of the grid's shape.

    On a mesh a cell counts whole, in or out by its point; on `Panels` see `panel_fraction`.

    Raises
    ------
    InvalidRegion
        See `level_function`; also when the level is not a number somewhere.

    Examples
    --------
    >>> import sympy as sp
    >>> from fokkerplanck.discretize.grid import Grid
    >>> region_fraction(sp.Symbol("x") > 0.3, Grid(x=(0, 1, 4))).round(12)
    array([0. , 0.8, 1. , 1. ])
    """
    level = level_function(region, grid.names)
    if isinstance(grid, Mesh):
        return (np.broadcast_to(level(grid.mesh), grid.shape) > 0).astype(float)
    if isinstance(grid, Panels):
        return panel_fraction(level, grid)
    borders = [level]
    if isinstance(region, BooleanFunction):
        # Each relation on its own: a band thinner than a cell has no corner or centre inside.
        relations = on_coordinates(region, grid.names).atoms(Relational)
        borders = [level_function(relation, grid.names) for relation in relations]
    fraction = (np.broadcast_to(level(grid.mesh), grid.shape) > 0).astype(float)
    cut = np.argwhere(np.any([_is_cut(border, grid) for border in borders], axis=0))
    if cut.size:
        fraction[tuple(cut.T)] = _cut_cells(level, grid, cut)
    return fraction


def _is_cut(level: Level, grid: Grid) -> NDArray[np.bool_]:
    """Whether the corners and the centre of a cell lie on different sides."""
    corner_points = np.meshgrid(*grid.edges, indexing="ij", sparse=True)
    corners = np.broadcast_to(level(corner_points), [n + 1 for n in grid.shape])
    middle = np.broadcast_to(level(grid.mesh), grid.shape)
    if not (np.isfinite(corners).all() and np.isfinite(middle).all()):
        raise InvalidRegion("the region's relation is not a finite number everywhere on the grid")
    inside, outside = middle > 0, middle <= 0
    for shift in np.ndindex(*(2,) * grid.dimension):
        part = corners[tuple(slice(s, s + n) for s, n in zip(shift, grid.shape, strict=True))]
        inside, outside = inside & (part > 0), outside & (part <= 0)
    return ~(inside | outside)


def _cut_cells(level: Level, grid: Grid, cells: NDArray[np.intp]) -> Array:
    """Share inside of the cells that the boundary cuts, by sub-cells and linear levels."""
    count = SUBCELLS[grid.dimension]
    offsets = (np.arange(count) + 0.5) / count
    points, steps = [], []
    for a, axis in enumerate(grid.axes):
        low, width = axis.edges[cells[:, a]], axis.widths[cells[:, a]]
        shape = [1] * grid.dimension
        shape[a] = count
        extra = (slice(None), *[np.newaxis] * grid.dimension)
        points.append(low[extra] + width[extra] * offsets.reshape(1, *shape))
        steps.append(width[extra] / count)
    value = level(points)
    if np.all(np.abs(value) == 1.0):
        # A predicate has no slope to interpolate: count sub-cells.
        share = (value > 0).astype(float)
    else:
        share = _linear_share(level, value, points, steps)
    whole = np.broadcast_to(share, (len(cells), *(count,) * grid.dimension))
    mean: Array = whole.reshape(len(cells), -1).mean(axis=1)
    return mean


def _linear_share(level: Level, value: Array, points: list[Array], steps: list[Array]) -> Array:
    """Share of a sub-cell inside for a level that is linear there and steepest along one axis."""
    spread: Any = 0.0
    for a, step in enumerate(steps):
        ahead, behind = list(points), list(points)
        ahead[a], behind[a] = points[a] + step / 2, points[a] - step / 2
        spread = np.maximum(spread, np.abs(level(ahead) - level(behind)))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 0.5 + value / spread
    return np.clip(np.where(spread > 0, share, value > 0), 0.0, 1.0)
