"""Regions of the domain: from relations or predicates to the share of each cell inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, BooleanAtom, BooleanFunction, Not, Or

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.errors import InvalidRegion

__all__ = ["Level", "level_function", "region_fraction"]

Array = NDArray[np.float64]
Level = Callable[[Sequence[Array]], Array]

# Sub-cells along each axis in a cell that the boundary cuts; linear interpolation of the level
# inside each makes planar boundaries exact along the axes and curved ones good to 1e-4 of a cell.
SUBCELLS = {1: 64, 2: 16, 3: 8, 4: 4}


def level_function(region: Any, names: Sequence[str]) -> Level:
    """A function of points that is positive inside the region, negative outside.

    Parameters
    ----------
    region : SymPy relation, And, Or, Not, or a vectorised predicate of the coordinates
        Symbols are matched to `names` by name.

    Raises
    ------
    InvalidRegion
        When the region is constant (``positive=True`` symbols turn ``x > 0`` into ``True``), is
        an equation, or has symbols that are no coordinates.
    """
    if callable(region) and not isinstance(region, sp.Basic):
        return _of_predicate(region)
    return _of_boolean(_on_coordinates(region, names), _coordinates(names))


def _coordinates(names: Sequence[str]) -> list[sp.Symbol]:
    return [sp.Symbol(name, real=True) for name in names]


def _on_coordinates(region: Any, names: Sequence[str]) -> Any:
    """The relation on real symbols of those names, refused where it is constant."""
    if isinstance(region, (bool, np.bool_, BooleanAtom)):
        raise InvalidRegion(
            f"the region is the constant {region}: a symbol declared positive=True makes x > 0 "
            "true at once; declare it real=True, or pass lambda x: x > 0"
        )
    if not isinstance(region, (Relational, BooleanFunction)):
        raise InvalidRegion(
            f"a region is a relation such as x > 0.8, or sp.And(...) of several, not {region!r}"
        )
    by_name = {s.name: s for s in _coordinates(names)}
    unknown = sorted(s.name for s in region.free_symbols if s.name not in by_name)
    if unknown:
        raise InvalidRegion(f"{unknown} are no coordinates; the grid has {tuple(names)}")
    renamed = region.xreplace({s: by_name[s.name] for s in region.free_symbols})
    if isinstance(renamed, BooleanAtom):
        raise InvalidRegion(f"the region {region} is constant over real coordinates")
    return renamed


def _of_predicate(predicate: Callable[..., Any]) -> Level:
    def level(points: Sequence[Array]) -> Array:
        inside = np.asarray(predicate(*points), dtype=bool)
        return np.where(
            np.broadcast_to(inside, np.broadcast_shapes(*map(np.shape, points))), 1.0, -1.0
        )

    return level


def _of_boolean(region: Any, coordinates: Sequence[sp.Symbol]) -> Level:
    if isinstance(region, And | Or):
        parts = [_of_boolean(part, coordinates) for part in region.args]
        combine = np.minimum if isinstance(region, And) else np.maximum
        return lambda points: combine.reduce(np.broadcast_arrays(*(p(points) for p in parts)))
    if isinstance(region, Not):
        inner = _of_boolean(region.args[0], coordinates)
        return lambda points: -inner(points)
    if isinstance(region, (sp.Gt, sp.Ge)):
        difference = region.lhs - region.rhs
    elif isinstance(region, (sp.Lt, sp.Le)):
        difference = region.rhs - region.lhs
    else:
        raise InvalidRegion(f"{region} has no inside; use inequalities joined by And, Or, Not")
    compiled = compile_expressions([difference], coordinates)
    return lambda points: compiled(*points)[0]


def region_fraction(region: Any, grid: Grid) -> Array:
    """Share of every cell that lies inside the region, of the grid's shape.

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
    borders = [level]
    if isinstance(region, BooleanFunction):
        # Each relation on its own: a band thinner than a cell has no corner or centre inside.
        relations = _on_coordinates(region, grid.names).atoms(Relational)
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
